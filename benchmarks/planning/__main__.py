"""``python -m benchmarks.planning``: prints what becomes of one limit that many machines share, row by row."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from benchmarks.planning import scenarios
from benchmarks.planning.settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.planning.measures import Result
    from benchmarks.planning.scenarios import Row

SIZES = (1, 10, 100, 1_000)
HEAD = (
    "used | refused (requests, of all) | halved | whole again | even: machines, jobs | failed | asked | items, seconds"
)


def main(arguments: list[str] | None = None) -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.planning", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=GROUPS, metavar="NAME", help=f"of {', '.join(GROUPS)}")
    parser.add_argument("--quick", action="store_true", help="small fleets, for seconds: does everything still work?")
    options = parser.parse_args(arguments)
    print(HEAD)
    for name in options.only or [name for name in GROUPS if name != "items"]:
        for title, simulate in GROUPS[name](options.quick):
            begun = time.process_time()
            print(f"{title}: {line(simulate())} [{time.process_time() - begun:.0f} s]", flush=True)


def line(found: Result) -> str:
    """One result."""
    return (
        f"{found.used:.1%} | {found.refused:.1%} ({found.refusals:,} of {found.requests:,}) | "
        f"{_seconds(found.halved)} | {_seconds(found.doubled)} | {found.machines:.2f}, {found.jobs:.2f} | "
        f"{found.failed:.2%} | {found.asked:.1f} | {found.answered.total():,}, {found.seconds:,.0f}"
    )


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} s"


def _items(quick: bool) -> Iterator[Row]:
    *_, part, shared = SETTINGS
    machines, each, per_minute = (10, 100, 600) if quick else (1_000, 10_000, 60_000)
    yield from scenarios.items(part, machines, each, per_minute)
    yield from scenarios.items(shared, machines, each, per_minute)


GROUPS: dict[str, Callable[[bool], Iterator[Row]]] = {
    "fleets": lambda quick: scenarios.fleets(SIZES[:2] if quick else SIZES, phase=20.0 if quick else 300.0),
    "large": lambda quick: scenarios.fleets((10,) if quick else (100, 1_000), 60_000, 5.0 if quick else 120.0),
    "idle": lambda quick: scenarios.idle(*((10, 5.0) if quick else ())),
    "tokens": lambda quick: scenarios.tokens(SIZES[1:2] if quick else SIZES[1:], 20.0 if quick else 300.0),
    "jobs": lambda quick: scenarios.jobs(20.0 if quick else 60.0),
    "outage": lambda quick: scenarios.outage(*((4, 100, 240) if quick else ())),
    "items": _items,
}
"""What there is; ``items`` takes half an hour, and is left out unless it is asked for."""


if __name__ == "__main__":
    main()
