"""A fan stands wherever a `ThreadPoolExecutor` does, unchanged."""

import asyncio
import copyreg
import io
import re
import threading
from concurrent import futures

import pytest

import threadfan
from support.controlled import PATIENCE, run_program, until
from threadfan import Fan, RateLimit

LEGACY = """
from concurrent.futures import ThreadPoolExecutor, as_completed, wait, TimeoutError, CancelledError, Future

def work(number):
    if number == 3:
        raise ValueError("three")
    return number * number

with ThreadPoolExecutor(max_workers=4, thread_name_prefix="legacy") as pool:
    by_future = {pool.submit(work, number): number for number in range(6)}
    for future in as_completed(by_future):
        assert isinstance(future, Future)
    for future, number in by_future.items():
        try:
            print(number, future.result())
        except ValueError as error:
            print(number, "failed:", error)
    print(list(pool.map(work, [4, 5], timeout=60, chunksize=10)))
    done, pending = wait(by_future)
    print(len(done), len(pending), future.exception(), future.cancel())
try:
    pool.submit(work, 1)
except RuntimeError as error:
    print(str(error)[:42])
"""


def test_a_legacy_script_changes_one_module_name():
    """The same script prints the same with the module's name in its import changed."""
    (before, said_before), (after, said_after) = (
        run_program(LEGACY),
        run_program(LEGACY.replace("concurrent.futures", "threadfan")),
    )
    assert after == before
    assert said_after == said_before == ""
    assert "3 failed: three" in after


def test_the_first_arguments_are_the_standard_ones():
    """Workers, prefix, initializer and its arguments come in the standard library's order."""
    seen = []
    with Fan(1, "prefix", lambda *given: seen.append(given), ("a", "b")) as fan:
        name = fan.submit(lambda: threading.current_thread().name).result()
    assert (name, seen) == ("prefix_0", [("a", "b")])


def test_threads_are_named_as_in_the_standard_library():
    """Without a prefix, thread names begin as monitoring tools know them."""
    with Fan(1) as fan:
        name = fan.submit(lambda: threading.current_thread().name).result()
    assert re.fullmatch(r"ThreadPoolExecutor-\d+_0", name)


def test_the_initializer_runs_in_each_thread():
    """Every thread that runs calls has been initialised first."""
    local, barrier = threading.local(), threading.Barrier(3)

    def look():
        barrier.wait(PATIENCE)
        return local.ready

    with Fan(3, initializer=lambda: setattr(local, "ready", True)) as fan:
        assert [future.result() for future in [fan.submit(look) for _ in range(3)]] == [True] * 3


def test_a_failed_initializer_breaks_the_pool(caplog):
    """As in the standard library: a critical log, `BrokenThreadPool` for what was and what is handed in."""
    with Fan(1, initializer=int, initargs=("x",)) as fan:
        with pytest.raises(threadfan.BrokenThreadPool):
            fan.submit(int).result()
        with pytest.raises(threadfan.BrokenThreadPool):
            fan.submit(int)
    assert "Exception in initializer" in caplog.text


def test_submit_takes_any_keyword():
    """`fn` is positional only, so that functions with such a parameter can be called, and nothing else can be it."""
    with Fan(1) as fan:
        assert fan.submit(lambda fn, self: (fn, self), fn=1, self=2).result() == (1, 2)
        with pytest.raises(TypeError):
            fan.submit(fn=int)


@pytest.mark.parametrize("module", [futures, threadfan])
def test_as_completed_and_wait_of_both_modules(module):
    """Futures of a fan and of a standard pool can be waited for together."""
    with Fan(2) as fan, futures.ThreadPoolExecutor(1) as standard:
        mixed = [fan.submit(int, "1"), standard.submit(int, "2"), fan.submit(int, "x")]
        assert set(module.as_completed(mixed, timeout=PATIENCE)) == set(mixed)
        assert module.wait(mixed, timeout=PATIENCE, return_when=module.ALL_COMPLETED).done == set(mixed)
        assert all(isinstance(future, module.Future) for future in mixed)


def test_wait_returns_at_the_first():
    """`FIRST_COMPLETED` and `FIRST_EXCEPTION` mean what they say."""
    go = threading.Event()
    with Fan(2) as fan:
        held, quick = fan.submit(go.wait, PATIENCE), fan.submit(int, "x")
        assert futures.wait([held, quick], PATIENCE, futures.FIRST_COMPLETED).done == {quick}
        assert futures.wait([held, quick], PATIENCE, futures.FIRST_EXCEPTION).not_done == {held}
        with pytest.raises(TimeoutError):
            list(futures.as_completed([held], timeout=0))
        go.set()


def test_callbacks_are_called_once():
    """Before the end, after it, and although one of them raises."""
    seen = []
    go = threading.Event()
    with Fan(1) as fan:
        future = fan.submit(go.wait, PATIENCE)
        future.add_done_callback(lambda done: seen.append(("before", done)))
        future.add_done_callback(lambda _: 1 / 0)
        go.set()
        future.result()
    future.add_done_callback(lambda done: seen.append(("after", done)))
    assert seen == [("before", future), ("after", future)]


def test_asyncio_takes_it_for_its_own():
    """`wrap_future`, `run_in_executor`, `set_default_executor` and `to_thread` work on a fan."""

    async def main(fan):
        loop = asyncio.get_running_loop()
        assert await asyncio.wrap_future(fan.submit(int, "1")) == 1
        assert await loop.run_in_executor(fan, int, "2") == 2
        loop.set_default_executor(fan)
        name = await asyncio.to_thread(lambda: threading.current_thread().name)
        assert name.startswith("fan_")
        assert await loop.run_in_executor(None, int, "3") == 3
        with pytest.raises(ValueError, match="invalid literal"):
            await asyncio.to_thread(int, "x")

    fan = Fan(2, "fan")
    asyncio.run(main(fan))  # which shuts the default executor down
    with pytest.raises(RuntimeError):
        fan.submit(int)


def test_asyncios_cancel_reaches_a_queued_call():
    """Cancelling a wrapped future keeps its call from starting."""
    ran = []

    async def main(fan):
        running, go = threading.Event(), threading.Event()

        def hold():
            running.set()
            assert go.wait(PATIENCE)

        loop = asyncio.get_running_loop()
        first = loop.run_in_executor(fan, hold)
        second = loop.run_in_executor(fan, ran.append, 1)
        await asyncio.to_thread(running.wait, PATIENCE)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        await asyncio.sleep(0)  # asyncio passes a cancel on in a callback
        go.set()
        await first

    with Fan(1) as fan:
        asyncio.run(main(fan))
    assert ran == []


@pytest.fixture
def _pickled_as_before():
    """To import Dask has all exceptions pickled in another way, which is not to reach other tests."""
    before = copyreg.dispatch_table.copy()
    yield
    copyreg.dispatch_table.clear()
    copyreg.dispatch_table.update(before)


@pytest.mark.usefixtures("_pickled_as_before")
def test_dask_runs_its_graphs_on_it():
    """`dask.threaded.get(pool=fan)` computes on the fan's threads."""
    threaded = pytest.importorskip("dask.threaded")

    def add(a, b):
        assert threading.current_thread().name.startswith("fan_")
        return a + b

    with Fan(2, "fan") as fan:
        assert threaded.get({"x": 1, "y": (add, "x", 10), "z": (add, "y", "x")}, ["z", "y"], pool=fan) == (12, 11)


def test_s3transfer_moves_files_with_it():
    """`BoundedExecutor(executor_cls=Fan)` runs its tasks, and `TransferManager` uploads through it."""
    manager = pytest.importorskip("s3transfer.manager")
    executors = pytest.importorskip("s3transfer.futures")
    uploaded = {}

    class Client:
        """As much of an S3 client as an upload needs."""

        def __init__(self):
            from botocore.hooks import HierarchicalEmitter

            self.meta = type("Meta", (), {"events": HierarchicalEmitter(), "config": None, "region_name": "eu-1"})()
            config = {"request_checksum_calculation": "when_required", "response_checksum_validation": "when_required"}
            self.meta.config = type("Config", (), config)()

        def put_object(self, **given):
            """Keep the body."""
            uploaded[given["Key"]] = given["Body"].read(), threading.current_thread().name

    assert isinstance(executors.BoundedExecutor(10, 2, executor_cls=Fan)._executor, Fan)
    with manager.TransferManager(Client(), executor_cls=Fan) as transfers:
        transfers.upload(io.BytesIO(b"content"), "bucket", "key").result()
    assert uploaded["key"][0] == b"content"
    assert uploaded["key"][1].startswith("ThreadPoolExecutor-")


@pytest.fixture(scope="module")
def concurrent():
    """Tqdm's machinery for pools; the lock it makes for the whole process, which may start a helper, is made before."""
    found = pytest.importorskip("tqdm.contrib.concurrent")
    pytest.importorskip("tqdm").tqdm.get_lock()
    return found


def test_tqdm_maps_with_it(concurrent):
    """`thread_map`'s machinery takes the fan for the pool that it is written for."""
    assert concurrent._executor_map(Fan, str, [1, 2, 3], max_workers=2, file=io.StringIO()) == ["1", "2", "3"]


def test_tqdm_shows_its_progress(concurrent):
    """A progress bar counts ends by putting a `submit` of its own into the pool, which `map` has to use."""
    out = io.StringIO()
    concurrent._executor_map(Fan, str, [1, 2, 3], max_workers=2, file=out)
    assert "3/3" in out.getvalue()


def test_map_goes_through_a_subclass_submit():
    """A subclass that wraps `submit`, to trace or to count, sees the calls of `map` too, as with the standard pool."""

    class Counting(Fan):
        def submit(self, fn, /, *args, **kwargs):
            seen.append(args)
            return super().submit(fn, *args, **kwargs)

    seen = []
    with Counting(2) as fan:
        assert list(fan.map(str, [1, 2, 3])) == ["1", "2", "3"]
    assert seen == [(1,), (2,), (3,)]


def test_it_is_the_class_that_libraries_ask_for():
    """`isinstance` tests, and the attributes that others read, hold."""
    with Fan(3) as fan:
        assert isinstance(fan, futures.ThreadPoolExecutor)
        fan.submit(int).result()
        assert fan._max_workers == 3
        assert all(isinstance(thread, threading.Thread) for thread in fan._threads)
        assert fan._shutdown is False
    assert fan._shutdown is True


@pytest.mark.parametrize("kind", [futures.ThreadPoolExecutor, Fan], ids=["standard", "fan"])
def test_the_length_of_the_queue_can_be_read(kind):
    """Programs look at `_work_queue` for back-pressure and metrics, though it is private: what is queued counts."""
    go, running = threading.Event(), threading.Semaphore(0)

    def hold():
        running.release()
        assert go.wait(PATIENCE)

    with kind(2) as pool:
        assert (pool._work_queue.qsize(), pool._work_queue.empty()) == (0, True)
        for _ in range(5):
            pool.submit(hold)
        for _ in range(2):
            assert running.acquire(timeout=PATIENCE)
        assert (pool._work_queue.qsize(), pool._work_queue.empty()) == (3, False)
        go.set()


def test_what_waits_for_a_limit_is_queued_too():
    """Whoever hands in more than a limit lets through sees how much has piled up, calls of a batch among it."""
    go = threading.Event()
    with Fan(2, rate=RateLimit(requests_per_minute=1)) as fan:
        for _ in range(4):
            fan.submit(go.wait, PATIENCE)
        values = fan.with_options(rate=None).map(go.wait, [PATIENCE] * 5)
        until(lambda: fan._work_queue.qsize() == 7)  # of nine, two can run
        go.set()
        assert list(values) == [True] * 5
        assert fan._work_queue.qsize() == 3
        fan.shutdown(wait=False, cancel_futures=True)
