"""Why a call failed, in one line that fits beside others."""

from __future__ import annotations

from threadfan import TaskTimeout
from threadfan._core.base.texts import brief, text_of


def reason(error: BaseException, timeout: float) -> str:
    """What went wrong, and what to do about it where that is known.

    Args:
        error: what the call raised.
        timeout: seconds that each call may take.
    """
    import anthropic

    if isinstance(error, TaskTimeout):
        return f"both calls together took more than {2 * timeout:g} s; right may be a longer --timeout"
    if isinstance(error, anthropic.APITimeoutError):
        return f"no answer within {timeout:g} s; right may be a longer --timeout"
    if isinstance(error, anthropic.AuthenticationError):
        return f"401, {_message(error)}; right is --live with a valid key in ANTHROPIC_API_KEY"
    if isinstance(error, anthropic.APIStatusError):
        return f"{error.status_code}, {_message(error)}"
    if isinstance(error, anthropic.APIConnectionError):
        return f"no connection, {_root(error)}; right is a server that listens there"
    return f"{type(error).__name__}, {brief(text_of(error), 200)[1:-1]}"


def _message(error: object) -> str:
    body = getattr(error, "body", None)
    detail = body.get("error") if isinstance(body, dict) else None
    text = detail.get("message") if isinstance(detail, dict) else None
    # A server that is no Messages API may answer with a whole page.
    return brief(text, 200)[1:-1] if isinstance(text, str) else "without a reason"


def _root(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return getattr(error, "strerror", None) or text_of(error) or type(error).__name__
