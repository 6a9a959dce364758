"""When a majority is certain, and what a vote comes to; no threads."""

import pickle
from collections import Counter
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.outcomes import CUT, report_of, told
from threadfan.patterns import Majority, VoteTied, majority_vote

OH, NO = ValueError("oh"), KeyError("no")
VOTES = st.sampled_from(["a", "b", "c", OH])


def leader(votes):
    """The answer that alone has the most votes, or None; counted by hand."""
    counts = Counter(vote for vote in votes if vote is not OH).most_common()
    return counts[0][0] if counts and (len(counts) == 1 or counts[0][1] > counts[1][1]) else None


def settled(votes, left):
    """Whether one answer wins however the rest votes; tries everything that they could say."""
    outcomes = {leader([*votes, *rest]) for rest in product(["a", "b", "c", "d", OH], repeat=left)}
    return len(outcomes) == 1 and outcomes != {None}


@given(st.lists(VOTES, min_size=1, max_size=6))
def test_the_majority_is_certain_exactly_when_nothing_can_change_it(votes):
    """It ends at the first moment at which every way to go on gives the same winner, and no later."""
    by_hand = next(
        (count for count in range(1, len(votes) + 1) if settled(votes[:count], len(votes) - count)), len(votes)
    )
    assert told(Majority(), votes) == by_hand


@given(st.lists(VOTES, min_size=1, max_size=30))
def test_a_vote_that_ended_early_has_the_winner_of_the_whole(votes):
    """The rest would not have changed it."""
    policy = Majority(tie=lambda _: None)
    took = told(policy, votes)
    if any(vote is not OH for vote in votes[:took]):
        rest = [CUT] * (len(votes) - took)
        vote = policy.result(report_of(*votes[:took], *rest))
        assert vote.winner == leader(votes)
        assert vote.counts == Counter(vote for vote in votes[:took] if vote is not OH)
        assert vote.votes + len(vote.left_out) == len(votes)


@pytest.mark.parametrize(
    ("votes", "took"),
    [
        ("aaaaaaaaa", 5),
        ("aba", 3),
        ("aab", 2),
        ("abab", 4),
        ("a", 1),
        ([OH, "a", "a", "b"], 3),
        ([OH, NO, "a"], 3),
        ([OH, OH], 2),
        ("aabbccaaa", 8),
    ],
)
def test_how_many_votes_it_takes(votes, took):
    """Nine voters of whom the first five agree have decided with those five; voters that fail are one fewer to come."""
    assert told(Majority(), votes) == took


def test_what_a_vote_tells():
    """Winner, share of the votes cast, counts, who failed and who was not needed."""
    vote = majority_vote(report_of("a", "b", OH, "a", CUT, "a"), partial=True)
    assert (vote.winner, vote.value, vote.votes, vote.confidence) == ("a", "a", 4, 0.75)
    assert list(vote.counts.items()) == [("a", 3), ("b", 1)]
    assert [outcome.index for outcome in vote.failed] == [2]
    assert [outcome.index for outcome in vote.left_out] == [2, 4]
    assert vote.tied == []
    assert len(vote.report) == 6
    assert repr(vote) == "<Vote: 75% of 4 votes, without 2 outcomes>"


@pytest.mark.parametrize(
    ("payloads", "complete", "certain"),
    [
        (["a", "a", "b"], True, True),
        (["a", "a", CUT], False, True),
        (["a", OH, OH], False, False),
        (["a", "a", OH, CUT], False, False),
        (["a", "a", "a", OH, CUT], False, True),
    ],
)
def test_a_part_is_never_passed_off_as_the_whole(payloads, complete, certain):
    """`complete` says whether all have voted, `certain` whether those who have not could have changed the winner."""
    vote = majority_vote(report_of(*payloads), partial=True)
    assert (vote.complete, vote.certain) == (complete, certain)


def test_a_tie_is_an_error_unless_said_otherwise():
    """The error has the counts, and says what to do."""
    with pytest.raises(VoteTied, match='2 answers have 2 votes each: say tie="first"') as caught:
        majority_vote(report_of("b", "a", "a", "b", "c"))
    assert caught.value.counts == {"b": 2, "a": 2, "c": 1}
    assert caught.value.tied == 2


def test_a_tie_goes_to_the_first():
    """That is the first in the order of the report, whoever was faster."""
    vote = majority_vote(report_of("c", "b", "a", "a", "b"), tie="first")
    assert (vote.winner, vote.tied, vote.confidence, vote.certain) == ("b", ["b", "a"], 0.4, False)


def test_a_tie_is_decided_by_a_function():
    """It is given the answers that share the first place, in the order of the report."""
    seen = []
    vote = majority_vote(report_of("c", "b", "a", "a", "b"), tie=lambda answers: seen.append(answers) or "undecided")
    assert vote.winner == "undecided"
    assert seen == [["b", "a"]]


def test_equality_of_ones_own():
    """Answers with the same key are one; the first of them stands for all, and counts go by the key."""
    vote = majority_vote(report_of("No", " Yes", "yes", "YES"), key=lambda answer: answer.strip().casefold())
    assert (vote.winner, vote.counts) == (" Yes", {"yes": 3, "no": 1})
    policy = Majority(key=str.casefold)
    assert told(policy, ["Yes", "YES", "no"]) == 2


def test_answers_that_cannot_be_counted():
    """A dictionary is no key: the error says what would be."""
    with pytest.raises(TypeError, match="hashable key, not by a dict: give key="):
        majority_vote(report_of({"label": "a"}))
    assert majority_vote(report_of({"label": "a"}), key=lambda answer: answer["label"]).winner == {"label": "a"}


def test_votes_for_nothing_count():
    """None and False are answers like any other."""
    assert majority_vote(report_of(None, None, False)).winner is None
    assert told(Majority(), [None, None, False]) == 2


def test_nobody_has_voted():
    """If every voter has failed there is no winner, but their errors."""
    policy = Majority()
    assert told(policy, [OH, NO]) == 2
    report = report_of(OH, NO)
    with pytest.raises(ExceptionGroup) as caught:
        policy.result(report)
    assert list(caught.value.exceptions) == [OH, NO]
    assert caught.value.report is report
    with pytest.raises(ValueError, match="at least one voter, not 0"):
        policy.begin(0)


def test_a_wrong_strategy_is_noticed_before_anybody_is_asked():
    """The error lists the right ones."""
    with pytest.raises(ValueError, match=r"tie must be .* or a function that chooses from a list, not 'last'"):
        Majority(tie="last")


def test_votes_and_their_errors_can_be_pickled():
    """They come out as they went in."""
    vote = pickle.loads(pickle.dumps(majority_vote(report_of("a", "a", OH), partial=True)))  # noqa: S301
    assert (vote.winner, vote.confidence, len(vote.failed)) == ("a", 1.0, 1)
    error = pickle.loads(pickle.dumps(VoteTied({"a": 1, "b": 1}, 2)))  # noqa: S301
    assert (error.counts, error.tied) == ({"a": 1, "b": 1}, 2)
