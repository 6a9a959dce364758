"""`race` and `quorum`: the first successes, and what becomes of the others."""

import pytest

from support.controlled import Gate, elapse
from support.losers import Losers, both, fail
from threadfan import Fan, task
from threadfan.patterns import aquorum, arace, quorum, race
from threadfan.testing import ManualClock


@both(race=race, arace=arace)
def test_the_losers_of_a_race_give_their_threads_back(race):
    """All three run at once; when one has won, both others end, and three calls can meet on the three slots."""
    losers = Losers(2)
    with Fan(3) as fan:
        won = race(fan, losers.task("a"), losers.after(lambda: "done"), losers.task("c"))
        assert (won.index, won.value, won.status) == (1, "done", "succeeded")
        assert losers.wait_until_free(fan, 3) == ["a", "c"]


@both(race=race, arace=arace)
def test_a_failure_wins_nothing(race):
    """Who fails first is passed over; the winner is known by its name."""
    with Fan(1) as fan:
        won = race(fan, task(int, "x"), task(int, "y"), good=task(int, "3"), late=task(int, "4"))
    assert (won.index, won.name, won.value) == (2, "good", 3)


@both(race=race, arace=arace)
def test_what_is_queued_is_dropped(race):
    """With one slot at most one call starts after the winner, and that one is cancelled."""
    losers, ran = Losers(0), []
    with Fan(1) as fan:
        race(fan, lambda: 1, losers.task(), *[lambda: ran.append(1)] * 3)
        losers.wait_until_free(fan, 1)
    assert ran == []


@both(race=race, arace=arace)
def test_all_have_failed(race):
    """Their errors come as one group, which has the report."""
    with Fan(2) as fan, pytest.raises(ExceptionGroup) as caught:
        race(fan, task(int, "x"), b=task(fail, KeyError("b")))
    assert sorted(type(error).__name__ for error in caught.value.exceptions) == ["KeyError", "ValueError"]
    assert caught.value.report["b"].status == "failed"


@both(race=race, arace=arace)
def test_nobody_takes_part(race):
    """A race of none is refused."""
    with Fan(1) as fan, pytest.raises(ValueError, match="need at least as many tasks, not 0"):
        race(fan)


@both(race=race, arace=arace)
def test_a_task_may_have_options_of_its_own(race):
    """One that is late by its own timeout has lost."""
    losers = Losers(1, others=0)
    with ManualClock() as clock, Fan(1) as fan:
        elapse(clock, 8, losers.running)
        won = race(fan, task(losers.task()).with_options(timeout=8), lambda: "second")
        assert won.value == "second"
        losers.wait_until_free(fan, 1)


@both(quorum=quorum, aquorum=aquorum)
def test_a_quorum_cancels_the_rest(quorum):
    """Two of four are enough: their values are in the report, and the others' threads come back."""
    losers = Losers(2, others=2)
    with Fan(4) as fan:
        report = quorum(
            fan, 2, losers.after(lambda: "a"), losers.task("b"), losers.after(lambda: "c"), d=losers.task("d")
        )
        assert [outcome.value for outcome in report.succeeded] == ["a", "c"]
        assert [outcome.status for outcome in report.failed] == ["cancelled", "cancelled"]
        assert report["d"].status == "cancelled"
        assert losers.wait_until_free(fan, 4) == ["b", "d"]


@both(quorum=quorum, aquorum=aquorum)
def test_an_impossible_quorum_is_noticed_at_once(quorum):
    """When too many have failed those that run are not waited for; the errors are those of the failures alone."""
    losers = Losers(1, others=2)
    errors = [ValueError("a"), ValueError("b")]
    with Fan(3) as fan:
        with pytest.raises(ExceptionGroup, match="2 of 3 calls have failed") as caught:
            quorum(fan, 2, losers.task(), *[losers.after(lambda error=error: fail(error)) for error in errors])
        assert sorted(caught.value.exceptions, key=str) == errors
        assert [outcome.status for outcome in caught.value.report] == ["cancelled", "failed", "failed"]
        losers.wait_until_free(fan, 3)


@both(quorum=quorum, aquorum=aquorum)
def test_a_quorum_that_never_was_possible(quorum):
    """It is refused before anything is called."""
    gate = Gate()
    with Fan(1) as fan, pytest.raises(ValueError, match="3 successes need at least as many tasks, not 1"):
        quorum(fan, 3, gate)
    assert gate.started == []
