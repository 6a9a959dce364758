"""What came of a fleet: how much of the limit it used, what was refused and failed, how soon it followed a change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.planning.machine import Ends, Machine, started
from benchmarks.planning.provider import Provider, jain
from benchmarks.planning.settings import SETTINGS, Fleet
from benchmarks.planning.stores import Common
from benchmarks.planning.world import World

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

WARM_UP = 60.0  # seconds that count for nothing
WINDOW = 10  # seconds in which a fleet has followed: by then that much is used, and no more is refused
USED, REFUSED = 0.9, 0.05
PLENTY = 1_000_000  # items: more than there is time for


@dataclass
class Result:
    """Of one run.

    Args:
        used: of the limit, while it was as given, after the warm-up.
        refused: of the requests in that time.
        halved: seconds until it had followed the limit to its half; None if it never did.
        doubled: the same when the limit was whole again.
        machines: Jain's index over the calls answered for each machine.
        jobs: the same over jobs.
        failed: of the items that have ended, the part that failed.
        requests: all that were made.
        asked: questions to the store for each request.
        seconds: of virtual time until the last item had ended.
    """

    used: float
    refused: float
    halved: float | None
    doubled: float | None
    machines: float
    jobs: float
    failed: float
    requests: int
    refusals: int
    asked: float
    seconds: float
    answered: Counter[str]
    lost: int


def run(
    setting: str,
    machines: int,
    per_minute: float,
    slots: int,
    *,
    phase: float = 300.0,
    warm_up: float = WARM_UP,
    items: int | None = None,
    tokens_per_minute: float | None = None,
    changes: bool = True,
    breaker: bool = False,
    down: tuple[float, float] | None = None,
    jobs: Callable[[Machine], None] | None = None,
    seed: int = 0,
) -> Result:
    """A fleet with more work than time: the limit as given, half of it, and all of it again, for ``phase`` each.

    Args:
        warm_up: seconds before that.
        items: of each machine; then it runs until all have ended, and the limit stays.
        jobs: gives a machine its jobs; one for each machine by default.
    """
    with World(seed) as world:
        provider = Provider(world, per_minute, tokens_per_minute)
        common, ends = Common(world), Ends()
        fleet = Fleet(world, common, machines, per_minute, slots, tokens_per_minute, breaker)
        made = [Machine(number, world, provider, ends, SETTINGS[setting](fleet)) for number in range(machines)]
        for machine in made:
            if jobs is None:
                machine.add("", items or PLENTY)
            else:
                jobs(machine)
        started(made, world, min(5.0, warm_up / 2))
        if down is not None:
            world.at(down[0], lambda: provider.set_down(True))
            world.at(down[1], lambda: provider.set_down(False))
        until = warm_up + phase
        if changes and items is None:
            world.at(until, lambda: provider.change(0.5))
            world.at(until + phase, lambda: provider.change(1.0))
        world.run(float("inf") if items is not None else until + (2 * phase if changes else 0.0))
        steady = range(int(warm_up), int(until) if items is None else max(int(warm_up) + 1, int(ends.last) - 5))
        return _result(
            provider, common, ends, made, steady, [until, until + phase] if changes and items is None else []
        )


def _result(
    provider: Provider, common: Common, ends: Ends, made: list[Machine], steady: range, changes: list[float]
) -> Result:
    accepted = sum(provider.accepted[steady.start : steady.stop])
    refused = sum(provider.refused[steady.start : steady.stop])
    requests = sum(provider.accepted) + sum(provider.refused) + sum(provider.lost)
    whole = provider.limits[0][1]
    answered, failed = ends.answered.total(), ends.failed.total()
    found = [_followed(provider, int(at), part) for at, part in zip(changes, (0.5, 1.0), strict=False)]
    return Result(
        used=accepted / (whole * len(steady)),
        refused=refused / max(1, accepted + refused),
        halved=found[0] if found else None,
        doubled=found[1] if found else None,
        machines=jain([float(ends.by_machine[machine.number]) for machine in made]),
        jobs=jain([float(count) for count in ends.answered.values()]),
        failed=failed / max(1, answered + failed),
        requests=requests,
        refusals=sum(provider.refused),
        asked=common.asked / max(1, requests),
        seconds=ends.last,
        answered=ends.answered,
        lost=sum(provider.lost),
    )


def _followed(provider: Provider, at: int, part: float) -> float | None:
    """Seconds from a change until, for a while, most of what is allowed is used and hardly anything refused."""
    allowed = provider.limits[0][1] * part * WINDOW
    end = next((int(moment) for moment, _ in provider.limits if moment > at), len(provider.accepted))
    for first in range(at, end - WINDOW):
        accepted = sum(provider.accepted[first : first + WINDOW])
        refused = sum(provider.refused[first : first + WINDOW])
        if accepted >= USED * allowed and refused <= REFUSED * (accepted + refused):
            return float(first - at)
    return None
