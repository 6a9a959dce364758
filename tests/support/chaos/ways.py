"""The ways in which a user has calls made, each of which notes in its `Use` what became of every input.

A way may be left early, by a draw or since something was raised; then not every input has an outcome there.
"""

import asyncio
import concurrent.futures
import threading
from contextlib import suppress
from functools import partial

import threadfan
from support.chaos.deeds import perform
from threadfan import report_of, task
from threadfan.patterns import Collect


def _note(use, outcomes, offset=0):
    for outcome in outcomes:
        use.found.append(
            (outcome.index + offset, outcome.status, outcome.value, outcome.error, outcome.attempts, outcome.history)
        )


def _note_future(use, index, future):
    """What a future has, in a report's words."""
    try:
        value = future.result(0)
    except concurrent.futures.CancelledError as error:
        _, found = "cancelled", error
    except threadfan.TaskTimeout as error:
        _, found = "timed_out", error
    except BaseException as error:
        _, found = "failed", error
    else:
        use.found.append((index, "succeeded", value, None, None, ()))
        return
    use.found.append((index, _ if found not in _raised(use, index) else "failed", None, found, None, ()))


class _raised:  # noqa: N801 - a membership test by identity, for some errors cannot be compared
    def __init__(self, use, index):
        self._errors = use.items[index].raised

    def __contains__(self, error):
        return any(error is one for one in self._errors)


def _inputs(use, draw):
    """The items as a list, or one by one."""
    return use.items if draw.random() < 0.6 else (item for item in use.items)


def run(world, use, view, draw):
    """`run`: a report."""
    report = view.run(partial(perform, world, use), _inputs(use, draw), **use.arguments)
    assert [outcome.item for outcome in report] == use.items[: len(report)]
    _note(use, report)


def start(world, use, view, draw):
    """`start`: a run in the background, paused and resumed, of which some calls are cancelled."""
    started = view.start(partial(perform, world, use), _inputs(use, draw), **use.arguments)
    for _ in range(draw.randint(0, 5)):
        match draw.choice(["pause", "progress", "running", "report", "wait", "read"]):
            case "pause":
                started.pause()
                started.wait(draw.uniform(0.0, 0.01))
            case "progress":
                started.progress()
            case "running":
                [str(call) for call in started.running()]
            case "report":
                indices = [outcome.index for outcome in started.report()]
                assert indices == sorted(set(indices))
            case "wait":
                started.wait(draw.uniform(0.0, 0.01))
            case "read":
                started.resume()
                next(iter(started), None)
    if use.may_cancel and draw.random() < 0.5:
        for index in draw.sample(range(len(use.items)), len(use.items) // 3):
            with suppress(IndexError):  # it was not taken yet
                started.cancel(index)
    if use.may_cancel and draw.random() < 0.3:
        started.cancel()
    started.resume()
    _note(use, started.result())


def stream(world, use, view, draw):
    """`stream`, to its end or not."""
    enough = draw.randrange(len(use.items) + 1) if draw.random() < 0.3 else len(use.items) + 1
    with view.stream(
        partial(perform, world, use),
        _inputs(use, draw),
        ordered=draw.random() < 0.5,
        window=draw.choice([None, 1, 3, 50]),
        **use.arguments,
    ) as outcomes:
        for outcome in outcomes:
            _note(use, [outcome])
            if len(use.found) >= enough:
                use.whole = False
                break


def mapped(world, use, view, draw):
    """`map`: results in order, until an error."""
    found = view.map(partial(perform, world, use), _inputs(use, draw), buffersize=draw.choice([None, 1, 4]))
    use.whole = False
    try:
        for index, value in enumerate(found):
            use.found.append((index, "succeeded", value, None, None, ()))
    except RuntimeError as error:
        if type(error.__cause__) is StopIteration:  # of a call, as the standard pool's `map` raises it
            raise error.__cause__ from None
        raise
    use.whole = True


def submit(world, use, view, draw):
    """`submit`, with callbacks, some cancelled, and one of the ways to wait."""
    futures = []
    try:
        for item in use.items:
            future = view.submit(perform, world, use, item)
            future.add_done_callback(lambda _, item=item: item.told.append(1))
            futures.append(future)
        if use.may_cancel:
            for future in draw.sample(futures, len(futures) // 2):
                future.cancel()
    finally:
        match draw.choice(["as_completed", "wait", "result", "as_completed of threadfan"]):
            case "as_completed":
                assert set(concurrent.futures.as_completed(futures)) == set(futures)
            case "as_completed of threadfan":
                assert sorted(map(id, threadfan.as_completed(futures))) == sorted(map(id, futures))
            case "wait":
                assert not threadfan.wait(futures).not_done
            case "result":
                for future in futures:
                    concurrent.futures.wait([future])
        for index, future in enumerate(futures):
            assert future.done()
            _note_future(use, index, future)
        use.told = futures


def gather(world, use, view, draw):
    """`gather` or `join`."""
    tasks = [task(perform, world, use, item) for item in use.items]
    report = view.gather(*tasks) if draw.random() < 0.5 else view.join(Collect(), *tasks)
    _note(use, report)


def pipeline(world, use, view, draw):
    """A pipeline of two stages."""
    most = draw.choice([None, 1, world.workers])
    made = view.pipeline(
        threadfan.stage(partial(perform, world, use), name="first", max_concurrent=most),
        threadfan.stage(list, name="second", buffer=draw.choice([None, 1])),
    )
    if draw.random() < 0.5:
        report = made.run(_inputs(use, draw), **use.arguments)
        use.found += [(outcome.index, outcome.status, outcome.value, outcome.error, None, ()) for outcome in report]
    else:
        for outcome in made.stream(_inputs(use, draw), ordered=draw.random() < 0.5):
            use.found.append((outcome.index, outcome.status, outcome.value, outcome.error, None, ()))


def graph(world, use, view, draw):
    """A graph of a fan-out, and a task that depends on it."""

    def count(calls):
        return len(calls)

    made = view.graph()
    made.add(lambda item: perform(world, use, item), name="calls", each={"item": "items"})
    made.add(count, name="count")
    report = made.run({"items": use.items}, **use.arguments)
    try:
        calls = report["calls"]
    except KeyError:  # it never came to elements
        use.whole = False
        return
    if hasattr(calls, "status"):
        use.whole = False
        return
    for index, outcome in enumerate(calls):
        use.found.append((index, outcome.status, outcome.value, outcome.error, outcome.attempts, outcome.history))


def arun(world, use, view, draw):
    """`arun`, awaited in a task that may be cancelled."""

    async def main():
        running = asyncio.ensure_future(view.arun(partial(perform, world, use), _inputs(use, draw), **use.arguments))
        if use.may_cancel and draw.random() < 0.5:
            await asyncio.sleep(draw.uniform(0.0, 0.02))
            running.cancel()
        try:
            return await running
        except asyncio.CancelledError as error:
            report = report_of(error)
            assert report is not None or not any(item.began for item in use.items)
            return report or []

    report = asyncio.run(main())
    use.whole = bool(len(report))
    _note(use, report)


def astream(world, use, view, draw):
    """`astream`, to its end."""

    async def main():
        async for outcome in view.astream(
            partial(perform, world, use), _inputs(use, draw), ordered=draw.random() < 0.5, **use.arguments
        ):
            _note(use, [outcome])

    asyncio.run(main())


def call(world, use, view, draw):
    """`call` and `asyncio.gather`."""

    async def main():
        return await asyncio.gather(
            *[view.call(perform, world, use, item) for item in use.items], return_exceptions=True
        )

    for index, found in enumerate(asyncio.run(main())):
        if type(found) is list:
            use.found.append((index, "succeeded", found, None, None, ()))
        else:  # asyncio makes others of some errors
            use.found.append((index, "any", None, found, None, ()))


def texts(world, use, view, draw):
    """`stream_text`."""

    def text(item):
        yield f"{item.token} "
        perform(world, use, item)
        yield str(item.token)

    pieces = {}
    with view.stream_text(text, use.items) as stream:
        for index, piece in stream:
            pieces[index] = pieces.get(index, "") + piece
    for outcome in stream.report():
        if outcome.status == "succeeded":
            token = use.items[outcome.index].token
            assert outcome.value == pieces[outcome.index] == f"{token} {token}"
            use.found.append((outcome.index, "succeeded", use.items[outcome.index].returned[-1], None, None, ()))
        else:
            _note(use, [outcome])


def callbacks(world, use, view, draw):
    """`submit` alone: what is waited for is the callbacks."""
    told = threading.Semaphore(0)
    futures = []
    try:
        for item in use.items:
            future = view.submit(perform, world, use, item)
            future.add_done_callback(lambda _, item=item: [item.told.append(1), told.release()])
            futures.append(future)
    finally:
        for _ in futures:
            assert told.acquire(timeout=world.patience)
        for index, future in enumerate(futures):
            _note_future(use, index, future)
        use.told = futures


WAYS = {
    way.__name__: way
    for way in (run, start, stream, mapped, submit, gather, pipeline, graph, arun, astream, call, texts, callbacks)
}
OF_BATCHES = ("run", "start", "stream", "arun", "astream")
"""Those that take `halt`, `by` and the like."""
