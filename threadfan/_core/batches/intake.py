"""Taking inputs: one iterable or several, sized or endless."""

from __future__ import annotations

from collections import deque
from functools import partial
from itertools import islice

from ..base import checks
from ..base.errors import brief, describe
from ..base.fitting import fits
from ..base.given import is_text
from ..base.variables import capture
from ..calls.batch import Batch
from ..events import log
from ..scope.scope import scope_around

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from ..calls.options import Options
    from ..calls.policies import Policies
    from ..limits.waitlist import Waitlist
    from ..pool.scheduler import Scheduler
    from ..pool.work_queue import Actions
    from ..scope.scope import Scope
    from .task_group import TaskGroup

    Given = tuple[Iterable[Any], ...]

# Collections that can be taken at once: their iteration runs no code of the user's and does not block.
# That goes for subclasses only if they iterate in the same way.
KNOWN = (list, tuple, range, set, frozenset, dict, deque, str, bytes)


def known(given: Given) -> bool:
    """Whether all inputs are at hand."""
    return all(any(getattr(type(one), "__iter__", None) is kind.__iter__ for kind in KNOWN) for one in given)


def check(where: str, fn: Callable[..., Any], given: Given, *, star: bool) -> None:
    """Check, before anything is called, that these are inputs and that ``fn`` can be called with them.

    Args:
        star: whether each input is a tuple of arguments.
    """
    checks.iterables(where, given, star=checks.flag("star", star))
    if not star:
        fits(where, fn, len(given))
        return
    for first in islice(given[0], 1) if known(given) else ():
        if is_text(first) or not hasattr(type(first), "__iter__"):
            raise TypeError(
                f"each input must be a tuple of arguments for {where}{'' if 'star' in where else ' with star=True'}, "
                f"not {brief(first)}: ({brief(first)},) is one"
            )
        if isinstance(first, (tuple, list)):
            fits(f"a tuple of {where}", fn, len(first))


def everything(given: Given, *, strict: bool) -> list[Any]:
    """All inputs: items, or tuples of them if there are several iterables."""
    if len(given) == 1:
        return list(given[0])
    return list(one_by_one(given, strict=strict))


def one_by_one(given: Given, *, strict: bool) -> Iterator[Any]:
    """The same, lazily; lengths that disagree are noticed as early as they are known."""
    if strict and known(given):
        lengths = [len(iterable) for iterable in given]  # type: ignore[arg-type]
        if len(set(lengths)) > 1:
            raise ValueError(f"the iterables must have equal lengths, not {' and '.join(map(str, lengths))}")
    return iter(given[0]) if len(given) == 1 else zip(*given, strict=strict)


def taking_tuples(fn: Callable[..., Any], given: Given, *, star: bool) -> Callable[[Any], Any]:
    """``fn`` as a function of one item, which may be a tuple of what ``fn`` takes."""
    if len(given) == 1 and not star:
        return fn

    def starred(item: tuple[Any, ...]) -> Any:
        return fn(*item)

    starred.__qualname__ = describe(fn)  # by which errors call it
    return starred


def new_batch(
    scheduler: Scheduler,
    options: Options,
    fn: Callable[..., Any],
    given: Given,
    *,
    items: list[Any] | None,
    star: bool = False,
) -> Batch:
    """A batch in the caller's context and scope; not yet enlisted.

    Args:
        items: all inputs, or None if they will be fed.
        star: whether each input is a tuple of arguments.
    """
    one = taking_tuples(options.dressed(fn), given, star=star)
    shared: dict[str, Any] = {"name": describe(fn), "context": capture(), "outer": scope_around()}
    if options.policies is not None:
        return _under_policies(scheduler, options, options.policies, one, star or len(given) > 1, items, shared)
    return Batch(scheduler, options.group, scheduler.depth(), one, items=items, timeout=options.timeout, **shared)


def _under_policies(
    scheduler: Scheduler,
    options: Options,
    policies: Policies,
    one: Callable[[Any], Any],
    several: bool,
    items: list[Any] | None,
    shared: dict[str, Any],
) -> Batch:
    """A batch under policies: each call has its own state, so each is an object from the start."""
    from ..calls.policy_queues import PolicyBatch, policy_call

    make = partial(policy_call, policies, options.timeout, one, several, shared["context"])
    now = scheduler.clock.monotonic()
    calls = None if items is None else [make(item, place, now) for place, item in enumerate(items)]
    waitlists = policies.waitlists
    return PolicyBatch(
        scheduler, options.group, scheduler.depth(), one, calls=calls, make=make, waitlists=waitlists, **shared
    )


def waitlists_of(policies: Iterable[Policies | None]) -> set[Waitlist]:
    """All that calls under several policies may stand in."""
    return set().union(*(one.waitlists for one in policies if one is not None))


def enlist(batch: Batch | TaskGroup, listeners: Actions) -> None:
    """Let threads at a batch; the listeners are called when it is done."""
    scheduler = batch.scheduler
    after: Actions = []
    with scheduler.lock:
        scheduler.check_open()
        batch.listeners.extend(listeners)
        batch.enlisted = True
        scheduler.queues.add(batch)
        if batch.ready():
            scheduler.offer(batch, after)
        scheduler.check_done(batch, after)
    scheduler.perform(after)
    if batch.outer is not None:
        _end_with(batch, batch.outer)


def _end_with(batch: Batch | TaskGroup, outer: Scope) -> None:
    """When the scope that the batch is made in ends, so does the batch."""
    scheduler = batch.scheduler
    at_end(batch, outer.on_cancel(lambda: scheduler.timer.cancel(batch, None, "the call that made this one has ended")))


def at_end(batch: Batch | TaskGroup, act: Callable[[], object]) -> None:
    """Have ``act()`` done when the batch is done, now if it is."""
    with batch.scheduler.lock:
        done = batch.done
        if not done:
            batch.listeners.append(act)
    if done:
        act()


def tell_end(batch: Batch | TaskGroup, wall: float) -> None:
    """The event of a batch that has ended, ``wall`` seconds after it began."""
    if log.logger() is not None:
        seen: dict[str, int] = {status: number for status, number in batch.counts().items() if number}
        log.batch_ended(batch.scheduler.name, batch.name, seen, wall, _figures(batch))


def _figures(batch: Batch | TaskGroup) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    if batch.collector.attempts:
        figures["retries"] = batch.collector.retries()
        figures["limited"] = log.milliseconds(batch.limited(batch.scheduler.clock.monotonic()))
        figures["pauses"] = batch.pauses()
    if batch.collector.usages:
        used = list(batch.collector.usages.values())
        figures["input_tokens"] = sum(usage.input_tokens for usage in used)
        figures["output_tokens"] = sum(usage.output_tokens for usage in used)
    return figures
