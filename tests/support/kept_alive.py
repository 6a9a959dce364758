"""Every way to hand calls to a fan and to take what comes of them, and what is left of the values and errors then.

A way takes a fan, or a view of it, and a ``Probe`` to be called.  It keeps nothing, as a careful user does: an error's
traceback holds the frames that it went through, so a variable there that leads to the error is the user's own cycle.
"""
# ruff: noqa: D102, D103, PLW0108 -- names of ways say what they are; a graph asks a function for its parameters

import asyncio
import gc
import sys
import threading
import time
import types
import weakref
from concurrent import futures
from contextlib import aclosing, contextmanager, suppress

from support.controlled import PATIENCE
from threadfan import TaskSkipped, TaskTimeout, as_completed, current_scope, stage, task, wait
from threadfan._core.batches.joiners import AllSucceed, Collect, FirstSuccess
from threadfan.agents import Agent, Answer
from threadfan.patterns import fan_out, guard, map_reduce, quorum, race, vote
from threadfan.testing import Probe as FanProbe

GIL = getattr(sys, "_is_gil_enabled", lambda: True)()
WAYS = {}


class Failure(Exception):
    """What the function under test raises."""


class Big:
    """What it returns or, if it raises, has in a variable."""


class Probe:
    """A function that returns an object, or raises with that object in its frame; remembers both weakly."""

    def __init__(self, *, fails):
        self.fails = fails
        self.seen = []
        self.__name__ = self.__qualname__ = "probe"

    def watch(self, thing):
        """Remember one more thing; gives it back."""
        gone = threading.Event()
        self.seen.append((weakref.ref(thing, lambda _: gone.set()), gone, type(thing).__name__))
        return thing

    def __call__(self, *_, **__):
        big = self.watch(Big())
        scope = current_scope()
        scope.remaining()
        if not self.fails:
            return big
        try:
            raise self.watch(Failure("on purpose"))
        finally:
            self.extra = None

    def left(self, fan):
        """What is still there although nobody has it; waits for threads that are about to let go.

        Without a GIL a thing is counted by the thread that has made it, which must come by when others let go of it.
        """
        end = time.monotonic() + PATIENCE
        for _, gone, _ in list(self.seen):
            while not gone.wait(PATIENCE if GIL else 0.01) and time.monotonic() < end:
                wait([fan.submit(time.sleep, 0) for _ in range(8)])
                FanProbe(fan).look()
        return [name for _, gone, name in self.seen if not gone.is_set()]


def garbage():
    """What the collector finds of ours, in words.

    Without a GIL it also finds what others have let go of and the thread that made it has not come by to count; that is
    in no cycle.
    """
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gc.collect()
        found = {_named(thing) for thing in gc.garbage if GIL or _leads_to_itself(thing)}
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
    return sorted(found - {None})


def _leads_to_itself(thing):
    """Whether what the collector has found is in a cycle of such things."""
    within, seen, ahead = {id(one) for one in gc.garbage}, set(), [thing]
    while ahead:
        for one in gc.get_referents(ahead.pop()):
            if one is thing:
                return True
            if id(one) in within and id(one) not in seen:
                seen.add(id(one))
                ahead.append(one)
    return False


def _named(thing):
    if isinstance(thing, types.FrameType):
        return f"frame of {thing.f_code.co_name}" if "threadfan" in thing.f_globals.get("__name__", "") else None
    if isinstance(thing, types.FunctionType):
        return thing.__qualname__ if thing.__module__.startswith("threadfan") else None
    kind = type(thing)
    if kind.__name__ == "Plain":  # pydantic's, of our class
        return None
    return kind.__qualname__ if kind.__module__.startswith("threadfan") or kind in (Big, Failure) else None


def way(use):
    """A way for plain functions."""

    def try_it(fan, probe):
        with suppress(Failure, BaseExceptionGroup, futures.CancelledError, TaskTimeout, TaskSkipped):
            use(fan, probe)

    WAYS[use.__name__] = try_it
    return use


def in_loop(use):
    """A way for coroutines; a loop that lets an error out has it in a cycle of its own."""

    async def try_it(fan, probe):
        with suppress(Failure, BaseExceptionGroup, asyncio.CancelledError, TaskTimeout):
            await use(fan, probe)

    WAYS[use.__name__] = lambda fan, probe: asyncio.run(try_it(fan, probe))
    return use


# -- futures ----------------------------------------------------------------------------------------------------------


@way
def result(fan, probe):
    fan.submit(probe).result()


@way
def exception(fan, probe):
    fan.submit(probe).exception()


@way
def result_after_wait(fan, probe):
    future = fan.submit(probe)
    try:
        wait([future])
        future.result()
    finally:
        del future


@way
def results_as_completed(fan, probe):
    for future in as_completed([fan.submit(probe) for _ in range(3)]):
        try:
            with suppress(Failure):
                future.result()
        finally:
            del future


@way
def done_callback(fan, probe):
    called = threading.Event()
    fan.submit(probe).add_done_callback(lambda future: (future.exception(), called.set()))
    assert called.wait(PATIENCE)


@way
def cancelled_before_it_starts(fan, probe):
    with busy(fan):
        future = fan.submit(probe)
        assert future.cancel()
    try:
        future.result()
    finally:
        del future


@way
def timed_out(fan, probe):
    go = threading.Event()

    def late():
        assert go.wait(PATIENCE)
        return probe()

    future = fan.with_options(timeout=0.01, retry=None, hedge=None).submit(late)
    try:
        probe.watch(future.exception(PATIENCE))
        future.result()
    finally:
        go.set()
        del future
        threads_are_back(fan)


def threads_are_back(fan):
    """No thread is in a call that is over."""
    end = time.monotonic() + PATIENCE
    while FanProbe(fan).stuck:
        assert time.monotonic() < end
        time.sleep(0.001)


@contextmanager
def busy(fan):
    """All slots are taken."""
    begun, go = threading.Barrier(3), threading.Event()
    blockers = [fan.submit(lambda: (begun.wait(PATIENCE), go.wait(PATIENCE))) for _ in range(2)]
    begun.wait(PATIENCE)
    try:
        yield
    finally:
        go.set()
        wait(blockers)


# -- batches ----------------------------------------------------------------------------------------------------------


@way
def map_all(fan, probe):
    list(fan.map(probe, range(3)))


@way
def map_buffered(fan, probe):
    list(fan.map(probe, range(3), buffersize=2))


@way
def map_left_early(fan, probe):
    results = fan.map(probe, range(3))
    try:
        next(results)
    finally:
        del results


@way
def run(fan, probe):
    fan.run(probe, range(3))


@way
def run_of_a_generator(fan, probe):
    fan.run(probe, (number for number in range(3)))


@way
def run_of_two_iterables(fan, probe):
    fan.run(probe, range(3), range(3))


@way
def run_looked_at(fan, probe):
    report = fan.run(probe, range(3))
    assert (len(repr(report)) > 0, report.stats.total) == (True, 3)
    assert all(len(outcome.history) for outcome in report)
    try:
        report[0].unwrap()
    finally:
        del report


@way
def unwrap(fan, probe):
    fan.run(probe, range(3)).unwrap()


@way
def values(fan, probe):
    fan.run(probe, range(3)).values()


@way
def fail_fast(fan, probe):
    fan.run(probe, range(3), fail_fast=True)


@way
def fail_fast_report_kept(fan, probe):
    try:
        fan.run(probe, range(3), fail_fast=True)
    except Failure as error:
        report = error.report
        del error
        assert any(type(outcome.error) is Failure for outcome in report)


@way
def inputs_fail(fan, probe):
    def inputs():
        yield 1
        raise probe.watch(Failure("of the inputs"))

    fan.run(probe, inputs())


@way
def kept_after_the_deadline(fan, probe):
    go = threading.Event()

    def late(_):
        assert go.wait(PATIENCE)
        return probe()

    report = fan.run(late, [1, 2], deadline=0.01, late="keep")
    go.set()
    wait(report.late.values())
    try:
        report.late[0].result()
    finally:
        del report


@way
def stuck_in_a_batch(fan, probe):
    """A thread that is stuck keeps nothing of the calls beside its own."""
    go = threading.Event()
    report = fan.with_options(timeout=0.2, retry=None, hedge=None).run(
        lambda number: go.wait(PATIENCE) if number else probe(), range(2)
    )
    assert report[1].status == "timed_out"
    try:
        del report
        assert probe.left(fan) == []
    finally:
        go.set()
        threads_are_back(fan)


@way
def stream(fan, probe):
    for outcome in fan.stream(probe, range(3)):
        try:
            with suppress(Failure):
                outcome.unwrap()
        finally:
            del outcome


@way
def stream_in_order(fan, probe):
    for outcome in fan.stream(probe, range(3), ordered=True):
        try:
            outcome.unwrap()
        finally:
            del outcome


@way
def stream_closed(fan, probe):
    with suppress(StopIteration):
        outcomes = fan.stream(probe, range(3))
        next(outcomes)
        outcomes.close()


@way
def gather(fan, probe):
    fan.gather(probe, task(probe, 1), named=task(probe).with_options(timeout=30)).unwrap()


@way
def join_collect(fan, probe):
    fan.join(Collect(), probe, probe)


@way
def join_all_succeed(fan, probe):
    policy = AllSucceed()
    fan.join(policy, probe, probe)


@way
def join_first(fan, probe):
    fan.join(FirstSuccess(), probe, probe)


@way
def graph(fan, probe):
    made = fan.graph()
    made.add(probe_of_nothing(probe), name="first")
    made.add(lambda first: probe(first), name="second")
    made.run().unwrap()


@way
def graph_failing_fast(fan, probe):
    made = fan.graph()
    made.add(probe_of_nothing(probe), name="first")
    made.add(lambda first: probe(first), name="second")
    made.run(fail_fast=True)


@way
def graph_fanned_out(fan, probe):
    made = fan.graph()
    made.add(lambda: [1, 2, 3], name="items")
    made.add(lambda item: probe(item), name="each", each={"item": "items"}, reduce=lambda one, _: one)
    made.add(lambda each: probe(each), name="last")
    made.run().value("last")


def probe_of_nothing(probe):
    """Without parameters, of which a graph would want to know where they come from."""
    return lambda: probe()


@way
def pipeline(fan, probe):
    fan.pipeline(probe).run([1, 2, 3])


@way
def pipeline_of_two_stages(fan, probe):
    fan.pipeline(probe, stage(lambda big: probe(big), max_concurrent=1)).run(iter([1, 2, 3])).unwrap()


@way
def pipeline_failing_fast(fan, probe):
    fan.pipeline(probe, id).run([1, 2, 3], fail_fast=True)


@way
def pipeline_streamed(fan, probe):
    for outcome in fan.pipeline(id, probe).stream([1, 2, 3]):
        try:
            outcome.unwrap()
        finally:
            del outcome


# -- calls in calls ---------------------------------------------------------------------------------------------------


@way
def run_in_a_call(fan, probe):
    fan.submit(lambda: fan.run(probe, range(2)).unwrap()).result()


@way
def fail_fast_in_a_call(fan, probe):
    fan.submit(lambda: fan.run(probe, range(2), fail_fast=True)).result()


@way
def result_in_a_call(fan, probe):
    fan.submit(lambda: fan.submit(probe).result()).result()


@way
def wait_in_a_call(fan, probe):
    def call():
        inner = [fan.submit(probe) for _ in range(2)]
        try:
            wait(inner)
            return inner[0].result()
        finally:
            del inner

    fan.submit(call).result()


@way
def map_in_a_call(fan, probe):
    fan.submit(lambda: list(fan.map(probe, range(2)))).result()


# -- patterns and agents ----------------------------------------------------------------------------------------------


@way
def vote_of_three(fan, probe):
    vote(fan, probe, probe, probe, key=lambda _: 1)


@way
def race_of_two(fan, probe):
    race(fan, probe, probe)


@way
def quorum_of_two(fan, probe):
    quorum(fan, 2, probe, probe)


@way
def guarded(fan, probe):
    guard(fan, probe, lambda: True)


@way
def check_fails(fan, probe):
    with suppress(Exception):
        guard(fan, lambda: 1, probe)


@way
def fanned_out(fan, probe):
    fan_out(fan, 1, decompose=lambda _: [1, 2], work=probe, synthesise=probe)


@way
def reduced(fan, probe):
    map_reduce(fan, probe, range(3), reduce=lambda one, _: one)


@way
def agent(fan, probe):
    answers = [Answer([{"type": "tool_use", "id": "1", "name": "look", "input": {}}], "tool_use"), Answer("done")]

    class Client:
        def answer(self, **_):
            return answers.pop(0)

    def look() -> str:
        """Look."""
        return str(probe())

    assert Agent(Client(), model="none", fan=fan, tools=[look]).run("look").text == "done"


# -- asyncio ----------------------------------------------------------------------------------------------------------


@in_loop
async def call(fan, probe):
    await fan.call(probe)


@in_loop
async def call_as_a_task(fan, probe):
    await asyncio.create_task(fan.call(probe))


@in_loop
async def calls_gathered(fan, probe):
    await asyncio.gather(fan.asyncify(probe)(), fan.call(probe), return_exceptions=True)


@in_loop
async def call_cancelled(fan, probe):
    begun, go = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def late():
        loop.call_soon_threadsafe(begun.set)
        assert go.wait(PATIENCE)
        return probe()

    future = fan.call(late)
    await begun.wait()
    future.cancel()
    go.set()
    try:
        await future
    finally:
        del future
        threads_are_back(fan)


@in_loop
async def run_in_executor(fan, probe):
    await asyncio.get_running_loop().run_in_executor(fan, probe)


@in_loop
async def arun(fan, probe):
    (await fan.arun(probe, range(3))).unwrap()


@in_loop
async def arun_failing_fast(fan, probe):
    await fan.arun(probe, range(3), fail_fast=True)


@in_loop
async def arun_of_an_async_generator(fan, probe):
    async def inputs():
        for number in range(3):
            yield number

    await fan.arun(probe, inputs())


@in_loop
async def arun_of_coroutines(fan, probe):
    async def coroutine(_):
        return probe()

    await fan.arun(coroutine, range(3))


@in_loop
async def astream(fan, probe):
    async for outcome in fan.astream(probe, range(3)):
        try:
            with suppress(Failure):
                outcome.unwrap()
        finally:
            del outcome


@in_loop
async def agather(fan, probe):
    (await fan.agather(probe, probe)).unwrap()


@in_loop
async def ajoin(fan, probe):
    await fan.ajoin(AllSucceed(), probe, probe)


@in_loop
async def graph_in_a_loop(fan, probe):
    made = fan.graph()
    made.add(probe_of_nothing(probe), name="first")
    (await made.arun()).unwrap()


@in_loop
async def pipeline_in_a_loop(fan, probe):
    (await fan.pipeline(probe, id).arun([1, 2])).unwrap()


@in_loop
async def pipeline_streamed_in_a_loop(fan, probe):
    async with aclosing(fan.pipeline(probe, id).astream([1, 2])) as outcomes:
        async for outcome in outcomes:
            try:
                outcome.unwrap()
            finally:
                del outcome
