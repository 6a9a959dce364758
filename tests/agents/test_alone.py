"""Tools that must not run beside others: ``tool(fn, alone=True)``."""

import threading

import pytest

from support.controlled import PATIENCE, aside
from support.staged_agents import Held, ask_for, double, results
from threadfan import CallCancelled, Fan, fail_after
from threadfan.agents import tool


class Ways:
    """Tools that note who runs; `read` waits until the others of its group are there."""

    def __init__(self, together):
        self.together = threading.Barrier(together)
        self.running, self.said = set(), []
        self._lock = threading.Lock()

    def _enter(self, name):
        with self._lock:
            self.running.add(name)
            self.said.append(f"{name} beside {len(self.running) - 1}")

    def _leave(self, name):
        with self._lock:
            self.running.discard(name)

    def read(self, number: int) -> int:
        """Run beside others."""
        self._enter(f"read {number}")
        self.together.wait(PATIENCE)
        self._leave(f"read {number}")
        return number

    def write(self, text: str) -> str:
        """Run alone."""
        self._enter(text)
        self._leave(text)
        return text


def test_a_tool_that_runs_alone(make):
    """What was asked for before it has ended, what comes after it has not begun, and the rest runs side by side."""
    ways = Ways(together=2)
    calls = [("read", {"number": 1}), ("read", {"number": 2}), ("write", {"text": "a"}), ("write", {"text": "b"})]
    calls += [("read", {"number": 3}), ("read", {"number": 4})]
    with Fan(8) as fan:
        result = make(fan, ways.read, tool(ways.write, alone=True))(ask_for(*calls))
    assert results(result) == [(said, False) for said in ("1", "2", "a", "b", "3", "4")]
    assert ways.said[2:4] == ["a beside 0", "b beside 0"]
    assert sorted(one.partition(" beside")[0] for one in ways.said[:2]) == ["read 1", "read 2"]
    assert [call.outcome.status for call in result.tool_calls] == ["succeeded"] * 6


def test_a_failure_of_one_does_not_end_the_turn(make):
    """As everywhere it is told to the model, and the others are called."""

    def broken() -> None:
        """Fail."""
        raise ValueError("shut")

    with Fan(2) as fan:
        result = make(fan, tool(broken, alone=True), double)(ask_for("broken", ("double", {"number": 2})))
    assert results(result) == [("ValueError: shut", True), ("4", False)]


def test_what_was_not_begun_is_told_as_cancelled(clock, make):
    """A turn that is cut short has all its results, and what has ended is not done again by the next run."""
    calls = []

    def count(number: int) -> int:
        """Count."""
        calls.append(number)
        return number

    def run(agent):
        with fail_after(5):
            return agent(ask_for(("count", {"number": 1}), "hang", ("count", {"number": 2})))

    with Held() as held, Fan(2) as fan:
        agent = make(fan, count, tool(held.wait, name="hang", alone=True))
        running = aside(run, agent)
        assert held.begun.wait(PATIENCE)
        clock.wait_for_sleepers(until=5)
        clock.advance(5)
        error = running.exception(PATIENCE)
        held.let_go(fan)
        assert isinstance(error.__cause__, CallCancelled)
        cut = error.__cause__.result
        assert [call.outcome.status for call in cut.tool_calls] == ["succeeded", "cancelled", "cancelled"]
        assert calls == [1]
        agent(cut)
    assert calls == [1]


def test_an_option_of_a_tool():
    """A tool that is made of another keeps it, unless it says otherwise."""
    alone = tool(double, alone=True)
    assert alone.alone
    assert tool(alone, name="other").alone
    assert not tool(alone, alone=False).alone
    assert not tool(double).alone
    with pytest.raises(TypeError, match="alone must be True or False"):
        tool(double, alone="yes")
