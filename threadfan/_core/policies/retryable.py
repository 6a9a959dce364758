"""Which errors are worth another attempt, decided in one place.

Clients are told by the shape of their errors, see ``shapes``, and never imported.  An error that says nothing by itself
is judged by what it was raised from (``raise … from``), as the anthropic SDK does.
"""

from __future__ import annotations

import errno
from concurrent.futures import CancelledError

from ..base.static import cause_of, context_of, derives, is_a, is_group, traceback_of
from .asking import attribute, causes, is_bare, members
from .retry_after import told_to_retry
from .shapes import BROKEN, BROKEN_IN, HOPELESS, SQL_NUMBERS, SQL_STATES
from .statuses import own_status, passes
from .words import final_word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_CLIENTS = frozenset({"aiohttp", "anthropic", "botocore", "httpx", "httpx2", "openai", "requests", "urllib3"})
_BUGS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    NotImplementedError,
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,
)
# Those that the interpreter makes no ConnectionError or TimeoutError of.
_NETWORK = frozenset(
    getattr(errno, name)
    for name in ("EHOSTDOWN", "EHOSTUNREACH", "ENETDOWN", "ENETRESET", "ENETUNREACH")
    if hasattr(errno, name)
)


def never(error: BaseException) -> bool:
    """Whether no policy whatever may try again: the call was cancelled, or the process is to end."""
    kind = type(error)
    return not derives(Exception, kind) or derives(CancelledError, kind)


def worth_retrying(error: BaseException) -> bool:
    """Whether another attempt of the same call may end better.

    Yes: statuses 408, 409, 429 and from 500 on; connections that fail, break or take too long, calls that ran out of
    time; answers that a client could not decode.  No: other statuses, files, certificates that are not trusted, the
    caller's own bugs (``ValueError``, ``KeyError``, …), cancels, and what is not known.  An answer's header
    ``x-should-retry`` has the last word, but for what can never pass, such as ``insufficient_quota``.  The rules are
    those of the anthropic and openai SDKs, which agree.  A group of errors is worth it if all its members are.
    """
    return final_word(error) is None and worth_retrying_unless_final(error)


def worth_retrying_unless_final(error: BaseException) -> bool:
    """The same, of an error without a ``final_word``."""
    for link in causes(error):
        if never(link):
            return False
        verdict = _verdict(link)
        if verdict is not None:
            return verdict
    return False


def _verdict(error: BaseException) -> bool | None:
    """What ``error`` says by itself; None if nothing."""
    if is_group(error):
        return all(map(worth_retrying, members(error)))
    if not is_bare(error):
        told = told_to_retry(error)
        if told is not None:
            return told
        status = own_status(error)
        if status is not None and status >= 400:
            return passes(status)
    if _is_broken(error):
        return not any(HOPELESS & _class_names(link) for link in history(error))
    if is_a(error, OSError) and _network(error):
        return True
    if _undecoded(error):
        return True
    return False if is_a(error, _BUGS) else None


def _is_broken(error: BaseException) -> bool:
    """Whether it means a connection that failed, broke or took too long."""
    if BROKEN & _class_names(error) or BROKEN_IN & names(error) or attribute(error, "connection_invalidated") is True:
        return True  # the attribute is SQLAlchemy's
    state = attribute(error, "sqlstate") or attribute(error, "pgcode")
    if is_a(state, str) and state.startswith(SQL_STATES):
        return True
    args = attribute(error, "args") if {"OperationalError", "InterfaceError"} & _class_names(error) else None
    return is_a(args, tuple) and type(number := next(iter(args), None)) is int and number in SQL_NUMBERS


def _class_names(error: BaseException) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}


def names(error: BaseException) -> set[str]:
    """Its classes, each as ``package.Class``, whatever module of the package it stands in."""
    return {f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(error).__mro__}


def history(error: BaseException) -> Iterator[BaseException]:
    """``error`` and what it came from or was raised on top of, each once."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        cause = cause_of(link)
        link = context_of(link) if cause is None else cause


def _network(error: BaseException) -> bool:
    """Whether an error of the operating system is a transient one of the network."""
    kinds = names(error)
    if "urllib.URLError" in kinds:
        reason = attribute(error, "reason")
        return is_a(reason, Exception) and worth_retrying(reason)
    if "socket.gaierror" in kinds:
        from socket import EAI_AGAIN

        return _errno(error) == EAI_AGAIN
    return is_a(error, (ConnectionError, TimeoutError)) or _errno(error) in _NETWORK


def _errno(error: BaseException) -> int | None:
    number = attribute(error, "errno")
    return number if type(number) is int else None


def _undecoded(error: BaseException) -> bool:
    """Whether it is the answer that is no JSON or no text: a client called the decoder, not the caller's own code."""
    if not {"json.JSONDecodeError", "simplejson.JSONDecodeError", "builtins.UnicodeDecodeError"} & names(error):
        return False
    caller = ""
    step = traceback_of(error)
    while step is not None:
        package = str(step.tb_frame.f_globals.get("__name__")).partition(".")[0]
        caller = caller if package in ("json", "simplejson") else package
        step = step.tb_next
    return caller in _CLIENTS
