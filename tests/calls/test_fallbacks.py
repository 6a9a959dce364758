"""``fallback=``: what is called when a call has failed for good."""

import threading

import pytest

from support.controlled import PATIENCE, aside, heed_cancel, until, until_cancelled
from threadfan import Breaker, BreakerOpen, Fan, Hedge, RateLimit, TaskCancelled, TaskTimeout, task


class Service(Exception):
    """It is down."""


class Spare(Exception):
    """So is this one."""


def ask(question, style="plain"):
    """What fails."""
    raise Service(question)


def spare(question, style="plain"):
    """What does not."""
    return f"{style} {question}"


def broken(question, style="plain"):
    """A fallback that fails as well."""
    raise Spare(question)


def submitted(fan):
    """The result of a single call."""
    return fan.submit(ask, "a", style="fine").result(PATIENCE)


def in_a_batch(fan):
    """Of inputs that are tuples."""
    return fan.run(ask, ["a"], ["fine"]).unwrap()[0]


def with_star(fan):
    """Of tuples in one iterable."""
    return fan.run(ask, [("a", "fine")], star=True).unwrap()[0]


def streamed(fan):
    """Of inputs that are fed."""
    return next(fan.stream(ask, iter("a"), ["fine"])).unwrap()


def in_a_gathering(fan):
    """Of a task with arguments of its own."""
    return fan.gather(task(ask, "a", style="fine")).unwrap()[0]


def in_a_graph(fan):
    """Of a task whose parameters are named."""
    graph = fan.graph()
    graph.add(lambda: "a", name="question")
    graph.add(lambda: "fine", name="style")
    graph.add(ask, name="answer")
    return graph.run()["answer"].value


WAYS = [submitted, in_a_batch, with_star, streamed, in_a_gathering, in_a_graph]
UNDER = [
    {},
    {"retry": {Service: 2}},
    {"rate": RateLimit()},
    {"hedge": Hedge(after=60, budget=1)},
    {"breaker": Breaker()},
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("under", UNDER, ids=str)
def test_the_next_function_gets_the_same_arguments(clock, monkeypatch, way, under):
    """However a call is made and whatever it is under, its result is that of the fallback."""
    monkeypatch.setattr("random.random", lambda: 0.0)
    with Fan(2, fallback=spare, **under) as fan:
        assert way(fan) == "fine a"


def test_of_a_stage():
    """A pipeline's stage has its own."""
    with Fan(2, fallback=spare) as fan:
        assert fan.pipeline(ask).run(["a"]).unwrap() == ["plain a"]


def test_the_outcome_says_so(monkeypatch):
    """It names the fallback, and the errors before are among its attempts."""
    monkeypatch.setattr("random.random", lambda: 0.0)
    with Fan(2, retry={Service: 1}, fallback=spare) as fan:
        failed, plain = fan.run(lambda item: item if item == "b" else ask(item), ["a", "b"])
    assert (failed.ok, failed.value, failed.fallback, failed.attempts) == (True, "plain a", "spare", 3)
    assert [type(one.error) for one in failed.history] == [Service, Service, type(None)]
    assert [one.fallback for one in failed.history] == [None, None, "spare"]
    assert failed.to_dict()["fallback"] == "spare"
    assert "3 attempts, by spare" in repr(failed)
    assert plain.fallback is None
    assert plain.to_dict()["fallback"] is None


def test_several_one_after_another():
    """Each is called when the one before has failed, with retries of its own."""
    with Fan(2, retry={Spare: 1}, fallback=(broken, spare)) as fan:
        outcome = fan.run(ask, ["a"])[0]
        assert (outcome.value, outcome.fallback) == ("plain a", "spare")
        assert [one.fallback for one in outcome.history] == [None, "broken", "broken", "spare"]


@pytest.mark.parametrize("retry", [None, {Service: 1, Spare: 1}])
def test_if_all_fail(monkeypatch, retry):
    """The error is that of the last, which says what had failed before as an `except` does."""
    monkeypatch.setattr("random.random", lambda: 0.0)
    with Fan(2, retry=retry, fallback=broken) as fan:
        outcome = fan.run(ask, ["a"])[0]
        with pytest.raises(Spare) as caught:
            fan.submit(ask, "a").result(PATIENCE)
    assert isinstance(caught.value.__context__, Service)
    assert (outcome.status, outcome.fallback) == ("failed", "broken")
    assert isinstance(outcome.error, Spare)
    assert isinstance(outcome.error.__context__, Service)


@pytest.mark.parametrize("bounds", [{"timeout": 1}, {"total_timeout": 1}, {"timeout": 1, "retry": 0}])
def test_a_timeout(clock, bounds):
    """What has not returned in time falls back too, and the fallback has its own time."""
    begun, released = threading.Event(), threading.Event()

    def hang(_):
        begun.set()
        until_cancelled()

    def quick(item):
        released.wait(PATIENCE)
        return item

    with Fan(2, fallback=quick, **bounds) as fan:
        report = aside(fan.run, hang, ["a"])
        assert begun.wait(PATIENCE)
        clock.wait_for_sleepers(until=1)
        clock.advance(1)
        clock.wait_for_sleepers(until=2)
        released.set()
        outcome = report.result(PATIENCE)[0]
    assert (outcome.value, outcome.fallback) == ("a", quick.__qualname__)
    assert isinstance(outcome.history[0].error, TaskTimeout)


def test_a_fallback_that_is_late(clock):
    """It times out as any call, and says what had failed before."""
    started = threading.Event()
    with Fan(2, timeout=1, fallback=lambda _: heed_cancel(started)) as fan:
        future = fan.submit(ask, "a")
        assert started.wait(PATIENCE)
        clock.wait_for_sleepers(until=1)
        clock.advance(1)
        error = future.exception(PATIENCE)
    assert isinstance(error, TaskTimeout)
    assert isinstance(error.__context__, Service)


def test_what_was_cancelled_has_its_end():
    """Nobody waits for it, so nothing else is called."""
    called = []
    with Fan(1, fallback=called.append) as fan:
        stream = fan.stream(lambda _: until_cancelled(), ["a"])
        running = aside(next, stream)
        until(lambda: fan.snapshot()["running"] == 1)
        fan._scheduler.interrupt()
        assert running.result(PATIENCE).status == "cancelled"
        with pytest.raises(KeyboardInterrupt):
            fan.submit(_interrupted).result(PATIENCE)
    assert called == []


def _interrupted():
    raise KeyboardInterrupt


def test_what_a_breaker_does_not_let_through():
    """It is not called at all, and falls back at once."""
    breaker = Breaker(failures=1, recovery=3600)
    called = []

    def down(item):
        called.append(item)
        raise ConnectionError(item)

    with Fan(1, breaker=breaker, fallback=spare) as fan:
        outcomes = list(fan.run(down, ["a", "b", "c"]))
        assert [outcome.value for outcome in outcomes] == ["plain a", "plain b", "plain c"]
        assert fan.submit(down, "d").result(PATIENCE) == "plain d"
        assert called == ["a"]
        assert [outcome.attempts for outcome in outcomes] == [2, 1, 1]
        with pytest.raises(Spare) as caught:
            fan.with_options(fallback=broken).submit(down, "e").result(PATIENCE)
        assert isinstance(caught.value.__context__, BreakerOpen)


def test_what_a_limit_does_not_let_through(clock):
    """Calls that wait for a limit whose provider refuses the whole account fall back, and do not wait for it."""
    called = []

    def refused(item):
        called.append(item)
        error = Service(item)
        error.status_code, error.body = 429, {"error": {"type": "insufficient_quota"}}
        raise error

    with Fan(1, rate=RateLimit(requests_per_minute=1), fallback=spare) as fan:
        outcomes = list(fan.run(refused, ["a", "b", "c"]))
    assert [outcome.value for outcome in outcomes] == ["plain a", "plain b", "plain c"]
    assert called == ["a"]


def test_a_view_and_a_task_have_their_own():
    """What is given for a task replaces the fan's; None takes it away."""
    with Fan(2, fallback=spare) as fan:
        report = fan.gather(
            task(ask, "a"),
            task(ask, "b").with_options(fallback=None),
            task(ask, "c").with_options(fallback=lambda question: question),
        )
        assert [outcome.value for outcome in report] == ["plain a", None, "c"]
        assert not fan.with_options(fallback=None).run(ask, ["a"])[0].ok


async def test_in_a_coroutine():
    """An awaited call falls back too."""
    async with Fan(1, fallback=spare) as fan:
        assert await fan.call(ask, "a") == "plain a"
        assert (await fan.arun(ask, ["a"])).unwrap() == ["plain a"]


def test_a_journal_keeps_what_a_fallback_has_returned(tmp_path):
    """The next run does not call it again."""
    with Fan(1, fallback=spare) as fan:
        fan.run(ask, ["a"], journal=tmp_path / "run.db")
        assert fan.with_options(fallback=None).run(ask, ["a"], journal=tmp_path / "run.db").unwrap() == ["plain a"]


def test_a_closed_fan_calls_none(clock):
    """What the end of its time cancels does not fall back."""
    called = []
    fan = Fan(1, fallback=called.append)
    future = fan.submit(until_cancelled)
    until(lambda: fan.snapshot()["running"] == 1)
    aside(fan.shutdown, timeout=0).result(PATIENCE)
    assert isinstance(future.exception(PATIENCE), TaskCancelled)
    assert called == []


async def _coroutine(question):
    return question


@pytest.mark.parametrize("wrong", ["spare", 3, (spare, None), _coroutine])
def test_what_cannot_be_called(wrong):
    """It is refused where it is given."""
    with pytest.raises(TypeError, match="fallback"):
        Fan(1, fallback=wrong)
    with pytest.raises(TypeError, match="fallback"):
        task(int).with_options(fallback=wrong)
