"""A program that has configured OpenTelemetry: a span for each batch and each attempt, with the right ones around."""

import asyncio
import gc
import threading
import weakref

import pytest

from support.controlled import PATIENCE, Gate, aside, run_program, until
from support.scripted import Script, every, opened
from threadfan import Fan, Hedge, RateLimit, Usage, current_scope, sleep, stage, task

GONE = ConnectionError("a private prompt")


@pytest.fixture
def inside(spans):
    """A function with a span of its own inside, as the requests of an SDK have one."""

    def visit(item=None):
        with spans.tracer.start_as_current_span("request"):
            return item

    return visit


async def _astream(fan, fn, items):
    return [one async for one in fan.astream(fn, items)]


WAYS = {
    "run": lambda fan, fn, items: fan.run(fn, items),
    "fed": lambda fan, fn, items: fan.run(fn, iter(items)),
    "stream": lambda fan, fn, items: list(fan.stream(fn, items)),
    "gather": lambda fan, fn, items: fan.gather(*(task(fn, item) for item in items)),
    "map": lambda fan, fn, items: list(fan.map(fn, items)),
    "arun": lambda fan, fn, items: asyncio.run(fan.arun(fn, items)),
    "astream": lambda fan, fn, items: asyncio.run(_astream(fan, fn, items)),
    "pipeline": lambda fan, fn, items: fan.pipeline(fn).run(items),
}
POLICIES = {
    "plain": {},
    "retry": {"retry": 1},
    "rate": {"rate": RateLimit(60_000_000, burst=50)},
    "hedge": {"hedge": Hedge(after=60, budget=1.0)},
}


@pytest.mark.parametrize("policies", POLICIES)
@pytest.mark.parametrize("way", WAYS)
def test_a_batch_has_its_calls_and_they_what_they_do(spans, inside, way, policies):
    """The caller's span, the batch's, that of each call, and those of the libraries that it uses."""
    with Fan(2, name="crawler", **POLICIES[policies]) as fan, spans.tracer.start_as_current_span("caller"):
        WAYS[way](fan, inside, [7, 8, 9])
    (batch,) = (span for span in spans.all() if span.name.startswith("batch "))
    assert spans.parent(batch) == "caller"
    calls = [span for span in spans.all() if span.name.endswith("visit") and span is not batch]
    assert [spans.by_id(call.parent) for call in calls] == [batch] * 3
    assert {spans.by_id(one.parent).context.span_id for one in spans.named("request")} == {
        call.context.span_id for call in calls
    }
    assert sorted(call.attributes["threadfan.index"] for call in calls) == [0, 1, 2]
    for call in calls:
        assert call.attributes["threadfan.fan"] == "crawler"
        assert call.attributes["code.function.name"].endswith("visit")
        assert call.attributes["threadfan.outcome"] == "succeeded"
        assert call.attributes["thread.name"].startswith("ThreadPoolExecutor")
        assert call.status.is_unset
    assert batch.attributes["threadfan.calls.succeeded"] == 3


def test_single_calls_are_inside_what_is_current_where_they_are_handed_in(spans, inside):
    """And have none around them where nothing is."""

    async def call(fan):
        with spans.tracer.start_as_current_span("coroutine"):
            await fan.call(inside)

    with Fan(2) as fan:
        with spans.tracer.start_as_current_span("caller"):
            fan.submit(inside).result(PATIENCE)
        asyncio.run(call(fan))
        fan.submit(inside).result(PATIENCE)
    assert [spans.parent(span) for span in spans.all() if span.name.endswith("visit")] == ["caller", "coroutine", None]
    assert [spans.parent(span).endswith("visit") for span in spans.named("request")] == [True] * 3


def test_calls_of_calls(spans, inside):
    """What a call hands in is inside its span, whatever the way."""

    def outer(_):
        fan.run(inside, [1])
        fan.submit(inside).result(PATIENCE)

    with Fan(1) as fan:
        fan.submit(outer, 0).result(PATIENCE)
    call = spans.one(f"{test_calls_of_calls.__name__}.<locals>.outer")
    (batch,) = (span for span in spans.all() if span.name.startswith("batch "))
    of_batch, single = sorted(
        (span for span in spans.all() if span.name.endswith("visit") and span is not batch),
        key=lambda span: span.start_time,
    )
    assert spans.by_id(batch.parent) is call
    assert spans.by_id(of_batch.parent) is batch
    assert spans.by_id(single.parent) is call


def test_coroutine_functions(spans):
    """What they do in the event loop is inside their call."""

    async def visit(item):
        await asyncio.sleep(0)
        with spans.tracer.start_as_current_span("request"):
            return item

    async def main():
        with spans.tracer.start_as_current_span("caller"):
            async with Fan(2) as fan:
                await fan.arun(visit, range(3))

    asyncio.run(main())
    calls = [spans.by_id(span.parent) for span in spans.named("request")]
    assert len({call.context.span_id for call in calls}) == 3
    assert all(call.name.endswith("visit") for call in calls)
    (batch,) = {spans.by_id(call.parent) for call in calls}
    assert spans.parent(batch) == "caller"


def test_graphs_and_pipelines(spans, inside):
    """Each task of a run is inside the run, whichever it follows."""
    with Fan(2) as fan:
        graph = fan.graph()

        @graph.add
        def first():
            return 1

        @graph.add
        def second(first):
            return inside(first)

        assert graph.run().ok
        assert fan.pipeline(stage(len, name="size"), stage(inside, retry=1)).run(["a", "bc"]).ok
    of_graph, of_pipeline = (span for span in spans.all() if span.name.startswith("batch "))
    assert of_graph.parent is of_pipeline.parent is None
    inner = {span.name.rpartition(".")[2]: spans.by_id(span.parent) for span in spans.all() if span.parent is not None}
    assert inner["first"] is inner["second"] is of_graph
    assert inner["len"] is inner["visit"] is of_pipeline


# -- several attempts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["run", "fed", "gather", "submit", "pipeline"])
def test_each_attempt_is_linked_to_the_one_before(spans, way):
    """They are beside each other, and say which they are, how they ended, and not what the error said."""
    call = Script(GONE, GONE, "done")
    with opened(1, retry=every(0)) as fan, spans.tracer.start_as_current_span("caller"):
        if way == "submit":
            assert fan.submit(call).result(PATIENCE) == "done"
        else:
            WAYS[way](fan, call, [0])
    attempts = spans.named("Script")
    assert [span.attributes["threadfan.outcome"] for span in attempts] == ["failed", "failed", "succeeded"]
    assert [span.attributes.get("threadfan.attempt", 1) for span in attempts] == [1, 2, 3]
    assert [span.attributes.get("error.type") for span in attempts] == ["ConnectionError", "ConnectionError", None]
    assert [span.status.status_code.name for span in attempts] == ["ERROR", "ERROR", "UNSET"]
    assert [spans.links(span) for span in attempts] == [[], [attempts[0]], [attempts[1]]]
    assert len({span.parent.span_id for span in attempts}) == 1
    assert "private" not in "".join(span.to_json() for span in spans.all())


@pytest.mark.parametrize("way", ["run", "submit"])
def test_a_second_attempt_is_linked_to_the_first(spans, clock, way):
    """The one that loses ends when the other has won."""
    begun, free = threading.Semaphore(0), threading.Event()
    numbers = iter(range(2))

    def call(_=None):
        if next(numbers) == 0:
            begun.release()
            sleep(3600)
        begun.release()
        assert free.wait(PATIENCE)

    with opened(2, hedge=Hedge(after=1, budget=1.0)) as fan:
        running = fan.submit(call) if way == "submit" else aside(fan.run, call, [0])
        assert begun.acquire(timeout=PATIENCE)
        clock.wait_for_sleepers(until=1)
        clock.advance(1)
        assert begun.acquire(timeout=PATIENCE)
        free.set()
        running.result(PATIENCE)
        until(lambda: len([span for span in spans.all() if not span.name.startswith("batch")]) == 2)
    first, second = sorted(
        (span for span in spans.all() if not span.name.startswith("batch")), key=lambda span: span.start_time
    )
    assert (first.attributes["threadfan.outcome"], second.attributes["threadfan.outcome"]) == ("cancelled", "succeeded")
    assert second.attributes["threadfan.hedge"] is True
    assert spans.links(second) == [first]
    assert spans.links(first) == []
    assert second.parent == first.parent


def test_a_call_whose_time_is_up(spans, clock):
    """Its span ends in that moment, and not when its thread returns."""
    with Gate() as gate, Fan(1, timeout=5, name="slow") as fan:
        future = fan.submit(gate)
        gate.wait_for(1)
        clock.wait_for_sleepers(until=5)
        clock.advance(5)
        future.exception(PATIENCE)
        until(spans.all)
        span = spans.one("Gate")
        assert span.attributes["threadfan.outcome"] == "timed_out"
        assert span.attributes["error.type"] == "TaskTimeout"
        gate.open()
        until(lambda: fan.snapshot()["abandoned"] == 0)
    assert len(spans.all()) == 1


# -- what else is told -------------------------------------------------------------------------------------------------


def test_tokens(spans):
    """Those that clients have noted, or that the value tells of, each with its attempt."""

    def notes(_):
        current_scope().add_usage(Usage(10, 5))
        return "text"

    with Fan(1) as fan:
        fan.run(notes, [0])
        fan.run(lambda _: {"usage": {"input_tokens": 3, "output_tokens": 4}}, [0])
        fan.with_options(retry=1).submit(notes, 0).result(PATIENCE)
    told = [
        (span.attributes["gen_ai.usage.input_tokens"], span.attributes["gen_ai.usage.output_tokens"])
        for span in spans.all()
        if not span.name.startswith("batch")
    ]
    assert told == [(10, 5), (3, 4), (10, 5)]


def test_metrics(metrics):
    """Durations, waits, retries, tokens; and what is queued and runs in this moment."""
    call = Script(GONE, lambda _: {"usage": {"input_tokens": 3, "output_tokens": 4}})
    with Gate() as gate, Fan(1, name="crawler") as fan:
        fan.with_options(retry=every(0.001)).run(call, range(2))
        running = [fan.submit(gate) for _ in range(3)]
        gate.wait_for(1)
        live = {name: metrics(f"threadfan.calls.{name}")[0].value for name in ("queued", "running", "waiting")}
        gate.open()
        for one in running:
            one.result(PATIENCE)
    assert live == {"queued": 2, "running": 1, "waiting": 0}
    durations = {
        (point.attributes["code.function.name"], point.attributes["threadfan.outcome"]): point.count
        for point in metrics("threadfan.call.duration")
    }
    assert durations == {("Script", "failed"): 2, ("Script", "succeeded"): 2, ("Gate", "succeeded"): 3}
    waits = {
        point.attributes["threadfan.wait"]: point.count
        for point in metrics("threadfan.call.wait")
        if point.attributes["code.function.name"] == "Script"
    }
    assert waits == {"slot": 4, "backoff": 2}
    assert [point.value for point in metrics("threadfan.call.retries")] == [2]
    assert {point.attributes["gen_ai.token.type"]: point.value for point in metrics("threadfan.call.tokens")} == {
        "input": 6, "output": 8
    }  # fmt: skip


def test_events_and_spans_beside_each_other(spans, events):
    """Who has both hears of both."""
    with Fan(1) as fan:
        fan.run(abs, [1])
    assert events.named("call_finished")
    assert spans.one("abs").attributes["threadfan.outcome"] == "succeeded"


def test_nothing_is_kept(spans):
    """Values, errors and inputs are gone with their last reference."""

    class Thing:
        """What a call gets and gives."""

    def call(thing):
        kept.append(weakref.ref(thing))
        if len(kept) == 1:
            raise ConnectionError(Thing())
        return thing

    kept = []
    gc.disable()
    try:
        with Fan(1, retry={ConnectionError: every(0)}) as fan:
            fan.run(call, [Thing()])
            fan.submit(call, Thing()).result(PATIENCE)
            until(lambda: [one() for one in kept] == [None] * 3)
    finally:
        gc.enable()


def test_a_program_that_has_configured_nothing_pays_nothing():
    """Nothing is imported, although the API is there, as beside the SDK of Anthropic."""
    pytest.importorskip("opentelemetry.metrics")
    out, _ = run_program(
        "import sys, threadfan\n"
        "with threadfan.Fan(1, retry=1) as fan:\n"
        "    fan.run(abs, [1]); fan.submit(abs, 1).result()\n"
        "assert not any(name.startswith('opentelemetry') for name in sys.modules), sys.modules\n"
        "import opentelemetry.trace, opentelemetry.metrics\n"
        "with threadfan.Fan(1, retry=1) as fan:\n"
        "    fan.run(abs, [1]); fan.submit(abs, 1).result()\n"
        "print([name for name in sys.modules if name.endswith(('events.tracing', 'calls.traced'))])\n"
    )
    assert out.strip() == "[]"


@pytest.mark.parametrize("when", ["on_start", "on_end"])
def test_a_processor_that_fails_costs_no_call(spans, caplog, when, monkeypatch):
    """It is the user's; its error is in the log."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import SpanProcessor

    def fail(*_args, **_options):
        raise KeyError("a processor")

    processor = SpanProcessor()
    monkeypatch.setattr(processor, when, fail)
    trace.get_tracer_provider().add_span_processor(processor)
    with Fan(2) as fan:
        assert fan.run(abs, [-1, 2]).values() == [1, 2]
        assert fan.submit(abs, -3).result(PATIENCE) == 3
        with pytest.raises(ZeroDivisionError):
            fan.submit(lambda: 1 / 0).result(PATIENCE)
    assert "a processor of spans or metrics failed" in caplog.text
