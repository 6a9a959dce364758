"""Which stage holds a pipeline up, or what else does: the pipeline run again in thought, with one thing changed."""

from __future__ import annotations

from ..batches.advice import BUSY, CLEAR, FAR, FEW, HALF, SLOW, best
from ..batches.replay import UNCAPPED, makespan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..batches.advice import Found
    from ..batches.figures import Conditions
    from ..batches.replay import Way
    from .stage_stats import StageStats

    Change = Callable[[float, float], float]
    """Of the time that a call took, given the stage's median."""


def bottleneck(
    stages: list[StageStats], ways: list[Way], wall: float, slots: int, conditions: Conditions
) -> str | None:
    """What to do about it, in one line.

    Args:
        stages: their figures.
        ways: when each item came, and how long it took in each stage that it entered.
        wall: seconds from start to end.
        slots: calls that can run at once.
        conditions: under what the calls have run.
    """
    if len(stages) < 2 or not wall:
        return None
    held = max(stages, key=lambda one: one.waited_limit)
    if held.waited_limit > HALF * sum(one.waited_limit + one.waited_slot + one.busy for one in stages):
        return f"{held.name!r} held the others up: its calls waited {held.waited_limit:.3g} s in all for its rate limit"
    again = _Again(stages, ways, wall, slots, conditions)
    return again.by_setting() or again.by_both() or again.by_stage()


class _Again:
    """A pipeline, and what it would be with a change."""

    def __init__(
        self, stages: list[StageStats], ways: list[Way], wall: float, slots: int, conditions: Conditions
    ) -> None:
        self._stages = stages
        self._ways = ways
        self._wall = wall
        self._slots = slots
        self._caps = [UNCAPPED if one.max_concurrent is None else one.max_concurrent for one in stages]
        self._now = makespan(ways, slots, self._caps)
        self._busy = sum(one.busy for one in stages)
        computes = conditions.get("processor", 0.0) >= BUSY
        growing = slots < conditions.get("ceiling", 0)  # by itself
        self._more_slots = not computes and not growing and any(one.waited_slot for one in stages)

    def by_setting(self) -> str | None:
        """More slots, a higher ``max_concurrent``, or no slow calls."""
        found: list[Found] = []
        if self._more_slots:
            longest = max(self._stages, key=lambda one: one.busy)
            share = longest.busy / self._busy if self._busy else 0.0
            line = f"all slots were in use, {share:.0%} of the time for {longest.name!r}: raise max_workers"
            found.append((self._spared(slots=2 * self._slots), line))
        for place, one in enumerate(self._stages):
            if one.max_concurrent is not None:
                line = f"{one.name!r} held the others up: its max_concurrent={one.max_concurrent} was used to "
                line += f"{one.load:.0%}: raise it"
                found.append((self._spared(caps=self._raised(place)), line))
            if one.started >= FEW and one.duration_max >= max(FAR * one.duration_p50, SLOW) and one.duration_p50:
                line = f"slow calls in {one.name!r} held the others up (median {one.duration_p50:.3g} s, slowest "
                line += f"{one.duration_max:.3g} s): give the stage a timeout, or a hedge if they may be made twice"
                found.append((self._spared(self._changed(place, _ordinary)), line))
        return best(found, self._wall)

    def by_both(self) -> str | None:
        """More slots and a higher ``max_concurrent``: each alone may be of no use."""
        if not self._more_slots:
            return None
        found = [
            (
                self._spared(slots=2 * self._slots, caps=self._raised(place)),
                f"all slots were in use, and so was max_concurrent={one.max_concurrent} of {one.name!r}: raise both",
            )
            for place, one in enumerate(self._stages)
            if one.max_concurrent is not None
        ]
        return best(found, self._wall)

    def by_stage(self) -> str | None:
        """A stage that takes more than half of the time."""
        found: list[Found] = []
        for place, one in enumerate(self._stages):
            share = one.busy / self._busy if self._busy else 0.0
            line = f"{one.name!r} held the others up, with {share:.0%} of the work, and more slots would not help: "
            found.append((self._spared(self._changed(place, lambda took, _: took / 2)), line + "make it faster"))
        return best(found, self._wall)

    def _spared(
        self, ways: list[Way] | None = None, *, slots: int | None = None, caps: list[float] | None = None
    ) -> float:
        return self._now - makespan(ways or self._ways, slots or self._slots, caps or self._caps)

    def _raised(self, place: int) -> list[float]:
        return [2 * cap if at == place else cap for at, cap in enumerate(self._caps)]

    def _changed(self, place: int, change: Change) -> list[Way]:
        median = self._stages[place].duration_p50
        return [
            (comes, [change(took, median) if at == place else took for at, took in enumerate(durations)])
            for comes, durations in self._ways
        ]


def _ordinary(took: float, median: float) -> float:
    """With a second attempt that takes as long as most."""
    return min(took, (CLEAR + 1) * median)
