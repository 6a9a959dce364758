"""Pieces of text on their way from calls that run to the one who reads them, in the order in which they came.

Guarantees: the pieces of one call keep their order, for its thread alone hands them in; when a call has ended, all its
pieces are here; at most ``most`` are kept, and one more for each call that runs: who comes when there is no room waits.
That wait ends with the call's scope.  Nothing here takes a lock: who waits says so and looks once more, who takes
a piece looks afterwards whether anybody has said so.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from queue import SimpleQueue

from ..scope.waiting import wait_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..pool.scheduler import Scheduler
    from ..scope.scope import Scope

    Piece = tuple[int, str]
    """The index of a call, and some of its text."""


class Pieces:
    """Of one stream, with one reader.

    Args:
        most: how many may wait to be read.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.closed: bool = False
        """Whether nobody reads any more."""
        self._kept: deque[Piece] = deque()
        self._waiting: deque[Callable[[None], object]] = deque()  # what wakes calls that wait for room

    def __len__(self) -> int:
        return len(self._kept)

    def put(self, piece: Piece) -> None:
        """Add one; whoever does so has waited for room."""
        self._kept.append(piece)

    def take(self) -> Piece:
        """The piece that came first; calls that wait go on when half of the room is free."""
        piece = self._kept.popleft()
        if self._waiting and len(self._kept) <= self.most // 2:
            self._wake_all()
        return piece

    def close(self) -> None:
        """Nobody reads any more: what is here is dropped, and so is what comes."""
        self.closed = True
        self._kept.clear()
        self._wake_all()

    def full(self) -> bool:
        """Whether who comes now has to wait."""
        return len(self._kept) >= self.most and not self.closed

    def wait_for_room(self, wake: Callable[[None], object]) -> bool:
        """Have ``wake(None)`` called when there is room; False if there is."""
        if not self.full():
            return False
        self._waiting.append(wake)
        return self.full()

    def _wake_all(self) -> None:
        for _ in range(len(self._waiting)):  # not those who come meanwhile: there was no room, or they do not wait
            try:
                wake = self._waiting.popleft()
            except IndexError:  # another thread was faster
                break
            wake(None)


class Teller:
    """What one call hands its pieces in with; by any thread that it gives this to.

    While there is no room for more, its thread waits and lends its slot.  So a reader that is slow holds up nothing
    else in the fan, and one that is a call of the fan itself comes to read.

    Args:
        pieces: where they go.
        index: of the call.
        scope: of the call.
        scheduler: of the fan that runs it.
        tell: wakes the reader, if he waits.
    """

    def __init__(
        self, pieces: Pieces, index: int, scope: Scope, scheduler: Scheduler, tell: Callable[[], object]
    ) -> None:
        self.pieces = pieces
        self._index = index
        self._scope = scope
        self._scheduler = scheduler
        self._tell = tell
        self.told: bool = False
        """Whether anything was handed in: it cannot be taken back."""

    def __call__(self, text: str | None) -> None:
        """Hand a piece of text in; an empty one, and None, are left out.

        Raises:
            CallCancelled: the call has ended meanwhile.
            TypeError: it is no text.
        """
        if not text:
            return
        if not isinstance(text, str):
            raise TypeError(f"a piece of text must be a str, not {type(text).__name__}")
        while self.pieces.full():
            self._wait()
        self.put(text)
        if self._scheduler.slots.lenders:  # the reader may be one of them, and have been woken by this
            self._lend(lambda: False)

    def put(self, text: str) -> None:
        """The same without waiting."""
        self._scope.check()
        if self.pieces.closed:
            return
        self._begin_to_tell()
        self._scope.touch()
        self.pieces.put((self._index, text))
        self._tell()

    def _begin_to_tell(self) -> None:
        if not self.told:
            self.told = True
            permits = self._scope.permits
            if permits is not None and permits.call is not None:
                permits.call.speak()

    def _wait(self) -> None:
        gate: SimpleQueue[None] = SimpleQueue()
        if self.pieces.wait_for_room(gate.put):
            self._lend(lambda: not self.pieces.full(), partial(wait_in, self._scope, gate, None))

    def _lend(self, unless: Callable[[], bool], wait: Callable[[], object] | None = None) -> None:
        """Give the slot away, ``wait`` if there is something to wait for, and take it back."""
        lending = self._scheduler.lending
        loan = lending.take_out()
        if loan is not None:
            lending.lend(loan, unless)
        try:
            if wait is not None:
                wait()
        finally:
            if loan is not None:
                lending.take_back(loan)
        self._scope.check()
