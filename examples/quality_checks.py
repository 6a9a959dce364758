"""Validation: three reviewers read one draft side by side, and their findings become one, with conflicts settled.

Each reviewer says what to change, by line.  Where two want different changes of one line, `merge` raises an error, or
asks a function which of them counts, and lists the conflicts.
"""

import asyncio
import json
from functools import partial

from threadfan import Fan, task
from threadfan.patterns import MergeConflict, merge
from threadfan.testing import MessagesServer

DRAFT = "1 The ship leave at nine.\n2 It is 300 years old.\n3 Be there or else!"
REPLIES = {  # what the loopback server answers to a prompt that holds the key
    "grammar": '{"line 1": "leaves", "line 3": "no change"}',
    "facts": '{"line 2": "30 years"}',
    "tone": '{"line 3": "Please be there."}',
}


def check(client, quality):
    """One reviewer's changes, by line."""
    prompt = [{"role": "user", "content": f"Check the {quality} of this, as JSON by line:\n{DRAFT}"}]
    return json.loads(client.messages.create(model="claude-haiku-4-5", max_tokens=200, messages=prompt).content[0].text)


def settle(_line, wishes):
    """Which of several wishes for one line counts."""
    return next(wish for wish in wishes if wish != "no change")


with MessagesServer(latency=0.05, replies=REPLIES) as server, Fan(3, timeout=30) as fan:
    checks = {quality: task(partial(check, server.client(), quality)) for quality in REPLIES}
    report = fan.gather(**checks)
    same = asyncio.run(fan.agather(**checks))

try:
    merge(report)
except MergeConflict as error:
    print(f"refused: {error}")
changes = merge(report, conflicts=settle)
for line, change in changes.value.items():
    print(f"{line}: {change}")
print(f"in conflict: {changes.conflicts}")
print(f"nobody left out: {changes.complete}; the same from a coroutine: {same.values() == report.values()}")
