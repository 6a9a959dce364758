"""What the server answers: scripted replies, tool calls, quoted tool results, or a sentence about the prompt.

The rules, in this order:

1. The first of the scripted replies whose key occurs in the prompt or in the tool results is the answer.
2. A message with tool results is answered with a text that quotes them in order.
3. With `tools` in the request, each `use tool NAME with {"some": "json"}` in the prompt (or in the scripted reply)
   becomes a tool call of the same turn.  A `tool_choice` of type `tool` or `any` calls that (or the first) tool even
   without the phrase, with the smallest input that its schema describes; type `none` forbids calls.
   What stands before the first phrase of a scripted reply is a text block before the calls.
4. Anything else is answered with a few sentences that name the prompt's key words and end with a digest, so that
   equal prompts under equal system prompts have equal answers and others have others.

A marker `[stop:REASON]` in the scripted reply, or else in the prompt, sets the stop reason; a scripted reply that is
nothing but a marker is an answer without content.
"""

from __future__ import annotations

import json
import re
from hashlib import blake2b
from itertools import cycle
from typing import TYPE_CHECKING, Any

from threadfan.testing.faults import split_stop
from threadfan.testing.loopback.intake import Json, Turn, bad_request

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PHRASE = re.compile(r"use tool ([\w-]+) with (?=\{)")
_WORD = re.compile(r"[^\W\d]{4,}|\d+")
_COMMON = frozenset(["about", "does", "from", "have", "that", "this", "what", "when", "where", "which", "with", "your"])
_SENTENCES = (
    "The short answer is that it depends mostly on {first}.",
    "Most sources agree that {first} comes before {last}.",
    "A careful reader would check {last} twice.",
    "Three points stand out, and the first of them is {first}.",
    "In practice {last} turns out simpler than it looks.",
    "The usual mistake is to confuse {first} with {last}.",
    "What remains open is how far {first} reaches.",
    "Nothing in this contradicts what is known of {last}.",
)
_SAMPLES: Json = {"string": "text", "integer": 1, "number": 1.0, "boolean": True, "array": [], "null": None}


class Script:
    """The replies that a user has laid down.

    Args:
        replies: Answers by a part of the prompt; a sequence is cycled through.
    """

    def __init__(self, replies: Mapping[str, str | Sequence[str]]) -> None:
        self._replies = [(part, cycle([reply] if isinstance(reply, str) else reply)) for part, reply in replies.items()]

    def reply(self, turn: Turn) -> str | None:
        """Returns the reply of the first key that occurs in the turn, or None."""
        said = "\n".join((turn.question, *turn.results))
        return next((next(answers) for part, answers in self._replies if part in said), None)


def compose(request: Json, turn: Turn, script: Script, number: int) -> tuple[list[Json], str | None]:
    """Returns the content of the answer (a text block, tool_use blocks, or both), and the stop reason if one is set.

    Args:
        request: The whole request.
        turn: What its last message asks.
        script: The user's replies.
        number: Makes the ids of tool calls unique on this server.

    Raises:
        ApiError: A 400 for a phrase with broken JSON or with a tool that the request does not offer.
    """
    scripted = script.reply(turn)
    said, stop = split_stop(turn.prompt if scripted is None else scripted)
    if scripted is not None:
        scripted = said
    if calls := _calls(request, turn, scripted):
        lead = _PHRASE.split(scripted or "", maxsplit=1)[0].strip()
        return [*_text_blocks(lead), *_call_blocks(calls, number)], stop
    text = _text(turn) if scripted is None else scripted
    return _text_blocks(text) if stop else [{"type": "text", "text": text}], stop


def _text_blocks(text: str) -> list[Json]:
    return [{"type": "text", "text": text}] if text else []


def _call_blocks(calls: Sequence[tuple[str, Json]], number: int) -> list[Json]:
    return [
        {"type": "tool_use", "id": f"toolu_{number:016d}{index:04d}", "name": name, "input": value}
        for index, (name, value) in enumerate(calls)
    ]


def _calls(request: Json, turn: Turn, scripted: str | None) -> list[tuple[str, Json]]:
    tools = {tool["name"]: tool for tool in request.get("tools") or ()}
    choice = request.get("tool_choice") or {"type": "auto"}
    if not tools or choice["type"] == "none" or (turn.results and scripted is None):
        return []
    calls = _phrases(turn.question if scripted is None else scripted, tools)
    if not calls and choice["type"] in {"tool", "any"}:
        calls = [_forced(choice.get("name") or next(iter(tools)), tools)]
    return calls[:1] if choice.get("disable_parallel_tool_use") else calls


def _phrases(text: str, tools: Mapping[str, Json]) -> list[tuple[str, Json]]:
    calls: list[tuple[str, Json]] = []
    for found in _PHRASE.finditer(text):
        try:
            value, _ = json.JSONDecoder().raw_decode(text, found.end())
        except ValueError as error:
            raise bad_request(f"`{found[0]}` must be followed by a JSON object: {error}") from None
        calls.append((_known(found[1], tools), value))
    return calls


def _forced(name: str, tools: Mapping[str, Json]) -> tuple[str, Json]:
    return name, _sample(tools[_known(name, tools)].get("input_schema", {"type": "object"}))


def _known(name: str, tools: Mapping[str, Json]) -> str:
    if name not in tools:
        raise bad_request(f"Tool '{name}' not found in provided tools: {', '.join(tools)}")
    return name


def _sample(schema: Json) -> Any:
    """The smallest value that a plain JSON schema describes; combinators such as `anyOf` are not looked into."""
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "object")
    if kind == "object":
        parts = schema.get("properties", {})
        return {name: _sample(parts.get(name, {"type": "string"})) for name in schema.get("required", ())}
    return _SAMPLES.get(kind)


def _text(turn: Turn) -> str:
    if turn.results:
        quoted = "; ".join(f"({place}) {result}" for place, result in enumerate(turn.results, 1))
        return f"The tools returned: {quoted}."
    digest = blake2b(f"{turn.system}\0{turn.question}".encode(), digest_size=8).digest()
    words = _key_words(turn.question)
    picked = (_SENTENCES[byte % len(_SENTENCES)] for byte in digest[: 2 + digest[-1] % 4])
    sentences = " ".join(dict.fromkeys(picked)).format(first=words[0], last=words[-1])
    return f"About {', '.join(words)}: {sentences} (answer {digest[:4].hex()})"


def _key_words(prompt: str) -> list[str]:
    """The five longest words, in the order of the prompt; numbers are kept since they tell similar prompts apart."""
    found = (word for word in _WORD.findall(prompt) if word.lower() not in _COMMON)
    words = list(dict.fromkeys(found)) or [prompt or "nothing"]
    kept = set(sorted(words, key=lambda word: (not word.isdigit(), -len(word)))[:5])
    return [word for word in words if word in kept]
