"""``python -m benchmarks.ways``: through how many files of the package a call goes, and how often from one to another.

A long way is hard to follow for whoever reads it, and costs time.  Counted are, over all threads, the files of which a
function is called, and the calls of a function of one file by one of another.  Whatever is imported or started on
first use has been before; what goes on beside the call, as the timer's rounds do, is part of its way.  Timing decides
now and then who does a thing, so the middle of several rounds is told.

It needs nothing but the standard library, so that it counts an older copy of the package too:
``PYTHONPATH=/older python benchmarks/ways.py``.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections import Counter
from functools import partial
from pathlib import Path
from statistics import median_low

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType
    from typing import Any

SOON = 0.03
"""Seconds in which threads come to rest, and of the timeout."""


class Way:
    """What was counted of one call: functions called in each file, and from which file to which."""

    def __init__(self) -> None:
        self.files: Counter[str] = Counter()
        self.hops: Counter[tuple[CodeType, CodeType]] = Counter()

    @property
    def switches(self) -> int:
        """How often it went from one file to another."""
        return sum(self.hops.values())


class Counting:
    """The profile function of all threads that are started while it is in force; records while ``way`` is set."""

    def __init__(self, package: Path) -> None:
        self._root = f"{package}/"
        self._places = threading.local()
        self.way: Way | None = None

    def __enter__(self) -> Counting:
        threading.setprofile(self._see)
        sys.setprofile(self._see)
        return self

    def __exit__(self, *exc_info: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)

    def _see(self, frame: FrameType, event: str, _: object) -> None:
        way = self.way
        file = frame.f_code.co_filename
        if way is None or event != "call" or not file.startswith(self._root):
            return
        way.files[file[len(self._root) :]] += 1
        caller = _caller(frame, self._root)
        if caller is not None and caller.co_filename != file:
            way.hops[caller, frame.f_code] += 1


def _caller(frame: FrameType, root: str) -> CodeType | None:
    """The function of the package that called a frame's, perhaps through functions of others'."""
    above = frame.f_back
    while above is not None and not above.f_code.co_filename.startswith(root):
        above = above.f_back
    return None if above is None else above.f_code


def measure(rounds: int) -> dict[str, list[Way]]:
    """The ways of each kind of call, so often."""
    import threadfan

    found: dict[str, list[Way]] = {}
    with Counting(Path(threadfan.__path__[0])) as counting:
        for name, (options, act) in KINDS.items():
            with threadfan.Fan(2, **options(threadfan)) as fan:
                act(fan)  # which imports and starts what is needed
                found[name] = [_once(counting, partial(act, fan)) for _ in range(rounds)]
    return found


def _once(counting: Counting, act: Callable[[], object]) -> Way:
    time.sleep(SOON)  # until what came before is over
    way = counting.way = Way()
    try:
        act()
        time.sleep(SOON)  # whoever is told last is still on its way
    finally:
        counting.way = None
    return way


def _nothing(_: object = None) -> None:
    """Like most calls, but short."""


def _submit(fan: Any) -> None:
    fan.submit(_nothing).result()


def _run(fan: Any) -> None:
    fan.run(_nothing, [1])


def _times_out(fan: Any) -> None:
    go = threading.Event()
    (outcome,) = fan.run(lambda _: go.wait(), [1])
    go.set()
    _is(outcome.status, "timed_out")


def _retries(fan: Any) -> None:
    left = iter([ConnectionError("once")])

    def fails_once(_: object) -> None:
        for error in left:
            raise error

    (outcome,) = fan.run(fails_once, [1])
    _is((outcome.status, outcome.attempts), ("succeeded", 2))


def _is(found: object, right: object) -> None:
    if found != right:
        raise RuntimeError(f"the call was to end as {right}, and ended as {found}")


KINDS: dict[str, tuple[Callable[[Any], dict[str, Any]], Callable[[Any], None]]] = {
    "submit": (lambda _: {}, _submit),
    "one item of run": (lambda _: {}, _run),
    "a call that times out": (lambda _: {"timeout": SOON}, _times_out),
    "a retry under a rate": (
        lambda threadfan: {"retry": {ConnectionError: 1}, "rate": threadfan.RateLimit(6_000_000, burst=100)},
        _retries,
    ),
}


def main(arguments: list[str] | None = None) -> int:
    """Print a table, and with ``--hops`` between which files each way goes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=15, help="how often each is counted")
    parser.add_argument("--hops", action="store_true", help="tell how often each goes from which file to which")
    options = parser.parse_args(arguments)
    found = measure(options.rounds)
    print(f"{'':24}{'files':>6}{'switches':>10}")
    for name, ways in found.items():
        files = median_low(len(way.files) for way in ways)
        switches = median_low(way.switches for way in ways)
        print(f"{name:24}{files:6}{switches:10}")
        if options.hops:
            middle = next(way for way in ways if way.switches == switches)
            for (one, other), times in middle.hops.most_common():
                print(f"    {times:4}  {_shown(one)} -> {_shown(other)}")
    return 0


def _shown(code: CodeType) -> str:
    return f"{Path(code.co_filename).stem}.{code.co_qualname}"


if __name__ == "__main__":
    sys.exit(main())
