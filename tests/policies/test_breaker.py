"""Breaker: when it opens and closes, and what changes nothing."""

import gc
import weakref

import pytest

from threadfan import Breaker, BreakerOpen
from threadfan._core.policies.breaker import Heard, likeness

DOWN, ANSWER, NOTHING = Heard.DOWN, Heard.ANSWER, Heard.NOTHING


def told(breaker, *ends, now=0.0):
    """One attempt after another ends like this; the last news."""
    news = None
    for end in ends:
        news = breaker.tell(breaker.take(now), now, end, ConnectionError("refused"))
    return news


def opened(failures=5, recovery=30.0, **options):
    """One that has opened at 0."""
    breaker = Breaker(failures, recovery, **options)
    assert told(breaker, *[DOWN] * failures) == "opened"
    return breaker


def test_it_opens_after_so_many_failures_in_a_row():
    """An answer begins the count anew, and what says nothing does neither."""
    breaker = Breaker(failures=3, recovery=30)
    assert told(breaker, DOWN, DOWN, ANSWER, DOWN, NOTHING, DOWN) is None
    assert breaker.state == "closed"
    assert told(breaker, DOWN) == "opened"
    assert (breaker.state, breaker.take(0)) == ("open", None)


def test_one_trial_passes_after_the_recovery():
    """Before it none does, and beside it none."""
    breaker = opened(recovery=30)
    assert breaker.take(29.9) is None
    assert breaker.take(30) is not None
    assert breaker.take(30) is None
    assert breaker.take(59.9) is None


def test_the_answer_of_a_trial_closes_it():
    """Then the count begins anew."""
    breaker = opened(failures=2)
    assert breaker.tell(breaker.take(30), 31, ANSWER) == "closed"
    assert breaker.state == "closed"
    assert told(breaker, DOWN, now=31) is None
    assert told(breaker, DOWN, now=31) == "opened"


def test_the_failure_of_a_trial_opens_it_again():
    """For as long as before, from its end on."""
    breaker = opened(recovery=30)
    trial = breaker.take(30)
    assert breaker.tell(trial, 35, DOWN) is None
    assert breaker.take(64.9) is None
    assert breaker.take(65) is not None


@pytest.mark.parametrize("away", [lambda breaker, trial: breaker.tell(trial, 31, NOTHING),
                                  lambda breaker, trial: breaker.give_back(trial, 31)])  # fmt: skip
def test_a_trial_that_says_nothing_leaves_it_to_the_next(away):
    """As one that is cancelled, fails by a bug, or is not made after all."""
    breaker = opened()
    away(breaker, breaker.take(30))
    assert breaker.state == "open"
    trial = breaker.take(31)
    assert trial is not None
    assert breaker.take(31) is None
    assert breaker.tell(trial, 32, ANSWER) == "closed"


def test_a_trial_that_does_not_end_keeps_nobody_out_for_ever():
    """After the recovery there is another beside it, and any answer closes it, however late."""
    breaker = opened(recovery=30)
    slow, second = breaker.take(30), breaker.take(60)
    assert second is not None
    assert breaker.take(60) is None
    assert breaker.tell(slow, 61, NOTHING) is None
    assert breaker.take(61) is None  # the second is still under way
    assert breaker.tell(second, 62, DOWN) is None
    third = breaker.take(92)
    assert breaker.tell(slow, 93, ANSWER) == "closed"
    assert breaker.tell(third, 94, DOWN) is None
    assert breaker.state == "closed"


@pytest.mark.parametrize("end", list(Heard))
def test_who_began_before_it_opened_changes_nothing_after(end):
    """Neither while it is open, nor during a trial, nor when it has closed."""
    breaker = Breaker(failures=1, recovery=30)
    early = [breaker.take(0) for _ in range(3)]
    told(breaker, DOWN)
    breaker.tell(early[0], 10, end)
    assert (breaker.state, breaker.take(29)) == ("open", None)
    trial = breaker.take(30)
    breaker.tell(early[1], 31, end)
    assert (breaker.state, breaker.take(31)) == ("open", None)
    breaker.tell(trial, 32, ANSWER)
    breaker.tell(early[2], 33, end)
    assert breaker.state == "closed"


def test_what_a_trial_calls_is_a_part_of_it():
    """It is let through while the trial runs, and its word counts as the trial's."""
    breaker = opened(recovery=30)
    trial = breaker.take(30)
    for end, state in ((NOTHING, "open"), (ANSWER, "closed")):
        inner = breaker.take(31, trial)
        assert inner is not None
        breaker.tell(inner, 31, end)
        assert breaker.state == state
    assert breaker.tell(trial, 32, DOWN) is None
    assert breaker.state == "closed"


def test_nothing_is_a_part_of_a_trial_that_is_over():
    """Nor of one that has failed inside."""
    breaker = opened(recovery=30)
    trial = breaker.take(30)
    breaker.tell(breaker.take(31, trial), 31, DOWN)
    assert breaker.take(31, trial) is None


def test_the_error_says_which_breaker_why_and_when():
    """And what failed last."""
    breaker = opened(failures=2, recovery=30, name="search")
    error = breaker.refusal(10)
    assert (error.breaker, error.seconds) == ("search", 20)
    assert repr(error.__cause__) == "ConnectionError('refused')"
    assert str(error) == (
        "this call was not made: the breaker 'search' has opened after 2 failures in a row, the last with "
        "ConnectionError: refused; it lets one call try every 30 s"
    )
    assert isinstance(error, BreakerOpen)
    assert str(Breaker().refusal(0)).startswith("this call was not made: the breaker has opened")


def test_what_is_kept_of_a_failure_keeps_nothing_of_the_call():
    """No frame with its variables, no answer: a breaker may stay open for long."""

    class Answer:
        """As of a client."""

    class Failure(Exception):
        """With an answer, as clients' errors have one."""

        def __init__(self, text, response):
            super().__init__(text)
            self.response, self.status_code = response, 503

    def call():
        answer = Answer()
        kept.append(weakref.ref(answer))
        raise Failure("gone", answer)

    kept = []
    breaker = Breaker(failures=1)
    try:
        call()
    except Failure as error:
        breaker.tell(breaker.take(0), 0, DOWN, likeness(error))
    gc.disable()
    try:
        assert kept[0]() is None
    finally:
        gc.enable()
    last = breaker.refusal(0).__cause__
    assert (type(last), last.args, last.status_code) == (Failure, ("gone",), 503)


def test_an_error_that_cannot_be_made_again_is_told_in_no_cause():
    """A class of the user's may want what nobody has."""

    class Odd(Exception):
        """Takes two."""

        def __new__(cls, one, two):
            return super().__new__(cls, one, two)

        def __init__(self, one, two):
            super().__init__(one)

    assert likeness(Odd(1, 2)) is None
    for error in (OSError(111, "refused"), ConnectionError(KeyError("inside"), 3), TimeoutError()):
        assert str(likeness(error)) == str(error).replace("KeyError('inside')", "\"'inside'\"")
        assert not any(isinstance(arg, Exception) for arg in likeness(error).args)


def test_it_shows_how_it_is():
    """For logs and prompts."""
    assert repr(Breaker(name="a")) == "<Breaker 'a': closed, 0 failures in a row, opens after 5 for 30 s>"
    assert repr(opened(2, 1.5)) == "<Breaker: open, 2 failures in a row, opens after 2 for 1.5 s>"
