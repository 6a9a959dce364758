"""Where processes keep a limit in common: what is counted, for how long, and that it outlives its users."""

import gc
import os
import sqlite3
import subprocess
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import pairwise

import pytest

from support.controlled import PATIENCE, aside, run_program, until
from support.shared_limits import redis_server
from threadfan import Fan, RateLimit
from threadfan._core.limits import in_file, ticks, turns
from threadfan._core.limits.stores import RedisStore, SQLiteStore, store_at
from threadfan._core.limits.turns import LEAD
from threadfan._core.policies.retryable import history

HOUR = 3600.0  # seconds between two requests: in a test no second one comes in


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
from threadfan._core.limits.stores import store_at
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
from threadfan._core.limits.stores import store_at
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


# -- a file that stays open --------------------------------------------------------------------------------------------


def opened(path):
    """How many descriptors of this process lead to the file itself."""
    found = 0
    for number in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            found += os.readlink(f"/proc/self/fd/{number}") == path
    return found


on_linux = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="the system lists no descriptors there")


@on_linux
def test_the_file_is_opened_once_and_closed_with_its_store(tmp_path):
    """However often it is asked, and by whom."""
    path = f"{tmp_path}/limits.db"
    store = SQLiteStore(path, "a")
    store.reach()
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(store.take, [HOUR] * 20, [100] * 20)) == [0.0] * 20
    assert opened(path) == 1
    del store
    gc.collect()
    until(lambda: not opened(path))


@on_linux
def test_a_file_that_was_replaced_is_noticed(tmp_path):
    """Else this process would keep to a limit of its own, in a file that nobody else can open."""
    path = f"{tmp_path}/limits.db"
    store = SQLiteStore(path, "a")
    assert store.take(HOUR, 1) == 0.0
    os.remove(path)
    other = SQLiteStore(path, "a")
    assert other.take(HOUR, 2) == 0.0
    assert store.take(HOUR, 2) == 0.0
    assert [one.take(HOUR, 2) > 0.0 for one in (store, other)] == [True, True]
    until(lambda: opened(path) == 2 and not opened(f"{path} (deleted)"))


def test_a_process_that_cannot_have_the_file_asks_again(tmp_path):
    """Another one has it for a while; what was begun is undone, and the connection goes on."""
    path = f"{tmp_path}/limits.db"
    store = SQLiteStore(path, "a")
    store.reach()
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    asked = aside(store.take, HOUR, 1)
    assert not asked.done()
    other.close()
    assert asked.result(PATIENCE) == 0.0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_child_opens_the_file_for_itself(tmp_path):
    """And does not use the connection that its parent has; both go on, and count as one."""
    program = f"""
import os, sys
from threadfan._core.limits.in_file import SQLiteStore
path = {str(tmp_path)!r} + "/limits.db"
store = SQLiteStore(path, "a")
assert store.take({HOUR}, 3) == 0.0
child = os.fork()
if not child:
    before = store._database
    assert before is None, before
    assert store.take({HOUR}, 3) == 0.0
    sys.exit(0)
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

    monkeypatch.setattr(in_file, "time", Wall())
    monkeypatch.setattr(turns, "time", in_file.time)
    return in_file.time


@pytest.fixture
def processes(tmp_path):
    """Makes stores as so many processes have them, in one file."""
    return lambda number: [SQLiteStore(f"{tmp_path}/limits.db", "a") for _ in range(number)]


def test_parts_of_a_request_count(processes, wall):
    """A bucket that holds two and a half lets two through, and the third half an interval early."""
    (store,) = processes(1)
    assert [store.take(1.0, 2.5), store.take(1.0, 2.5)] == [0.0, 0.0]
    assert store.take(1.0, 2.5) == pytest.approx(0.5 - LEAD)
    wall.now += 0.494
    assert store.take(1.0, 2.5) == pytest.approx(0.001)
    wall.now += 0.0015
    begun = wall.now
    assert store.take(1.0, 2.5) == 0.0
    assert wall.now - begun == pytest.approx(0.0045)  # it has waited for the rest itself


def test_who_is_next_and_comes_early_asks_once(processes, wall, monkeypatch):
    """It is counted for the moment that is its own, and waits for that by itself; the others are told of it."""
    first, second = processes(2)
    asks, ask = [], SQLiteStore.ask
    monkeypatch.setattr(SQLiteStore, "ask", lambda *args: [asks.append(args[0]), ask(*args)][1])
    begun = wall.now
    assert first.take(0.1, 1) == 0.0
    assert second.take(0.1, 1) == pytest.approx(0.1 - LEAD)
    wall.now += 0.1 - LEAD + 0.001  # a little later than it was told
    del asks[:]
    assert second.take(0.1, 1) == 0.0
    assert asks == [second]
    assert wall.now == pytest.approx(begun + 0.1)
    assert first.take(0.1, 1) == pytest.approx(0.1 - LEAD)


def test_short_gaps_are_exact(processes, wall):
    """Gaps of 2.5 ms are not rounded to whole milliseconds."""
    (store,) = processes(1)
    begun = wall.now
    for _ in range(21):
        assert store.take(0.0025, 1) == 0.0
    assert wall.now - begun == pytest.approx(20 * 0.0025)


def run(processes, wall, seconds, *, spacing=0.1, capacity=1, late=lambda which: 0.0, busy=0.001):
    """Have each process come as often as it may; gives the moments at which one of them went, and which.

    Args:
        late: seconds by which a process comes later than it was told, at least.
        busy: seconds from a request until the next one of the same process.
    """
    end = wall.now + seconds
    due, gone = [wall.now] * len(processes), []
    while wall.now < end:
        which = min(range(len(processes)), key=due.__getitem__)
        wall.now = max(wall.now, due[which])
        wait = processes[which].take(spacing, capacity)
        if wait == 0.0:
            gone.append((wall.now, which))
        due[which] = wall.now + (max(wait + late(which), 0.0001) if wait else busy)
    return gone


def shares(gone, number):
    """How many requests each process has made."""
    return [sum(which == one for _, which in gone) for one in range(number)]


def test_processes_take_turns(processes, wall):
    """In the order in which they came, one each: who asks more often gets no more, and no moment is missed."""
    gone = run(processes(4), wall, 4.0)
    begun = gone[0][0]
    assert [moment for moment, _ in gone] == pytest.approx([begun + 0.1 * place for place in range(len(gone))])
    assert len(gone) >= 40
    assert {tuple(which for _, which in gone[place : place + 4]) for place in range(4, 36, 4)} == {
        tuple(which for _, which in gone[4:8])
    }


def test_a_process_that_is_late_costs_the_others_no_moment(processes, wall):
    """Whose turn it is and does not come is passed after ``GRACE``, and comes the earlier next time."""
    gone = run(processes(4), wall, 8.0, late=lambda which: 0.01 if which == 0 else 0.0)
    assert len(gone) >= 0.98 * 80
    gaps = [later - earlier for (earlier, _), (later, _) in pairwise(gone)]
    assert min(gaps) > 0.1 - 1e-6
    learned = shares(gone[16:], 4)  # by then it has been late often enough
    assert max(learned) - min(learned) <= 0.1 * max(learned)


def test_a_process_that_has_gone_costs_the_others_one_moment_at_most(processes, wall):
    """It had a ticket, and never comes."""
    stores_of_all = processes(4)
    run(stores_of_all, wall, 1.0)
    gone = run(stores_of_all[:3], wall, 4.0)
    assert len(gone) >= 39
    assert max(shares(gone, 3)) - min(shares(gone, 3)) <= 1


def test_a_burst_is_for_whoever_comes_first(processes, wall):
    """After a quiet time all that has come in goes at once; from then on they take turns."""
    first, second = processes(2)
    assert [first.take(0.1, 10) for _ in range(6)] + [second.take(0.1, 10) for _ in range(4)] == [0.0] * 10
    assert second.take(0.1, 10) > 0.0
    gone = run([first, second], wall, 4.0, capacity=10)
    assert max(shares(gone, 2)) - min(shares(gone, 2)) <= 1


def test_a_request_that_was_written_late_keeps_the_next_one_away(processes, wall):
    """Without a burst the distance counts from there; with one, what came in meanwhile was lost if it was full."""
    for capacity, least in ((1, 0.13), (10, 0.0)):
        wall.now += 10.0
        late, other = processes(2)
        assert late.take(0.1, capacity) == 0.0
        assert late.lacking == 0.0
        begun = wall.now
        wall.now += 0.03
        late.left(0.1, capacity, 0.03)
        gone = run([other], wall, 0.5, capacity=capacity)
        assert gone[0][0] - begun == pytest.approx(least if capacity == 1 else 0.03)
        if capacity == 10:  # nine at once, and the tenth when 0.1 s have gone by since the first was written
            assert gone[8][0] - begun < 0.05
            assert gone[9][0] - begun == pytest.approx(0.13, abs=0.002)


def test_a_pause_holds_those_that_wait_for_their_turn(processes, wall):
    """Whoever comes for it is told to wait; a refusal leaves no burst for the end of the pause."""
    store, other = processes(2)
    assert store.take(1.0, 1) == 0.0
    assert store.take(1.0, 1) == pytest.approx(0.995)
    other.pause(60.0)
    wall.now += 0.999
    assert store.take(1.0, 1) == pytest.approx(59.0, abs=0.01)
    assert store.pauses == 0
    other.pause(100.0, (1.0, 5.0))
    wall.now += 100.0
    assert [store.take(1.0, 5.0), store.pauses] == [0.0, 1]
    assert store.take(1.0, 5.0) > 0.8


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
        assert store.take(1.0, 1) == 0.0
        for name in ("full_at", "seen"):
            store._redis.hincrby(store._key, name, 30_000_000)
        assert store.ask(1.0, 1, None).wait < 1.1


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
database.execute("INSERT INTO threadfan_limits VALUES ('a', 9000000000000000000, 0, 0, 0, 0, 0)")
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

    monkeypatch.setattr(ticks, "PATIENCE", 0.0)
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
from threadfan._core.policies.rate_limit import RateLimit
with Fan(1, rate=RateLimit(6000)) as fan:
    assert fan.run(abs, [-1]).unwrap() == [1]
try:
    Fan(1, rate=RateLimit(6000, shared={place!r}))
except ImportError as error:
    print(error)
"""
    assert 'pip install "threadfan[shared]"' in run_program(program)[0]


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
from threadfan._core.limits.stores import store_at
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
from threadfan._core.base import transactions
from threadfan._core.limits.stores import store_at
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
