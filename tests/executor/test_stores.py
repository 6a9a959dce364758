"""Where processes keep a limit in common: what is counted, for how long, and that it outlives its users."""

import gc
import os
import subprocess
import sys
import threading
import traceback

import pytest
from controlled import run_program, until
from shared_limits import redis_server

from threadfan import Fan, RateLimit
from threadfan.control.faults import history
from threadfan.executor import reserving, stores
from threadfan.executor.stores import RedisStore, SQLiteStore, store_at

HOUR = 3600.0  # seconds between two requests: in a test no second one comes in


@pytest.fixture(params=["sqlite", "redis"])
def place(request, tmp_path):
    """A fresh place, of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/limits.db"
    else:
        with redis_server(tmp_path) as (url, _):
            yield url


def test_a_bucket_is_spent_once_by_all(place):
    """Three at once are let through, whoever asks; then one has to wait for the next."""
    first, second = store_at(place, "a"), store_at(place, "a")
    assert [first.take(HOUR, 3), second.take(HOUR, 3), first.take(HOUR, 3)] == [0.0] * 3
    assert first.take(HOUR, 3) == pytest.approx(HOUR, abs=10)
    assert second.take(HOUR, 3) == pytest.approx(HOUR, abs=10)


def test_limits_have_names(place):
    """Two limits in one place leave each other alone."""
    assert [store_at(place, name).take(HOUR, 1) for name in ("a", "b")] == [0.0, 0.0]


def test_a_pause_is_for_all(place):
    """Nobody gets anything while it lasts, and a shorter one does not end it."""
    first, second = store_at(place, "a"), store_at(place, "a")
    first.pause(HOUR)
    second.pause(1.0)
    assert second.take(0.001, 100) == pytest.approx(HOUR, abs=10)
    assert store_at(place, "b").take(HOUR, 1) == 0.0


def test_requests_come_in_again(place):
    """After the wait that it answered, the store lets the next one through; each refusal says how long yet."""
    store = store_at(place, "a")
    assert store.take(0.05, 1) == 0.0
    waits = []
    until(lambda: waits.append(store.take(0.05, 1)) or waits[-1] == 0.0)
    assert all(0.0 < wait <= 0.05 for wait in waits[:-1])


def test_many_threads_and_processes_count_exactly(place):
    """Eight that ask at once, four of them in another process, get all that there is and no more."""
    program = f"""
import threading
from threadfan.executor.stores import store_at
store, got = store_at({place!r}, "a"), []
def ask():
    for _ in range(10):
        got.append(store.take({HOUR}, 40) == 0.0)
threads = [threading.Thread(target=ask) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(sum(got))
"""
    told = []
    asking = [threading.Thread(target=lambda: told.append(int(run_program(program)[0]))) for _ in range(2)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert sum(told) == 40
    assert store_at(place, "a").take(HOUR, 40) > 0.0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_fork_may_go_on_with_it(place):
    """A child and its parent use the same object, and count as one."""
    program = f"""
import os
from threadfan.executor.stores import store_at
store = store_at({place!r}, "a")
assert store.take({HOUR}, 3) == 0.0
child = os.fork()
if not child:
    os._exit(0 if store.take({HOUR}, 3) == 0.0 else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert store.take({HOUR}, 3) == 0.0
assert store.take({HOUR}, 3) > 0.0
"""
    run_program(program)


# -- by exact values ---------------------------------------------------------------------------------------------------


@pytest.fixture
def wall(monkeypatch):
    """The machine's time, in seconds, as the SQLite store reads it; ``wall.now`` sets it."""

    class Wall:
        now = 1_800_000.0

        def monotonic(self):
            return self.now

        def monotonic_ns(self):
            return round(self.now * 10_000) * 100_000

        def sleep(self, seconds):
            self.now += seconds

    monkeypatch.setattr(stores, "time", Wall())
    monkeypatch.setattr(reserving, "time", stores.time)
    return stores.time


def test_parts_of_a_request_count(tmp_path, wall):
    """A bucket that holds two and a half lets two through, and the third half an interval early."""
    store = SQLiteStore(f"{tmp_path}/limits.db", "a")
    assert [store.take(1.0, 2.5), store.take(1.0, 2.5)] == [0.0, 0.0]
    assert store.take(1.0, 2.5) == pytest.approx(0.5 - reserving.LEAD)
    wall.now += 0.494
    assert store.take(1.0, 2.5) == pytest.approx(0.001)
    wall.now += 0.0015
    begun = wall.now
    assert store.take(1.0, 2.5) == 0.0
    assert wall.now - begun == pytest.approx(0.0045)  # it has waited for the rest itself


def test_short_gaps_are_exact(tmp_path, wall):
    """Gaps of 2.5 ms are not rounded to whole milliseconds."""
    store = SQLiteStore(f"{tmp_path}/limits.db", "a")
    begun = wall.now
    for _ in range(21):
        assert store.take(0.0025, 1) == 0.0
    assert wall.now - begun == pytest.approx(20 * 0.0025)


def test_each_process_has_the_next_start_that_is_free(tmp_path, wall):
    """In the order in which they came, one each: who asks more often gets no more, and none is missed."""
    stores_of_processes = [SQLiteStore(f"{tmp_path}/limits.db", "a") for _ in range(4)]
    due, starts = [0.0] * 4, []
    while len(starts) < 40:
        which = min(range(4), key=due.__getitem__)
        wall.now = max(wall.now, due[which])
        wait = stores_of_processes[which].take(0.1, 1)
        if wait == 0.0:
            starts.append((wall.now, which))
        due[which] = wall.now + (wait or 0.001)
    moments = [moment for moment, _ in starts]
    assert moments == pytest.approx([moments[0] + 0.1 * place for place in range(40)])
    assert [sum(which == one for _, which in starts) for one in range(4)] == [10] * 4


def test_a_start_that_nobody_came_for_is_lost(tmp_path, wall):
    """Used late it would be too close to the next one; a little late it is used."""
    store, other = (SQLiteStore(f"{tmp_path}/limits.db", "a") for _ in range(2))
    assert store.take(0.1, 1) == 0.0
    assert store.take(0.1, 1) == pytest.approx(0.095)
    wall.now += 0.15
    assert store.take(0.1, 1) == 0.0
    assert store.take(0.1, 1) > 0.0
    wall.now += 10.0
    assert other.take(0.1, 1) == 0.0
    assert store.take(0.1, 1) == pytest.approx(0.095)


def test_a_start_that_was_late_keeps_the_next_one_away(tmp_path, wall):
    """A strict server would refuse the second of two that come too close; one with bursts would not."""
    for place, (capacity, least) in enumerate([(1, 0.098), (10, 0.0)]):
        late, other = (SQLiteStore(f"{tmp_path}/limits{place}.db", "a") for _ in range(2))
        assert other.take(0.1, capacity) == 0.0
        assert late.reserve(0.1, capacity)[1]
        wall.now += 0.17
        assert late.leave(0.1 * reserving.SURE if capacity == 1 else 0.0) == (0.0, True)
        begun = wall.now
        wall.now += 0.03
        assert other.take(0.1, capacity) == 0.0
        assert wall.now - begun >= least - 1e-6


def test_a_pause_holds_what_was_reserved_before_it(tmp_path, wall):
    """Whoever comes for its start is told to wait."""
    store, other = (SQLiteStore(f"{tmp_path}/limits.db", "a") for _ in range(2))
    assert store.take(1.0, 1) == 0.0
    assert store.take(1.0, 1) == pytest.approx(0.995)
    other.pause(60.0)
    wall.now += 0.999
    assert store.take(1.0, 1) == pytest.approx(59.0, abs=0.01)


def test_the_time_of_day_may_be_set(tmp_path, monkeypatch):
    """A clock that is set back half a minute stalls nobody: the machine's time since its start goes on."""
    import time

    store = SQLiteStore(f"{tmp_path}/limits.db", "a")
    assert store.take(0.001, 1) == 0.0
    behind = time.time() - 30.0
    monkeypatch.setattr(time, "time", lambda: behind)
    monkeypatch.setattr(time, "time_ns", lambda: int(behind * 1e9))
    assert store.take(0.001, 1) < 0.1


def test_a_redis_whose_clock_is_set_back_stalls_nobody(tmp_path):
    """It notices by the moment at which it was asked before."""
    with redis_server(tmp_path) as (url, _):
        store = RedisStore(url, "a")
        assert store.reserve(1.0, 1) == (0.0, True)
        ahead = {name: int(value) + 30_000_000 for name, value in store._redis.hgetall(store._key).items()}
        store._redis.hset(store._key, mapping=ahead)
        assert store.reserve(1.0, 1)[0] < 1.1


def test_a_clock_that_is_set_back_locks_nobody_out(tmp_path, wall):
    """Neither a full bucket nor a pause of a time that is yet to come is believed."""
    store = SQLiteStore(f"{tmp_path}/limits.db", "a")
    store.pause(60.0)
    for _ in range(2):  # as after the machine was started anew
        wall.now -= 3600.0
        store = SQLiteStore(f"{tmp_path}/limits.db", "a")
        assert store.take(1.0, 1) == 0.0
        assert 0.9 < store.take(1.0, 1) <= 1.0


# -- what goes wrong ---------------------------------------------------------------------------------------------------


def test_a_process_killed_in_the_middle_holds_nothing(tmp_path):
    """The lock of one that dies in a transaction is free, and what it had begun is undone."""
    path = f"{tmp_path}/limits.db"
    store = SQLiteStore(path, "a")
    store.reach()
    program = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("BEGIN IMMEDIATE")
database.execute("INSERT INTO threadfan_starts VALUES ('a', 9000000000000000000, 0, 0, 0)")
print("in it", flush=True)
input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "in it\n"
        process.kill()
    assert store.take(HOUR, 1) == 0.0


def test_a_locked_file_is_an_error_in_time(tmp_path, monkeypatch):
    """Somebody who keeps the file locked does not keep others waiting for ever."""
    import sqlite3

    monkeypatch.setattr(stores, "PATIENCE", 0.0)
    path = f"{tmp_path}/limits.db"
    store = SQLiteStore(path, "a")
    store.reach()
    other = sqlite3.connect(path, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            store.take(HOUR, 1)
    finally:
        other.close()


@pytest.mark.parametrize(
    ("place", "error", "message"),
    [
        ("sqlite:////nowhere/at/all.db", OSError, "cannot keep a shared rate limit in /nowhere/at/all.db: unable to"),
        ("sqlite:///", ValueError, "names no file"),
        ("sqlite:///:memory:", ValueError, "names no file"),
        ("redis://127.0.0.1:1", OSError, "cannot keep a shared rate limit in Redis: .*refused"),
        ("redis://127.0.0.1:port", ValueError, "port"),
    ],
)
def test_wrong_places_are_errors(place, error, message):
    """They say what is wrong, at the first contact."""
    with pytest.raises(error, match=message):
        store_at(place, "a").reach()


PASSWORD = "s3cr3t-Begin{}s3cr3t-End"  # noqa: S105


@pytest.mark.parametrize("sign", ["/", "#", "?", "[", "]", "\u2100", "@", ":", "%", "", "/1@"])
@pytest.mark.parametrize(
    "url", ["redis://:{}@127.0.0.1:1/0", "rediss://me:12{}@127.0.0.1:1", "redis://me:{}@127.0.0.1:x"]
)
@pytest.mark.parametrize(
    "make", [lambda url: store_at(url, "a").reach(), lambda url: Fan(1, rate=RateLimit(60, shared=url))]
)
def test_a_password_stands_in_no_error(url, sign, make):
    """Nothing of it is in the error's text or in those that it was raised on top of, whatever it has in it."""
    with pytest.raises((OSError, ValueError)) as caught:
        make(url.format(PASSWORD.format(sign)))
    assert "s3cr3t" not in "".join(traceback.format_exception(caught.value))
    assert not any("s3cr3t" in repr(link) for link in history(caught.value))


def test_what_is_special_in_a_password_is_quoted():
    """The error says how, as the password could not be read."""
    with pytest.raises(ValueError, match=r"shared='redis://\*\*\*@host:6379/0' .*urllib.parse.quote"):
        store_at("redis://:a/b@host:6379/0", "a")
    options = RedisStore("redis://:a%2Fb@host:6379/0", "a")._redis.get_connection_kwargs()
    assert options["password"] == "a/b"  # noqa: S105


@pytest.mark.parametrize(("module", "place"), [("redis", "redis://127.0.0.1:1")])
def test_a_library_that_is_missing_is_named(module, place):
    """And so is the way to install it; without a shared limit it is not needed."""
    program = f"""
import sys
sys.modules[{module!r}] = None
from threadfan import Fan
from threadfan.control.rate import RateLimit
with Fan(1, rate=RateLimit(6000)) as fan:
    assert fan.run(abs, [-1]).unwrap() == [1]
try:
    Fan(1, rate=RateLimit(6000, shared={place!r}))
except ImportError as error:
    print(error)
"""
    assert "pip install redis" in run_program(program)[0]


def test_connections_end_with_their_limit(tmp_path):
    """A store that nobody uses any more leaves no connection open."""
    with redis_server(tmp_path) as (url, _):
        store, observer = RedisStore(url, "a"), RedisStore(url, "b")
        store.reach()
        observer.reach()
        assert len(observer._redis.client_list()) == 2
        del store
        gc.collect()
        until(lambda: len(observer._redis.client_list()) == 1)


def test_redis_forgets_what_nobody_uses(tmp_path):
    """Keys have a time to live."""
    with redis_server(tmp_path) as (url, _):
        store = RedisStore(url, "a")
        store.take(1.0, 2)
        store.pause(5.0)
        keys = sorted(store._redis.scan_iter())
        assert keys == [b"threadfan:{a}", b"threadfan:{a}:pause"]
        assert all(0 < store._redis.ttl(key) <= 60 for key in keys)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_connection_of_the_parent_is_not_used_in_the_child(tmp_path):
    """A child has one of its own, even with a library that would let it use the parent's, and ends neither."""
    with redis_server(tmp_path) as (url, _):
        program = f"""
import os, signal
from threadfan.executor.stores import store_at
store = store_at({url!r}, "a")
store.reach()
def client():
    return store._redis.client_id()
before = client()
os.getpid, getpid = lambda: 1, os.getpid  # by which redis-py tells that it is in a child
child = os.fork()
if not child:
    signal.alarm(20)
    os._exit(0 if client() == client() != before else 1)
os.getpid = getpid
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert client() == before
"""
        run_program(program)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.parametrize("patient", [True, False])
def test_a_fork_waits_for_a_transaction(tmp_path, patient):
    """One in another thread is over when the process forks; if it takes too long, the child is told so."""
    program = f"""
import os, signal, threading, time
from threadfan.executor import transactions
from threadfan.executor.stores import store_at
store = store_at("sqlite:///{tmp_path}/limits.db", "a")
store.reach()
begun, go = threading.Event(), threading.Event()
def decide(*_):
    begun.set()
    go.wait(20)
other = threading.Thread(target=store._change, args=(decide,))
other.start()
assert begun.wait(20)
os.register_at_fork(before=go.set if {patient} else int)
transactions.LONGEST = 20.0 if {patient} else 0.01
child = os.fork()
if not child:
    signal.alarm(20)
    try:
        left = store.take({HOUR}, 3) == 0.0
    except OSError as error:
        left = "was forked while" in str(error) and not {patient}
    os._exit(0 if left else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
go.set()
other.join()
assert store.take({HOUR}, 3) == 0.0
"""
    run_program(program)
