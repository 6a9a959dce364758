"""Calls that run until nobody wants them any more, and patterns asked from both sides."""

import asyncio
import threading
from queue import SimpleQueue

import pytest

from support.controlled import PATIENCE, meet, until
from threadfan import current_scope


def both(**ways):
    """Run a test with a pattern and with its async twin, awaited in a loop of its own; the twins come second."""
    (plain, pattern), (name, twin) = ways.items()

    def awaited(*args, **kwargs):
        return asyncio.run(twin(*args, **kwargs))

    return pytest.mark.parametrize(plain, [pattern, awaited], ids=[plain, name])


class Losers:
    """Makes tasks that only end when they are cancelled, and waits for them.

    Args:
        count: how many run at once before ``together`` lets anybody go on.
        others: how many other tasks wait for that too.
    """

    def __init__(self, count, others=1):
        self._meeting = threading.Barrier(count + others)
        self._count = count
        self.running = threading.Event()  # all of them, and those that wait for them
        self.ended = SimpleQueue()  # the names of those whose threads have left the call

    def together(self):
        """Wait until all run."""
        self._meeting.wait(PATIENCE)
        self.running.set()

    def task(self, name="loser"):
        """A task that never comes to anything."""

        def lose():
            told = threading.Event()
            current_scope().on_cancel(told.set)
            self.together()
            assert told.wait(PATIENCE), "nobody cancelled it"
            self.ended.put(name)
            current_scope().check()

        return lose

    def after(self, fn):
        """A task that calls ``fn`` as soon as all losers run."""

        def act():
            self.together()
            return fn()

        return act

    def wait_until_free(self, fan, slots):
        """All losers have ended, their threads are back, and every slot can be used; gives the losers' names."""
        names = sorted(self.ended.get(timeout=PATIENCE) for _ in range(self._count))
        meet(fan, slots)  # each slot came back, with its thread or without
        until(lambda: fan.snapshot()["abandoned"] == 0)
        return names


async def until_free(fan, slots):
    """Wait, in a loop, until every slot can be used and every thread is back."""
    await asyncio.to_thread(meet, fan, slots)
    await asyncio.to_thread(until, lambda: fan.snapshot()["abandoned"] == 0)


def fail(error):
    """Raise it."""
    raise error
