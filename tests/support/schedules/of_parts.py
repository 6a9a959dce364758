"""Scenarios of single parts, small enough to go through all schedules that depart a few times from the plain order."""

from concurrent import futures
from contextvars import Context
from functools import partial

from threadfan._core.base.clock import REAL
from threadfan._core.base.outcome import SUCCEEDED
from threadfan._core.batches.pieces import Pieces
from threadfan._core.calls.future import Future
from threadfan._core.calls.reader import Reader
from threadfan._core.scope.alarms import set_alarm
from threadfan._core.scope.scope import Scope

from .primitives import RLock, SimpleQueue
from .scenario import scenario, together


@scenario
def reader_that_says_so():
    """A reader looks again when he has said that he waits, and a worker whether he has when it has stored."""
    results, reader, gate = {}, Reader(), SimpleQueue()

    def read():
        while not results:
            if reader.wait_for(partial(gate.put, None), wanted=None, idle=lambda: not results):
                gate.get()

    def work():
        results[0] = 1
        if reader.wakes:
            reader.tell(0)

    together(read, work)


class _Scheduler:
    """As much of one as a future knows."""

    closing = False

    def __init__(self):
        self.lock = RLock()


class _Session:
    """Of a worker whose call has left no claim."""

    claim = ()


def _future():
    return Future(_Scheduler(), abs, (1,), {}, Context(), None, 0.0)


def _end(future):
    """What a worker does with a call."""
    if future.begin(_Session()):
        for gate in future.deliver_quietly((None, None, 0.0, SUCCEEDED, 1, 0.0, 0.0, "worker")):
            gate.put(None)


@scenario
def result_against_end():
    """Whoever asks for the result of a future has it."""
    future = _future()
    assert together(future.result, lambda: _end(future)) == [1, None]


@scenario
def wait_against_end():
    """So with ``wait``."""
    future = _future()
    assert together(lambda: futures.wait([future]).done, lambda: _end(future)) == [{future}, None]


@scenario
def callback_against_end():
    """A callback is called once."""
    future, told = _future(), []
    together(lambda: future.add_done_callback(told.append), lambda: _end(future))
    assert told == [future]


@scenario
def callback_against_cancel():
    """So it is when the future is cancelled, or begins just then."""
    future, told = _future(), []
    together(lambda: future.add_done_callback(told.append), future.cancel, lambda: _end(future))
    assert told == [future]
    assert future.done()


@scenario
def result_against_cancel():
    """Whoever waits has the result, or learns that there will be none."""
    future = _future()

    def result():
        try:
            return future.result()
        except futures.CancelledError:
            return None

    found, cancelled, _ = together(result, future.cancel, lambda: _end(future))
    assert found == (None if cancelled else 1)


@scenario
def scope_that_ends():
    """Who gives a scope a callback has it called once, before or after it was cancelled."""
    scope, told = Scope(clock=REAL), []
    together(lambda: scope.on_cancel(partial(told.append, 1)), scope.cancel)
    assert told == [1]


@scenario(flies=True)
def alarm_that_is_taken_back():
    """It is done at most once, and another one in any case."""
    done, gate = [], SimpleQueue()
    take_back = set_alarm(REAL, REAL.monotonic() + 1, partial(done.append, 1), quick=True)
    together(take_back, lambda: set_alarm(REAL, REAL.monotonic() + 1, partial(gate.put, None), quick=True))
    gate.get()
    assert done in ([], [1])


@scenario
def room_for_pieces():
    """Two calls hand in more than there is room for, and wait for the reader."""
    pieces, found = Pieces(1), []

    def call():
        for piece in range(2):
            while pieces.full():
                gate = SimpleQueue()
                if pieces.wait_for_room(gate.put):
                    gate.get()
            pieces.put((0, piece))

    def read():
        while len(found) < 4:
            if pieces:
                found.append(pieces.take())
            else:
                REAL.wait(SimpleQueue(), 0.001)

    together(call, call, read)
    assert len(found) == 4
