"""What is simulated: questions of whoever plans a run past one machine, each with its rows."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks.planning.measures import Result, run
from benchmarks.planning.settings import SETTINGS
from threadfan._core.calls.keyed_inputs import KeyedInputs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.planning.machine import Machine

    Row = tuple[str, Callable[[], Result]]

ALONE, ADAPTIVE, ALL, PART, SHARED = SETTINGS
PER_MINUTE = 6_000
TENANTS = 10


def slots(machines: int, per_minute: float) -> int:
    """Twice what a fleet needs on average for calls of 2 s, so that the limit binds and not the slots; at least 8."""
    return max(8, round(per_minute / 60 * 4 / machines))


def fleets(sizes: tuple[int, ...], per_minute: float = PER_MINUTE, phase: float = 300.0) -> Iterator[Row]:
    """The limit as given, half of it, and all of it again, for so long each."""
    for setting in SETTINGS:
        # With retries alone nearly all is refused, however many machines there are: thousands of requests a second.
        for machines in sizes if setting != ALONE else sizes[:1]:
            made = partial(run, setting, machines, per_minute, slots(machines, per_minute), phase=phase)
            if setting == ALONE:
                made = partial(made, phase=20.0, warm_up=10.0, changes=False)
            yield f"{setting}, {machines:,} machines", made


def idle(machines: int = 100, phase: float = 120.0) -> Iterator[Row]:
    """A tenth of the machines has work."""
    for setting in (ADAPTIVE, PART, SHARED):
        room = slots(machines // 10, PER_MINUTE)
        made = partial(run, setting, machines, PER_MINUTE, room, phase=phase, changes=False, jobs=tenth)
        yield f"{setting}, {machines:,} machines of which a tenth has work", made


def tenth(machine: Machine) -> None:
    """Work for one machine in ten."""
    if machine.number % 10 == 0:
        machine.add("", 1_000_000)


def tokens(sizes: tuple[int, ...], phase: float = 300.0) -> Iterator[Row]:
    """Requests of 1,000 tokens on average, some of ten times as many, and half as many tokens as requests allow."""
    for setting in (ADAPTIVE, PART, SHARED):
        for machines in sizes:
            room, most = slots(machines, PER_MINUTE), 500.0 * PER_MINUTE
            made = partial(run, setting, machines, PER_MINUTE, room, phase=phase, changes=False, tokens_per_minute=most)
            yield f"{setting}, {machines:,} machines, tokens bind", made


def jobs(phase: float = 60.0) -> Iterator[Row]:
    """Who gets how much of a limit that is too small for all."""
    limited = partial(run, per_minute=PER_MINUTE, phase=phase, changes=False)
    yield "ten batches on one machine", partial(limited, ALL, 1, slots=400, jobs=_ten)
    yield (
        "ten tenants in one batch, one has 9 of 10 items",
        partial(limited, ALL, 1, slots=400, jobs=partial(_mixed, 0)),
    )
    yield "the same with by=, 20 at once of each", partial(limited, ALL, 1, slots=400, jobs=partial(_mixed, 20))
    yield (
        "two jobs, on 90 machines and on 10, one limit in common",
        partial(limited, SHARED, 100, slots=8, jobs=_uneven),
    )


def _ten(machine: Machine) -> None:
    for number in range(TENANTS):
        machine.add(f"job {number}", 1_000_000)


def _mixed(most: int, machine: Machine) -> None:
    """Inputs of ten tenants, in the order in which they came."""
    chance, count = machine.world.random, 120_000
    names = [f"tenant {0 if chance.random() < 0.9 else chance.randrange(1, TENANTS)}" for _ in range(count)]
    inputs = KeyedInputs(list(names), 0.0, by=lambda name: name, most=most or count)
    machine.add("", count, (inputs, names))


def _uneven(machine: Machine) -> None:
    machine.add("large" if machine.number < 90 else "small", 1_000_000)


def outage(machines: int = 100, items: int = 600, per_minute: float = PER_MINUTE) -> Iterator[Row]:
    """The provider is down for a minute."""
    for breaker in (False, True):
        made = partial(run, PART, machines, per_minute, 8, items=items, breaker=breaker, down=(120.0, 180.0))
        yield f"{PART}, retry=5, {machines:,} machines, down for 60 s, {'a' if breaker else 'no'} breaker", made


def items(setting: str, machines: int, each: int, per_minute: float) -> Iterator[Row]:
    """So many items, to the last one."""
    made = partial(run, setting, machines, per_minute, slots(machines, per_minute), items=each)
    yield f"{setting}, {machines:,} machines, {machines * each:,} items, {per_minute:,.0f} a minute", made
