"""Answers that lead to further questions, each asked once, until there are none left.

The run takes its inputs from a queue, in a thread of its own; the loop over its outcomes puts in what they lead to.
"""

from functools import partial
from queue import SimpleQueue

from threadfan import Fan
from threadfan.testing import MessagesServer

LEADS = {  # what the loopback server answers to a prompt that holds the key
    "'tea'": "trade, water",
    "'trade'": "ships, water",
    "'water'": "tea",
    "'ships'": "ports",
    "'ports'": "trade, [fault:500]",  # the last one fails every time
}


def related(client, topic):
    """One blocking call."""
    prompt = [{"role": "user", "content": f"Which topics does '{topic}' lead to?"}]
    answer = client.messages.create(model="claude-haiku-4-5", max_tokens=50, messages=prompt)
    return answer.content[0].text.split(", ")


def explore(fan, client, first):
    """What every topic leads to that can be reached from the first one."""
    todo, seen = SimpleQueue(), {first}
    todo.put(first)
    left = 1
    with fan.start(partial(related, client), iter(todo.get, None)) as run:
        for outcome in run:
            for topic in outcome.value or ():  # a failed call leads to none
                if topic not in seen:
                    seen.add(topic)
                    left += 1
                    todo.put(topic)
            left -= 1
            if not left:
                todo.put(None)  # the end of the inputs
    return run.result()


with MessagesServer(latency=0.02, replies=LEADS) as server, Fan(4, timeout=30) as fan:
    report = explore(fan, server.client(), "tea")

print(f"{report.stats.total} topics, each asked once: {', '.join(sorted(outcome.item for outcome in report))}")
for outcome in report.failed:
    print(f"{outcome.item} failed: {type(outcome.error).__name__}")
