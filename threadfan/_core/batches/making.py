"""Batches, made in the caller's context and scope; not yet enlisted, so no call starts before somebody waits."""

from __future__ import annotations

from functools import partial
from itertools import count

from ..base import checks
from ..base.static import describe
from ..base.variables import capture, renewed
from ..calls.batch import Batch
from ..calls.task_batch import TaskBatch, TaskCall
from ..pool.priorities import rank
from ..scope.scope import scope_around
from .intake import taking_tuples
from .tasks import all_tasks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextvars import Context
    from typing import TypedDict

    from ..base.generic import OneInput
    from ..calls.keys import Keys
    from ..calls.options import Options
    from ..calls.policies import Policies
    from ..limits.waitlist import Waitlist
    from ..pool.scheduler import Scheduler
    from ..scope.scope import Scope
    from .intake import Given
    from .tasks import Take

    class Shared(TypedDict):
        """What all kinds of batches are made with."""

        name: str
        context: Context
        outer: Scope | None


def new_batch(
    scheduler: Scheduler,
    options: Options,
    fn: Callable[..., object],
    given: Given,
    *,
    items: list[object] | None,
    star: bool = False,
    numbers: list[int] | None = None,
    around: Callable[[OneInput], OneInput] | None = None,
) -> Batch:
    """Calls of one function.

    Args:
        items: all inputs, or None if they will be fed.
        star: whether each input is a tuple of arguments.
        numbers: the index of each input, if it is not its place.
        around: makes of the function what is called in its place.
    """
    several = star or len(given) > 1
    one = _as_called(several, around, options.dressed(fn))
    batch = _of_inputs(scheduler, options, fn, one, several, partial(_as_called, several, around), items, numbers)
    rank(batch, options.priority)
    return batch


def _of_inputs(
    scheduler: Scheduler,
    options: Options,
    fn: Callable[..., object],
    one: OneInput,
    several: bool,
    adapt: Callable[[Callable[..., object]], OneInput],
    items: list[object] | None,
    numbers: list[int] | None,
) -> Batch:
    shared: Shared = {"name": describe(fn), "context": capture(), "outer": scope_around()}
    if options.keys is not None:
        return _by_key(scheduler, options, options.keys, one, several, adapt, items, numbers, shared)
    if options.policies is not None:
        return _under_policies(scheduler, options, options.policies, one, several, adapt, items, numbers, shared)
    return Batch(
        scheduler, options.cap, scheduler.depth(), one, items=items, numbers=numbers, timeout=options.timeout, **shared
    )


def _as_called(several: bool, around: Callable[[OneInput], OneInput] | None, fn: Callable[..., object]) -> OneInput:
    """A function as it is called with each input, which may be a tuple of what it takes."""
    one = taking_tuples(fn, ((),), star=several)
    return one if around is None else around(one)


def _under_policies(
    scheduler: Scheduler,
    options: Options,
    policies: Policies,
    one: OneInput,
    several: bool,
    adapt: Callable[[Callable[..., object]], OneInput],
    items: list[object] | None,
    numbers: list[int] | None,
    shared: Shared,
) -> Batch:
    """Each call has its own attempts; where it may, it is an object only when it needs to be."""
    from ..calls.input_batch import InputBatch
    from ..calls.policy_queues import PolicyBatch, policy_call

    make = partial(policy_call, policies, options.timeout, one, several, adapt, shared["context"])
    cap, depth = options.cap, scheduler.depth()
    if policies.first_is_plain:
        return InputBatch(
            scheduler,
            cap,
            depth,
            one,
            items=items,
            numbers=numbers,
            policies=policies,
            timeout=options.timeout,
            make=make,
            **shared,
        )
    calls = None if items is None else _calls(scheduler, make, items, numbers)
    waitlists = policies.waitlists
    return PolicyBatch(scheduler, cap, depth, one, calls=calls, make=make, waitlists=waitlists, **shared)


def _by_key(
    scheduler: Scheduler,
    options: Options,
    keys: Keys,
    one: OneInput,
    several: bool,
    adapt: Callable[[Callable[..., object]], OneInput],
    items: list[object] | None,
    numbers: list[int] | None,
    shared: Shared,
) -> Batch:
    """Of each key there may be so many calls at once, or in a minute."""
    cap, depth, context = options.cap, scheduler.depth(), shared["context"]
    if options.policies is None and keys.rate is None and keys.most is not None:
        from ..calls.keyed_batch import KeyedBatch

        return KeyedBatch(
            scheduler, cap, depth, one, by=keys.by, most=keys.most, items=items, numbers=numbers,
            timeout=options.timeout, **shared,
        )  # fmt: skip
    from ..calls.keyed_policies import by_key
    from ..calls.policy_queues import PolicyBatch, policy_call

    policies_of, waitlists = by_key(options.policies, keys, scheduler)

    def make(item: object, place: int, now: float) -> TaskCall:
        return policy_call(policies_of(item), options.timeout, one, several, adapt, context, item, place, now)

    calls = None if items is None else _calls(scheduler, make, items, numbers)
    batch = PolicyBatch(scheduler, cap, depth, one, calls=calls, make=make, waitlists=waitlists, **shared)
    batch.keyed = True
    return batch


def _calls(
    scheduler: Scheduler,
    make: Callable[[object, int, float], TaskCall],
    items: list[object],
    numbers: list[int] | None,
) -> list[TaskCall]:
    now = scheduler.clock.monotonic()
    places = count() if numbers is None else numbers
    return [make(item, place, now) for place, item in zip(places, items, strict=False)]


def task_batch(
    scheduler: Scheduler,
    options: Options,
    tasks: tuple[Callable[..., object], ...],
    named: Mapping[str, Callable[..., object]],
    take: Take = checks.function,
    where: str = "fan.gather",
    name: str = "gather",
) -> TaskBatch:
    """Calls of different functions, each with options of its own.

    Args:
        take: checks each function, and may put another in its place.
        where: the method that they were given to.
        name: by which events call them together.
    """
    context, now = capture(), scheduler.clock.monotonic()
    calls = []
    priorities = []
    for place, one in enumerate(all_tasks(where, tasks, named, take)):
        own = options.changed(one.changes)
        call = TaskCall(one, place, own.dressed(one.fn), one.args, one.kwargs, renewed(context), own.timeout, now)
        if own.policies is not None:
            call.policies, call.state = own.policies, own.policies.state(one.args, one.kwargs, now)
        calls.append(call)
        priorities.append(own.priority)
    order = sorted(range(len(calls)), key=priorities.__getitem__)
    calls = [calls[place] for place in order]
    shared: Shared = {"name": name, "context": context, "outer": scope_around()}
    batch: TaskBatch
    if any(call.policies is not None for call in calls):
        from ..calls.policy_queues import PolicyBatch

        waitlists = _waitlists(call.policies for call in calls)
        batch = PolicyBatch(
            scheduler, options.cap, scheduler.depth(), describe, calls=calls, waitlists=waitlists, **shared
        )
    else:
        batch = TaskBatch(
            scheduler, options.cap, scheduler.depth(), describe, items=calls, numbers=order, timeout=None, **shared
        )
    rank(batch, options.priority)
    batch.collector.names = {len(tasks) + place: name for place, name in enumerate(named)}
    return batch


def _waitlists(policies: Iterable[Policies | None]) -> set[Waitlist]:
    """Those of the limits that several policies have."""
    return set().union(*(one.waitlists for one in policies if one is not None))
