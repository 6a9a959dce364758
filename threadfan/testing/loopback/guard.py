"""What the loopback server refuses whatever its options are: controls from elsewhere, and bodies without measure.

The controls can be reached by every page in a browser on this machine, which may post to `127.0.0.1`, or have a name of
its own lead there (DNS rebinding).  A browser names the page's host in `Host` or its origin in `Origin`, and says
where a request comes from in `Sec-Fetch-Site`; `MessagesServer` sends the server's address and neither of the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse

from threadfan.testing.loopback.intake import ApiError, bad_request

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

LONGEST = 32 * 2**20
"""Bytes of a body, as many as the Messages API takes: https://docs.anthropic.com/en/api/errors#request-size-limits."""

_DEEPEST = "The request body is not valid JSON: it is nested too deeply"
_UNPAIRED = "The request body is not valid JSON: it holds half of a character"


class Guard:
    """Middleware that keeps strangers from the controls.

    Args:
        app: What answers the requests.
        controls: The path of the controls.
    """

    def __init__(self, app: ASGIApp, controls: str) -> None:
        self._app = app
        self._controls = controls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or answers it with status 403."""
        answer: ASGIApp = self._app
        if scope["type"] == "http" and scope["path"].startswith(self._controls):
            wrong = _stranger(scope)
            if wrong:
                answer = JSONResponse({"error": f"the controls are for the program that has the server: {wrong}"}, 403)
        await answer(scope, receive, send)


def _stranger(scope: Scope) -> str | None:
    """What shows that a request does not come from `MessagesServer`; None if nothing does."""
    headers: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    own = "{}:{}".format(*scope["server"])
    host, origin = headers.get("host"), headers.get("origin")
    if host != [own]:
        return f"the host is {host}; right is {own}"
    if origin or headers.get("sec-fetch-site", ["none"]) != ["none"]:
        return f"it was sent by a page of {origin or 'another site'}"
    return None


async def body_of(request: Request) -> bytes:
    """Returns the body of a request; one that is too long is read to its end, so that its sender gets the answer.

    Raises:
        ApiError: A 413 for more than `LONGEST` bytes, of which nothing is kept.
    """
    pieces: list[bytes] = []
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > LONGEST:
            pieces.clear()
        else:
            pieces.append(piece)
    if size > LONGEST:
        raise ApiError(413, "request_too_large", f"Request exceeds the maximum size: {size} bytes, {LONGEST} allowed")
    return b"".join(pieces)


def unreadable(error: Exception) -> ApiError:
    """Returns the error for a body that is JSON, but cannot be worked with, as the service answers it: with a 400."""
    return bad_request(_DEEPEST if isinstance(error, RecursionError) else _UNPAIRED)


UNREADABLE: tuple[type[Exception], ...] = (RecursionError, UnicodeEncodeError)
"""What reading, searching or writing such a body raises, wherever that is done."""
