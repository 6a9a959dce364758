"""Fan out, and out again inside: subjects are split into parts, the parts researched side by side, the findings merged.

A call may wait for calls of its own fan.  It gives up its place among those that run meanwhile, so three subjects with
four parts each cannot block each other, not even in `Fan(2)`.
"""

from functools import partial

from threadfan import Fan
from threadfan.testing import MessagesServer

SUBJECTS = ["tea", "salt", "paper"]
PARTS = ["history", "trade", "chemistry", "culture"]
REPLIES = {"Split": ", ".join(PARTS)}  # what the loopback server answers to a prompt that holds the key
REPLIES |= {f"Merge what is known of {subject}": f"The story of {subject}, told in full." for subject in SUBJECTS}


def ask(client, question):
    """One blocking call."""
    prompt = [{"role": "user", "content": question}]
    return client.messages.create(model="claude-haiku-4-5", max_tokens=300, messages=prompt).content[0].text


def research(fan, client, subject):
    """Plan, research the parts side by side, merge: itself a call of the fan."""
    parts = ask(client, f"Split the subject of {subject} into four parts.").split(", ")
    findings = fan.run(partial(ask, client), [f"What is known of the {part} of {subject}?" for part in parts])
    return len(parts), ask(client, f"Merge what is known of {subject}: {' '.join(findings.unwrap())}")


with MessagesServer(latency=0.02, replies=REPLIES) as server, Fan(2, timeout=30) as fan:
    report = fan.run(partial(research, fan, server.client()), SUBJECTS)
    most_at_once = server.stats().max_open

for subject, (parts, text) in zip(SUBJECTS, report.unwrap(), strict=True):
    print(f"{subject}, from {parts} parts: {text}")
print(f"never more than two calls at once: {most_at_once <= 2}")
