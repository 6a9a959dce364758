"""What is retried, how often and when: `retry=` is a number, a policy of tenacity's, or one for each kind of error.

Between two attempts a call holds no thread, so the others go on.  Each attempt is in the outcome's history.
"""

from functools import partial

from tenacity import Retrying, retry_if_exception_message, stop_after_attempt, wait_exponential

from threadfan import Fan
from threadfan.clients import anthropic as anthropic_seam
from threadfan.testing import MessagesServer

SOURCES = {
    "calm": "What is new?",
    "busy": "What is new? [fault:529 x2]",  # overloaded twice, then the answer
    "silent": "What is new? [fault:hang x1]",  # no answer at first: the attempt runs out of time
    "broken": "What is new? [fault:500]",  # fails every time
}
QUICK = Retrying(
    stop=stop_after_attempt(4),
    wait=wait_exponential(multiplier=0.05, max=1),
    retry=retry_if_exception_message(match=".*529.*"),
    reraise=True,  # the error of the last attempt, not a RetryError around it
)
BY_ERROR = {529: QUICK, TimeoutError: 1, (500, 502, 503): 2}  # the first entry that matches decides


def ask(client, name):
    """One blocking call."""
    prompt = [{"role": "user", "content": SOURCES[name]}]
    return client.messages.create(model="claude-haiku-4-5", max_tokens=200, messages=prompt).content[0].text


def told(attempt):
    """One attempt, described in a few words."""
    return attempt.status if attempt.error is None else f"{attempt.status} ({type(attempt.error).__name__})"


with MessagesServer(latency=0.02) as server, Fan(4, timeout=0.5, retry=BY_ERROR) as fan:
    client = anthropic_seam.attach(server.client(), max_retries=0)  # only the fan tries again
    report = fan.run(partial(ask, client), SOURCES)

for outcome in report:
    print(f"{outcome.item}: {', '.join(map(told, outcome.history))}")
print(f"{report.stats.retries} retries, {report.stats.waited_backoff:.1f} s of back-off")
