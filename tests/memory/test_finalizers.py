"""No finalizer takes a lock that its own thread may hold: the garbage collector may run one anywhere."""

import _thread
import gc
import threading
from contextlib import suppress

import pytest

from support.collector import without_collector
from support.controlled import PATIENCE, within_patience
from threadfan import Fan, Hedge, RateLimit, fail_after
from threadfan._core.base.locks import Lock
from threadfan._core.limits.stores import RedisStore
from threadfan._core.scope import alarms

pytestmark = pytest.mark.usefixtures("passing_over")


class Collecting(Lock):
    """A lock in whose every acquisition a half-read stream of the fan is collected."""

    def __init__(self, litter):
        super().__init__()
        self._litter = litter
        self._busy = threading.local()

    def __enter__(self):
        taken = super().__enter__()
        if not getattr(self._busy, "yes", False):
            self._busy.yes = True
            try:
                self._litter()
            finally:
                self._busy.yes = False
        return taken


def in_a_cycle(thing):
    """Leave something that only the collector finds, as an exception does that is kept with its traceback."""
    cycle = [thing]
    cycle.append(cycle)


def half_read(begin):
    """An iterator that was begun and not read to its end."""
    iterator = iter(begin())
    next(iterator)
    return iterator


def left_block():
    """A generator inside a block with a deadline."""

    def inside():
        with fail_after(PATIENCE) as scope:
            scope.on_cancel(int)
            yield

    return inside()


WAYS = {
    "stream": lambda fan: fan.stream(str, range(100), window=3),
    "ordered stream": lambda fan: fan.stream(str, range(100), window=3, ordered=True),
    "map": lambda fan: fan.map(str, range(100)),
    "map with a buffer": lambda fan: fan.map(str, range(100), buffersize=3),
    "pipeline": lambda fan: fan.pipeline(str, str).stream(range(100), window=3),
    "block": lambda fan: left_block(),
}
OPTIONS = {
    "plain": dict,
    "rate": lambda: {"rate": RateLimit(requests_per_minute=600_000, burst=5)},
    "hedge": lambda: {"hedge": Hedge(after=0.001, budget=1), "timeout": PATIENCE},
}


@pytest.fixture
def collector_off():
    """The test alone says when the collector runs, which then looks only at what the test has made.

    Else each of its many collections would go through all that the tests before have left.
    """
    with without_collector(freeze=True):
        yield


@pytest.mark.parametrize("whose", ["fan", "alarms"])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_collection_at_every_acquisition(way, options, whose, monkeypatch, collector_off):
    """What is collected while its own thread holds the fan's lock, or that of the alarms, does not hang it."""
    spare = []

    def litter():
        with suppress(IndexError):  # there is none
            in_a_cycle(spare.pop())
            gc.collect()

    def work():
        with Fan(2, **options()) as fan:
            if whose == "fan":
                fan._scheduler.lock = Collecting(litter)
            for _ in range(5):
                spare.extend([half_read(lambda: way(fan)) for _ in range(2)])
                assert fan.run(str, range(3)).unwrap() == ["0", "1", "2"]
                assert fan.submit(int).result(PATIENCE) == 0
                spare.clear()
        return fan.snapshot()["running"]

    if whose == "alarms":
        monkeypatch.setattr(alarms, "_lock", Collecting(litter))
    assert within_patience(work) == 0


def test_a_store_in_redis_is_collected_while_its_pool_is_in_use(monkeypatch):
    """Its connections are closed by another thread: closing takes the pool's lock, which somebody may hold."""
    redis = pytest.importorskip("redis")
    held, closed = threading.Lock(), threading.Event()
    monkeypatch.setattr(redis.Redis, "__del__", lambda _: held.acquire() and held.release(), raising=False)

    def disconnect(_pool, *_args, **_options):
        with held:
            closed.set()

    monkeypatch.setattr(redis.ConnectionPool, "disconnect", disconnect)
    store = RedisStore("redis://127.0.0.1:1", "a")
    with without_collector(), held:  # else it may collect the store before the thread that does it here
        in_a_cycle(store)
        del store
        assert within_patience(gc.collect) > 0
        assert not closed.is_set()
    assert closed.wait(PATIENCE)


def test_where_no_thread_can_be_had_the_next_store_closes_the_connections(monkeypatch):
    """A finalizer that is refused one leaves them."""
    redis = pytest.importorskip("redis")
    closed = []

    def refuse(*_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(redis.ConnectionPool, "disconnect", lambda *_args, **_options: closed.append(1))
    monkeypatch.setattr(_thread, "start_new_thread", refuse)
    store = RedisStore("redis://127.0.0.1:1", "a")
    del store
    gc.collect()
    assert not closed
    RedisStore("redis://127.0.0.1:1", "a")
    assert closed


def test_streams_kept_in_cycles():
    """Hundreds of streams that exceptions keep alive half-read, under a limit, at the usual thresholds."""

    def consume(fan):
        try:
            for _ in fan.stream(str, range(20)):
                raise ValueError("bad answer")
        except ValueError as error:
            in_a_cycle(error)

    def work():
        with Fan(4, rate=RateLimit(requests_per_minute=6_000_000, burst=50)) as fan:
            for _ in range(200):
                consume(fan)
        return "finished"

    assert within_patience(work) == "finished"
