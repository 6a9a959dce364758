"""An act that ends what a call is blocked in: at most once, and never after it was released."""

import random
import threading

from support.controlled import PATIENCE
from support.scoped import call
from threadfan import Scope, move_on_after
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
    assert not scope.acts
    scope.cancel()
    assert done == []


def test_a_scope_keeps_one_callback_for_all():
    """However often a call blocks, and however many threads do in one scope."""
    scope, done = Scope(), []
    for number in range(3):
        with Abort(scope, lambda number=number: done.append(number)):
            pass
    with Abort(scope, lambda: done.append("one")), Abort(scope, lambda: done.append("two")):
        assert len(scope._callbacks) == 1
        scope.cancel()
    assert done == ["one", "two"]


def test_two_threads_that_are_first_at_once_are_both_ended():
    """Neither act is lost, whichever of them the scope knows afterwards."""
    done = []

    class Late(Scope):
        """One in which another thread is first just while a thread is."""

        def on_cancel(self, callback):
            if not done:
                done.append("begun")
                call(self, Abort, self, lambda: done.append("other")).result(PATIENCE)
            return super().on_cancel(callback)

    scope = Late()
    Abort(scope, lambda: done.append("one"))
    scope.cancel()
    assert sorted(done) == ["begun", "one", "other"]


def test_a_block_that_was_left_can_still_be_cancelled():
    """What a thread begins in it later is ended, though the callbacks of before are gone."""
    done = []
    with move_on_after(PATIENCE) as scope, Abort(scope, lambda: done.append("within")):
        pass
    with Abort(scope, lambda: done.append("later")):
        scope.cancel()
    assert done == ["later"]


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
