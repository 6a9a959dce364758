"""One result from many: joined, voted, chosen by score, merged, or put together by one more call.

Each result says which calls are missing in it.  A report with failures is refused unless `partial=True` is given, and
then the result's `complete` is False.
"""

import json

from threadfan import Fan
from threadfan.patterns import best_score, concatenate, majority_vote, map_reduce, merge, synthesise
from threadfan.testing import MessagesServer

REPLIES = {  # what the loopback server answers to a prompt that holds the key
    "Describe": ["a fine thing", "old", "a fine thing"],
    "Facts": ['{"length": 12, "built": 1911}', '{"length": 12, "built": 1912}', '{"crew": 4}'],
    "Merge": "A fine ship, all in all.",
}


def ask(prompt):
    """One blocking call."""
    messages = [{"role": "user", "content": prompt}]
    return client.messages.create(model="claude-haiku-4-5", max_tokens=200, messages=messages).content[0].text


def board(report):
    """One more call, which makes one text of all of them."""
    return ask("Merge these: " + "; ".join(outcome.value for outcome in report.succeeded))


def all_ways(report):
    """One result of several texts, by each strategy."""
    return {
        "joined": concatenate(report, separator="; ", partial=True),
        "majority": majority_vote(report, partial=True),
        "longest": best_score(report, key=len, partial=True),
        "written": synthesise(report, board, partial=True),
    }


with MessagesServer(latency=0.02, replies=REPLIES) as server, Fan(1, timeout=30) as fan:
    client = server.client()
    prompts = [f"Describe the {part}." for part in ("hull", "mast", "keel", "bell [fault:500]")]
    described = fan.run(ask, prompts)
    try:
        concatenate(described)
    except* Exception as group:
        print(f"refused: {group.message}")
    for strategy, result in all_ways(described).items():
        print(f"{strategy}: {result.value}, without number {result.left_out[0].index}")

    facts = fan.run(lambda source: json.loads(ask(f"Facts by {source}")), ["owner", "register", "captain"])
    merged = merge(facts, conflicts=lambda _, values: max(values))
    print(f"merged: {merged.value}, in conflict: {merged.conflicts}")
    words = map_reduce(fan, lambda number: len(ask(f"Describe number {number}.").split()), range(5), reduce=int.__add__)
    print(f"words in all: {words.value}")
