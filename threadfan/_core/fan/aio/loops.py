"""The loop that runs here: gates that a coroutine waits at, and what it does while the system gives no threads."""

from __future__ import annotations

import asyncio
import contextlib
import threading

from ...base import clock as clocks
from ...base.locks import takes_signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_here = threading.local()


def running_loop(where: str) -> asyncio.AbstractEventLoop:
    """The loop that runs here."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        owner, _, name = where.rpartition(".")
        sync = f"{owner}.{name.removeprefix('a').replace('call', 'submit')}"
        raise RuntimeError(f"{where} is for coroutines, and no event loop runs here: use {sync}") from None


class LoopGate:
    """A gate that a coroutine waits at and any thread opens."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._event = asyncio.Event()
        self._beat: asyncio.TimerHandle | None = None

    def put(self, _: object = None) -> None:
        """Open it."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self, timeout: float | None = None) -> None:
        """Wait until it is opened, or for ``timeout`` seconds."""
        timer = None if timeout is None else self._loop.call_later(timeout, self._event.set)
        nudged = _Nudged(self._loop)
        self._beat = None
        try:
            if takes_signals():
                self._wake_up()
            with clocks.Asleep(nudged):  # type: ignore[arg-type]  # nothing is ever taken out of it
                look_after(self._loop)
                await self._event.wait()
        finally:
            for later in (timer, self._beat):
                if later is not None:
                    later.cancel()
        self._event.clear()

    def _wake_up(self) -> None:
        """Have the loop wake up in a while: a signal that comes just before it waits in the system does not wake it."""
        self._beat = self._loop.call_later(clocks.PULSE, self._wake_up)


class _Nudged:
    """Stands for a gate that a loop waits at."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def put(self, _: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(look_after, self._loop)


def look_after(loop: asyncio.AbstractEventLoop) -> None:
    """Have the loop do what the system gives no thread for, as whoever waits does; see ``base/helpers``."""
    if clocks.chores and getattr(_here, "looks", None) is not loop:
        _here.looks = loop
        loop.call_later(clocks.CHORES, _look, loop)


def _look(loop: asyncio.AbstractEventLoop) -> None:
    thread: Any = threading.current_thread()
    _here.looks, thread.helps = None, True  # what may block is left to others
    try:
        clocks.do_chores()
    finally:
        thread.helps = False
    look_after(loop)
