"""Context variables that are really a thread's.

Calls see the caller's context variables, as they were when the call was handed in, with three exceptions:

- What the fan's initializer has set holds in every call of its thread, as in the standard pool.
- A numeric context (``decimal.getcontext()``) is one object that code changes in place.  Each attempt of a call has a
  copy, so that no call changes another's digits, or the caller's.
- Which event loop runs here, as sniffio keeps it, is not so in another thread: there runs none, and may be started.

Nothing of this is looked for before the program has imported what it comes from, and this module is not imported before
there is a batch, an initializer, or anything in a caller's context.
"""

from __future__ import annotations

from contextvars import Context, copy_context
from sys import modules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import ContextVar
    from typing import Any, TypeVar

    T = TypeVar("T")
    R = TypeVar("R")

    from types import ModuleType

    Variable = ContextVar[Any]
    Renew = Callable[[Any], object]
    Kind = tuple[Variable, Renew]
    """A variable, and what makes of its value what another call may have."""


def capture() -> Context:
    """The caller's context, for one call or to be renewed for several."""
    context = copy_context()
    if context:
        settle(context)
    return context


def settle(context: Context) -> None:
    """Make the caller's context, if there is anything in it, one that a call may have."""
    awaited, kinds = _known
    for name in awaited:
        if name in modules:
            kinds = _look()
    _renew(context, kinds)


def renewed(context: Context) -> Context:
    """A copy of a captured context, for one call or one attempt of it."""
    context, kinds = context.copy(), _known[1]
    if kinds:
        _renew(context, kinds)
    return context


def _renew(context: Context, kinds: tuple[Kind, ...]) -> None:
    for variable, renew in kinds:
        value = context.get(variable)
        if value is not None:
            context.run(variable.set, renew(value))


def setter_of_own() -> Callable[[], None] | None:
    """What sets, in the context that a call will run in, all that is set in this thread; None if that is nothing.

    To be asked in a thread whose initializer has just returned.
    """
    renewals = dict(_look())
    own = [(variable, value, renewals.get(variable)) for variable, value in copy_context().items()]

    def set_own() -> None:
        for variable, value, renew in own:
            variable.set(value if renew is None else renew(value))

    return set_own if own else None


def renewing(fn: Callable[[T], R]) -> Callable[[T], R]:
    """``fn`` for calls that run in plain copies of this context, where something has to be renewed for each."""
    here = [(variable, renew) for variable, renew in _known[1] if variable.get(None) is not None]
    if not here:
        return fn

    def renew_and_call(item: T) -> R:
        for variable, renew in here:
            variable.set(renew(variable.get()))
        return fn(item)

    return renew_and_call


# -- what there is ----------------------------------------------------------------------------------------------------


def _variable_of(module: ModuleType, getter: str) -> Variable | None:
    """The variable that a module keeps its context in, found by having it set that in a context of its own."""
    scratch = Context()
    scratch.run(getattr(module, getter))
    return next(iter(scratch), None)


def _copied(value: Any) -> object:
    return value.copy()


def _unset(_: object) -> None:
    return None


# module -> the attribute that is there once it is imported, what finds the variable by it, what renews its value
_SOURCES: dict[str, tuple[str, Callable[[ModuleType, str], Variable | None], Renew]] = {
    "decimal": ("getcontext", _variable_of, _copied),
    "gmpy2": ("get_context", _variable_of, _copied),
    "sniffio": ("current_async_library_cvar", getattr, _unset),
}
# The modules that were not seen yet, and the variables of those that were.  One tuple, so that of two threads that look
# at the same time one may only have to look again.
_known: tuple[tuple[str, ...], tuple[Kind, ...]] = tuple(_SOURCES), ()


def _look() -> tuple[Kind, ...]:
    """Find the variables of modules that were imported meanwhile; all that are known."""
    global _known
    awaited, kinds = _known
    for name in awaited:
        attribute, find, renew = _SOURCES[name]
        module = modules.get(name)
        if module is not None and hasattr(module, attribute):  # else it is being imported now
            variable = find(module, attribute)
            awaited = tuple(one for one in awaited if one != name)
            kinds = kinds if variable is None else (*kinds, (variable, renew))
    _known = awaited, kinds
    return kinds
