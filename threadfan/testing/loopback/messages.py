"""The endpoint of the Messages API: one request from its key to its last byte."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from threadfan.testing.faults import Faults, marked_delay
from threadfan.testing.loopback.connections import connected, drop
from threadfan.testing.loopback.guard import body_of
from threadfan.testing.loopback.intake import ApiError, Json, Turn, bad_request, check_key, parse
from threadfan.testing.loopback.meter import ConnectionDroppedError
from threadfan.testing.loopback.replies import Script, compose
from threadfan.testing.loopback.wire import Pieces, events, message, prompt_of, single_bytes, stay, tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from threadfan.testing.loopback.gate import Gate, Ticket
    from threadfan.testing.options import Options

_REFUSALS = {
    "429": (429, "rate_limit_error", "This request would exceed your organization's rate limit"),
    "529": (529, "overloaded_error", "Overloaded"),
    "500": (500, "api_error", "Internal server error"),
}


class Scenario:
    """The options and how far their series have come; a request keeps the scenario that it met on arrival.

    Args:
        options: What the user has set.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.delays: Iterator[float] = options.distribution().delays()
        self.faults: Faults = Faults(options.faults, options.seed)
        self.script: Script = Script(options.replies)


async def messages(request: Request) -> Pieces:
    """Answers a request as the Messages API would, or fails it as planned.

    Everything that comes out of a series is taken before the first wait, so that the order of arrival decides.
    """
    scenario: Scenario = request.app.state.scenario
    gate: Gate = request.app.state.gate
    check_key(request.headers, scenario.options.reject_keys)
    asked = parse(await body_of(request))
    prompt = request.state.prompt = prompt_of(asked)
    request.state.tally.answers.ask(prompt)
    ticket = gate.admit(request, tokens(prompt))
    turn = Turn.of(asked)
    delay = _delay(scenario, turn)
    fault = _fault(scenario, turn)
    if fault is not None:
        request.state.tally.faults[fault] += 1
        await _fail(request, scenario, fault, delay)
    number = request.state.number
    content, stop = compose(asked, turn, scenario.script, number)
    whole = message(asked, content, number, tokens(prompt), stop)
    await stay(request.receive, delay)
    ticket.charge(whole["usage"]["output_tokens"])
    return _answer(request, scenario, fault, asked, whole, ticket)


async def refuse(request: Request, error: Exception) -> Response:
    """Turns an ApiError into the body that clients of the Messages API expect."""
    assert isinstance(error, ApiError)  # noqa: S101 -- registered for this class only
    identity = _request_id(request)
    detail = {"type": error.kind, "message": error.message}
    body = {"type": "error", "error": detail, "request_id": identity["request-id"]}
    return JSONResponse(body, error.status, {**identity, **error.headers})


def _delay(scenario: Scenario, turn: Turn) -> float:
    drawn, marked = next(scenario.delays), marked_delay(turn.prompt)
    return drawn if marked is None else marked


def _fault(scenario: Scenario, turn: Turn) -> str | None:
    try:
        return scenario.faults.pick(turn.prompt, (turn.system, turn.prompt))
    except ValueError as error:
        raise bad_request(str(error)) from None


async def _fail(request: Request, scenario: Scenario, fault: str, delay: float) -> None:
    """Ends the request here when the fault leaves no answer; returns when it only damages one."""
    if fault == "hang":
        await stay(request.receive, None)
    if fault in {"500", "reset"}:  # 429 and 529 come without the delay: services turn such requests away at the door
        await stay(request.receive, delay)
    if fault == "reset":
        await _reset(request)
    if fault in _REFUSALS:
        raise ApiError(
            *_REFUSALS[fault], {"retry-after": f"{scenario.options.retry_after:g}"} if fault == "429" else None
        )


async def _reset(request: Request) -> None:
    drop(request.scope["client"])
    with suppress(ClientDisconnect):  # until uvicorn has noticed; before that it would miss a response
        await stay(request.receive, None)
    raise ConnectionDroppedError


def _answer(
    request: Request, scenario: Scenario, fault: str | None, asked: Json, whole: Json, ticket: Ticket
) -> Pieces:
    stream = bool(asked.get("stream"))
    pieces = _pieces(whole, fault, stream=stream)
    headers = {"content-type": "text/event-stream" if stream else "application/json", **_request_id(request)}
    headers.update(ticket.headers())
    if not stream:
        headers["content-length"] = str(sum(map(len, pieces)))

    def sent() -> None:
        if fault != "broken" and connected(request.scope["client"]):
            request.state.tally.answers.answer(request.state.prompt)

    return Pieces(pieces, headers, scenario.options.drip_interval if fault == "drip" else 0.0, sent)


def _pieces(whole: Json, fault: str | None, *, stream: bool) -> list[bytes]:
    pieces = list(events(whole)) if stream else [json.dumps(whole).encode()]
    if fault == "broken":
        body = b"".join(pieces)
        return [body[: len(body) // 2]]
    return single_bytes(pieces[0]) if fault == "drip" and not stream else pieces


def _request_id(request: Request) -> dict[str, str]:
    number = getattr(request.state, "number", 0)  # requests to the controls are not counted
    return {"request-id": f"req_{number:024d}"}
