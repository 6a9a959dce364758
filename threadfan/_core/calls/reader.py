"""Who waits for outcomes of a batch, and is woken.

Waking costs more than a short call.  So whoever waits says so, looks again, and only then sleeps; a thread stores its
outcome and then looks whether anybody waits.  Whichever comes second sees the other.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Reader:
    """The one who waits for outcomes; told from any thread, without a lock."""

    __slots__ = ("wakes", "wanted")

    def __init__(self) -> None:
        self.wakes: list[Callable[[], object]] = []  # what wakes it, while it waits
        self.wanted: int | None = None  # the index that it waits for; None: any

    def wait_for(self, wake: Callable[[], object], *, wanted: int | None, idle: Callable[[], bool]) -> bool:
        """Have ``wake()`` called at the next outcome, or at that of index ``wanted``.

        Returns:
            False if ``idle()`` no longer holds, so there is no need to wait; ``wake`` may be called all the same.
        """
        self.wanted = wanted
        self.wakes.append(wake)
        if idle():
            return True
        self.wakes.clear()
        return False

    def waiting(self) -> list[Callable[[], object]]:
        """What wakes it, if it waits."""
        return self.wakes

    def tell(self, index: int) -> None:
        """There is an outcome of the call ``index``."""
        if self.wanted is None or self.wanted == index:
            self.wake()

    def wake(self) -> None:
        """There may be nothing more to wait for."""
        try:
            wake = self.wakes.pop()
        except IndexError:  # another thread was first
            return
        wake()

    def clear(self) -> None:
        """Nobody waits any more."""
        self.wakes.clear()

    def let_go(self) -> None:
        """The batch has ended; the same."""
        self.clear()
