"""The asyncio side: calls to await, batches, streams.

Threads reach an event loop through one ``call_soon_threadsafe`` for all outcomes that are ready, not one for each,
and never while the loop has nothing to wait for.  Imported on first use: asyncio costs more than the rest of the
library.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import weakref
from collections import deque
from contextvars import copy_context
from functools import partial

from ..base import checks
from ..base import clock as clocks
from ..base.errors import TaskCancelled
from ..base.generic import TYPE_CHECKING, T
from ..base.outcome import CANCELLED, SUCCEEDED, Outcome
from ..base.threads import helper_thread, started
from ..base.variables import settle
from ..batches import intake
from ..batches.joining import Joining, begin
from ..batches.left import put_left_on
from ..batches.run import Ending, task_batch
from ..batches.stream import PATIENCE, make_stream, window_of
from ..calls.call_queue import Call
from ..calls.registry import hand_in
from ..pool import shutdown as lifecycle
from .coroutines import taker

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
    from typing import Any

    from ..base.outcome import Raw
    from ..batches.joiners import Joiner
    from ..batches.report import Report
    from ..batches.stream import Stream
    from ..calls.options import Options
    from ..pipeline.pipeline_run import PipelineRun
    from ..pool.scheduler import Scheduler
    from ..pool.work_queue import Actions, Session


# -- single calls -----------------------------------------------------------------------------------------------------

if TYPE_CHECKING:

    class _Future(asyncio.Future[T], Coroutine[Any, Any, T]):
        """To a type checker, both."""
else:
    _Future = asyncio.Future


class LoopFuture(_Future[T]):
    """What ``fan.call`` returns: a future of the running loop, whose cancel reaches the thread.

    It can be used wherever the future of ``loop.run_in_executor(…)`` or the coroutine of ``asyncio.to_thread(…)`` can.
    Those are two kinds of things to asyncio: ``create_task`` takes coroutines alone, and ``wait`` takes futures but
    nothing that is a coroutine.  So it begins as a ``_NewFuture``, which is both.
    """

    _call: LoopCall | None = None  # until it has ended or was cancelled

    def cancel(self, msg: Any | None = None) -> bool:
        """Cancel the call: drop it if it is queued, cancel its scope if it runs."""
        call, self._call = self._call, None
        if call is not None and not self.done():
            call.cancel()
        return super().cancel(msg)

    def end(self, ok: bool, payload: Any) -> None:
        """In the loop: set the result, unless the awaiter has gone."""
        self._call = None
        if self.done():
            return
        if ok:
            self.set_result(payload)
        elif isinstance(payload, StopIteration):  # which a future cannot hold
            error = RuntimeError("the call raised StopIteration")
            error.__cause__ = payload
            self.set_exception(error)
        else:
            self.set_exception(payload)

    # -- as a coroutine ----------------------------------------------------------------------------------------------

    if TYPE_CHECKING:

        def close(self) -> None:
            """See ``_NewFuture``."""

    def send(self, _: None) -> Any:
        """A step of the coroutine: wait for the future, then return its result."""
        if not self.done():
            self._asyncio_future_blocking = True
            return self
        try:
            raise StopIteration(self.result())
        finally:
            del self  # an error's traceback holds this frame: leave no cycle

    def throw(self, error: Any, *rest: Any) -> Any:
        """Raise in the coroutine: a task that is cancelled before its first step ends here."""
        self.cancel()
        try:
            raise error if isinstance(error, BaseException) else error(*rest[:1])
        finally:
            del self, error  # the traceback holds this frame: leave no cycle


class _NewFuture(LoopFuture[T]):
    """One that was put into no set and no dict yet; once it is, it is a ``LoopFuture`` and nothing else.

    asyncio takes for a coroutine what has ``send``, ``throw`` and ``close``, and remembers that of a class, so that no
    object of it can pass for a mere future.  But ``asyncio.wait`` makes a set of what it is given before it looks, and
    ``create_task`` looks at once.  A task that was made of it goes on all the same, for it does without ``close``.
    """

    def close(self) -> None:
        """End the coroutine: nobody awaits the call."""
        self.cancel()

    def __hash__(self) -> int:
        self.__class__ = LoopFuture  # type: ignore[assignment]
        return object.__hash__(self)


_NewFuture.__name__ = LoopFuture.__name__


class LoopCall(Call):
    """The call whose outcome a ``LoopFuture`` waits for."""

    def __init__(self, future: LoopFuture[Any], mailbox: _Mailbox) -> None:
        self.future = future
        self.mailbox = mailbox

    def cancel(self) -> None:
        """Nobody waits for it any more."""
        self.unwanted = True  # `begin` sets the session first and looks at this second: one of us sees the other
        session, queue = self.session, self.queue
        if self.policies is not None:
            self.give_up()
        if session is not None and queue is not None:
            error = TaskCancelled("the task that awaited this call was cancelled")
            queue.scheduler.timer.end_call(session, self, CANCELLED, error)

    def begin(self, session: Session) -> bool:
        """Start, unless the awaiter has gone."""
        self.session = session
        return not self.unwanted

    def deliver(self, raw: Raw) -> None:
        """Post the outcome to the loop."""
        self._post(raw[3] is SUCCEEDED, raw[4])

    def settle(self, scheduler: Scheduler, raw: Raw, after: Actions) -> None:
        """Post the error to the loop."""
        after.append(lambda: self.deliver(raw))

    def refuse(self, reason: BaseException, after: Actions) -> None:
        """Post the reason to the loop."""
        after.append(lambda: self._post(False, reason))

    def _post(self, ok: bool, payload: Any) -> None:
        self.mailbox.post(self.future, ok, payload)
        self.forget()


class _Mailbox:
    """Outcomes on their way to one loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = weakref.ref(loop)
        self._letters: deque[tuple[LoopFuture[Any], bool, Any]] = deque()
        self._called = False  # the loop has been told to look, and will

    def post(self, future: LoopFuture[Any], ok: bool, payload: Any) -> None:
        """From any thread."""
        self._letters.append((future, ok, payload))
        if not self._called:
            self._called = True
            loop = self.loop()
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody awaits
                if loop is not None:
                    loop.call_soon_threadsafe(self._empty)

    def _empty(self) -> None:
        self._called = False  # before looking: a letter that comes later calls again
        letters = self._letters
        while letters:
            future, ok, payload = letters.popleft()
            future.end(ok, payload)


_mailboxes: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Mailbox] = weakref.WeakKeyDictionary()
_here = threading.local()


def _mailbox(loop: asyncio.AbstractEventLoop) -> _Mailbox:
    found: _Mailbox | None = getattr(_here, "mailbox", None)  # of the loop that ran here last
    if found is None or found.loop() is not loop:
        found = _mailboxes.get(loop)
        if found is None:
            found = _mailboxes[loop] = _Mailbox(loop)
        _here.mailbox = found
    return found


def call(
    scheduler: Scheduler, options: Options, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> LoopFuture[Any]:
    """See ``Front.call``."""
    loop = running_loop("fan.call")
    checks.function("fan.call", fn)
    future: LoopFuture[Any] = _NewFuture(loop=loop)
    made = future._call = LoopCall(future, _mailbox(loop))
    made.fn = options.dressed(fn) if options.interrupt else fn
    made.args = args
    made.kwargs = kwargs
    context = made.context = copy_context()
    if context:
        settle(context)
    made.timeout = options.timeout
    made.since = scheduler.clock.monotonic()
    policies = options.policies
    if policies is not None:
        made.policies, made.state = policies, policies.state(args, kwargs, made.since)
    hand_in(made, scheduler, options.group, policies)
    if clocks.chores:
        look_after(loop)
    return future


def look_after(loop: asyncio.AbstractEventLoop) -> None:
    """Have the loop do what the system gives no thread for, as whoever waits does; see ``base/helpers``."""
    if clocks.chores and getattr(_here, "looks", None) is not loop:
        _here.looks = loop
        loop.call_later(clocks.CHORES, _look, loop)


def _look(loop: asyncio.AbstractEventLoop) -> None:
    thread: Any = threading.current_thread()
    _here.looks, thread.helps = None, True  # what may block is left to others
    try:
        clocks.do_chores()
    finally:
        thread.helps = False
    look_after(loop)


class _Nudged:
    """Stands for a gate that a loop waits at."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def put(self, _: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(look_after, self._loop)


def running_loop(where: str) -> asyncio.AbstractEventLoop:
    """The loop that runs here."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        owner, _, name = where.rpartition(".")
        sync = f"{owner}.{name.removeprefix('a').replace('call', 'submit')}"
        raise RuntimeError(f"{where} is for coroutines, and no event loop runs here: use {sync}") from None


# -- batches ----------------------------------------------------------------------------------------------------------


class LoopGate:
    """A gate that a coroutine waits at and any thread opens."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._event = asyncio.Event()

    def put(self, _: object = None) -> None:
        """Open it."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self, timeout: float | None = None) -> None:
        """Wait until it is opened, or for ``timeout`` seconds."""
        timer = None if timeout is None else self._loop.call_later(timeout, self._event.set)
        nudged: Any = _Nudged(self._loop)
        try:
            with clocks.Asleep(nudged):
                look_after(self._loop)
                await self._event.wait()
        finally:
            if timer is not None:
                timer.cancel()
        self._event.clear()


async def arun(
    scheduler: Scheduler,
    options: Options,
    fn: Callable[..., Any],
    given: tuple[Any, ...],
    *,
    fail_fast: bool,
    deadline: float | None,
    late: str | None,
    star: bool,
) -> Report[Any]:
    """See ``Front.arun``."""
    loop = running_loop("fan.arun")
    fn, asked = taker(loop)("fan.arun", fn), fn
    _check("fan.arun", asked, given, star=star)
    fail_fast, deadline = checks.flag("fail_fast", fail_fast), checks.seconds("deadline", deadline)
    checks.late(late, deadline)
    gate = LoopGate(loop)
    items = intake.everything(given, strict=True) if intake.known(given) else None
    batch = intake.new_batch(scheduler, options, fn, given, items=items, star=star)
    batch.collector.fail_fast = fail_fast
    if deadline is not None and late is None:
        batch.until = batch.since + deadline
    ending = Ending(batch, gate, fail_fast=fail_fast, deadline=deadline, kept=items or [] if late else None)
    if items is not None:
        return await _wait(ending, gate, None)

    async def feed() -> None:
        async for item in _items(given, strict=True):
            ending.feed(
                item, scheduler.clock.monotonic()
            )  # whatever has happened meanwhile: what was taken has an outcome
            ending.look()
            if ending.over or batch.closed:
                return
            scheduler.check_open()
        batch.close()

    return await _wait(ending, gate, _Feeder(feed(), gate))


async def agather(scheduler: Scheduler, options: Options, tasks: tuple[Any, ...], named: dict[str, Any]) -> Report[Any]:
    """See ``Front.agather``."""
    loop = running_loop("fan.agather")
    gate = LoopGate(loop)
    batch = task_batch(scheduler, options, tasks, named, taker(loop), "fan.agather")
    return await _wait(Ending(batch, gate, fail_fast=False, deadline=None), gate, None)


async def ajoin(
    scheduler: Scheduler, options: Options, policy: Joiner[Any, Any], tasks: tuple[Any, ...], named: dict[str, Any]
) -> Any:
    """See ``Front.ajoin``."""
    loop = running_loop("fan.ajoin")
    gate = LoopGate(loop)
    begin("fan.ajoin", policy, tasks, named)
    batch = task_batch(scheduler, options, tasks, named, taker(loop), "fan.ajoin")
    joining = Joining(batch, gate, policy)
    return joining.result(await _wait(joining, gate, None))


class _Feeder:
    """A task that feeds a batch from an async iterable; its failure is raised where the batch is awaited."""

    def __init__(self, coroutine: Any, gate: LoopGate) -> None:
        self._task = asyncio.ensure_future(coroutine)
        self._task.add_done_callback(gate.put)

    def check(self) -> None:
        """Raise if it failed."""
        if self._task.done() and not self._task.cancelled() and self._task.exception() is not None:
            self._task.result()

    async def stop(self) -> None:
        """End it."""
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.exception()  # taken note of


async def _wait(ending: Ending, gate: LoopGate, feeder: _Feeder | None) -> Report[Any]:
    try:
        ending.begin()
        while not ending.over:
            if feeder is not None:
                feeder.check()
            await gate.wait(ending.look())
    except GeneratorExit as error:  # nobody holds the coroutine any more, and nothing can be awaited
        ending.scheduler.decisions.hand_over(partial(ending.cut, error, running=True))
        raise
    except BaseException as error:
        await _end(ending, gate, feeder, error)
        raise
    finally:
        if feeder is not None:
            await feeder.stop()
    return ending.report()


async def _end(ending: Ending, gate: LoopGate, feeder: _Feeder | None, error: BaseException) -> None:
    # An awaiter that has gone wants nothing more; after an error of the inputs, what runs is paid for and may finish.
    if not ending.batch.enlisted:  # it was refused
        return
    ending.cut(error, running=not isinstance(error, Exception))
    try:
        if feeder is not None:
            await feeder.stop()  # first: the report has all that was taken
        while not ending.batch.done:
            await gate.wait()
    except BaseException as again:  # now the awaiter has gone
        await _end(ending, gate, feeder, again)
        raise
    ending.put_report_on(error)


def _check(where: str, fn: Callable[..., Any], given: tuple[Any, ...], *, star: bool) -> None:
    intake.check(where, fn, tuple(() if hasattr(one, "__aiter__") else one for one in given), star=star)


async def _items(given: tuple[Any, ...], *, strict: bool) -> AsyncGenerator[Any, None]:
    """Items, or tuples of them, from iterables of both kinds; lets the loop breathe."""
    steps = [_steps(one) for one in given]
    breath = asyncio.get_running_loop().time() + PATIENCE
    while True:
        row: list[Any] = []
        for step in steps:
            try:
                row.append(await step())
            except StopAsyncIteration:
                if strict and row:
                    raise ValueError(
                        f"the iterables must have equal lengths, but number {len(row) + 1} is shorter"
                    ) from None
                break
        if len(row) < len(steps):
            if strict and not row:
                await _check_all_ended(steps[1:])
            return
        yield row[0] if len(row) == 1 else tuple(row)
        if asyncio.get_running_loop().time() > breath:
            await asyncio.sleep(0)
            breath = asyncio.get_running_loop().time() + PATIENCE


async def _check_all_ended(steps: list[Callable[[], Any]]) -> None:
    for step in steps:
        with contextlib.suppress(StopAsyncIteration):
            await step()
            raise ValueError("the iterables must have equal lengths, but the first is shorter")


def _steps(iterable: Any) -> Callable[[], Any]:
    """A function to await for each next item; raises ``StopAsyncIteration`` at the end."""
    if hasattr(iterable, "__aiter__"):
        return aiter(iterable).__anext__  # type: ignore[no-any-return]
    iterator: Iterator[Any] = iter(iterable)

    async def step() -> Any:
        for item in iterator:
            return item
        raise StopAsyncIteration

    return step


# -- streams ----------------------------------------------------------------------------------------------------------


def astream(
    scheduler: Scheduler,
    options: Options,
    fn: Callable[..., Any],
    given: tuple[Any, ...],
    *,
    ordered: bool,
    window: int | None,
    star: bool,
    owner: object,
) -> AsyncGenerator[Outcome[Any], None]:
    """See ``Front.astream``.  ``owner`` is kept alive until the stream ends."""
    asked = fn
    if checks.is_coroutine_function(fn, generators=False):
        fn = taker(running_loop("fan.astream"))("fan.astream", fn)
    checks.function("fan.astream", fn)
    _check("fan.astream", asked, given, star=star)
    mixed = any(hasattr(one, "__aiter__") for one in given)
    size, ordered = window_of(scheduler, window), checks.flag("ordered", ordered)
    made = make_stream(
        scheduler, options, fn, given, window=size, ordered=ordered, strict=True, star=star, fed_by_owner=mixed
    )
    return _outcomes(made, partial(_feed, made, given) if mixed else None, owner)


async def _outcomes(
    stream: Stream, feed: Callable[[asyncio.Event], Any] | None, owner: object
) -> AsyncGenerator[Outcome[Any], None]:
    batch = stream.batch
    batch.cancel_at_close = True
    gate = LoopGate(running_loop("fan.astream"))
    room = asyncio.Event()
    feeder: _Feeder | None = None
    ready: list[Raw] = []
    try:
        stream.enlist([gate.put])
        feeder = None if feed is None else _Feeder(feed(room), gate)
        stream.fill()
        while True:
            ready = stream.harvest()
            while ready:
                yield stream.outcome(ready.pop())
                stream.after_yield()
                room.set()
            if stream.over:
                break
            if feeder is not None:
                feeder.check()
            if stream.idle():
                stream.fill()
                if stream.wish(gate.put):
                    await gate.wait()
        stream.check_complete()
    except GeneratorExit:  # the consumer has gone, and nobody sees what is raised here
        raise
    except BaseException as error:
        await _end_early(stream, ready, gate, feeder, error)
        raise
    finally:
        # Not by the collector, who leaves asynchronous generators to their loop.
        stream.cut(running=True)
        stream.tell_end()
        if feeder is not None:
            await feeder.stop()
        del owner, stream, batch, feeder, ready  # an error's traceback holds this frame: leave no cycle


async def _end_early(
    stream: Stream, ready: list[Raw], gate: LoopGate, feeder: _Feeder | None, error: BaseException
) -> None:
    """Cancel what is left and, when all has ended, let the error carry it."""
    stream.cut(running=True)
    try:
        if feeder is not None:
            await feeder.stop()  # first: what was taken has an outcome
        while not stream.batch.done:
            await gate.wait()
    except BaseException as again:  # cancelled once more
        await _end_early(stream, ready, gate, feeder, again)
        raise
    put_left_on(stream, error, ready)


async def _feed(stream: Stream, given: tuple[Any, ...], room: asyncio.Event) -> None:
    batch = stream.batch
    async for item in _items(given, strict=True):
        batch.feed([item], batch.scheduler.clock.monotonic())  # first: what was taken has an outcome
        if batch.scheduler.closing or batch.ended:
            return
        while stream.room <= 0:
            room.clear()
            await room.wait()
    batch.close()


async def feed_flow(flow: PipelineRun, given: Any, look: Callable[[], object] | None = None) -> None:
    """Feed a pipeline as there is room in front of its first stage.

    Args:
        look: ends the run if it is time to.
    """
    gate = LoopGate(asyncio.get_running_loop())
    intake.at_end(flow, gate.put)

    def full() -> bool:
        return not (flow.closed or flow.ended or flow.thirsty())

    async for item in _items((given,), strict=True):
        flow.feed(item)  # first: what was taken has an outcome
        if flow.scheduler.closing or flow.scheduler.broken:
            if not flow.cancel_at_close:
                flow.scheduler.check_open()
            return  # as with any stream, whoever closes the fan ends it
        if look is not None:
            look()
        while full():
            if flow.watch(gate.put, full):
                await gate.wait()
        if flow.closed or flow.ended:
            return
    flow.close()


# -- closing ----------------------------------------------------------------------------------------------------------


async def join(scheduler: Scheduler) -> None:
    """Wait for a closed scheduler's threads in a helper thread, so that the loop goes on."""
    gate = LoopGate(running_loop("fan.aclose"))

    def wait_and_tell() -> None:
        lifecycle.join(scheduler, lifecycle.close(scheduler))
        lifecycle.linger(scheduler)
        gate.put()

    while started(helper_thread(wait_and_tell, f"{scheduler.name}-closer")) is not None:
        await asyncio.sleep(clocks.CHORES)  # until the system gives one
    await gate.wait()
