"""A model asks for three tools in one turn: run them side by side, and hand the results back in the order of the calls.

A tool that fails gives the model an error to read; it does not end the conversation.
"""

import asyncio
import time

from threadfan import Fan
from threadfan.testing import MessagesServer

FORECASTS = {"Oslo": "snow", "Cairo": "sun"}
TOOLS = [{"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}]
QUESTION = "Where shall we go? " + " ".join(
    f'use tool weather with {{"city": "{city}"}}' for city in ("Oslo", "Atlantis", "Cairo")
)  # a phrase that makes the loopback server call a tool


def weather(city):
    """A tool that blocks."""
    time.sleep(0.1)
    return f"{city}: {FORECASTS[city]}"


def as_result(call, outcome):
    """The block that answers a tool call."""
    text = outcome.value if outcome.ok else f"failed: {outcome.error!r}"
    return {"type": "tool_result", "tool_use_id": call.id, "content": text, "is_error": not outcome.ok}


def run_tools(fan, calls):
    """The outcomes of all calls of a turn, in their order."""
    return fan.run(lambda call: weather(**call.input), calls)


async def run_tools_from_a_coroutine(fan, calls):
    """The same, while the event loop goes on."""
    return await fan.arun(lambda call: weather(**call.input), calls)


with MessagesServer() as server, Fan(8, timeout=10) as fan:
    create = server.client().messages.create
    messages = [{"role": "user", "content": QUESTION}]
    turn = create(model="claude-haiku-4-5", max_tokens=300, tools=TOOLS, messages=messages)
    calls = [block for block in turn.content if block.type == "tool_use"]
    report = run_tools(fan, calls)
    again = asyncio.run(run_tools_from_a_coroutine(fan, calls))
    results = [as_result(call, outcome) for call, outcome in zip(calls, report, strict=True)]
    messages += [{"role": "assistant", "content": turn.content}, {"role": "user", "content": results}]
    answer = create(model="claude-haiku-4-5", max_tokens=300, tools=TOOLS, messages=messages)

for call, outcome in zip(calls, report, strict=True):
    print(f"{call.input['city']}: {outcome.status}")
print(f"{report.stats.wall:.2f} s for {report.stats.duration_sum:.2f} s of work")
print(f"the same from a coroutine: {again.values('') == report.values('')}")
print(answer.content[0].text)
