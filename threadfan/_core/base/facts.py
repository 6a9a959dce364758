"""What is known of an error besides its text: the status of an HTTP answer, the id of its request, where it was raised.

Nothing here fails: what an error does when it is asked is the user's code.
"""

from __future__ import annotations

from contextlib import suppress

from .texts import masked, text_of

FRAMES = 100  # of a traceback, the innermost; arbitrary


class KeptResponse:
    """Of an HTTP answer that an error was raised for: its ``status_code`` and the id of its request."""

    __slots__ = ("request_id", "status_code")

    def __init__(self, status_code: int | None, request_id: str | None) -> None:
        self.status_code = status_code
        self.request_id = request_id

    @classmethod
    def of(cls, error: BaseException) -> KeptResponse | None:
        """Of what ``error`` was raised for; None if nothing is known of it."""
        known = facts(error)
        return None if known.status_code is None else cls(known.status_code, known.request_id)

    def __reduce__(self) -> tuple[type[KeptResponse], tuple[object, ...]]:
        return KeptResponse, (self.status_code, self.request_id)

    def __repr__(self) -> str:
        return f"<KeptResponse {self.status_code}>"


_IDS = ("request-id", "x-request-id", "x-amzn-requestid", "x-amz-request-id", "x-ms-request-id", "x-goog-request-id")


class Facts:
    """What is kept of an error besides its text; each None if there is none."""

    __slots__ = ("request_id", "status_code", "traceback_text")

    def __init__(self, status_code: int | None, request_id: str | None, traceback_text: str | None) -> None:
        self.status_code = status_code
        self.request_id = request_id
        self.traceback_text = traceback_text


def facts(error: BaseException | None) -> Facts:
    """What can be found out about an error: some clients tell it on the error, others on its ``response``."""
    response = _get(error, "response")
    places = (
        _get(error, "status_code"), _get(error, "http_status"), _get(error, "status"), _get(response, "status_code"),
        _get(response, "status"), _get(_get(response, "ResponseMetadata"), "HTTPStatusCode"),
        _get(error, "code") if response is not None or _get(error, "hdrs") is not None else None,
    )  # fmt: skip
    status = next(
        (int(one) for one in places if type(one) is not bool and isinstance(one, int) and 100 <= one < 600), None
    )
    headers = _get(response, "headers") if response is not None else _get(error, "headers")
    ids = (
        _get(error, "request_id"), _get(response, "request_id"), _get(_get(response, "ResponseMetadata"), "RequestId"),
        *(_get(headers, name) for name in _IDS),
    )  # fmt: skip
    request_id = next((one for one in ids if isinstance(one, str) and one), None)
    return Facts(status, request_id, traceback_text(error))


def _get(thing: object, name: str) -> object:
    """An attribute, or an entry of something like a dictionary; None if there is none."""
    with suppress(Exception):
        found: object = getattr(thing, name, None)
        if found is None and hasattr(thing, "get"):
            found = thing.get(name)
        return found
    return None


def traceback_text(error: BaseException | None) -> str | None:
    """Where ``error`` was raised, without lines of code, which may hold a key.

    Of one that was read from a pickle it is what it was when that was written.
    """
    trace = getattr(error, "__traceback__", None)
    text = vars(error).get("traceback_text") if error is not None else None
    if isinstance(text, str) or trace is None:
        return text if isinstance(text, str) else None
    lines = []
    while trace is not None:
        code = trace.tb_frame.f_code
        lines.append(f'  File "{code.co_filename}", line {trace.tb_lineno}, in {code.co_name}\n')
        trace = trace.tb_next
    return masked("".join(lines[-FRAMES:]))


def facts_of(error: BaseException | None) -> dict[str, object]:
    """What stands of an error in plain data: kind and text in one, and by themselves what else is known."""
    if error is None:
        return {"error": None, "error_details": None}
    kind, text, known = type(error), text_of(error), facts(error)
    details = {
        "type": f"{kind.__module__}.{kind.__qualname__}",
        "text": text,
        "status": known.status_code,
        "request_id": known.request_id,
        "traceback": known.traceback_text,
    }
    return {"error": f"{kind.__name__}: {text}", "error_details": details}
