"""What can be set for a fan, a view of it or a single task; and the checks of all arguments that users give."""

from __future__ import annotations

from functools import partial

from ..base.errors import brief, describe
from ..base.given import is_text, real, truth, whole
from .source import Group

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..control.course import Policy
    from ..control.hedge import Hedge
    from ..control.rate import RateLimit
    from .line import Line
    from .rules import Rules


class Options:
    """How calls are run.

    Args:
        timeout: seconds, or None.
        group: caps their concurrency.
        retry: what is tried again, as for ``Fan``.
        rate: a limit that they share with all who are given the same object.
        hedge: when they are attempted a second time.
        pace: the line before the fan's `Adaptive`, if it has one.
        interrupt: raise ``CallCancelled`` in them, wherever they are, when they are over.
        most: how many calls the user wants the fan to run at once; None for a number that depends on the machine.
    """

    __slots__ = ("group", "interrupt", "most", "rules", "ruling", "timeout")

    def __init__(
        self,
        timeout: float | None,
        group: Group,
        interrupt: bool = False,
        most: int | None = None,
        **ruling: Any,
    ) -> None:
        self.most = most
        self.timeout = seconds("timeout", timeout)
        self.group = group
        self.interrupt = flag("interrupt", interrupt)
        self.ruling = ruling
        self.rules = None if all(value is None for value in ruling.values()) else _rules(**ruling)

    def changed(self, changes: dict[str, Any]) -> Options:
        """A copy with some options replaced."""
        group = self.group
        if "limit" in changes:
            limit = changes["limit"]
            group = Group() if limit is None else Group(self.limit(limit))
        new = Options(changes.get("timeout", self.timeout), group, changes.get("interrupt", self.interrupt), self.most)
        new.ruling = {**self.ruling, **{name: changes[name] for name in RULING if name in changes}}
        same = all(new.ruling.get(name) is self.ruling.get(name) for name in RULING)
        new.rules = self.rules if same else _rules(**new.ruling)
        return new

    def limit(self, value: int) -> int:
        """Check a limit of calls at once: one that the fan's slots can never reach limits nothing."""
        found = count("limit", value)
        if self.most is not None and found > self.most:
            raise ValueError(
                f"limit must be at most {self.most}, the fan's max_workers, not {value!r}: leave it out, "
                f"or make a Fan({found})"
            )
        return found

    def dressed(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """``fn`` as it is to be called under these options."""
        if not self.interrupt:
            return fn
        from .interrupt import interruptible

        return interruptible(fn)


RULING = ("retry", "rate", "hedge")
UNSET: Any = object()
"""The default of an option that stays as it is."""


def given(**options: Any) -> dict[str, Any]:
    """The options that were given, as changes of others."""
    return {name: value for name, value in options.items() if value is not UNSET}


def refuse_misplaced(where: str, given: dict[str, Any]) -> None:
    """Say where options belong that are not taken here."""
    from .misplaced import misplaced

    raise misplaced(where, given)


def _rules(
    retry: Any = None, rate: RateLimit | None = None, hedge: Hedge | None = None, pace: Line | None = None
) -> Rules | None:
    from .line import line_of  # on first use: imports are dear to programs that need none of it
    from .rules import Rules

    policy = _ruled(retry, rate, hedge)
    if policy is None and rate is None and pace is None and hedge is None:
        return None
    from . import governed  # noqa: F401 -- what their calls need, before there is one

    return Rules(policy, None if rate is None else line_of(rate), pace, hedge)


def _ruled(retry: Any = None, rate: Any = None, hedge: Any = None) -> Policy | None:
    """Check what calls are ruled by; the policy of their retries."""
    from ..control.hedge import Hedge
    from ..control.rate import RateLimit
    from ..control.retry import retry_policy

    if rate is not None and not isinstance(rate, RateLimit):
        raise TypeError(f"rate must be a RateLimit, such as RateLimit(requests_per_minute=600), not {brief(rate)}")
    if hedge is not None and not isinstance(hedge, Hedge):
        raise TypeError(f'hedge must be a Hedge, such as Hedge(after="p95", budget=0.05), not {brief(hedge)}')
    return retry_policy(retry)


def of_each_call(**options: Any) -> dict[str, Any]:
    """The options that were given for calls of a task or a stage, which has no fan yet; checked."""
    changes = given(**options)
    if "timeout" in changes:
        changes["timeout"] = seconds("timeout", changes["timeout"])
    if "interrupt" in changes:
        changes["interrupt"] = flag("interrupt", changes["interrupt"])
    ruling = {name: changes[name] for name in RULING if changes.get(name) is not None}
    if ruling:
        _ruled(**ruling)
    return changes


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
_UNRUN = _CO_GENERATOR | _CO_COROUTINE | _CO_ASYNC_GENERATOR


def callable_(where: str, fn: Callable[..., Any]) -> Callable[..., Any]:
    """Check that ``fn`` can be called."""
    if not callable(fn):
        raise _not_callable(where, fn)
    return fn


def a_fan(where: str, given: Any) -> None:
    """Check that the first argument is a fan, a view of one, or what stands in for it."""
    if not callable(getattr(given, "gather", None)):
        raise TypeError(f"{where} needs a Fan, or a view of one, as its first argument, not {brief(given)}")


def function(where: str, fn: Callable[..., Any]) -> Callable[..., Any]:
    """Check that ``fn`` is something a thread can call and get a result from."""
    if not callable(fn):
        raise _not_callable(where, fn)
    flags = _flags_of(fn)
    if not flags & _UNRUN:
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


def iterables(where: str, given: tuple[Any, ...], *, star: bool = False) -> None:
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
