"""`await fan.call(…)`: single calls from coroutines."""

import asyncio
import contextlib
import inspect
import sys
import threading
from queue import SimpleQueue

import pytest

from support.controlled import PATIENCE, elapse
from threadfan import CallCancelled, Fan, TaskTimeout, current_scope

pytestmark = pytest.mark.filterwarnings("ignore:.*is still stuck in:RuntimeWarning")


class Held:
    """A call that holds its thread until it is let go or its scope is cancelled."""

    def __init__(self):
        self.running = threading.Event()
        self.end = threading.Event()
        self.cancelled = SimpleQueue()  # closing does not wait for a cancelled call, so its word is waited for

    def __call__(self):
        """Hold."""
        scope = current_scope()
        scope.on_cancel(self.end.set)
        self.running.set()
        assert self.end.wait(PATIENCE)
        self.cancelled.put(scope.cancelled)

    async def until_running(self):
        """Wait for the call to start, in another thread than the loop's."""
        assert await asyncio.to_thread(self.running.wait, PATIENCE)


async def test_a_call_gives_its_value():
    """Positional and keyword arguments arrive, the value comes back, in another thread."""
    async with Fan(1) as fan:
        assert await fan.call(int, "11", base=2) == 3
        assert await fan.call(threading.get_ident) != threading.get_ident()


@pytest.mark.parametrize("error", [ValueError("bad"), CallCancelled(), OSError(5, "io")])
async def test_a_call_raises_what_it_raised(error):
    """The very exception comes out; a cancel comes out as the caller's kind."""

    def tool():
        raise error

    async with Fan(1) as fan:
        with pytest.raises(Exception) as caught:  # noqa: PT011
            await fan.call(tool)
    assert caught.value is error or type(caught.value).__name__ == "TaskCancelled"


async def test_stop_iteration_becomes_an_error_that_can_be_awaited():
    """A future cannot hold it: it arrives as the cause of a RuntimeError."""
    async with Fan(1) as fan:
        with pytest.raises(RuntimeError, match="StopIteration") as caught:
            await fan.call(next, iter(()))
    assert isinstance(caught.value.__cause__, StopIteration)


async def test_the_timeout_is_the_fans(clock):
    """A call that takes too long ends with `TaskTimeout`, and is told through its scope."""
    held = Held()
    async with Fan(1, timeout=8) as fan:
        elapse(clock, 8, held.running)
        with pytest.raises(TaskTimeout, match="did not return within 8 s"):
            await fan.call(held)
        assert await asyncio.to_thread(held.end.wait, PATIENCE)


@pytest.mark.parametrize("wrapped", [False, True])
async def test_cancelling_a_queued_call_drops_it(wrapped):
    """It never starts, whether the future itself or a task that awaits it is cancelled."""
    held, ran = Held(), []

    async def awaiting(future):
        await future

    async with Fan(1) as fan:
        first = fan.call(held)
        await held.until_running()
        second = fan.call(ran.append, 1)
        waiter = asyncio.ensure_future(awaiting(second)) if wrapped else second
        await asyncio.sleep(0)
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter
        held.end.set()
        await first
    assert ran == []


async def test_cancelling_a_running_call_reaches_the_thread():
    """The awaiter returns at once, the call's scope is cancelled."""
    held = Held()
    async with Fan(1) as fan:
        waiter = asyncio.ensure_future(fan.call(held))
        await held.until_running()
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter
    assert await asyncio.to_thread(held.cancelled.get, timeout=PATIENCE) is True


async def test_a_cancelled_awaiter_does_not_wait_for_a_stubborn_call():
    """A call that heeds nothing keeps neither the awaiter nor, for long, its slot."""
    running, go = threading.Event(), threading.Event()

    def stubborn():
        running.set()
        assert go.wait(PATIENCE)

    async with Fan(1) as fan:
        waiter = fan.call(stubborn)
        assert await asyncio.to_thread(running.wait, PATIENCE)
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter
        assert not go.is_set()
        assert await fan.call(int) == 0  # in the slot that came back
        go.set()


async def test_a_task_cancelled_before_it_begins_drops_its_call():
    """`create_task` and an immediate cancel leave nothing to run."""
    held, ran = Held(), []
    async with Fan(1) as fan:
        first = fan.call(held)
        await held.until_running()
        waiter = asyncio.create_task(fan.call(ran.append, 1))
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter
        held.end.set()
        await first
    assert ran == []


async def test_a_task_group_that_aborts_drops_its_calls():
    """When the body of a task group fails at once, the calls it had made do not run."""
    held, ran = Held(), []
    async with Fan(1) as fan:
        first = fan.call(held)
        await held.until_running()
        with contextlib.suppress(ExceptionGroup):
            async with asyncio.TaskGroup() as group:
                group.create_task(fan.call(ran.append, 1))
                raise ValueError
        held.end.set()
        await first
    assert ran == []


async def test_calls_go_where_coroutines_and_futures_go():
    """`gather`, `wait_for`, `ensure_future`, `shield`, `as_completed`, `create_task` and task groups take a call."""
    async with Fan(2) as fan:
        assert await asyncio.gather(fan.call(int, "1"), fan.call(int, "2")) == [1, 2]
        assert await asyncio.wait_for(fan.call(int, "3"), PATIENCE) == 3
        assert await asyncio.ensure_future(fan.call(int, "4")) == 4
        assert await asyncio.shield(fan.call(int, "5")) == 5
        assert await asyncio.create_task(fan.call(int, "6")) == 6
        assert [await done for done in asyncio.as_completed([fan.call(int, "7")])] == [7]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(fan.call(int, text)) for text in "89"]
        assert [task.result() for task in tasks] == [8, 9]


WAYS = {
    "call": lambda fan, text: fan.call(int, text),
    "asyncify": lambda fan, text: fan.asyncify(int)(text),
    "view": lambda fan, text: fan.with_options(timeout=PATIENCE).call(int, text),
    "run_in_executor": lambda fan, text: asyncio.get_running_loop().run_in_executor(fan, int, text),
}
PUT = {
    "set": set,
    "list": list,
    "dict": dict.fromkeys,
    "iterator": iter,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("put", PUT)
async def test_wait_takes_calls(way, put):
    """`asyncio.wait` takes them in whatever collection, as it takes the futures of `run_in_executor`."""
    async with Fan(2) as fan:
        futures = [WAYS[way](fan, text) for text in "12"]
        done, pending = await asyncio.wait(PUT[put](futures), return_when=asyncio.ALL_COMPLETED)
    assert (done, pending) == (set(futures), set())
    assert {future.result() for future in done} == {1, 2}


async def test_wait_lets_the_first_go_first():
    """With `FIRST_COMPLETED` what runs on stays in the second set, and can be waited for again, or cancelled."""
    held = Held()
    async with Fan(2) as fan:
        slow, quick = fan.call(held), fan.call(int, "2")
        await held.until_running()
        done, pending = await asyncio.wait({slow, quick}, return_when=asyncio.FIRST_COMPLETED)
        assert (done, pending) == ({quick}, {slow})
        done, pending = await asyncio.wait(pending, timeout=0)
        assert pending.pop().cancel()
    assert await asyncio.to_thread(held.cancelled.get, timeout=PATIENCE) is True


async def test_a_call_and_the_task_made_of_it_can_be_waited_for_together():
    """What is a future for `wait` goes on as the coroutine of a task that was made of it before."""
    async with Fan(1) as fan:
        call = fan.call(int, "3")
        task = asyncio.create_task(call)
        done, _ = await asyncio.wait({call, task})
    assert [one.result() for one in done] == [3, 3]


async def test_a_call_that_has_ended_can_still_be_made_a_task():
    """Its thread has it in a dict too, which does not make a mere future of it."""
    async with Fan(1) as fan:
        call = fan.call(int, "4")
        await asyncio.wait_for(asyncio.shield(call), PATIENCE)
        again = fan.call(int, "5")
        while not again.done():
            await asyncio.sleep(0)
        assert await asyncio.create_task(again) == 5


async def test_a_task_group_that_was_not_entered_closes_the_call():
    """What asyncio refuses it ends, as it does with a coroutine."""
    held, ran = Held(), []
    async with Fan(1) as fan:
        first = fan.call(held)
        await held.until_running()
        call = fan.call(ran.append, 1)
        with pytest.raises(RuntimeError):
            asyncio.TaskGroup().create_task(call)
        call.close()  # as Python 3.13 does by itself
        held.end.set()
        await first
    assert ran == []


async def test_anyio_takes_calls():
    """Its task groups start them, its scopes bound them."""
    anyio = pytest.importorskip("anyio")
    ran = SimpleQueue()
    async with Fan(2) as fan:
        async with anyio.create_task_group() as group:
            group.start_soon(fan.call, ran.put, 1)
            group.start_soon(fan.asyncify(ran.put), 1)
        held = Held()
        with anyio.move_on_after(0.01) as scope:
            await fan.call(held)
    assert ran.qsize() == 2
    assert scope.cancelled_caught


@pytest.mark.skipif(sys.version_info < (3, 12), reason="functions can say so since Python 3.12")
def test_asyncify_makes_a_coroutine_function():
    """Frameworks that ask whether a function is to be awaited are told so."""
    with Fan(1) as fan:
        assert inspect.iscoroutinefunction(fan.asyncify(int))


async def test_a_failing_call_ends_its_task_group():
    """A sibling's failure cancels the calls that run, down to their threads."""
    held = Held()

    async def fail(fan):
        await held.until_running()
        await fan.call(int, "x")

    async with Fan(2) as fan:
        with contextlib.suppress(ExceptionGroup):
            async with asyncio.TaskGroup() as group:
                group.create_task(fan.call(held))
                group.create_task(fail(fan))
    assert await asyncio.to_thread(held.cancelled.get, timeout=PATIENCE) is True


async def test_wait_for_cancels_the_call():
    """When `asyncio.wait_for` runs out of patience, the call is told."""
    held = Held()
    async with Fan(1) as fan:
        call = fan.call(held)
        await held.until_running()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(call, 0.01)
    assert await asyncio.to_thread(held.cancelled.get, timeout=PATIENCE) is True


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
async def test_eager_tasks():
    """A loop whose tasks begin at once runs calls as any other."""
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
    async with Fan(1) as fan:
        assert await asyncio.create_task(fan.call(int, "7")) == 7


async def test_asyncify_keeps_the_face():
    """Name, docstring and signature are the function's, and it is awaited."""

    def review(text: str, *, strict: bool = False) -> str:
        """Review a text."""
        return f"{text}, {strict}"

    async with Fan(1) as fan:
        areview = fan.asyncify(review)
        assert (areview.__name__, areview.__doc__) == ("review", "Review a text.")
        assert inspect.signature(areview) == inspect.signature(review)
        assert await areview("draft", strict=True) == "draft, True"


def test_outside_of_a_loop_the_way_out_is_named():
    """Who calls a coroutine's tool without a loop is pointed to its blocking twin."""
    with Fan(1) as fan:
        with pytest.raises(
            RuntimeError, match=r"fan\.call is for coroutines, and no event loop runs here: use fan\.submit"
        ):
            fan.call(int)
        assert fan.submit(int).result() == 0


async def test_a_coroutine_function_is_refused():
    """It would only make a coroutine that nobody awaits."""

    async def fetch():
        pass

    async with Fan(1) as fan:
        with pytest.raises(
            TypeError, match=r"fan\.call runs blocking functions in threads, but .*fetch is a coroutine"
        ):
            fan.call(fetch)


async def test_a_closed_fan_is_told():
    """A call on a closed fan raises where it is made."""
    async with Fan(1) as fan:
        pass
    with pytest.raises(RuntimeError, match="make a new Fan"):
        fan.call(int)


def test_several_loops_share_one_fan():
    """Event loops in several threads get each their own results, at once."""
    results = {}

    async def main(fan, offset):
        calls = [fan.call(pow, number, 2) for number in range(offset, offset + 100)]
        batch = await fan.arun(str, range(100))
        results[offset] = await asyncio.gather(*calls), batch.unwrap()

    with Fan(3) as fan:
        threads = [
            threading.Thread(target=lambda offset=offset: asyncio.run(main(fan, offset))) for offset in (0, 1000, 2000)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    strings = [str(number) for number in range(100)]
    assert results == {
        offset: ([number**2 for number in range(offset, offset + 100)], strings) for offset in (0, 1000, 2000)
    }


async def test_the_callers_context_is_seen():
    """A call sees the awaiting task's variables, and its changes stay its own."""
    from contextvars import ContextVar

    variable = ContextVar("variable", default="nobody's")
    variable.set("task's")

    def tool():
        before = variable.get()
        variable.set("call's")
        return before

    async with Fan(1) as fan:
        assert [await fan.call(tool), await fan.call(tool), variable.get()] == ["task's"] * 3


@pytest.mark.parametrize(
    ("fn", "given", "notes"),
    [
        (lambda: None, {"timeout": 2}, ["timeout as an option: for each call it is fan.with_options(timeout=2).{}(…)"]),
        (abs, {"retries": 2}, ["retries as an option: for each call it is fan.with_options(retry=2).{}(…)"]),
        (lambda: None, {"limits": 2}, []),
        (lambda **_: "".join(timeout=2), {"tries": 2}, []),
    ],
)
async def test_an_option_that_is_passed_to_the_function_is_told(fn, given, notes):
    """``call`` and ``submit`` pass all keywords on; the function's error says how an option is given."""
    async with Fan(1) as fan:
        for method, begin in {"call": fan.call, "submit": fan.submit}.items():
            with pytest.raises(TypeError) as caught:
                await asyncio.wrap_future(begin(fn, **given))
            assert getattr(caught.value, "__notes__", []) == [note.format(method) for note in notes]
