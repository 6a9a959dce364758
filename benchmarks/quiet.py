"""Whether the machine was left alone while it measured: what others computed meanwhile, and what the host took.

``/proc/stat`` counts the time of all processors by what it was used for.  What is used and is neither this process's
nor that of programs that it has run and waited for, is others'; *stolen* is what a hypervisor gave to other machines.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

STAT = Path("/proc/stat")
LOAD = 0.3
"""Load per core that is still quiet at the start.  Arbitrary, as the two below: a desktop at rest stays under it."""
OTHERS = 0.05
STOLEN = 0.02
_IDLE, _WAITING, _STEAL = 3, 4, 7  # places in the line of `/proc/stat`
_TIMES = 8  # and so many there are; those of guests come after them, and are in the first two


@dataclass(frozen=True)
class Moment:
    """What had been used so far, in seconds of one processor; -1 where the system does not say."""

    total: float
    used: float
    stolen: float
    own: float


@dataclass(frozen=True)
class Use:
    """Of the machine's time between two moments.

    Args:
        others: the share that other programs used.
        stolen: the share that the host did not give.
    """

    others: float
    stolen: float


def now(stat: Path = STAT) -> Moment:
    """This moment."""
    own = sum(os.times()[:4])
    try:
        ticks = [int(text) for text in stat.read_text().split("\n", 1)[0].split()[1 : 1 + _TIMES]]
        second = os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, AttributeError):
        return Moment(-1, -1, -1, own)
    if len(ticks) < _TIMES:
        return Moment(-1, -1, -1, own)
    unused = ticks[_IDLE] + ticks[_WAITING] + ticks[_STEAL]
    return Moment(sum(ticks) / second, (sum(ticks) - unused) / second, ticks[_STEAL] / second, own)


def between(first: Moment, second: Moment) -> Use | None:
    """What the machine did meanwhile; None where that cannot be told."""
    total = second.total - first.total
    if first.total < 0 or second.total < 0 or total <= 0:
        return None
    others = (second.used - first.used) - (second.own - first.own)
    return Use(max(0.0, others / total), (second.stolen - first.stolen) / total)


def noise(load: float, cores: int, use: Use | None) -> list[str]:
    """What was not quiet, in words.

    Args:
        load: the average at the start; below 0 if it is not known.
    """
    found = []
    if load > LOAD * max(1, cores):
        found.append(f"a load of {load:g} at the start")
    if use is not None and use.others > OTHERS:
        found.append(f"other programs used {use.others:.0%} of the processors")
    if use is not None and use.stolen > STOLEN:
        found.append(f"the host took {use.stolen:.0%} of them")
    return found


def wait(cores: int, seconds: float) -> None:
    """Wait until the load is low, so many seconds at most."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and noise(os.getloadavg()[0], cores, None):
        time.sleep(1)
