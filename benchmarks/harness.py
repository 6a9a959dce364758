"""How a figure comes about: contenders take turns, round after round, and medians are compared.

A single timing says little: another program may have had the machine.  So all contenders of a figure run in the same
rounds, in an order that changes from round to round, and a ratio is the median of the rounds' own ratios.
"""

from __future__ import annotations

import gc
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Samples = dict[str, list[float]]
    Permits = list[tuple[float, bool]]

STANDARD = "standard library"
OURS = "threadfan"


@dataclass(frozen=True)
class Plan:
    """How thorough a run is.

    Args:
        quick: fewer items, for a run that only shows that everything works; its figures mean little.
        rounds: how often each contender is measured, after a warm-up.
    """

    quick: bool
    rounds: int

    def size(self, full: int, quick: int) -> int:
        """A number of items or calls that depends on the kind of run."""
        return quick if self.quick else full

    def some(self, *sizes: int) -> tuple[int, ...]:
        """All of the sizes, or in a quick run, the first."""
        return sizes[:1] if self.quick else sizes


@dataclass(frozen=True)
class Goal:
    """What a figure should come to.

    Args:
        bound: the worst score that reaches the goal.
        least: the bound is a lower one: scores are better the higher they are.
        lead: the best peer of the same run must not be better either.
    """

    bound: float
    least: bool = False
    lead: bool = False

    def reached(self, score: float, best_peer: float | None) -> bool:
        """Whether a score reaches the goal."""
        if self.lead and best_peer is not None and self._worse(score, best_peer):
            return False
        return not self._worse(score, self.bound)

    def _worse(self, one: float, other: float) -> bool:
        return one < other if self.least else one > other


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Args:
        name: what was measured.
        unit: of the medians.
        medians: by contender; ``OURS`` is threadfan's.
        ratios: to the standard library, where ratios are what the goal is about.
        goal: None for what is only worth knowing.
        least: more is better.
        note: what a reader must know to read it rightly.
        permits: by contender, when its requests came to a server with a limit, and whether each was accepted.
    """

    name: str
    unit: str
    medians: dict[str, float]
    ratios: dict[str, float] = field(default_factory=dict)
    goal: Goal | None = None
    least: bool = False
    note: str = ""
    permits: dict[str, Permits] = field(default_factory=dict)

    @property
    def scores(self) -> dict[str, float]:
        """What is compared: the ratios, or else the medians."""
        return self.ratios or self.medians

    @property
    def best_peer(self) -> str | None:
        """The name of the best contender that is neither threadfan nor the standard library."""
        peers = {name: score for name, score in self.scores.items() if name not in {STANDARD, OURS}}
        return (max if self.least else min)(peers, key=lambda name: peers[name], default=None)

    @property
    def reached(self) -> bool | None:
        """Whether threadfan reaches the goal; None without a goal."""
        if self.goal is None:
            return None
        peer = self.best_peer
        return self.goal.reached(self.scores[OURS], None if peer is None else self.scores[peer])


def race(contenders: Mapping[str, Callable[[], float]], rounds: int) -> Samples:
    """Measures each contender once a round.

    Args:
        contenders: functions that measure something once and return it.
        rounds: how many measurements of each are kept; one more comes before them, as a warm-up.
    """
    samples: Samples = {name: [] for name in contenders}
    order = list(contenders)
    for turn in range(-1, rounds):
        for name in order:
            value = contenders[name]()
            if turn >= 0:
                samples[name].append(value)
        order.append(order.pop(0))
    return samples


def ratios(samples: Samples, base: str = STANDARD) -> dict[str, float]:
    """The median, over the rounds, of each contender's ratio to ``base``."""
    return {
        name: median(one / other for one, other in zip(values, samples[base], strict=True))
        for name, values in samples.items()
    }


def medians(samples: Samples, scale: float = 1.0) -> dict[str, float]:
    """The median of each contender, times ``scale``."""
    return {name: median(values) * scale for name, values in samples.items()}


def as_ours(samples: Samples, name: str) -> Samples:
    """The samples with ``name`` as threadfan's entry, without its other ways of doing the same."""
    rest = {key: values for key, values in samples.items() if not key.startswith("Fan.")}
    return {**rest, OURS: samples[name]}


def seconds(work: Callable[[], object]) -> float:
    """How long ``work()`` takes; garbage of earlier work is not on its bill, and neither is freeing its result."""
    gc.collect()
    start = perf_counter()
    result = work()
    end = perf_counter()
    del result
    return end - start
