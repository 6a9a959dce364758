"""What a run has found: as JSON, as a table, as a picture."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks.harness import OURS, STANDARD, Figure

if TYPE_CHECKING:
    from benchmarks.harness import Permits, Plan

NONE = "-"
HEADS = ("figure", STANDARD, "best peer", OURS, "goal", "reached")


@dataclass
class Report:
    """The figures of one run, with all that is needed to judge them."""

    machine: dict[str, Any]
    plan: Plan
    missing_peers: list[str]
    missing_tools: list[str]
    figures: list[tuple[str, Figure]] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    started: float = field(default_factory=time.time)
    noise: list[str] = field(default_factory=list)

    @property
    def quiet(self) -> bool:
        """Whether the machine did nothing else."""
        return not self.noise

    @property
    def missed(self) -> list[str]:
        """The names of the figures that do not reach their goal."""
        return [figure.name for _, figure in self.figures if figure.reached is False]

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON can hold it."""
        return {
            "machine": self.machine,
            "noise": self.noise,
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.started)),
            "quick": self.plan.quick,
            "rounds": self.plan.rounds,
            "missing_peers": self.missing_peers,
            "missing_tools": self.missing_tools,
            "figures": [
                {
                    "group": group,
                    **asdict(figure),
                    "permits": {name: _moments(permits) for name, permits in figure.permits.items()},
                    "best_peer": figure.best_peer,
                    "reached": figure.reached,
                }
                for group, figure in self.figures
            ],
            "failures": self.failures,
        }

    def head(self) -> list[str]:
        """What stands above the table."""
        facts = self.machine
        lines = [
            f"{facts['cpu']}, {facts['cores']} cores, {facts['system']}, load {facts['load']} at the start",
            f"{facts['python']}, threadfan {facts['threadfan']}, medians of {self.plan.rounds} alternating rounds",
        ]
        if self.plan.quick:
            lines.append("a quick run: it shows that everything works, its figures mean little")
        if self.missing_tools:
            lines.append(f"missing tools: {', '.join(self.missing_tools)}; what needs them is left out")
        if self.noise:
            lines.append(f"NOT a quiet machine, so these figures mean little: {'; '.join(self.noise)}")
        return [*lines, f"missing peers: {', '.join(self.missing_peers) or 'none'}"]

    def foot(self) -> list[str]:
        """What stands below the table."""
        notes = dict.fromkeys(f"{group}: {figure.note}" for group, figure in self.figures if figure.note)
        failures = [f"{group} could not be measured: {reason}" for group, reason in self.failures.items()]
        with_goal = sum(figure.goal is not None for _, figure in self.figures)
        verdict = f"{with_goal - len(self.missed)} of {with_goal} goals reached"
        return [*notes, *failures, verdict, *(f"missed: {name}" for name in self.missed)]


def _moments(permits: Permits) -> dict[str, str]:
    """Seconds in one line each, since there are hundreds of them."""
    return {
        name: " ".join(f"{moment:.3f}" for moment, accepted in permits if accepted is verdict)
        for name, verdict in (("accepted", True), ("refused", False))
    }


def row(figure: Figure) -> tuple[str, ...]:
    """A figure as the cells of a table."""
    peer = figure.best_peer
    return (
        figure.name,
        cell(figure, STANDARD),
        f"{cell(figure, peer)} {peer}" if peer else NONE,
        cell(figure, OURS),
        goal(figure),
        {True: "yes", False: "NO", None: ""}[figure.reached],
    )


def cell(figure: Figure, contender: str) -> str:
    """A contender's score, and its median in brackets where the score is a ratio."""
    if contender not in figure.medians:
        return NONE
    absolute = f"{number(figure.medians[contender])} {figure.unit}"
    return f"{number(figure.ratios[contender])} ({absolute})" if figure.ratios else absolute


def goal(figure: Figure) -> str:
    """A goal as it stands in the table."""
    if figure.goal is None:
        return ""
    unit = "" if figure.ratios else f" {figure.unit}"
    return f"{'≥' if figure.goal.least else '≤'} {figure.goal.bound:g}{unit}"


def number(value: float) -> str:
    """Three digits that count; no exponents."""
    magnitude = abs(value)
    decimals = 3 if magnitude < 0.1 else 2 if magnitude < 10 else 1 if magnitude < 100 else 0
    return f"{value:,.{decimals}f}"
