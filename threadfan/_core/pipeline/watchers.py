"""Who waits until a pipeline can be read from, or fed."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Watcher = tuple[Callable[[], object], Callable[[], bool]]


class Watchers:
    """Those who wait say so first and then look; who changes something does so first and then looks who waits."""

    def __init__(self) -> None:
        self._watchers: list[Watcher] = []

    def watch(self, wake: Callable[[], object], idle: Callable[[], bool]) -> bool:
        """Have ``wake()`` called once when ``idle()`` no longer holds; False if it does not hold now."""
        watcher = wake, idle
        self._watchers.append(watcher)
        if idle():
            return True
        self._take(watcher)
        return False

    def tell(self) -> None:
        """Something has changed."""
        for watcher in list(self._watchers):
            wake, idle = watcher
            if not idle() and self._take(watcher):
                wake()

    def clear(self) -> None:
        """Nobody waits any more."""
        self._watchers.clear()

    def _take(self, watcher: Watcher) -> bool:
        try:
            self._watchers.remove(watcher)
        except ValueError:  # another thread was first
            return False
        return True
