"""Whoever wakes those that wait is done when he has woken each of them, however soon they wait again."""

from threadfan._core.batches.conduct import Bell
from threadfan._core.batches.pieces import Pieces


class Quick:
    """One who is woken, has nothing to do, and waits again at once."""

    def __init__(self, wait):
        self.woken = 0
        self._wait = wait

    def __call__(self, *_):
        """Wait again."""
        self.woken += 1
        assert self.woken == 1, "it was woken again before it could have been told of anything"
        self._wait(self)


def test_a_bell():
    """It is rung once for each who waits."""
    bell = Bell()
    readers = [Quick(bell.waiting.append) for _ in range(2)]
    bell.waiting.extend(readers)
    bell.ring()
    assert [reader.woken for reader in readers] == [1, 1]
    assert list(bell.waiting) == readers


def test_room_for_pieces():
    """Calls that wait are woken when half of the room is free; others may be faster and take all of it again."""
    pieces = Pieces(1)

    def wait(call):
        pieces.put((0, "of a faster one"))
        assert pieces.wait_for_room(call)

    call = Quick(wait)
    pieces.put((0, "the first"))
    assert pieces.wait_for_room(call)
    assert pieces.take() == (0, "the first")
    assert call.woken == 1
