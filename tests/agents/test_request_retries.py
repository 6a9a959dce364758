"""What is made again is a request, never an agent: no tool runs twice, no text comes twice, each request is limited."""

import threading

import anthropic
import pytest
import tenacity

from support.controlled import PATIENCE, aside, until
from support.scripted_server import ScriptedServer, call, events, message, overloaded, text
from support.staged_agents import ask_for, double, results
from threadfan import Adaptive, Breaker, BreakerOpen, Fan, Hedge, RateLimit, TaskTimeout, Usage, current_scope
from threadfan.agents import Agent, Answer, AnswerBroken, tool
from threadfan.clients.anthropic import attach
from threadfan.testing import Probe

NOW = {"retry-after": "0"}
PAY = message(call("pay", amount=1), stop="tool_use")
DONE = message(text("Sent."))
REFUSALS = [(429, "rate_limit_error", NOW), (529, "overloaded_error", NOW)]
WAYS = [lambda agent, fan: agent("Go"), lambda agent, fan: fan.run(agent, ["Go"])[0].unwrap()]


def limit():
    """One that lets everything through but refusals."""
    return RateLimit(requests_per_minute=60_000, burst=10)


class Purse:
    """A tool that nobody wants to be called twice."""

    def __init__(self):
        self.paid = []

    def pay(self, amount: int) -> str:
        """Send money."""
        self.paid.append(amount)
        return "sent"


@pytest.fixture
def purse():
    """A purse."""
    return Purse()


def spender(server, fan, purse, *, attached=True, **options):
    """An agent with a real client and that tool."""
    client = server.client()
    client = attach(client) if attached else client
    return Agent(client, model="m", fan=fan, tools=[purse.pay], **options), client


OPTIONS = [
    lambda: {"rate": limit()},
    lambda: {"retry": 3},
    lambda: {"retry": 3, "rate": limit()},
    lambda: {"retry": {429: 3, 529: 3}},
    lambda: {"retry": tenacity.Retrying(stop=tenacity.stop_after_attempt(3))},
]


@pytest.mark.parametrize("attached", [True, False])
@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("way", WAYS)
def test_a_refusal_repeats_one_request(purse, attached, refusal, options, way):
    """Whatever the client, and whoever calls the agent: the tools are left alone."""
    with ScriptedServer(("message", PAY), refusal, ("message", DONE)) as server, Fan(2, **options()) as fan:
        agent, client = spender(server, fan, purse, attached=attached)
        with client:
            assert way(agent, fan).text == "Sent."
    assert purse.paid == [1]
    assert server.asked[1] == server.asked[2]


@pytest.mark.parametrize("attached", [True, False])
def test_an_adaptive_fan_repeats_one_request(purse, attached):
    """So it is where the number of workers is found by what is refused; it has heard of the refusal."""
    workers = Adaptive(start=2, ceiling=4)
    with ScriptedServer(("message", PAY), REFUSALS[0], ("message", DONE)) as server, Fan(workers) as fan:
        agent, client = spender(server, fan, purse, attached=attached)
        with client:
            assert fan.run(agent, ["Go"]).unwrap()[0].text == "Sent."
        figures = fan.snapshot()
    assert purse.paid == [1]
    assert (figures["done"], figures["failed"], figures["retries"]) == (2, 0, 0)


@pytest.mark.parametrize("way", WAYS)
def test_a_stream_that_breaks_before_any_text_is_made_again(purse, way):
    """Nothing was told of it."""
    broken = [*list(events())[:2], overloaded()]
    script = ("message", PAY), ("events", broken), ("events", events("Se", "nt."))
    said = []
    with ScriptedServer(*script) as server, Fan(2, rate=limit()) as fan:
        agent, client = spender(server, fan, purse, on_text=said.append)
        server._answers[0] = ("events", streamed_call())
        with client:
            assert way(agent, fan).text == "Sent."
    assert (purse.paid, said) == ([1], ["Se", "nt."])


def streamed_call():
    """The events of an answer that asks for the tool."""
    whole = list(events(stop="tool_use"))
    whole[1] = {"type": "content_block_start", "index": 0, "content_block": {**call("pay"), "input": {}}}
    delta = {"type": "input_json_delta", "partial_json": '{"amount": 1}'}
    return [*whole[:2], {"type": "content_block_delta", "index": 0, "delta": delta}, *whole[2:]]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("options", OPTIONS)
def test_a_stream_that_breaks_after_some_text_is_not(purse, way, options):
    """What was told cannot be taken back: the error is raised, with all that was done until then."""
    said = []
    broken = [*list(events("Your money"))[:3], overloaded()]
    script = ("events", streamed_call()), ("events", broken), ("events", events("never"))
    with ScriptedServer(*script) as server, Fan(2, **options()) as fan:
        agent, client = spender(server, fan, purse, on_text=said.append)
        with client, pytest.raises(anthropic.APIStatusError, match="Overloaded") as caught:
            way(agent, fan)
    assert (purse.paid, said, len(server.asked)) == ([1], ["Your money"], 2)
    assert results(caught.value.result) == [("sent", False)]


def test_a_stream_that_nobody_hears_is_made_again(purse):
    """Without a callback nothing was told, though a long answer is streamed."""
    broken = [*list(events("Your money"))[:3], overloaded()]
    script = ("events", streamed_call()), ("events", broken), ("events", events("Sent."))
    with ScriptedServer(*script) as server, Fan(2, rate=limit()) as fan:
        agent, client = spender(server, fan, purse, max_tokens=100_000)
        with client:
            assert agent("Go").text == "Sent."
    assert purse.paid == [1]


def test_an_agent_is_not_made_again_for_any_error(purse):
    """An error that is worth a retry has had its retries, request by request; the call around has none left."""
    failures = [(503, "api_error", NOW)] * 3
    with ScriptedServer(("message", PAY), *failures) as server, Fan(2, retry=2) as fan:
        agent, client = spender(server, fan, purse, attached=False)
        with client:
            (outcome,) = fan.run(lambda prompt: agent(prompt).text, ["Go"])
    assert (purse.paid, outcome.attempts, outcome.error.status_code) == ([1], 1, 503)
    assert len(server.asked) == 4


@pytest.mark.filterwarnings("ignore:.*stuck:RuntimeWarning")
@pytest.mark.parametrize("retry", [2, tenacity.Retrying(stop=tenacity.stop_after_attempt(3))])
def test_an_agent_whose_time_is_up_is_not_made_again(clock, make, retry):
    """Its tools have run by then."""
    calls = []

    def wait() -> None:
        scope = current_scope()
        calls.append(scope)
        gate = threading.Event()
        scope.on_cancel(gate.set)
        assert gate.wait(PATIENCE)
        scope.check()

    with Fan(2, retry=retry) as fan:
        agent = make(fan, tool(wait, timeout=None, retry=None))
        running = aside(fan.with_options(timeout=5).run, agent, [ask_for("wait")])
        until(lambda: calls)
        clock.wait_for_sleepers(until=5)
        clock.advance(5)
        (outcome,) = running.result(PATIENCE)
    assert (outcome.status, outcome.attempts, len(calls)) == ("timed_out", 1, 1)
    assert isinstance(outcome.error, TaskTimeout)


def test_an_agent_that_takes_long_is_not_hedged(clock, make):
    """A second one beside it would run the tools too."""
    calls, gate = [], threading.Event()

    def wait() -> None:
        calls.append(1)
        assert gate.wait(PATIENCE)

    def plain() -> str:
        first.append(1)
        return "first" if len(first) == 1 and gate.wait(PATIENCE) else "second"

    first, hedge = [], Hedge(after=2.0, budget=1.0)
    with Fan(4) as fan:
        agent, hedged = make(fan, wait), fan.with_options(hedge=hedge)
        running = aside(hedged.run, agent, [ask_for("wait")])
        until(lambda: calls)
        clock.wait_for_sleepers(until=2)
        clock.advance(1)
        beside = hedged.submit(plain)
        until(lambda: first)
        clock.advance(2)
        assert beside.result(PATIENCE) == "second"  # so the moment at which the agent would have had its own is over
        gate.set()
        (outcome,) = running.result(PATIENCE)
    assert (outcome.attempts, len(calls), hedge.extra) == (1, 1, 1)


def test_a_call_without_an_agent_is_made_again_as_ever():
    """What is told of agents is told of them alone."""
    calls = []

    def job(number):
        calls.append(number)
        if len(calls) < 3:
            raise ConnectionError
        return number

    with Fan(1, retry=3) as fan:
        assert fan.run(job, [7])[0].attempts == 3


def test_a_tenacity_policy_has_its_word():
    """Its hooks see each request; when it gives up, its own error is raised, with what was reached."""
    seen = []
    policy = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(2), before=lambda state: seen.append(state.attempt_number)
    )
    server = ScriptedServer(*[(500, "api_error")] * 2)
    with server, Fan(1, retry=policy) as fan, server.client() as client, pytest.raises(tenacity.RetryError) as caught:
        Agent(client, model="m", fan=fan)("Go")
    assert seen == [1, 2]
    assert isinstance(caught.value.__cause__, anthropic.InternalServerError)
    assert caught.value.result.turns == 0


def test_without_a_limit_and_retries_a_refusal_is_raised(purse):
    """Nobody has asked for another request."""
    with ScriptedServer(("message", PAY), REFUSALS[0]) as server, Fan(2) as fan:
        agent, client = spender(server, fan, purse)
        with client, pytest.raises(anthropic.RateLimitError) as caught:
            agent("Go")
    assert results(caught.value.result) == [("sent", False)]


# -- each request is limited -------------------------------------------------------------------------------------------

INTERVAL = 1.025  # seconds between two requests of 60 a minute, with the margin


class Timed:
    """A model that notes when it is asked, and asks for a tool so many times."""

    def __init__(self, clock, turns):
        self.moments = []
        self._clock = clock
        self._turns = turns

    def answer(self, **asked):
        """Note it."""
        self.moments.append(round(self._clock.monotonic(), 3))
        if len(self.moments) % self._turns:
            return Answer([call("double", number=1)], "tool_use", Usage(100, 10))
        return Answer("Done.", "end_turn", Usage(100, 10))


def walk(clock, running, moments, count, asleep=1):
    """Let time pass until so many requests are made, each once somebody waits for it, and for nothing earlier.

    A limit's alarm is set a moment before the call waits; ``asleep`` is how many threads sleep when it does.
    """
    for number in range(1, count):
        until(lambda number=number: len(moments) == number)
        due = round(moments[-1] + INTERVAL, 3)
        while clock.monotonic() < due:
            clock.wait_for_sleepers(asleep)
            clock.wait_for_sleepers(until=due)
            moment = min((sleeper.deadline for sleeper in clock._sleepers.copy()), default=due)
            clock.advance(min(moment, due) - clock.monotonic())
    return running.result(PATIENCE)


@pytest.mark.parametrize("way", WAYS)
def test_each_request_waits_for_its_permit(clock, way):
    """However the agent is called, and whatever its client: one request a second."""
    rate = RateLimit(requests_per_minute=60)
    model = Timed(clock, 3)
    with Fan(2, rate=rate) as fan:
        agent = Agent(model, model="m", fan=fan, tools=[tool(double, rate=None)])
        assert walk(clock, aside(way, agent, fan), model.moments, 3).turns == 3
    assert model.moments == [0, INTERVAL, 2 * INTERVAL]
    assert rate.in_flight == 0


def test_the_wait_does_not_count_against_the_timeout(clock):
    """As it does not for a call that waits before it starts."""
    model = Timed(clock, 3)
    with Fan(2, rate=RateLimit(requests_per_minute=60), timeout=2) as fan:
        agent = Agent(model, model="m", fan=fan, tools=[tool(double, rate=None)])
        running = aside(WAYS[1], agent, fan)
        # The caller, the agent, and the threads of the limit's alarm and of the timeout.
        assert walk(clock, running, model.moments, 3, asleep=4).turns == 3
    assert model.moments[-1] > 2


def count_permits(rate, taken):
    """Note the limit's name for each permit that it gives, whichever way it is asked for."""
    take, try_take = rate.take, rate.try_take

    def counted(permit):
        if permit is not None:
            taken.append(rate.name)
        return permit

    rate.take = lambda now, cost: counted(take(now, cost))
    rate.try_take = lambda now, cost: counted(try_take(now, cost))


@pytest.mark.parametrize("way", WAYS)
def test_the_requests_of_an_attached_client_are_counted_once(messages_server, client, make, way):
    """A run of two requests is two permits, of which the limit has learned what they have used."""
    rate = RateLimit(requests_per_minute=60_000, burst=10, input_tokens_per_minute=10**9)
    taken = []
    count_permits(rate, taken)
    messages_server.configure(replies={"Go": ask_for(("double", {"number": 2}))})
    with Fan(2, rate=rate) as fan:
        result = way(make(fan, tool(double, rate=None), client=attach(client)), fan)
    assert (result.usage.requests, len(taken), rate.in_flight) == (2, 2, 0)
    assert rate._costs._known == 2
    assert 0 < rate._costs.mean.input < result.usage.input_tokens


def test_the_limit_of_the_call_comes_before_that_of_the_agent():
    """A view with a limit of its own holds for what it calls; the agent's fan is asked where there is none."""
    own, other = RateLimit(60_000, burst=10, name="own"), RateLimit(60_000, burst=10, name="other")
    taken = []
    for rate in (own, other):
        count_permits(rate, taken)
    with Fan(2, rate=own) as fan:
        agent = Agent(Timed(Probe(fan).clock, 1), model="m", fan=fan)
        agent("Go")
        fan.with_options(rate=other).run(agent, ["Go"]).unwrap()
        fan.with_options(rate=None).run(agent, ["Go"]).unwrap()
    assert taken == ["own", "other", "own"]


@pytest.mark.parametrize("way", WAYS)
def test_an_estimate_of_calls_is_not_asked_for_requests(way):
    """It knows the arguments of calls alone."""
    rate = RateLimit(60_000, burst=10, input_tokens_per_minute=10**9, estimate=lambda prompt: (len(prompt), 1))
    with Fan(2, rate=rate) as fan:
        agent = Agent(Timed(Probe(fan).clock, 2), model="m", fan=fan, tools=[tool(double, rate=None)])
        assert way(agent, fan).usage == Usage(200, 20, requests=2)
    assert rate.in_flight == 0


@pytest.mark.filterwarnings("ignore:.*stuck:RuntimeWarning")
def test_a_request_that_hangs_gives_its_permit_up(clock):
    """When nobody waits for it any more, though its thread does not come back."""
    begun, free = threading.Event(), threading.Event()

    class Deaf:
        def answer(self, **asked):
            begun.set()
            assert free.wait(PATIENCE)
            return Answer("late")

    rate = limit()
    with Fan(1, rate=rate) as fan:
        running = aside(fan.with_options(timeout=5).run, Agent(Deaf(), model="m", fan=fan), ["Go"])
        assert begun.wait(PATIENCE)
        clock.wait_for_sleepers(until=5)
        clock.advance(5)
        assert running.result(PATIENCE)[0].status == "timed_out"
        until(lambda: rate.in_flight == 0)
        free.set()
        until(lambda: fan.snapshot()["abandoned"] == 0)
    assert rate.in_flight == 0


@pytest.mark.parametrize("retry", [1, {AnswerBroken: 1}])
def test_a_broken_stream_may_be_tried_again(retry):
    """It is a connection that has ended early."""
    server = ScriptedServer(("events", list(events("So"))[:3]), ("events", events("So.")))
    with server, Fan(1, retry=retry) as fan, server.client() as client:
        assert Agent(client, model="m", fan=fan, max_tokens=100_000)("Go").text == "So."


def test_a_breaker_counts_requests(purse):
    """Each of an agent that runs outside of any call; when it opens no further one is made."""
    server = ScriptedServer(*[(500, "api_error")] * 9)
    with server, Fan(1, retry=5, breaker=Breaker(2, 3600)) as fan:
        agent, client = spender(server, fan, purse)
        with client:
            with pytest.raises(anthropic.InternalServerError):
                agent("Go")
            with pytest.raises(BreakerOpen) as caught:
                agent("Go")
    assert len(server.asked) == 2
    assert isinstance(caught.value.__cause__, anthropic.InternalServerError)
    assert caught.value.result.turns == 0


def test_an_agent_in_a_call_is_one_attempt_to_a_breaker(purse):
    """However many requests it makes: so it is no bar to itself as a trial."""
    server = ScriptedServer((500, "api_error"), *[("message", said) for said in (PAY, DONE, PAY, DONE)])
    with server, Fan(2, breaker=Breaker(1, 0.001)) as fan:
        agent, client = spender(server, fan, purse)
        with client:
            assert isinstance(fan.run(agent, ["Go"])[0].error, anthropic.InternalServerError)
            until(lambda: fan.run(agent, ["Go"]).ok)
            assert fan.run(agent, ["Go"]).ok
    assert purse.paid == [1, 1]
