"""A finalizer finds the exception that leaves its frame, and no other."""

import gc
import sys
import weakref
from queue import SimpleQueue

import pytest

from support.controlled import PATIENCE, aside
from threadfan._core.base import unwinding
from threadfan._core.base.unwinding import SHOWN, exception_leaving

pytestmark = pytest.mark.skipif(not SHOWN, reason="this interpreter shows nobody the exception that leaves a loop")


def noting(seen):
    """An iterator that notes, when it is dropped, which exception leaves the loop over it."""
    try:
        while True:
            yield
    except GeneratorExit:
        seen.append(exception_leaving(sys._getframe(1)))
        raise


def raised_here(seen):
    """By a statement of the body."""
    for _ in noting(seen):
        raise KeyError


def raised_by_c(seen):
    """By a function written in C."""
    for _ in noting(seen):
        int("x")


def raised_further_down(seen):
    """By a function that the body calls, past a block that cleans up."""

    def inner():
        raise KeyError

    for _ in noting(seen):
        try:
            inner()
        finally:
            seen.clear()


def raised_again(seen):
    """By a handler that lets it pass."""
    for _ in noting(seen):
        try:
            raise KeyError
        except KeyError:
            raise


def raised_in_a_block(seen):
    """Past the end of a ``with`` block."""
    for _ in noting(seen):
        with pytest.raises(ValueError):  # noqa: PT011
            raise KeyError


@pytest.mark.parametrize("leave", [raised_here, raised_by_c, raised_further_down, raised_again, raised_in_a_block])
def test_the_exception_that_leaves_the_loop_is_found(leave):
    """However it was raised."""
    seen = []
    gc.collect(1)  # else the collector may come by itself in between, and what it has seen twice is old
    with pytest.raises((KeyError, ValueError)) as caught:
        leave(seen)
    assert seen == [caught.value]


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="what a collection has seen is old there")
def test_a_collection_of_the_youngest_hides_none():
    """It may come between the exception and the end of the loop."""
    seen = []

    class Collecting:
        def __iter__(self):
            return self

        def __next__(self):
            return None

        def __del__(self):
            gc.collect(0)
            seen.append(exception_leaving(sys._getframe(1)))

    def leave():
        for _ in Collecting():
            raise KeyError

    with pytest.raises(KeyError) as caught:
        leave()
    assert seen == [caught.value]


class Hostile(Exception):
    """An error that does not like to be asked."""

    def __getattribute__(self, name):
        raise RuntimeError(f"asked for {name}")


def left_beside_others(seen):
    """While there are errors that cannot be asked."""
    errors = [Hostile() for _ in range(3)]
    for _ in noting(seen):
        break
    return errors


def left_by_break(seen):
    """In the ordinary way, after another exception of the same frame that is kept."""
    try:
        raise KeyError
    except KeyError as error:
        kept = error
    for _ in noting(seen):
        break
    return kept


def left_by_return(seen):
    """With a value, while another exception is handled."""
    try:
        raise KeyError
    except KeyError:
        for _ in noting(seen):
            return 1


def dropped(seen):
    """Its last name goes."""
    iterator = noting(seen)
    next(iterator)
    del iterator


@pytest.mark.parametrize("leave", [left_by_break, left_by_return, left_beside_others, dropped])
def test_none_is_found_where_none_leaves_it(leave):
    """Exceptions that were caught before are not taken for one."""
    seen = []
    leave(seen)
    assert seen == [None]


@pytest.mark.skipif(not getattr(sys, "_is_gil_enabled", lambda: True)(), reason="other threads run at any time")
def test_a_tuple_that_another_thread_fills_is_not_held(monkeypatch):
    """CPython fails to make it larger if anybody else has it."""
    begun, go_on = SimpleQueue(), SimpleQueue()

    def items():
        yield from range(10)
        begun.put(None)
        go_on.get(timeout=PATIENCE)
        yield from range(10, 1000)

    def look(found):
        go_on.put(None)
        assert filled.result(PATIENCE) == tuple(range(1000))

    filled = aside(lambda: tuple(items()))
    begun.get(timeout=PATIENCE)
    monkeypatch.setattr(unwinding, "traceback_of", look)
    error = KeyError()
    assert unwinding.exception_leaving(sys._getframe()) is None
    del error


def test_what_was_looked_through_is_not_kept():
    """Young objects go with their last reference afterwards, however many there are."""

    class Young:
        pass

    for more in (0, unwinding._LOOK_BACK):
        others = [[] for _ in range(more)]
        young = Young()
        gone = weakref.ref(young)
        assert unwinding.exception_leaving(sys._getframe()) is None
        del young
        assert gone() is None
        del others
