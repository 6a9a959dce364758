"""One result from many: joined, voted, chosen by score, merged, or put together by one more call.

Each says what it was made without.  A report with failures is refused unless a part will do, and then the result does
not call itself complete.
"""

import json

from threadfan import Fan
from threadfan.patterns import best_score, concatenate, fan_out, majority_vote, map_reduce, merge
from threadfan.testing import MessagesServer

REPLIES = {  # what the loopback server answers to a prompt that holds the key
    "part of": ["the keel", "the sails", "the anchor"],
    "Describe": "a fine thing",
    "Facts": ['{"length": 12, "built": 1911}', '{"length": 12, "built": 1912}', '{"crew": 4}'],
    "Merge": "A fine ship, all in all.",
}


def ask(prompt):
    """One blocking call."""
    messages = [{"role": "user", "content": prompt}]
    return client.messages.create(model="claude-haiku-4-5", max_tokens=200, messages=messages).content[0].text


def parts(ship):
    """Decompose: what there is to describe."""
    return [ask(f"Name a part of {ship}.") for _ in range(3)]


def board(report):
    """Synthesise: one answer from all."""
    return ask("Merge these: " + "; ".join(f"{outcome.item} is {outcome.value}" for outcome in report))


with MessagesServer(latency=0.02, replies=REPLIES) as server, Fan(1, timeout=30) as fan:
    client = server.client()
    ship = fan_out(fan, "the ship", decompose=parts, work=lambda part: ask(f"Describe {part}."), synthesise=board)
    print(f"{ship.value} {', '.join(outcome.item for outcome in ship.report)}")

    described = fan.run(ask, ["Describe the hull.", "Describe the mast. [fault:500]", "Name a part of the ship."])
    try:
        concatenate(described)
    except* Exception as group:
        print(f"refused: {group.message}")
    text = concatenate(described, separator="; ", partial=True)
    print(f"{text.value}; complete: {text.complete}, without number {text.left_out[0].index}")
    print(f"longest: {best_score(described, key=len, partial=True).value}")
    print(f"majority: {majority_vote(described, partial=True, tie='first').winner}")

    facts = fan.run(lambda source: json.loads(ask(f"Facts by {source}")), ["owner", "register", "captain"])
    merged = merge(facts, conflicts=lambda _, values: max(values))
    print(f"merged: {merged.value}, in conflict: {merged.conflicts}")
    words = map_reduce(fan, lambda number: len(ask(f"Describe number {number}.").split()), range(5), reduce=int.__add__)
    print(f"words in all: {words.value}")
