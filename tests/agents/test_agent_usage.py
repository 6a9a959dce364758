"""What agents have used is counted once: on the call that they run in, in its budget, and in their own."""

import pytest

from support.controlled import PATIENCE
from support.staged_agents import Held
from threadfan import Budget, Fan, Usage, current_scope, fail_after
from threadfan.agents import Agent, Answer, TokenLimit, TurnLimit, tool

pytestmark = pytest.mark.filterwarnings("ignore:.*stuck:RuntimeWarning")  # of calls that are over, and about to return

EACH = Usage(100, 10)


class Model:
    """A client of which each answer takes as many tokens; it calls a tool until there are so many messages.

    Args:
        names: of the tools that it asks for, turn by turn.
        tells: whether it says so by itself, as an attached client does.
    """

    def __init__(self, *names, tells=False):
        self.names = names
        self.tells = tells
        self.asked = 0

    def answer(self, *, messages, **_):
        """Asks for the next tool, or ends."""
        self.asked += 1
        if self.tells:
            current_scope().add_usage(EACH)
        turn = len(messages) // 2
        if turn < len(self.names):
            block = {"type": "tool_use", "id": str(turn), "name": self.names[turn], "input": {"task": "Go"}}
            return Answer([block], "tool_use", EACH)
        return Answer("done", usage=EACH)


def look(task: str) -> str:
    """Look."""
    return task


def agent(fan, *names, tools=(look,), tells=False, **options):
    """An agent that asks for these tools."""
    return Agent(Model(*names, tells=tells), model="m-1", fan=fan, tools=tools, **options)


def run(fan, one, budget):
    """By the ways that take a budget."""
    return fan.run(one, ["Go", "Go"], budget=budget)


def started(fan, one, budget):
    """In the background."""
    started = fan.start(one, ["Go", "Go"], budget=budget)
    assert started.wait(PATIENCE)
    return started.report()


def streamed(fan, one, budget):
    """As they come."""
    stream = fan.stream(one, ["Go", "Go"], budget=budget, keep=True)
    list(stream)
    return stream.report()


@pytest.mark.parametrize("tells", [False, True], ids=["plain", "attached"])
@pytest.mark.parametrize("way", [run, started, streamed])
@pytest.mark.parametrize("turns", [2, 50], ids=["failed", "succeeded"])
def test_every_request_counts_once(tells, way, turns):
    """Whether the agents fail or not, and whoever tells."""
    budget = Budget(tokens=10**6)
    with Fan(2) as fan:
        report = way(fan, agent(fan, "look", "look", max_turns=turns, tells=tells), budget)
        requests = 2 if turns == 2 else 3
        assert [type(outcome.error) for outcome in report] == [TurnLimit if turns == 2 else type(None)] * 2
        assert [outcome.usage.requests for outcome in report] == [requests] * 2
        assert report.usage.total_tokens == budget.spent_tokens == 2 * requests * 110
        assert fan.snapshot()["output_tokens"] == 2 * requests * 10


@pytest.mark.parametrize("tells", [False, True], ids=["plain", "attached"])
def test_texts_that_are_streamed_count(tells):
    """For an agent whose texts are read as they are written too."""
    with Fan(2) as fan:
        stream = fan.stream_text(agent(fan, "look", max_turns=1, tells=tells), ["Go"])
        list(stream)
        assert stream.report().usage.requests == 1


@pytest.mark.parametrize("tells", [False, True], ids=["plain", "attached"])
@pytest.mark.parametrize("turns", [1, 50], ids=["failed", "succeeded"])
def test_what_agents_below_have_used_counts_above(tells, turns):
    """On each call that one of them runs in, and once in the figures of the fan and in every budget."""
    shared, batch = Budget(tokens=10**6), Budget(tokens=10**6)
    with Fan(2) as fan:
        inner = agent(fan, "look", name="inner", tells=tells, budget=shared, max_turns=turns)
        outer = agent(fan, "inner", tools=[inner], tells=tells, budget=shared)
        report = fan.run(outer, ["Go"], budget=batch)
        (call,) = report[0].value.tool_calls
        requests = 2 if turns == 50 else 1
        assert call.outcome.usage.requests == requests
        assert report.usage.requests == report[0].value.usage.requests == requests + 2
        assert batch.spent_tokens == shared.spent_tokens == 110 * (requests + 2)
        assert fan.snapshot()["output_tokens"] == 10 * (requests + 2)


def test_a_run_whose_time_is_up_counts():
    """What it had used by then: its outcome is made while it still runs."""
    budget = Budget(tokens=10**6)
    with Held() as held, Fan(2) as fan:
        one = agent(fan, "wait", tools=[tool(lambda task: held.wait(), name="wait", timeout=PATIENCE)])

        def asked(prompt):
            with fail_after(0.05):
                return one(prompt)

        report = fan.run(asked, ["Go"], budget=budget)
        assert report[0].usage == EACH
        assert budget.spent_tokens == 110
        assert report[0].error.result.usage == EACH
        held.let_go(fan)


def test_an_agent_in_a_function_counts():
    """Whatever that returns."""
    with Fan(2) as fan:
        one = agent(fan, "look")
        assert fan.run(lambda prompt: str(one(prompt)), ["Go"]).usage.requests == 2


@pytest.mark.parametrize("tells", [False, True], ids=["plain", "attached"])
def test_a_budget_that_agents_share(tells):
    """Money and tokens: who finds it used up ends with what was said, in direct calls too."""
    budget = Budget(usd=0.0005, prices={"m-": (1, 10)})  # each request is 0.0002
    with Fan(2) as fan:
        first, second = (agent(fan, *["look"] * 9, tells=tells, budget=budget) for _ in range(2))
        with pytest.raises(TokenLimit, match=r"the budget of 0\.0005 USD was used up: 0\.0006 were spent") as caught:
            first("Go")
        assert caught.value.result.usage.requests == 3
        with pytest.raises(TokenLimit):
            second("Go")
        assert second.client.asked == 0
    assert budget.spent_usd == pytest.approx(0.0006)


def test_a_budget_that_a_batch_has_too():
    """What agents use is taken from it once."""
    budget = Budget(tokens=250)
    with Fan(1) as fan:
        report = fan.run(agent(fan, *["look"] * 9, budget=budget), ["Go", "Go"], budget=budget)
    assert (budget.spent_tokens, report.usage.requests) == (330, 3)
    assert [outcome.status for outcome in report] == ["failed", "cancelled"]
    assert "250 tokens" in report.stopped


@pytest.mark.parametrize("tells", [False, True], ids=["plain", "attached"])
def test_what_else_is_used_in_a_request_counts_beside_it(tells):
    """As that of another client, or of another agent, which something in the request has asked."""
    budget = Budget(tokens=10_000)

    class Curious(Model):
        def answer(self, **asked):
            current_scope().add_usage(Usage(1, 0))
            inner()
            return super().answer(**asked)

    with Fan(1) as fan:
        other = agent(fan, budget=budget)

        def inner():
            other("Go")

        one = Agent(Curious(tells=tells), model="m-1", fan=fan, budget=budget)
        report = fan.run(one, ["Go"])
    assert budget.spent_tokens == 110 + 110 + 1
    assert report.usage.total_tokens == 110 + 110 + 1


def test_a_budget_that_is_none():
    """Is refused."""
    with Fan(1) as fan, pytest.raises(TypeError, match=r"budget must be a Budget, such as Budget\(usd=5\), not 5"):
        agent(fan, budget=5)
