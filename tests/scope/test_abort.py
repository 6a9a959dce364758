"""An act that ends what a call is blocked in: at most once, and never after it was released."""

import random
import threading

from support.controlled import PATIENCE
from threadfan import Scope
from threadfan._core.scope.abort import Abort

ROUNDS = 3000


def test_the_act_is_done_once():
    """At the first cancel, and at no further one."""
    scope, done = Scope(), []
    with Abort(scope, lambda: done.append(1)):
        scope.cancel()
        scope.cancel()
    assert done == [1]


def test_a_cancel_of_before_is_acted_upon_at_once():
    """In the thread that makes the abort, before it goes on."""
    scope, threads = Scope(), []
    scope.cancel()
    Abort(scope, lambda: threads.append(threading.get_ident()))
    assert threads == [threading.get_ident()]


def test_what_was_released_is_left_alone():
    """Releasing twice is harmless, and nothing is left at the scope."""
    scope, done = Scope(), []
    with Abort(scope, lambda: done.append(1)) as abort:
        abort.release()
    assert not scope._callbacks
    scope.cancel()
    assert done == []


def test_the_act_may_release():
    """An act that puts its thing out of reach by itself does not wait for itself."""
    scope, done = Scope(), []
    abort = Abort(scope, lambda: (abort.release(), done.append(1)))
    scope.cancel()
    assert done == [1]


def test_an_act_that_fails_does_not_hold_up_others(caplog):
    """The failure is logged, the other aborts of the scope act, and releasing works."""
    scope, done = Scope(), []
    with Abort(scope, lambda: 1 / 0), Abort(scope, lambda: done.append(1)):
        scope.cancel()
    assert done == [1]
    assert "ZeroDivisionError" in caplog.text


def test_release_waits_for_an_act_under_way():
    """When `release` returns, the act is over: the thing may be handed to somebody else."""
    scope, begun, go, over = Scope(), threading.Event(), threading.Event(), []

    def act():
        begun.set()
        assert go.wait(PATIENCE)
        over.append("act")

    abort = Abort(scope, act)
    cancelling = threading.Thread(target=scope.cancel)
    releasing = threading.Thread(target=lambda: (abort.release(), over.append("released")))
    cancelling.start()
    assert begun.wait(PATIENCE)
    releasing.start()
    go.set()
    cancelling.join(PATIENCE)
    releasing.join(PATIENCE)
    assert over == ["act", "released"]


def test_hammered_release(eager_switching):
    """A thing that goes from call to call is never touched by a cancel of a call that no longer has it."""
    owner, chance = [None], random.Random(5)

    def spins():  # from nothing to what waking the other thread takes
        return range(int(2 ** chance.uniform(-1, 13)))

    rounds = [(Scope(), spins(), spins()) for _ in range(ROUNDS)]
    ready, wrong, hits = threading.Barrier(2), [], []

    def act(scope):
        hits.append(scope)
        if owner[0] is not scope:
            wrong.append(scope)

    def cancel():
        for scope, before, _ in rounds:
            ready.wait(PATIENCE)
            for _ in before:
                pass
            scope.cancel()

    canceller = threading.Thread(target=cancel)
    canceller.start()
    for scope, _, while_held in rounds:
        owner[0] = scope
        ready.wait(PATIENCE)
        with Abort(scope, lambda scope=scope: act(scope)):
            for _ in while_held:
                pass
            while not while_held and not scope.cancelled:  # one that comes in time, however slow threads are
                pass
        owner[0] = None
    canceller.join(PATIENCE)
    assert not wrong
    assert len(hits) == len(set(map(id, hits)))
    assert 0 < len(hits) < ROUNDS  # both were seen: cancels that came in time, and cancels that came late
