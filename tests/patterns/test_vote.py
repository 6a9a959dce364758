"""`vote`: what it asks, when it stops, and what becomes of voters that are not needed."""

import pytest

from support.controlled import Gate
from support.losers import Losers, both, fail
from threadfan import Fan, task
from threadfan.patterns import VoteTied, avote, vote


@both(vote=vote, avote=avote)
def test_different_voters(vote):
    """Several functions, named or not; those that fail have no vote and are told."""
    with Fan(2) as fan:
        result = vote(fan, task(str, 1), b=task(str, 1), c=task(int, "x"), d=task(str, 2))
    assert (result.winner, result.confidence) in {("1", 2 / 3), ("1", 1.0)}
    assert result.report["b"].name == "b"


@both(vote=vote, avote=avote)
def test_one_voter_several_times(vote):
    """``of`` asks it so often; with one slot the votes come one after another, and all are needed."""
    votes = iter("abcab")
    with Fan(1) as fan:
        result = vote(fan, lambda: next(votes), of=5, tie="first")
    assert (result.winner, result.votes, result.counts) == ("a", 5, {"a": 2, "b": 2, "c": 1})


@both(vote=vote, avote=avote)
def test_it_stops_as_soon_as_the_majority_is_certain(vote):
    """Five of nine agree while four others run: those four are cancelled, and their threads come back."""
    losers = Losers(4, others=5)
    with Fan(9) as fan:
        result = vote(fan, *[losers.after(lambda: "yes")] * 5, *[losers.task(number) for number in range(4)])
        assert losers.wait_until_free(fan, 9) == [0, 1, 2, 3]
    assert (result.winner, result.votes, result.confidence) == ("yes", 5, 1.0)
    assert (result.certain, result.complete, result.failed) == (True, False, [])
    assert [outcome.status for outcome in result.left_out] == ["cancelled"] * 4


@both(vote=vote, avote=avote)
def test_nobody_is_asked_who_is_not_needed(vote):
    """With one slot nine voters, of whom five agree, are five calls and at most one that was about to start."""
    losers, asked = Losers(0), []

    def answer():
        asked.append(1)
        return "yes" if len(asked) <= 5 else losers.task()()

    with Fan(1) as fan:
        result = vote(fan, answer, of=9)
        losers.wait_until_free(fan, 1)
    assert (result.winner, result.votes, result.certain) == ("yes", 5, True)
    assert len(asked) in {5, 6}


@both(vote=vote, avote=avote)
def test_voters_that_fail_have_no_vote(vote):
    """They are told, and the rest decides; less than half of the voters can be a majority of the votes."""
    with Fan(1) as fan:
        result = vote(fan, task(fail, ValueError("no answer")), lambda: "a", task(fail, KeyError("none")))
    assert (result.winner, result.votes, len(result.report)) == ("a", 1, 3)
    assert [type(outcome.error) for outcome in result.failed] == [ValueError, KeyError]
    assert not result.certain


@both(vote=vote, avote=avote)
def test_a_tie(vote):
    """Nobody is preferred in silence: the error has the report, or a strategy decides."""
    voters = [lambda: "b", lambda: "a"]
    with Fan(2) as fan:
        with pytest.raises(VoteTied) as caught:
            vote(fan, *voters)
        assert vote(fan, *voters, tie="first").winner == "b"
        assert vote(fan, *voters, tie=min).winner == "a"
    assert caught.value.report.unwrap() == ["b", "a"]


@both(vote=vote, avote=avote)
def test_all_voters_have_failed(vote):
    """Their errors are raised together."""
    with Fan(2) as fan, pytest.raises(ExceptionGroup) as caught:
        vote(fan, task(fail, ValueError("no answer")), of=3)
    assert len(caught.value.exceptions) == 3


@both(vote=vote, avote=avote)
def test_an_answer_that_cannot_be_counted_ends_it(vote):
    """The voters still running are cancelled, and the error says what is missing and has the report."""
    losers = Losers(1)
    with Fan(2) as fan:
        with pytest.raises(TypeError, match="give key=") as caught:
            vote(fan, losers.after(lambda: {"label": "a"}), losers.task())
        losers.wait_until_free(fan, 2)
    assert [outcome.status for outcome in caught.value.report] == ["succeeded", "cancelled"]


@both(vote=vote, avote=avote)
def test_arguments_are_checked_before_anybody_is_asked(vote):
    """Nobody to ask, a number for several voters, and strategies that do not exist."""
    gate = Gate()
    with Fan(1) as fan:
        with pytest.raises(ValueError, match="at least one voter"):
            vote(fan)
        with pytest.raises(TypeError, match="of= asks one voter several times, not 2"):
            vote(fan, gate, gate, of=3)
        with pytest.raises(TypeError, match="of= asks one voter several times, not 2"):
            vote(fan, gate, again=gate, of=3)
        with pytest.raises(ValueError, match="of must be greater than 0, not 0"):
            vote(fan, gate, of=0)
        with pytest.raises(ValueError, match="tie must be"):
            vote(fan, gate, tie="both")
    assert gate.started == []
