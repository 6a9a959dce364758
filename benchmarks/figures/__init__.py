"""The figures, one file for each group: ``measure(plan)`` yields what it has found."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.harness import Figure, Plan

GROUPS = {
    "noop": "noop",
    "stream": "stream",
    "scale": "scale",
    "reports": "reports",
    "journal": "journals",
    "watching": "watching",
    "keys": "keys",
    "priorities": "priorities",
    "sleep0": "sleep0",
    "submit": "submit",
    "async": "bridge",
    "cpu": "cpu",
    "fairness": "fairness",
    "memory": "memory",
    "growth": "growth",
    "crowds": "crowds",
    "footprint": "footprint",
    "makespan": "makespan",
    "hang": "hang",
    "import": "startup",
    "ends": "ends",
    "work": "work",
    "seams": "seams",
    "limits": "limits",
    "shared": "shared",
    "storm": "storm",
    "backoff": "backoff",
    "adaptive": "adaptive",
    "hedging": "hedging",
    "agents": "agents",
    "pipeline": "pipeline",
    "research": "research",
    "graph": "graph",
    "graphs": "large_graphs",
    "gather": "gathering",
    "losers": "losers",
    "over": "over",
    "peers": "side_by_side",
}
"""Names for the command line, and the file of each; two of them would be keywords.

Ends and what follows come last: the clients that they import fill the heap, and every garbage collection takes longer
from then on.
"""


def describe(name: str) -> str:
    """One line about a group."""
    return (import_module(f"{__name__}.{GROUPS[name]}").__doc__ or "").partition("\n")[0]


def measure(name: str, plan: Plan) -> Iterator[Figure]:
    """The figures of one group."""
    found: Iterator[Figure] = import_module(f"{__name__}.{GROUPS[name]}").measure(plan)
    return found
