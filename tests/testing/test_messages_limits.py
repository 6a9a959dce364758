"""The limits as clients of the server meet them."""

import time
from concurrent.futures import FIRST_COMPLETED, wait
from datetime import UTC, datetime

import anthropic
import pytest
import requests

from threadfan.testing import Limits

SCARCE = Limits(requests_per_minute=0.001, burst=2)  # nothing comes back while a test runs
ROUNDING = 1e-9  # the log is in nanoseconds, but its seconds are floats
PREFIX = "anthropic-ratelimit-"


def get(server, **headers):
    """The answer to a plain request that is limited."""
    return requests.get(f"{server.url}/limited", headers=headers, timeout=30)


def figures(answer):
    """The rate limit headers of an answer, without those of time."""
    found = {name.removeprefix(PREFIX): text for name, text in answer.headers.items() if name.startswith(PREFIX)}
    return {name: int(text) for name, text in found.items() if not name.endswith("-reset")}


def body(prompt="hello"):
    """The body of a request to the Messages API."""
    return {"model": "m", "max_tokens": 500, "messages": [{"role": "user", "content": prompt}]}


def test_real_client_is_refused(server, ask):
    """The real client gets its RateLimitError as soon as the burst is used up, and the server has counted both."""
    server.configure(limits=SCARCE)
    assert [ask("one").type, ask("two").type] == ["message"] * 2
    with pytest.raises(anthropic.RateLimitError, match=r"rate limit of 0\.001 requests per minute") as caught:
        ask("three")
    assert caught.value.body["error"]["type"] == "rate_limit_error"
    stats = server.stats()
    assert (stats.accepted, stats.refused, stats.statuses, stats.faults) == (2, 1, {200: 2, 429: 1}, {})
    assert [accepted for _, accepted in server.permits()] == [True, True, False]


def test_retry_after(server):
    """A refusal asks for whole seconds, rounded up, and for milliseconds only when that is wanted."""
    server.configure(limits=Limits(requests_per_minute=0.7))
    assert "retry-after" not in get(server).headers
    refused = get(server)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "86")
    assert "retry-after-ms" not in refused.headers
    server.configure(limits=Limits(requests_per_minute=0.7, retry_after_ms=True))
    milliseconds = int(get(server).headers["retry-after-ms"])
    assert 0 < milliseconds <= 85_715


def test_headers(server, post):
    """An answer tells how each limit stands after it: the request, its prompt and the answer itself are counted."""
    tokens = {"input_tokens_per_minute": 5, "input_token_burst": 1000, "output_tokens_per_minute": 1}
    server.configure(limits=Limits(requests_per_minute=1, burst=5, **tokens), replies={"hello": "x" * 40})
    answer = post(body())
    usage = answer.json()["usage"]
    assert figures(answer) == {
        "requests-limit": 1,
        "requests-remaining": 4,
        "input-tokens-limit": 5,
        "input-tokens-remaining": 1000 - usage["input_tokens"],
        "output-tokens-limit": 1,
        "output-tokens-remaining": 0,
        "tokens-limit": 6,
        "tokens-remaining": 1000 - usage["input_tokens"],
    }


def test_reset_times(server):
    """Reset times are RFC 3339, in whole seconds not before the moment at which everything is back."""
    server.configure(limits=Limits(requests_per_minute=1))
    before = time.time()
    for answer in (get(server), get(server)):
        reset = datetime.fromisoformat(answer.headers[f"{PREFIX}requests-reset"])
        assert (reset.tzinfo, reset.microsecond) == (UTC, 0)
        assert before + 60 <= reset.timestamp() <= time.time() + 61


def test_headers_off(server):
    """Without headers nothing tells of the limit but its refusals."""
    server.configure(limits=Limits(requests_per_minute=1, headers=False))
    answers = [get(server), get(server)]
    assert [answer.status_code for answer in answers] == [200, 429]
    assert [figures(answer) for answer in answers] == [{}, {}]


def test_input_tokens(server, ask):
    """Prompts are counted as usage counts them: what is left covers one more exactly, or one token too few."""
    size = ask("hello").usage.input_tokens
    for capacity, fits in ((2 * size, True), (2 * size - 1, False)):
        server.configure(limits=None)
        server.configure(limits=Limits(input_tokens_per_minute=0.001, input_token_burst=capacity))
        ask("hello")
        if fits:
            ask("hello")
        with pytest.raises(anthropic.RateLimitError, match="input tokens per minute"):
            ask("hello")


def test_output_tokens(server, ask):
    """Output is charged by the answer's length, not by max_tokens, and even when it is more than is left."""
    server.configure(limits=Limits(output_tokens_per_minute=0.001, output_token_burst=15), replies={"hello": "x" * 40})
    assert [ask("hello").usage.output_tokens for _ in range(2)] == [10, 10]
    with pytest.raises(anthropic.RateLimitError, match="output tokens per minute"):
        ask("hello")


def test_keys_apart(server, post):
    """Each key has limits of its own, whichever header carries it, and those without a key share one."""
    server.configure(limits=Limits(requests_per_minute=0.001))
    one, two = {"x-api-key": "one"}, {"authorization": "Bearer two"}
    assert [post(body(), **one).status_code, get(server, **two).status_code, get(server).status_code] == [200] * 3
    assert [get(server, **one).status_code, post(body(), **two).status_code, get(server).status_code] == [429] * 3


def test_decided_before_latency(server, ask, pool):
    """A refusal comes at once although every answer takes an hour, since arrival decides."""
    server.configure(limits=Limits(requests_per_minute=0.001), latency=3600.0)
    ended, _ = wait([pool.submit(ask, "hello") for _ in range(2)], return_when=FIRST_COMPLETED)
    assert [type(one.exception()) for one in ended] == [anthropic.RateLimitError]
    server.reset()


def test_faults_after_limits(server, ask):
    """A refused request meets no fault, and a faulty one has used the limit."""
    server.configure(limits=SCARCE, faults={"500": 1.0})
    for error in (anthropic.InternalServerError, anthropic.InternalServerError, anthropic.RateLimitError):
        with pytest.raises(error):
            ask("hello")
    stats = server.stats()
    assert (stats.accepted, stats.refused, stats.faults) == (2, 1, {"500": 2})


def test_bad_requests_use_nothing(server, post):
    """A request that is turned away for its key or its form does not count."""
    server.configure(limits=SCARCE)
    assert [post({}).status_code, post(body(), **{"x-api-key": "invalid"}).status_code] == [400, 401]
    assert server.stats().accepted == 0


def test_other_paths_are_free(server):
    """Limits are for the Messages API and `/limited` alone."""
    server.configure(limits=Limits(requests_per_minute=0.001))
    assert [requests.get(f"{server.url}/echo", timeout=30).status_code for _ in range(3)] == [200] * 3
    assert server.permits() == []


def test_limited_takes_its_time(server):
    """The plain path answers after the seconds that it is asked for."""
    server.configure(limits=SCARCE)
    assert requests.get(f"{server.url}/limited?seconds=0.01", timeout=30).json() == {"seconds": 0.01}
    with pytest.raises(requests.ReadTimeout):
        requests.get(f"{server.url}/limited?seconds=60", timeout=0.05)


def test_changed_mid_run(server):
    """New limits go on from the level and the counts of the old ones; so do options that are not about limits."""
    server.configure(limits=SCARCE)
    assert figures(get(server))["requests-remaining"] == 1
    server.configure(latency=0.0)
    server.configure(limits=Limits(requests_per_minute=0.002, burst=100))
    assert [get(server).status_code for _ in range(2)] == [200, 429]
    assert (server.stats().accepted, server.stats().refused) == (2, 1)


def test_limits_leave_series_alone(server, ask):
    """A change of nothing but limits restarts no series: a prompt that has failed its share is answered."""
    with pytest.raises(anthropic.InternalServerError):
        ask("hello [fault:500 x1]")
    server.configure(limits=SCARCE)
    assert ask("hello [fault:500 x1]").type == "message"


def test_reset_fills_up(server):
    """A reset brings the constructor's limits back, full, and forgets what was counted."""
    server.configure(limits=SCARCE)
    get(server)
    server.reset()
    assert "anthropic-ratelimit-requests-limit" not in get(server).headers
    assert (server.permits(), server.stats().accepted) == ([], 0)


def test_permits_obey_the_limit(server, pool):
    """A storm on a real connection gets what the limit allows, and the log shows it without tolerance."""
    limits = Limits(requests_per_minute=6000, burst=3)
    server.configure(limits=limits)
    statuses = list(pool.map(lambda _: get(server).status_code, range(100)))
    permits = server.permits()
    passed = [seconds for seconds, accepted in permits if accepted]
    assert (len(permits), len(passed)) == (100, statuses.count(200))
    assert all(
        last - first + 1 <= limits.allowed(passed[last] - passed[first] + ROUNDING)
        for first in range(len(passed))
        for last in range(first, len(passed))
    )


def test_answered(server, ask, post):
    """Prompts are counted once they are answered whole; what comes for them later is told apart."""
    server.configure(limits=Limits(requests_per_minute=0.001, burst=6))
    for prompt in ("one", "two", "two", "three [fault:500 x1]", "three [fault:500 x1]"):
        post(body(prompt))
    ask("one", system="another prompt")
    post(body("one"))
    stats = server.stats()
    assert (stats.statuses, stats.refused) == ({200: 5, 500: 1, 429: 1}, 1)
    assert (stats.answered, stats.answered_again, stats.asked_again) == (4, 1, 2)


@pytest.mark.parametrize("stream", [False, True])
def test_broken_is_no_answer(server, post, stream):
    """Half an answer counts for nothing, a whole stream does."""
    post({**body("hello [fault:broken x1]"), "stream": stream})
    assert server.stats().answered == 0
    post({**body("hello [fault:broken x1]"), "stream": stream})
    stats = server.stats()
    assert (stats.answered, stats.answered_again, stats.asked_again) == (1, 0, 0)
