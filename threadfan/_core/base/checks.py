"""The checks of the arguments that users give: each error names the value and says what is right."""

from __future__ import annotations

from functools import partial

from .given import is_text, real, truth, whole
from .static import describe
from .texts import brief
from .unset import UNSET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeVar

    Fn = TypeVar("Fn", bound=Callable[..., object])


def given(**options: object) -> dict[str, Any]:
    """The options that were given, as changes of others."""
    return {name: value for name, value in options.items() if value is not UNSET}


def refuse_misplaced(where: str, given: Mapping[str, object]) -> None:
    """Say where options belong that are not taken here."""
    from ..base.misplaced import misplaced

    raise misplaced(where, given)


def flag(name: str, value: bool) -> bool:
    """Check a yes or no."""
    found = truth(value)
    if found is None:
        raise TypeError(f"{name} must be True or False, not {brief(value)}")
    return found


def seconds(name: str, value: float | None) -> float | None:
    """Check a duration."""
    if value is None:
        return None
    found = real(value)
    if found is None:
        raise TypeError(f"{name} must be a number of seconds or None, not {brief(value)}")
    if not found > 0:
        raise ValueError(f"{name} must be greater than 0 seconds, or None for no limit, not {value!r}")
    return found


def count(name: str, value: int) -> int:
    """Check a number of things."""
    found = whole(value)
    if found is None:
        raise TypeError(f"{name} must be a whole number, not {brief(value)}")
    if found <= 0:
        raise ValueError(f"{name} must be greater than 0, not {value!r}")
    return found


# inspect.CO_…, without the import of inspect
_CO_GENERATOR, _CO_COROUTINE, _CO_ASYNC_GENERATOR = 0x20, 0x80, 0x200
UNRUN = _CO_GENERATOR | _CO_COROUTINE | _CO_ASYNC_GENERATOR


def callable_(where: str, fn: Fn) -> Fn:
    """Check that ``fn`` can be called."""
    if not callable(fn):
        raise _not_callable(where, fn)
    return fn


def a_fan(where: str, given: object) -> None:
    """Check that the first argument is a fan, a view of one, or what stands in for it."""
    if not callable(getattr(given, "gather", None)):
        raise TypeError(f"{where} needs a Fan, or a view of one, as its first argument, not {brief(given)}")


def function(where: str, fn: Fn) -> Fn:
    """Check that ``fn`` is something a thread can call and get a result from."""
    if not callable(fn):
        raise _not_callable(where, fn)
    flags = _flags_of(fn)
    if not flags & UNRUN:
        return fn
    name = describe(fn)
    if flags & _CO_COROUTINE:
        raise TypeError(
            f"{where} runs blocking functions in threads, but {name} is a coroutine function: await it, or "
            f"give a function that calls asyncio.run({name}(…))"
        )
    if flags & _CO_ASYNC_GENERATOR:
        raise TypeError(
            f"{where} runs functions that return a result, but {name} is an asynchronous generator function, no "
            f"coroutine function: give one that returns a list, [item async for item in {name}(…)]"
        )
    raise TypeError(
        f"{where} runs functions that return a result, but {name} is a generator function, whose body a call does not "
        f"run: return a list, or give a function that returns list({name}(…))"
    )


def _not_callable(where: str, given: object) -> TypeError:
    return TypeError(f"{where} needs a function to call, not {brief(given)}{_instead(given)}")


def _instead(given: object) -> str:
    """What to do about something that was called already, or should be handed in otherwise, if it looks like that."""
    if hasattr(type(given), "__await__") or hasattr(type(given), "add_done_callback"):
        return ": give the function, not what its call has returned"
    if isinstance(given, (list, tuple)):
        return ": give them one by one, with a star before the list, (*tasks)"
    if given is None:
        return ": give the function itself, f and not f(x), or task(f, x) where tasks are taken"
    return ""


def is_coroutine_function(fn: object, *, generators: bool = True) -> bool:
    """Whether calling ``fn`` only makes a coroutine, or with ``generators`` an asynchronous generator."""
    return bool(_flags_of(fn) & (_CO_COROUTINE | (_CO_ASYNC_GENERATOR if generators else 0)))


def is_generator_function(fn: object) -> bool:
    """Whether calling ``fn`` only makes a generator."""
    return bool(_flags_of(fn) & _CO_GENERATOR)


def _flags_of(fn: object) -> int:
    code = getattr(fn, "__code__", None)
    while code is None and isinstance(fn, partial):
        fn = fn.func
        code = getattr(fn, "__code__", None)
    if code is None and not isinstance(fn, type):  # a method, or an object that can be called
        code = getattr(getattr(fn, "__func__", None) or vars(type(fn)).get("__call__"), "__code__", None)
    flags = getattr(code, "co_flags", 0)
    return flags if isinstance(flags, int) else 0


def iterables(where: str, given: tuple[object, ...], *, star: bool = False) -> None:
    """Check that there is something to iterate over."""
    if not given:
        raise TypeError(f"{where} needs at least one iterable of inputs: {where}(fn, items)")
    if star and len(given) > 1:
        raise TypeError(f"{where} with star=True takes one iterable, of tuples of arguments, not {len(given)}")
    for position, value in enumerate(given, start=2):
        text(f"argument {position} of {where}", value)
        kind = type(value)
        if not hasattr(kind, "__iter__") and not hasattr(kind, "__getitem__"):
            raise TypeError(
                f"argument {position} of {where} must be an iterable of inputs, not {brief(value)}; "
                f"{_how_to_iterate(where, value)}"
            )


def _how_to_iterate(where: str, value: object) -> str:
    if hasattr(type(value), "__aiter__"):
        owner, _, method = where.rpartition(".")
        return f"an async iterable goes to {owner}.a{method}, in a coroutine"
    if callable(value):
        return f"what it returns may be one: {describe(value)}()"
    return f"for a single call use submit(fn, {brief(value)})"


def text(what: str, value: object) -> None:
    """Check that an iterable of inputs is not one text, of which each character would be an input."""
    if is_text(value):
        parts = "characters" if isinstance(value, str) else "bytes"
        shown = brief(value, 40)
        raise TypeError(
            f"{what} is one text, {shown}, of which each of the {parts} would be an input: give [{shown}] for one "
            f"call, or list({shown}) for a call of each"
        )


def late(value: str | None, deadline: float | None) -> None:
    """Check what is to become of calls that are late for their batch's deadline."""
    if value not in (None, "keep"):
        raise ValueError(f'late must be "keep" or None, not {brief(value)}')
    if value is not None and deadline is None:
        raise ValueError('late="keep" needs a deadline for the batch: run(…, deadline=30, late="keep")')


def pause(where: str, value: float) -> float:
    """Check a duration that may be nothing."""
    found = real(value)
    if found is None:
        raise TypeError(f"{where} needs a number of seconds, not {brief(value)}")
    if not found >= 0:
        raise ValueError(f"{where} needs at least 0 seconds, not {value!r}")
    return found
