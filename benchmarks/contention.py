"""Which lock is the neck: how often each is taken in a call, and how often somebody else has it then.

Run as ``python -m benchmarks.contention``.  Counts say more than times here: counting itself takes time, so that a lock
is held for longer than it would be.  Locks go by the files that make them.
"""

from __future__ import annotations

import _thread
import argparse
import asyncio
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import threadfan._core.base.locks as locks

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from threadfan import Fan

    Work = Callable[[Fan, int], object]

_taken: Counter[str] = Counter()
_contended: Counter[tuple[str, str]] = Counter()


class Counting(_thread.RLock):  # type: ignore[misc]  # it may be subclassed
    """A lock that counts; increments may get lost between threads, of which a count in thousands does not suffer."""

    def __init__(self) -> None:
        self.file = _file(sys._getframe(1))

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take it, and count who had to wait for it."""
        _taken[self.file] += 1
        if super().acquire(False):
            return True
        frame = sys._getframe(1)
        while frame.f_code.co_filename in (locks.__file__, __file__) and frame.f_back is not None:
            frame = frame.f_back
        _contended[self.file, f"{_file(frame)} {frame.f_code.co_name}"] += 1
        return blocking and super().acquire(blocking, timeout)

    __enter__ = acquire


def _file(frame: FrameType | None) -> str:
    while frame is not None and frame.f_code.co_filename in (locks.__file__, __file__):
        frame = frame.f_back  # a condition makes its own
    return "" if frame is None else frame.f_code.co_filename.rpartition("_core/")[2]


def _works() -> dict[str, Work]:
    from concurrent.futures import as_completed

    from benchmarks.figures.tasks import noop

    async def called(fan: Fan, count: int) -> None:
        await asyncio.gather(*(fan.call(noop, number) for number in range(count)))

    def graph(fan: Fan, count: int) -> None:
        made: Any = fan.graph()
        made.add(lambda: list(range(count)), name="some")
        made.add(noop_of_item, name="each", each={"item": "some"})
        made.run()

    def noop_of_item(item: object) -> object:
        return item

    return {
        "run": lambda fan, count: fan.run(noop, range(count)),
        "ordered stream": lambda fan, count: [None for _ in fan.stream(noop, range(count))],
        "submit, as_completed": lambda fan, count: [
            None for _ in as_completed([fan.submit(noop, number) for number in range(count)])
        ],
        "submit().result()": lambda fan, count: [fan.submit(noop, number).result() for number in range(count)],
        "gather of fan.call": lambda fan, count: asyncio.run(called(fan, count)),
        "a fan-out of a graph": graph,
        "a pipeline of two stages": lambda fan, count: fan.pipeline(noop, noop).run(range(count)),
    }


def main(arguments: list[str] | None = None) -> int:
    """Print a table for each kind of call."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.contention", description=__doc__)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--calls", type=int, default=5_000)
    options = parser.parse_args(arguments)
    locks.Lock = Counting  # type: ignore[assignment]
    from threadfan import Fan

    for name, work in _works().items():
        with Fan(options.workers, timeout=30) as fan:
            work(fan, options.calls)  # threads are there, and everything is imported
            _taken.clear()
            _contended.clear()
            work(fan, options.calls)
        print(f"{name}, {options.calls:,} calls on {options.workers} workers")
        for file, taken in _taken.most_common():
            waited = {place: count for (lock, place), count in _contended.items() if lock == file}
            times = f"taken {taken / options.calls:.2f} times a call, had by others {sum(waited.values()):,} times"
            print(f"    {file}: {times}")
            for place, count in sorted(waited.items(), key=lambda pair: -pair[1])[:5]:
                print(f"        {count:,} in {place}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
