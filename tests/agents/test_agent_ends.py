"""What ends a run from outside: deadlines, cancels, errors of the client and of callbacks; and what is kept of it."""

import threading

import anthropic
import pytest

from support.controlled import PATIENCE, aside, until
from support.staged_agents import ask_for, double, results
from threadfan import CallCancelled, Fan, RateLimit, TaskTimeout, current_scope, fail_after
from threadfan.clients.anthropic import attach

pytestmark = pytest.mark.filterwarnings("ignore:.*stuck:RuntimeWarning")  # of calls that are over, and about to return


class Heeding:
    """A tool that waits until its scope ends."""

    def __init__(self):
        self.begun = threading.Event()
        self.ended = threading.Event()

    def wait(self) -> None:
        """Wait."""
        scope = current_scope()
        scope.on_cancel(self.ended.set)
        self.begun.set()
        assert self.ended.wait(PATIENCE)
        scope.check()


def within(seconds, fn, *args):
    """Call a function in a block that has so many seconds."""
    with fail_after(seconds):
        return fn(*args)


def test_a_deadline_ends_the_tools(clock, messages_server, make):
    """A deadline around the run ends its tools, and the error has what was done by then."""
    heeding = Heeding()
    with Fan(2) as fan:
        agent = make(fan, heeding.wait, double)
        running = aside(within, 5, agent, ask_for("wait", ("double", {"number": 2})))
        assert heeding.begun.wait(PATIENCE)
        until(lambda: fan.snapshot()["done"] == 1)
        clock.wait_for_sleepers(until=5)
        clock.advance(5)
        error = running.exception(PATIENCE)
    assert isinstance(error, TaskTimeout)
    result = error.__cause__.result
    assert heeding.ended.is_set()
    assert messages_server.stats().requests == 1
    (cancelled, was_error), done = results(result)
    assert cancelled.startswith("TaskCancelled")
    assert (was_error, done) == (True, ("4", False))
    assert [call.outcome.status for call in result.tool_calls] == ["cancelled", "succeeded"]


def test_the_timeout_of_a_call_ends_its_agent(clock, make):
    """An agent that is a call of a fan ends with that call, and its tools with it."""
    heeding = Heeding()
    with Fan(1) as fan:
        agent = make(fan, heeding.wait)
        running = aside(fan.with_options(timeout=5).run, agent, [ask_for("wait")])
        assert heeding.begun.wait(PATIENCE)
        clock.wait_for_sleepers(until=5)
        clock.advance(5)
        (outcome,) = running.result(PATIENCE)
        assert heeding.ended.wait(PATIENCE)
    assert outcome.status == "timed_out"


def test_a_deadline_ends_the_request(clock, messages_server, client, make):
    """With an attached client nothing is waited for, and the server sees it go."""
    with Fan(1) as fan:
        running = aside(within, 5, make(fan, double, client=attach(client)), "[fault:hang] What is a fan?")
        messages_server.wait_for(requests=1)
        clock.wait_for_sleepers(until=5)
        clock.advance(5)
        error = running.exception(PATIENCE)
        messages_server.wait_for(disconnects=1, open=0)
    assert isinstance(error, TaskTimeout)
    assert (error.__cause__.result.turns, error.__cause__.result.stop_reason) == (0, None)


def test_nothing_begins_in_a_scope_that_has_ended(messages_server, make):
    """No request is made, whatever the client."""
    with Fan(1) as fan, fail_after(60) as scope:
        scope.cancel()
        with pytest.raises(CallCancelled):
            make(fan)("What is a fan?")
    assert messages_server.stats().requests == 0


def test_an_error_of_the_client_ends_the_run(messages_server, make):
    """It is raised as it is, with a transcript to go on from, in which no tool call is made again."""
    calls = []

    def spoil() -> str:
        """Have the next request fail."""
        calls.append(1)
        messages_server.configure(faults={"500": 1.0})
        return "done"

    with Fan(1) as fan:
        agent = make(fan, spoil)
        with pytest.raises(anthropic.InternalServerError) as caught:
            agent(ask_for("spoil"))
        messages_server.configure(faults={})
        result = agent(caught.value.result)
    assert (caught.value.result.turns, caught.value.result.usage.requests) == (1, 1)
    assert (result.text, result.turns, calls) == ("The tools returned: (1) done.", 1, [1])


def test_text_as_it_comes(make):
    """The callback gets all the text of all turns, in pieces, in the thread of the run."""
    pieces = []
    with Fan(1) as fan:
        agent = make(fan, double, on_text=lambda piece: pieces.append((piece, threading.current_thread())))
        result = agent(ask_for(("double", {"number": 2})))
        plain = make(fan, double)(ask_for(("double", {"number": 2})))
    assert "".join(piece for piece, _ in pieces) == result.text == plain.text
    assert len(pieces) > 1
    assert {thread for _, thread in pieces} == {threading.current_thread()}
    assert result.messages[-1] == plain.messages[-1]
    assert (result.usage, results(result)) == (plain.usage, results(plain))


@pytest.mark.parametrize("error", [ValueError("enough"), KeyboardInterrupt()])
def test_an_error_of_the_callback_ends_the_run(messages_server, make, error):
    """It is raised as it is, and the rest of the answer is not waited for."""

    def stop(piece):
        raise error

    with Fan(1) as fan, pytest.raises(type(error)) as caught:
        make(fan, on_text=stop)("Tell me about rivers")
    messages_server.wait_for(open=0)
    assert caught.value is error
    assert caught.value.result.turns == 0


def test_a_closed_fan(make):
    """Without a fan no tool can be run: the transcript keeps the calls open for another run."""
    with Fan(1) as fan:
        agent = make(fan, double)
    with pytest.raises(RuntimeError, match="shutdown") as caught:
        agent(ask_for(("double", {"number": 2})))
    with Fan(1) as fan:
        assert make(fan, double)(caught.value.result).text == "The tools returned: (1) 4."


def test_many_agents_at_once(make):
    """Agents that are calls of one fan lend their slots: the tools of all of them run at the same time."""
    barrier = threading.Barrier(4)

    def meet(number: int) -> int:
        barrier.wait(PATIENCE)
        return number

    with Fan(4) as fan:
        report = fan.run(make(fan, meet), [ask_for(("meet", {"number": number})) for number in range(4)])
    assert [result.text for result in report.unwrap()] == [f"The tools returned: (1) {place}." for place in range(4)]
    assert report.stats.input_tokens == sum(result.usage.input_tokens for result in report.unwrap())


def test_a_refusal_under_a_limit_repeats_one_request(messages_server, client, make):
    """In a call with a rate limit the request waits and is made again; no turn and no tool call is."""
    calls = []

    def spoil() -> None:
        """Have the next request refused, and no other."""
        calls.append(1)
        messages_server.configure(faults={"429": 1.0}, retry_after=0.1)

    def refuse_once():
        messages_server.wait_for(requests=2)
        messages_server.configure(faults={})

    with Fan(2, rate=RateLimit(requests_per_minute=60_000, burst=10)) as fan:
        calm = aside(refuse_once)
        report = fan.run(make(fan, spoil, client=attach(client)), [ask_for("spoil")])
        calm.result(PATIENCE)
    (outcome,) = report
    assert (outcome.unwrap().turns, outcome.attempts) == (2, 1)
    assert len(calls) == 1
    assert report.stats.pauses >= 1
    assert messages_server.stats().statuses[429] >= 1
