"""Which errors are worth another attempt, decided in one place.

Clients are told by the names of their classes and never imported.  An error that says nothing by itself is judged by
what it was raised from (``raise … from``), as the anthropic SDK does.
"""

from __future__ import annotations

import errno
from concurrent.futures import CancelledError

from ..base.static import cause_of, context_of, is_a, traceback_of
from .answers import attribute, causes, own_status, told_to_retry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# By the package that a class is defined in; subclasses count too.
_TRANSIENT = frozenset(
    f"{package}.{name}"
    for package, names in {
        "aiohttp": "ClientConnectionError ClientPayloadError",
        "anthropic": "APIConnectionError APIResponseValidationError RetryableError",
        "botocore": "ConnectionError HTTPClientError",
        "http": "BadStatusLine IncompleteRead",
        "httpcore": "NetworkError ProtocolError ProxyError TimeoutException",
        "httpcore2": "NetworkError ProtocolError ProxyError TimeoutException",
        "httpx": "DecodingError TransportError",
        "httpx2": "DecodingError TransportError",
        "openai": "APIConnectionError APIResponseValidationError",
        "requests": "ChunkedEncodingError ConnectionError ContentDecodingError JSONDecodeError RetryError Timeout",
        "ssl": "SSLEOFError SSLZeroReturnError",
        "tenacity": "TryAgain",
        "urllib3": "DecodeError EmptyPoolError IncompleteRead MaxRetryError ProtocolError ProxyError SSLError "
        "TimeoutError",
    }.items()
    for name in names.split()
)
# What will be wrong next time too; a connection error that wraps one of these is not worth retrying either.
_HOPELESS = frozenset(
    {
        "httpcore.LocalProtocolError",
        "httpcore.UnsupportedProtocol",
        "httpcore2.LocalProtocolError",
        "httpcore2.UnsupportedProtocol",
        "httpx.LocalProtocolError",
        "httpx.UnsupportedProtocol",
        "httpx2.LocalProtocolError",
        "httpx2.UnsupportedProtocol",
        "ssl.SSLCertVerificationError",
    }
)
_CLIENTS = frozenset({"aiohttp", "anthropic", "httpx", "httpx2", "openai", "requests", "urllib3"})
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
    return not is_a(error, Exception) or is_a(error, CancelledError)


def worth_retrying(error: BaseException) -> bool:
    """Whether another attempt of the same call may end better.

    Yes: statuses 408, 409, 429 and from 500 on; connections that fail, break or take too long, calls that ran out of
    time; answers that a client could not decode.  No: other statuses, files, certificates that are not trusted, the
    caller's own bugs (``ValueError``, ``KeyError``, …), cancels, and what is not known.  An answer's header
    ``x-should-retry`` has the last word.  The rules are those of the anthropic and openai SDKs, which agree.
    """
    for link in causes(error):
        if never(link):
            return False
        verdict = _verdict(link)
        if verdict is not None:
            return verdict
    return False


def _verdict(error: BaseException) -> bool | None:
    """What ``error`` says by itself; None if nothing."""
    told = told_to_retry(error)
    if told is not None:
        return told
    status = own_status(error)
    if status is not None and status >= 400:
        return status in (408, 409, 429) or status >= 500
    if _TRANSIENT & names(error):
        return not any(_HOPELESS & names(link) for link in history(error))
    if is_a(error, OSError) and _network(error):
        return True
    if _undecoded(error):
        return True
    return False if is_a(error, _BUGS) else None


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
    """Whether an error of the operating system is about the network, and may pass."""
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
    """Whether it is the answer that is no JSON: then a client called the decoder, not the caller's own code."""
    if not {"json.JSONDecodeError", "simplejson.JSONDecodeError"} & names(error):
        return False
    caller = ""
    step = traceback_of(error)
    while step is not None:
        package = str(step.tb_frame.f_globals.get("__name__")).partition(".")[0]
        caller = caller if package in ("json", "simplejson") else package
        step = step.tb_next
    return caller in _CLIENTS
