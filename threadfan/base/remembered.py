"""How an error is kept in a pickle: by what it says, without what it holds.

Guarantees, for every error, and for those that it was raised from or on top of, its notes and the members of a group:

- Kept are its class, its text, its arguments and attributes as far as they are plain data, its traceback as text
  (``traceback_text``), and of an HTTP answer the status (``status_code``) and the id of the request (``request_id``),
  which ``response`` has as well if there was one.
- Left out are requests, responses, clients, headers and cookies, and secrets in texts; where they were stands None, and
  in the place of any other object that cannot go along an ``Unpicklable``.
- What is read again is an instance of the same class if that can be made without what was left out, as nearly all can:
  built-in errors and plain classes of one's own are made by their own constructor, the others without it.  Else it is
  an instance of a class that was derived for it, or, if the class itself is not there, of the nearest that is: so
  ``except`` clauses catch what they did.
- ``str`` gives the same text, without secrets.

Nothing here fails: what an error of the user's does when it is asked or made is the user's code.
"""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from .portable import Portable, natural
from .secrets import masked
from .unpicklable import Unpicklable

if TYPE_CHECKING:
    from collections.abc import Callable

    Fit = Callable[[Any], bytes | None]

LINKS = 20  # of a chain of causes; arbitrary: each costs the pickler a few levels of recursion
LONGEST = 20_000  # characters of a traceback; arbitrary
_DEEPEST = 20  # levels of plain data; arbitrary

_REQUESTS = re.compile("headers|hdrs|request(_info)?$|response$|session$|client$", re.IGNORECASE)
_SECRETS = re.compile(
    "api_?-?key|access_?key|token$|secret|passw|credential|private_?key|authorization|^_?auth$|cookie", re.IGNORECASE
)
_WORDS = re.compile(rb"authorization|api[-_]?key|cookie|passwor|secret|bearer |token|sk-|://[^/@\s]*@", re.IGNORECASE)
_PLAIN = {
    "builtins": ("NoneType", "bool", "complex", "ellipsis", "float", "int", "range"),
    "datetime": ("date", "datetime", "time", "timedelta"),
    "decimal": ("Decimal",),
    "fractions": ("Fraction",),
    "uuid": ("UUID",),
}


class Chain:
    """How far from the first error those are that it was raised from."""

    def __init__(self) -> None:
        self._links: dict[int, tuple[BaseException, int]] = {}

    def follow(self, error: BaseException) -> tuple[BaseException | None, BaseException | None]:
        """The cause and the context that are kept with ``error``."""
        links = self._links.get(id(error), (error, 0))[1] + 1
        if links > LINKS:
            return None, None
        cause, context = error.__cause__, None if error.__suppress_context__ else error.__context__
        for link in (cause, context):
            if link is not None:
                self._links.setdefault(id(link), (link, links))
        return cause, context


class _Unfit(Exception):
    """What cannot go along."""


def remember(error: BaseException, chain: Chain, fit: Fit) -> tuple[Any, ...]:
    """How ``error`` is pickled, as ``__reduce_ex__`` says it.

    Args:
        fit: the pickle of an object that is no plain data, or None if it cannot be kept.
    """
    cleaner = _Cleaner(error, fit)
    text = _text(error)
    attributes = cleaner.attributes()
    cause, context = chain.follow(error)
    state = (attributes, _system(error), cause, context, error.__suppress_context__)
    names = _names(error)
    if isinstance(error, BaseExceptionGroup):
        how: tuple[Any, ...] = ("group", masked(str(error.message)), list(error.exceptions))
    else:
        how = _by_constructor(error, text, attributes, cleaner) or _without(error, text, attributes, cleaner)
    return restored, (names, text, *how), state, None, None, fill


def _text(error: BaseException) -> str:
    from .errors import text_of

    return text_of(error)


# -- how it is made again ----------------------------------------------------------------------------------------------


def _by_constructor(
    error: BaseException, text: str, attributes: dict[str, Any], cleaner: _Cleaner
) -> tuple[Any, ...] | None:
    """By its own constructor, if nothing of what that needs is left out."""
    try:
        make, arguments, _ = natural(error)
        if isinstance(error, StandIn) or cleaner.changed or not cleaner.untouched(arguments):
            return None
        place = (make.__module__ or make.__self__.__module__, make.__qualname__)
        if _found(*place) != make:
            return None
        if type(error).__module__ != "builtins":
            again = make(*arguments)
            vars(again).update(attributes)
            if type(again) is not type(error) or str(again) != text:
                return None
    except Exception:
        return None
    return "made", place, arguments


def _without(error: BaseException, text: str, attributes: dict[str, Any], cleaner: _Cleaner) -> tuple[Any, ...]:
    """Without its constructor."""
    arguments = tuple(cleaner.part(argument) for argument in error.args)
    with suppress(Exception):
        again = _bare(type(error), arguments)
        fill(again, (attributes, _system(error), None, None, False))
        if not isinstance(error, StandIn) and str(again) == text:
            return "bare", None, arguments
    return "derived", None, arguments


def _bare(kind: type[BaseException], arguments: tuple[Any, ...]) -> BaseException:
    again = kind.__new__(kind, *arguments)
    again.args = arguments
    return again


def restored(names: list[tuple[str, str]], text: str, how: str, place: Any, arguments: Any) -> BaseException:
    """The error, without its state.

    Args:
        names: its class and the bases of that, each by module and name.
        text: what ``str`` gives.
        how: in which of the ways to make it.
        place: the module and the name of what makes it; the message of a group.
        arguments: of that, or the members of a group.
    """
    kinds = [kind for name in names if isinstance(kind := _found(*name), type) and issubclass(kind, BaseException)]
    if how == "group":
        return _group(kinds, place, arguments)
    if how == "made":
        with suppress(Exception):
            error = _found(*place)(*arguments)
            if isinstance(error, BaseException):
                return error
    if how != "derived" and kinds and _name_of(kinds[0]) == names[0]:
        with suppress(Exception):
            return _bare(kinds[0], arguments)
    for kind in kinds:
        with suppress(Exception):
            error = _bare(_derived(tuple(names), kind), arguments)
            vars(error)["_text"] = text
            return error
    raise AssertionError("BaseException itself can always be made")


def _group(kinds: list[type[BaseException]], message: str, members: list[BaseException]) -> BaseException:
    for kind in kinds:
        with suppress(Exception):
            return kind.__new__(kind, message, members)
    return BaseExceptionGroup(message, members)


def fill(error: BaseException, state: tuple[Any, ...]) -> None:
    """Give the error what it had."""
    attributes, system, cause, context, suppressed = state
    with suppress(Exception):
        vars(error).update(attributes)
    for name, value in system.items():
        with suppress(Exception):
            setattr(error, name, value)
    set_by = BaseException  # a class of the user's may set attributes in a way of its own, or not at all
    for name, value in (("__cause__", cause), ("__context__", context), ("__suppress_context__", suppressed)):
        with suppress(Exception):
            set_by.__setattr__(error, name, value)


class StandIn:
    """The base of the classes that are derived for errors that cannot be made otherwise."""

    __slots__ = ()

    def __str__(self) -> str:
        return str(vars(self).get("_text", ""))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"this {type(self).__name__} was read from a pickle, where its text and plain attributes are kept: "
            f"there is no {name!r}"
        )


_kinds: dict[Any, type[BaseException]] = {}


def _derived(names: tuple[tuple[str, str], ...], base: type[BaseException]) -> type[BaseException]:
    found = _kinds.get((names, base))
    if found is None:
        module, name = names[0]
        body = {"__module__": module, "__qualname__": name, "__doc__": base.__doc__, "_names": names}
        found = _kinds[names, base] = type(name.rpartition(".")[2], (StandIn, base), body)
    return found


def _names(error: BaseException) -> list[tuple[str, str]]:
    if isinstance(error, StandIn):
        return list(type(error)._names)  # type: ignore[attr-defined]
    return [_name_of(kind) for kind in type(error).__mro__ if issubclass(kind, BaseException)]


def _name_of(kind: type) -> tuple[str, str]:
    return kind.__module__, kind.__qualname__


def _found(module: str, name: str) -> Any:
    """What stands under a name, or None."""
    with suppress(Exception):
        if module not in sys.modules:
            __import__(module)
        found: Any = sys.modules[module]
        for part in name.split("."):
            found = getattr(found, part)
        return found
    return None


# -- what it keeps -----------------------------------------------------------------------------------------------------


def _system(error: BaseException) -> dict[str, Any]:
    """What built-in errors keep outside of their attributes and arguments."""
    names: tuple[str, ...] = ()
    if isinstance(error, OSError):
        names = ("errno", "strerror", "filename", "filename2")
    elif isinstance(error, ImportError | AttributeError | NameError):
        names = ("name", "path", "name_from")
    found = {name: getattr(error, name, None) for name in names}
    return {name: masked(value) if isinstance(value, str) else value for name, value in found.items() if _simple(value)}


def _simple(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


class _Cleaner:
    """What goes along of one error."""

    def __init__(self, error: BaseException, fit: Fit) -> None:
        self._error = error
        self._fit = fit
        self.changed = False  # whether an attribute is not as it was

    def attributes(self) -> dict[str, Any]:
        """Those that are kept, and what is known of the answer."""
        found = {}
        for name, value in vars(self._error).items():
            if name not in ("__reduce_ex__", "_text"):
                found[name] = kept = self._attribute(name, value)
                self.changed = self.changed or (kept is not value and not self.untouched(value))
        for name, fact in facts(self._error).items():
            if fact is not None and found.get(name) is None:
                found[name] = fact
        return found

    def _attribute(self, name: str, value: Any) -> Any:
        if name == "response" and value is not None and not isinstance(value, dict | str | Answer):
            return Answer.of(self._error)
        if isinstance(value, BaseException):
            return value
        open_thing = hasattr(type(value), "close")  # a file, a socket, a client
        return None if open_thing or _is_private(name, value) else self.part(value)

    def untouched(self, value: Any) -> bool:
        """Whether a value goes along as it is."""
        with suppress(Exception):
            return self._clean(value, 0) is value or _same(self._clean(value, 0), value)
        return False

    def part(self, value: Any) -> Any:
        """What is kept of a value."""
        try:
            return self._clean(value, 0)
        except Exception as why:
            return Unpicklable.of(value, why if not isinstance(why, _Unfit) else "left out of the error")

    def _clean(self, value: Any, level: int) -> Any:
        kind = type(value)
        if kind.__qualname__ in _PLAIN.get(kind.__module__, ()):
            return value
        if kind is str:
            return masked(value)
        if level > _DEEPEST:
            raise _Unfit
        if kind is bytes:
            return value if masked(text := value.decode("latin-1")) == text else masked(text).encode("latin-1")
        if kind in (list, tuple, set, frozenset):
            return kind(self._clean(inner, level + 1) for inner in value)
        if kind is dict:
            return {self._clean(key, level + 1): self._entry(key, inner, level) for key, inner in value.items()}
        if issubclass(kind, BaseException):
            return _text(value) if _leads_to(value, self._error) else value
        if issubclass(kind, (Portable, Unpicklable, Answer)):
            return value
        data = self._fit(value)
        if data is None or _WORDS.search(data):
            raise _Unfit
        return value

    def _entry(self, key: Any, value: Any, level: int) -> Any:
        return None if isinstance(key, str) and _is_private(key, value) else self._clean(value, level + 1)


def _is_private(name: str, value: Any) -> bool:
    """Whether what has this name is left out: a number never is, nor a text unless it is a secret itself."""
    if value is None or isinstance(value, int | float | BaseException):
        return False
    if _SECRETS.search(name):
        return True
    if isinstance(value, str) or (name == "response" and isinstance(value, dict)):  # of botocore, plain data
        return False
    return _REQUESTS.search(name) is not None


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and repr(one) == repr(other)


def _leads_to(error: BaseException, target: BaseException, level: int = 0) -> bool:
    """Whether ``target`` is among the arguments of ``error``, at any depth."""
    if error is target or level > _DEEPEST:
        return True
    inner = [*error.args, *(error.exceptions if isinstance(error, BaseExceptionGroup) else ())]
    flat = [one for part in inner for one in (part if isinstance(part, list | tuple) else (part,))]
    return any(isinstance(one, BaseException) and _leads_to(one, target, level + 1) for one in flat)


# -- what is known of the answer ---------------------------------------------------------------------------------------


class Answer:
    """Of an HTTP answer that an error was raised for: its ``status_code`` and the id of its request."""

    __slots__ = ("request_id", "status_code")

    def __init__(self, status_code: int | None, request_id: str | None) -> None:
        self.status_code = status_code
        self.request_id = request_id

    @classmethod
    def of(cls, error: BaseException) -> Answer | None:
        """Of what ``error`` was raised for; None if nothing is known of it."""
        known = facts(error)
        found = cls(known["status_code"], known["request_id"])
        return None if found.status_code is None else found

    def __reduce__(self) -> tuple[Any, ...]:
        return Answer, (self.status_code, self.request_id)

    def __repr__(self) -> str:
        return f"<Answer {self.status_code}>"


def facts_of(error: BaseException | None) -> dict[str, Any]:
    """What stands of an error in plain data: kind and text in one, and by themselves what else is known."""
    if error is None:
        return {"error": None, "error_details": None}
    (module, name), text, known = _names(error)[0], _text(error), facts(error)
    details = {
        "type": f"{module}.{name}",
        "text": text,
        "status": known["status_code"],
        "request_id": known["request_id"],
        "traceback": known["traceback_text"],
    }
    return {"error": f"{type(error).__name__}: {text}", "error_details": details}


_IDS = ("request-id", "x-request-id", "x-amzn-requestid", "x-amz-request-id", "x-ms-request-id", "x-goog-request-id")


def facts(error: BaseException | None) -> dict[str, Any]:
    """What is kept of an error besides its text: status, request id and traceback, each None if there is none."""
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
    return {"status_code": status, "request_id": request_id, "traceback_text": traceback_text(error)}


def _get(thing: Any, name: str) -> Any:
    """An attribute, or an entry of something like a dictionary; None if there is none."""
    with suppress(Exception):
        found = getattr(thing, name, None)
        return thing.get(name) if found is None and hasattr(thing, "get") else found
    return None


def traceback_text(error: BaseException | None) -> str | None:
    """The traceback of ``error`` itself, without secrets; of one that was read from a pickle, the one it had."""
    trace = getattr(error, "__traceback__", None)
    text = vars(error).get("traceback_text") if error is not None else None
    if isinstance(text, str) or trace is None:
        return text if isinstance(text, str) else None
    from traceback import format_tb

    with suppress(Exception):
        return masked("".join(format_tb(trace))[-LONGEST:])
    return None
