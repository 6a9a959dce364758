"""Who waits until a pipeline can be read from, or fed."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Waiter = tuple[Callable[[], object], Callable[[], bool]]


class Waiters:
    """Those who wait say so first and then look; who changes something does so first and then looks who waits."""

    def __init__(self) -> None:
        self._waiters: list[Waiter] = []

    def watch(self, wake: Callable[[], object], idle: Callable[[], bool]) -> bool:
        """Have ``wake()`` called once when ``idle()`` no longer holds; False if it does not hold now."""
        waiter = wake, idle
        self._waiters.append(waiter)
        if idle():
            return True
        self._take(waiter)
        return False

    def tell(self) -> None:
        """Something has changed."""
        for waiter in list(self._waiters):
            wake, idle = waiter
            if not idle() and self._take(waiter):
                wake()

    def clear(self) -> None:
        """Nobody waits any more."""
        self._waiters.clear()

    def _take(self, waiter: Waiter) -> bool:
        try:
            self._waiters.remove(waiter)
        except ValueError:  # another thread was first
            return False
        return True
