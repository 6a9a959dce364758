"""OpenAI's chat completions, which many services speak: the same answers as the Messages API gives, in that format.

Only what an adapter for such a client needs: answers with texts and tool calls, after the server's latency, whole or as
a stream.  Of the markers for faults `drip` has an effect on streams; the others, and limits, have none.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from threadfan.testing.loopback.guard import body_of
from threadfan.testing.loopback.intake import Json, Turn, bad_request, parse
from threadfan.testing.loopback.replies import compose
from threadfan.testing.loopback.wire import DELTA, Pieces, message, prompt_of, stay, tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request

    from threadfan.testing.loopback.messages import Scenario

_ENDS = {"tool_use": "tool_calls", "max_tokens": "length", "refusal": "content_filter"}
_MAX_TOKENS = 4096  # for a request that sets no limit


async def completions(request: Request) -> Response | Pieces:
    """Answers a request for a chat completion."""
    scenario: Scenario = request.app.state.scenario
    body = await body_of(request)
    asked = parse(json.dumps(_translated(body)).encode())
    turn, delay = Turn.of(asked), next(scenario.delays)
    number: int = request.state.number
    content, stop = compose(asked, turn, scenario.script, number)
    whole = message(asked, content, number, tokens(prompt_of(asked)), stop)
    await stay(request.receive, delay)
    completion = _completion(whole)
    sent = json.loads(body)
    if not sent.get("stream"):
        return JSONResponse(completion)
    told = bool((sent.get("stream_options") or {}).get("include_usage"))
    interval = scenario.options.drip_interval if "[fault:drip]" in turn.prompt else 0.0
    return Pieces(list(_chunks(completion, told=told)), {"content-type": "text/event-stream"}, interval)


def _chunks(completion: Json, *, told: bool) -> Iterator[bytes]:
    """A completion as the events of a stream.

    Args:
        told: whether the last one says what was used.
    """
    (choice,), usage = completion["choices"], completion["usage"]
    text, calls = choice["message"]["content"] or "", choice["message"].get("tool_calls") or ()
    deltas: list[Json] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": text[start : start + DELTA]} for start in range(0, len(text), DELTA)]
    deltas += [{"tool_calls": [{"index": index, **call}]} for index, call in enumerate(calls)]
    base = {**completion, "object": "chat.completion.chunk", "created": 0, "usage": None}
    for delta in deltas:
        yield _event({**base, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    yield _event({**base, "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]})
    if told:
        yield _event({**base, "choices": [], "usage": usage})
    yield b"data: [DONE]\n\n"


def _event(chunk: Json) -> bytes:
    return f"data: {json.dumps(chunk)}\n\n".encode()


def _translated(body: bytes) -> Json:
    """The request as one of the Messages API; what does not fit is refused in its words."""
    try:
        asked = json.loads(body)
        systems = [line["content"] for line in asked["messages"] if line["role"] == "system"]
        offers = [tool["function"] for tool in asked.get("tools") or ()]
        return {
            "model": asked["model"],
            "max_tokens": asked.get("max_tokens") or _MAX_TOKENS,
            "system": "\n".join(systems),
            "messages": _messages([line for line in asked["messages"] if line["role"] != "system"]),
            "tools": [{"name": tool["name"], "input_schema": tool.get("parameters", {})} for tool in offers],
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise bad_request(f"This is no request for a chat completion: {error!r}") from None


def _messages(lines: list[Json]) -> list[Json]:
    """The conversation; results of tools that stand in a row are one message."""
    messages: list[Json] = []
    for line in lines:
        if line["role"] != "tool":
            messages.append({"role": line["role"], "content": _blocks(line)})
            continue
        block = {"type": "tool_result", "tool_use_id": line["tool_call_id"], "content": line["content"]}
        if messages and messages[-1]["role"] == "user":
            messages[-1]["content"].append(block)
        else:
            messages.append({"role": "user", "content": [block]})
    return messages


def _blocks(line: Json) -> list[Json]:
    text = [{"type": "text", "text": line["content"]}] if line.get("content") else []
    calls = [(call["id"], call["function"]) for call in line.get("tool_calls") or ()]
    return text + [
        {"type": "tool_use", "id": identity, "name": made["name"], "input": json.loads(made["arguments"])}
        for identity, made in calls
    ]


def _completion(whole: Json) -> Json:
    """The answer in the format of chat completions."""
    texts = [block["text"] for block in whole["content"] if block["type"] == "text"]
    said: Json = {"role": "assistant", "content": "".join(texts) or None}
    if calls := [block for block in whole["content"] if block["type"] == "tool_use"]:
        said["tool_calls"] = [_call(block) for block in calls]
    used = whole["usage"]["input_tokens"], whole["usage"]["output_tokens"]
    return {
        "id": whole["id"],
        "object": "chat.completion",
        "model": whole["model"],
        "choices": [{"index": 0, "message": said, "finish_reason": _ENDS.get(whole["stop_reason"], "stop")}],
        "usage": {"prompt_tokens": used[0], "completion_tokens": used[1], "total_tokens": sum(used)},
    }


def _call(block: Json) -> Json:
    made = {"name": block["name"], "arguments": json.dumps(block["input"])}
    return {"id": block["id"], "type": "function", "function": made}


ROUTES = [Route("/v1/chat/completions", completions, methods=["POST"])]
