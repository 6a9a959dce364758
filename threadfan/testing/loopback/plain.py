"""Plain endpoints for programs that speak HTTP without the Messages API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from threadfan.testing.loopback.wire import Pieces, single_bytes, stay

if TYPE_CHECKING:
    from starlette.requests import Request

    from threadfan.testing.loopback.gate import Gate
    from threadfan.testing.options import Options


async def slow(request: Request) -> Response:
    """Answers after `seconds`."""
    seconds = _number(request, "seconds", 1.0)
    await stay(request.receive, seconds)
    return JSONResponse({"seconds": seconds})


async def limited(request: Request) -> Response:
    """Answers after `seconds`, if the limits let the request pass."""
    gate: Gate = request.app.state.gate
    ticket = gate.admit(request)
    seconds = _number(request, "seconds", 0.0)
    await stay(request.receive, seconds)
    return JSONResponse({"seconds": seconds}, headers=ticket.headers())


async def hang(request: Request) -> Response:
    """Never answers."""
    await stay(request.receive, None)
    raise AssertionError("a wait without end has ended")


async def drip(request: Request) -> Pieces:
    """Sends headers at once and then `bytes` bytes, one every `interval` seconds."""
    options: Options = request.app.state.scenario.options
    body = b"." * int(_number(request, "bytes", 10))
    headers = {"content-type": "text/plain", "content-length": str(len(body))}
    return Pieces(single_bytes(body), headers, _number(request, "interval", options.drip_interval))


async def echo(request: Request) -> Response:
    """Answers with the query as a JSON object."""
    return JSONResponse(dict(request.query_params))


async def status(request: Request) -> Response:
    """Answers with the status that the path names."""
    code = request.path_params["code"]
    if not 200 <= code <= 599:
        raise HTTPException(400, f"status is {code}; right is a number from 200 to 599")
    if code in {204, 205, 304}:  # HTTP gives these no body
        return Response(status_code=code)
    options: Options = request.app.state.scenario.options
    headers = {"retry-after": f"{options.retry_after:g}"} if code in {429, 503} else None
    return JSONResponse({"status": code}, code, headers)


def _number(request: Request, name: str, default: float) -> float:
    text = request.query_params.get(name, default)
    try:
        value = float(text)
        if 0 <= value < float("inf"):
            return value
    except ValueError:
        pass
    raise HTTPException(400, f"{name} is {text!r}; right is a number, 0 or more")


ROUTES = [
    Route("/slow", slow),
    Route("/limited", limited),
    Route("/hang", hang),
    Route("/drip", drip),
    Route("/echo", echo),
    Route("/status/{code:int}", status),
]
