"""Views of a fan under other options, its live figures, its face."""

import threading
import time

import pytest

from support.controlled import PATIENCE
from threadfan import Fan, TaskTimeout, current_scope
from threadfan._core.calls.call_queue import CallQueue
from threadfan.testing import Probe

pytestmark = pytest.mark.filterwarnings("ignore:.*is still stuck in:RuntimeWarning")


class Meter:
    """A tool that counts how many of its calls run at once."""

    def __init__(self):
        self._lock = threading.Lock()
        self._running = 0
        self.most = 0

    def __call__(self, _=None):
        """Be one of those that run."""
        with self._lock:
            self._running += 1
            self.most = max(self.most, self._running)
        for _ in range(200):
            threading.Event().is_set()
        with self._lock:
            self._running -= 1


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_a_limit_caps_concurrency(limit):
    """Never more than `max_concurrent` calls of a view run at once, batches and single ones together."""
    meter = Meter()
    with Fan(8) as fan:
        view = fan.with_options(max_concurrent=limit)
        futures = [view.submit(meter) for _ in range(50)]
        view.run(meter, range(50))
        list(view.stream(meter, range(50)))
        view.gather(*[meter] * 50)
        for future in futures:
            future.result()
    assert 1 <= meter.most <= limit


def test_a_limit_leaves_the_other_slots_alone():
    """While a view runs as many calls as it may, the fan's other slots serve others, and the view's next call waits."""
    go, running = threading.Event(), threading.Event()

    def hold():
        running.set()
        assert go.wait(PATIENCE)

    with Fan(2) as fan:
        view = fan.with_options(max_concurrent=1)
        first, second = view.submit(hold), view.submit(hold)
        assert running.wait(PATIENCE)
        assert fan.submit(int).result(PATIENCE) == 0
        assert not second.running()
        go.set()
        first.result()
        second.result()


def test_a_call_may_wait_for_its_own_view():
    """A call of a capped view that waits for another of the same view does not deadlock."""
    with Fan(4) as fan:
        view = fan.with_options(max_concurrent=1)

        def outer():
            inner = view.submit(int)
            try:
                return inner.result(1)
            finally:
                inner.cancel()

        assert view.submit(outer).result(PATIENCE) == 0


def test_a_view_has_a_timeout_of_its_own():
    """The view's timeout holds for its calls, the fan's for the fan's, and None lifts it."""
    told = threading.Event()

    def stuck(_):
        current_scope().on_cancel(told.set)
        assert told.wait(PATIENCE)

    with Fan(1, timeout=1000) as fan:
        assert isinstance(fan.with_options(timeout=0.01).run(stuck, [0])[0].error, TaskTimeout)
        assert fan.with_options(timeout=None).submit(lambda: current_scope().remaining()).result() == float("inf")
        assert fan.submit(lambda: current_scope().remaining()).result() <= 1000


def test_what_is_not_given_stays():
    """A view of a view changes only what it is told."""
    with Fan(4, timeout=30) as fan:
        view = fan.with_options(max_concurrent=2).with_options(timeout=5)
        assert "timeout=5.0, max_concurrent=2" in repr(view)
        assert "timeout=30.0, max_concurrent=3" in repr(fan.with_options(max_concurrent=3))
        assert "max_concurrent=inf" in repr(view.with_options(max_concurrent=None))


def test_a_view_cannot_be_shut_down():
    """Closing is the fan's affair, and the error says so."""
    with Fan(1) as fan:
        with pytest.raises(RuntimeError, match="shut down the Fan that with_options was called on"):
            fan.with_options(timeout=1).shutdown()
        assert fan.submit(int).result() == 0


def test_a_view_keeps_its_fan_alive():
    """A view of a fan that nobody else holds can be used."""
    view = Fan(1).with_options(timeout=30)
    assert view.run(str, [1]).unwrap() == ["1"]


def test_figures_while_calls_run():
    """Queued, running, slots, done and failed are told as they are."""
    go, running = threading.Event(), threading.Barrier(3)

    def hold(_):
        running.wait(PATIENCE)
        assert go.wait(PATIENCE)

    with Fan(2, thread_name_prefix="pool") as fan:
        assert fan.snapshot() == {
            "queued": 0, "running": 0, "waiting": 0, "abandoned": 0, "done": 0, "failed": 0, "slots": 2,
            "retries": 0, "input_tokens": 0, "output_tokens": 0,
        }  # fmt: skip
        fan.run(int, ["1", "x", "3"])
        assert (fan.snapshot()["done"], fan.snapshot()["failed"]) == (3, 1)
        held = [fan.submit(hold, None) for _ in range(2)]
        queued = [fan.submit(int) for _ in range(3)]
        running.wait(PATIENCE)
        assert (fan.snapshot()["running"], fan.snapshot()["queued"]) == (2, 3)
        assert repr(fan) == "<Fan 'pool': open, 2 of 2 running, 3 queued>"
        go.set()
        for future in held + queued:
            future.result()
    figures = fan.snapshot()
    assert (figures["done"], figures["failed"], figures["running"], figures["queued"]) == (8, 1, 0, 0)
    assert "closed" in repr(fan)


def test_a_waiting_call_counts_as_waiting():
    """A call that waits for calls of its own fan holds no slot, and is told apart."""
    go, inner_runs = threading.Event(), threading.Event()

    def inner():
        inner_runs.set()
        assert go.wait(PATIENCE)

    with Fan(1) as fan:
        outer = fan.submit(lambda: fan.submit(inner).result())
        assert inner_runs.wait(PATIENCE)
        figures = fan.snapshot()
        go.set()
        outer.result()
    assert (figures["waiting"], figures["running"]) == (1, 1)


def test_a_stuck_thread_counts_as_abandoned():
    """A thread in a call that is over is told, while its slot serves others."""
    go = threading.Event()
    with Fan(1, timeout=0.01) as fan:
        (outcome,) = fan.run(lambda _: go.wait(PATIENCE), [0])
        assert fan.with_options(timeout=None).submit(int).result(PATIENCE) == 0
        figures = fan.snapshot()
        go.set()
    assert outcome.status == "timed_out"
    assert (figures["abandoned"], figures["running"], figures["failed"]) == (1, 0, 1)


def test_the_name_is_the_prefix_unless_given():
    """A fan goes by its threads' prefix, or by its own name."""
    with Fan(1, "pool") as prefixed, Fan(1, "pool", name="research") as named, Fan(1) as unnamed:
        assert (prefixed.name, named.name) == ("pool", "research")
        assert unnamed.name.startswith("ThreadPoolExecutor-")


@pytest.mark.parametrize("options", [{"max_concurrent": 1}, {"max_concurrent": 1, "retry": 1}])
def test_a_view_for_each_call_leaves_nothing_in_the_fan(options):
    """Its queue goes with its last call, whether that ran or was cancelled, and the figures stay right."""
    go = threading.Event()
    with Fan(1) as fan:
        fan.submit(int).result(PATIENCE)
        known = set(Probe(fan).queues)
        for _ in range(20):
            fan.with_options(**options).submit(int).result(PATIENCE)
        blocker = fan.submit(go.wait, PATIENCE)
        dropped = [fan.with_options(**options).submit(int) for _ in range(5)]
        assert all(future.cancel() for future in dropped)
        go.set()
        blocker.result(PATIENCE)
        fan.submit(int).result(PATIENCE)
        end = time.monotonic() + PATIENCE
        while Probe(fan).queues != known:  # the last thread is about to leave the last queue
            assert time.monotonic() < end
            time.sleep(0)
        assert fan.snapshot()["done"] >= 23
        assert fan.snapshot()["queued"] == fan.snapshot()["running"] == 0


def test_views_in_use_are_not_looked_through_for_each_new_one(monkeypatch):
    """As many looks for idle queues as there are views, and not for each view as many."""
    looks, forget = [], CallQueue.forget_if_idle

    def note(queue):
        looks.append(queue)
        forget(queue)

    monkeypatch.setattr(CallQueue, "forget_if_idle", note)
    go = threading.Event()
    with Fan(1) as fan:
        blocker = fan.submit(go.wait, PATIENCE)
        views = [fan.with_options(retry=1) for _ in range(500)]
        futures = [view.submit(int) for view in views]
        go.set()
        assert blocker.result(PATIENCE)
        assert [future.result(PATIENCE) for future in futures] == [0] * 500
    assert len(looks) <= 4 * len(views)
