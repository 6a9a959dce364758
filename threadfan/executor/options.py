"""What can be set for a fan, a view of it or a single task; and the checks of all arguments that users give."""

from __future__ import annotations

from functools import partial

from ..base.errors import brief, describe
from .source import Group

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

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
    """

    __slots__ = ("group", "interrupt", "rules", "ruling", "timeout")

    def __init__(
        self,
        timeout: float | None,
        group: Group,
        interrupt: bool = False,
        **ruling: Any,
    ) -> None:
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
            group = Group() if limit is None else Group(count("limit", limit))
        new = Options(changes.get("timeout", self.timeout), group, changes.get("interrupt", self.interrupt))
        new.ruling = {**self.ruling, **{name: changes[name] for name in RULING if name in changes}}
        same = all(new.ruling.get(name) is self.ruling.get(name) for name in RULING)
        new.rules = self.rules if same else _rules(**new.ruling)
        return new

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


def _rules(
    retry: Any = None, rate: RateLimit | None = None, hedge: Hedge | None = None, pace: Line | None = None
) -> Rules | None:
    from ..control.hedge import Hedge
    from ..control.rate import RateLimit  # on first use: imports are dear to programs that need none of it
    from ..control.retry import retry_policy
    from .line import line_of
    from .rules import Rules

    if rate is not None and not isinstance(rate, RateLimit):
        raise TypeError(f"rate must be a RateLimit, such as RateLimit(requests_per_minute=600), not {brief(rate)}")
    if hedge is not None and not isinstance(hedge, Hedge):
        raise TypeError(f'hedge must be a Hedge, such as Hedge(after="p95", budget=0.05), not {brief(hedge)}')
    policy = retry_policy(retry)
    if policy is None and rate is None and pace is None and hedge is None:
        return None
    from . import governed  # noqa: F401 -- what their calls need, before there is one

    return Rules(policy, None if rate is None else line_of(rate), pace, hedge)


def flag(name: str, value: bool) -> bool:
    """Check a yes or no."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, not {brief(value)}")
    return value


def seconds(name: str, value: float | None) -> float | None:
    """Check a duration."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number of seconds or None, not {brief(value)}")
    if not value > 0:
        raise ValueError(f"{name} must be greater than 0 seconds, or None for no limit, not {value!r}")
    return float(value)


def count(name: str, value: int) -> int:
    """Check a number of things."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number, not {brief(value)}")
    if value <= 0:
        raise ValueError(f"{name} must be greater than 0, not {value!r}")
    return value


_CO_COROUTINE = 0x80  # inspect.CO_COROUTINE, without the import of inspect
_CO_ASYNC_GENERATOR = 0x200


def function(where: str, fn: Callable[..., Any]) -> Callable[..., Any]:
    """Check that ``fn`` is something a thread can call and get a result from."""
    if not callable(fn):
        raise TypeError(f"{where} needs a function to call, not {brief(fn)}")
    if is_coroutine_function(fn):
        raise TypeError(
            f"{where} runs blocking functions in threads, but {describe(fn)} is a coroutine function: await it, or "
            f"give a function that calls asyncio.run({describe(fn)}(…))"
        )
    return fn


def is_coroutine_function(fn: object, *, generators: bool = True) -> bool:
    """Whether calling ``fn`` only makes a coroutine, or with ``generators`` an asynchronous generator."""
    code = getattr(fn, "__code__", None)
    while code is None and isinstance(fn, partial):
        fn = fn.func
        code = getattr(fn, "__code__", None)
    if code is None and not isinstance(fn, type):  # a method, or an object that can be called
        code = getattr(getattr(fn, "__func__", None) or vars(type(fn)).get("__call__"), "__code__", None)
    flags = getattr(code, "co_flags", 0)
    wanted = _CO_COROUTINE | (_CO_ASYNC_GENERATOR if generators else 0)
    return isinstance(flags, int) and bool(flags & wanted)


def iterables(where: str, given: tuple[Any, ...]) -> None:
    """Check that there is something to iterate over."""
    if not given:
        raise TypeError(f"{where} needs at least one iterable of inputs: {where}(fn, items)")
    for position, value in enumerate(given, start=2):
        if not hasattr(type(value), "__iter__") and not hasattr(type(value), "__getitem__"):
            raise TypeError(
                f"argument {position} of {where} must be an iterable of inputs, not {brief(value)}; "
                f"for a single call use submit(fn, {brief(value)})"
            )


def late(value: str | None, deadline: float | None) -> None:
    """Check what is to become of calls that are late for their batch's deadline."""
    if value not in (None, "keep"):
        raise ValueError(f'late must be "keep" or None, not {brief(value)}')
    if value is not None and deadline is None:
        raise ValueError('late="keep" needs a deadline for the batch: run(…, deadline=30, late="keep")')


def pause(where: str, value: float) -> float:
    """Check a duration that may be nothing."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{where} needs a number of seconds, not {brief(value)}")
    if not value >= 0:
        raise ValueError(f"{where} needs at least 0 seconds, not {value!r}")
    return float(value)
