"""The loopback server's application and process; nothing but that process imports this file.

    POST /v1/messages            the Messages API; loopback/replies.py has the answers, faults.py the failures
    POST /v1/chat/completions    the same answers in OpenAI's format; loopback/chat.py says what is left out
    GET  /slow?seconds=1         an answer after so many seconds
    GET  /limited?seconds=1      the same under the limits that hold for the Messages API
    GET  /hang                   no answer
    GET  /drip?bytes=10          headers at once, then one byte every `drip_interval` (or `&interval=`) seconds
    GET  /echo?x=1               the query as a JSON object
    GET  /status/503             that status; 429 and 503 come with a `retry-after` header
    /_control/...                what MessagesServer calls; not counted, and closed to everybody else

The process reads one line of options from its standard input, writes its port to its standard output once it listens,
and ends when its standard input ends: that happens whenever its parent dies, by whatever signal.
"""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from threadfan.testing.loopback import chat, plain
from threadfan.testing.loopback.connections import Connection, drop
from threadfan.testing.loopback.gate import Gate
from threadfan.testing.loopback.guard import UNREADABLE, Guard, body_of, unreadable
from threadfan.testing.loopback.intake import ApiError
from threadfan.testing.loopback.messages import Scenario, messages, refuse
from threadfan.testing.loopback.meter import Meter, Tally
from threadfan.testing.options import Options

if TYPE_CHECKING:
    from starlette.requests import Request

_CONTROLS = "/_control"
_BACKLOG = 4096  # connections waiting to be accepted; the kernel lowers it to its own limit
_KEEP_ALIVE = 3600  # seconds; a pool that finds its idle connection closed would see an error nobody asked for
_FILES = 65536  # when the hard limit is "unlimited", which some systems refuse as a soft limit


def build_app(options: Options) -> Starlette:
    """Returns the application with fresh counts."""
    app = Starlette(
        routes=[
            Route("/v1/messages", messages, methods=["POST"]),
            *chat.ROUTES,
            *plain.ROUTES,
            Route(f"{_CONTROLS}/stats", _stats),
            Route(f"{_CONTROLS}/permits", _permits),
            Route(f"{_CONTROLS}/wait", _wait),
            Route(f"{_CONTROLS}/configure", _configure, methods=["POST"]),
            Route(f"{_CONTROLS}/reset", _reset, methods=["POST"]),
        ],
        middleware=[Middleware(Guard, controls=_CONTROLS), Middleware(Meter, controls=_CONTROLS)],
        exception_handlers={ApiError: refuse, **dict.fromkeys(UNREADABLE, _refuse_body)},
    )
    _begin(app, options)
    return app


def _begin(app: Starlette, options: Options) -> None:
    app.state.scenario, app.state.gate = Scenario(options), Gate(options.limits)
    app.state.tally = Tally(app.state.gate)


async def _refuse_body(request: Request, error: Exception) -> Response:
    return await refuse(request, unreadable(error))


async def _stats(request: Request) -> Response:
    return JSONResponse(request.app.state.tally.snapshot())


async def _permits(request: Request) -> Response:
    return JSONResponse(request.app.state.gate.permits())


async def _wait(request: Request) -> Response:
    """Answers as soon as the counts reach the goal, or with status 408 and the counts after `timeout` seconds."""
    tally: Tally = request.app.state.tally
    goal = {name: int(value) for name, value in request.query_params.items() if name != "timeout"}
    try:
        async with asyncio.timeout(float(request.query_params["timeout"])):
            return JSONResponse(await tally.reach(goal))
    except TimeoutError:
        return JSONResponse(tally.snapshot(), 408)


async def _configure(request: Request) -> Response:
    """Takes new options over; `?series=on` keeps the series where they are, for options that have no part in them."""
    options, state = Options.from_json(await body_of(request)), request.app.state
    state.gate.change(options.limits)
    if "series" not in request.query_params:
        state.scenario = Scenario(options)
    return JSONResponse({})


async def _reset(request: Request) -> Response:
    """Starts afresh; open requests are cut, so that threads which an earlier test left waiting on them end."""
    state = request.app.state
    for client in state.tally.clients:
        drop(client)
    _begin(request.app, Options.from_json(await body_of(request)))
    return JSONResponse({})


def main() -> None:
    """Runs the server until the standard input ends."""
    options = Options.from_json(sys.stdin.readline())
    _raise_file_limit()
    config = uvicorn.Config(
        build_app(options),
        http=Connection,
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,  # uvicorn's errors then go to the standard error, and nothing else goes anywhere
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE,
    )
    config.load()
    listener = _listen()
    gc.collect()
    gc.freeze()  # what is loaded stays: a collection that went through it would hold requests up for milliseconds
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    # From here on the kernel accepts connections, even before uvicorn does.
    print(listener.getsockname()[1], flush=True)
    uvicorn.Server(config).run(sockets=[listener])


def _listen() -> socket.socket:
    # asyncio sets TCP_NODELAY only where the protocol is given; without it an answer of two writes takes 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(_BACKLOG)
    return listener


def _exit_with_parent() -> None:
    while os.read(0, 4096):
        pass
    os._exit(0)  # at once, with hung requests and all: there is nothing to save


def _raise_file_limit() -> None:
    """Allows as many connections as the system does; the usual soft limit of 1024 would end a large test."""
    if sys.platform == "win32":
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # a limit that may not be raised is kept
        resource.setrlimit(resource.RLIMIT_NOFILE, (_FILES if hard == resource.RLIM_INFINITY else hard, hard))


if __name__ == "__main__":
    main()
