"""Another client in place of Anthropic's: a class with one method, `answer`, is an adapter.

This one speaks OpenAI's chat completions, as many services do, through `requests`.  Its requests end with the call that
they run in, so a timeout or a deadline of the agent holds for them too.
"""

import json

from threadfan import Fan, Usage
from threadfan.agents import Agent, Answer
from threadfan.clients.requests import Session
from threadfan.testing import MessagesServer

STOPS = {"stop": "end_turn", "tool_calls": "tool_use", "length": "max_tokens", "content_filter": "refusal"}


class ChatCompletions:
    """Converts the blocks of the Messages API to chat completions, and back."""

    def __init__(self, url):
        self.url, self.session = f"{url}/v1/chat/completions", Session()
        self.session.trust_env = False  # this server is on your machine, past any proxy

    def answer(self, *, system, messages, tools, model, max_tokens, on_text):
        """Ask once."""
        said = [{"role": "system", "content": system}] + [line for message in messages for line in lines(message)]
        offers = [{"type": "function", "function": {**tool, "parameters": tool["input_schema"]}} for tool in tools]
        body = {"model": model, "max_tokens": max_tokens, "messages": said, "tools": offers}
        reply = self.session.post(self.url, json=body).json()
        told, stop = reply["choices"][0]["message"], reply["choices"][0]["finish_reason"]
        blocks = [{"type": "text", "text": told["content"]}] if told["content"] else []
        for call in told.get("tool_calls", ()):
            name, given = call["function"]["name"], json.loads(call["function"]["arguments"])
            blocks.append({"type": "tool_use", "id": call["id"], "name": name, "input": given})
        return Answer(blocks, STOPS[stop], Usage(reply["usage"]["prompt_tokens"], reply["usage"]["completion_tokens"]))


def lines(message):
    """A message of the Messages API as chat messages: one, or one for each result of a tool."""
    blocks = message["content"]
    if isinstance(blocks, str):
        return [message]
    if message["role"] == "user":
        return [{"role": "tool", "tool_call_id": one["tool_use_id"], "content": one["content"]} for one in blocks]
    calls = [(one["id"], {"name": one["name"], "arguments": json.dumps(one["input"])}) for one in blocks if "id" in one]
    calls = [{"id": name, "type": "function", "function": call} for name, call in calls]
    return [{"role": "assistant", "content": "".join(one.get("text", "") for one in blocks), "tool_calls": calls}]


def weather(city: str) -> str:
    """Tell the weather of a city."""
    return {"Oslo": "snow", "Cairo": "sun"}[city]


with MessagesServer() as server, Fan(4, timeout=30) as fan:
    agent = Agent(ChatCompletions(server.url), model="any", fan=fan, system="Be brief.", tools=[weather])
    result = agent('use tool weather with {"city": "Oslo"} use tool weather with {"city": "Cairo"}')
    print(f"{result.usage.requests} requests: {result}")
