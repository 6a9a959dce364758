"""How an error is kept in a pickle: by what it says, without what it holds.

Guarantees, for every error, and for those that it was raised from or on top of, its notes and the members of a group:

- Kept are its class, its text, its arguments and attributes as far as they are plain data, where it was raised
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

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..copying import natural
from ..static import is_a
from ..texts import masked, text_of
from .cleaning import Cleaner, system

if TYPE_CHECKING:
    from typing import NoReturn

    from .cleaning import Fit

    Name = tuple[str, str]  # of a class or a function: its module, and its qualified name there
    # In which of the ways to make an error, the name of what makes it or the message of a group, and its arguments.
    Way = tuple[str, object, object]
    # Its attributes, what built-in errors keep elsewhere, its cause and context, and whether that is suppressed.
    State = tuple[dict[str, object], dict[str, object], BaseException | None, BaseException | None, bool]

LINKS = 20  # of a chain of causes; arbitrary: each costs the pickler a few levels of recursion


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


def remember(error: BaseException, chain: Chain, fit: Fit) -> tuple[object, ...]:
    """How ``error`` is pickled, as ``__reduce_ex__`` says it.

    Args:
        fit: the pickle of an object that is no plain data, or None if it cannot be kept.
    """
    cleaner = Cleaner(error, fit)
    text = text_of(error)
    attributes = cleaner.attributes()
    cause, context = chain.follow(error)
    state = (attributes, system(error), cause, context, error.__suppress_context__)
    names = _names(error)
    if isinstance(error, BaseExceptionGroup):
        how: Way = ("group", masked(str(error.message)), list(error.exceptions))
    else:
        how = _by_constructor(error, text, attributes, cleaner) or _without(error, text, attributes, cleaner)
    return restored, (names, text, *how), state, None, None, fill


# -- how it is made again ----------------------------------------------------------------------------------------------


def _by_constructor(error: BaseException, text: str, attributes: dict[str, object], cleaner: Cleaner) -> Way | None:
    """By its own constructor, if nothing of what that needs is left out."""
    try:
        make: Any
        make, arguments, _ = natural(error)
        arguments = _without_whole(error, arguments)
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


def _without(error: BaseException, text: str, attributes: dict[str, object], cleaner: Cleaner) -> Way:
    """Without its constructor."""
    arguments = tuple(cleaner.part(argument) for argument in _without_whole(error, error.args))
    with suppress(Exception):
        again = _bare(type(error), arguments)
        fill(again, (attributes, system(error), None, None, False))
        if not isinstance(error, StandIn) and str(again) == text:
            return "bare", None, arguments
    return "derived", None, arguments


def _without_whole(error: BaseException, arguments: tuple[object, ...]) -> tuple[object, ...]:
    """Of what could not be encoded, which may be a key, stays what the message shows and where it stood."""
    if is_a(error, UnicodeEncodeError):
        shown = "?" * error.start + error.object[error.start : error.end]
        return error.encoding, shown, error.start, error.end, error.reason
    if is_a(error, UnicodeDecodeError):
        seen = b"?" * error.start + error.object[error.start : error.end]
        return error.encoding, seen, error.start, error.end, error.reason
    return arguments


def _bare(kind: type[BaseException], arguments: tuple[object, ...]) -> BaseException:
    again = kind.__new__(kind, *arguments)
    again.args = arguments
    return again


def restored(names: list[Name], text: str, how: str, place: Any, arguments: Any) -> BaseException:
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


def fill(error: BaseException, state: State) -> None:
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

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(
            f"this {type(self).__name__} was read from a pickle, where its text and plain attributes are kept: "
            f"there is no {name!r}"
        )


_kinds: dict[tuple[tuple[Name, ...], type[BaseException]], type[BaseException]] = {}


def _derived(names: tuple[Name, ...], base: type[BaseException]) -> type[BaseException]:
    found = _kinds.get((names, base))
    if found is None:
        module, name = names[0]
        body = {"__module__": module, "__qualname__": name, "__doc__": base.__doc__, "_names": names}
        found = _kinds[names, base] = type(name.rpartition(".")[2], (StandIn, base), body)
    return found


def _names(error: BaseException) -> list[Name]:
    if isinstance(error, StandIn):
        return list(type(error)._names)  # type: ignore[attr-defined]
    return [_name_of(kind) for kind in type(error).__mro__ if issubclass(kind, BaseException)]


def _name_of(kind: type) -> Name:
    return kind.__module__, kind.__qualname__


def _found(module: str, name: str) -> Any:
    """What stands under a name, or None."""
    with suppress(Exception):
        if module not in sys.modules:
            __import__(module)
        found: object = sys.modules[module]
        for part in name.split("."):
            found = getattr(found, part)
        return found
    return None
