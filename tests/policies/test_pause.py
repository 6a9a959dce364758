"""Pause: one for all, one probe, a gradual opening."""

import pytest

from threadfan._core.policies.pause import Pause


def refused(pause, now, retry_after=None):
    """A request goes out and is refused at once."""
    return pause.overloaded(pause.started(now), now, retry_after, 0.0)


def test_the_first_refusal_stops_all_until_its_retry_after():
    """All wait as long as the server has asked for."""
    pause = Pause()
    assert refused(pause, 10.0, 3.0)
    assert pause.wait(10.0) == 3.0
    assert pause.wait(12.5) == 0.5
    assert pause.wait(13.0) == 0.0


def test_those_in_flight_add_their_own_retry_after_and_nothing_else():
    """Refusals of the same storm are one: the latest end counts, and no later guess."""
    pause = Pause()
    epochs = [pause.started(10.0) for _ in range(3)]
    assert pause.overloaded(epochs[0], 10.1, 2.0, 0.1)
    assert not pause.overloaded(epochs[1], 10.2, None, 0.2)
    assert pause.wait(10.1) == pytest.approx(2.0)
    assert not pause.overloaded(epochs[2], 10.3, 4.0, 0.3)
    assert pause.wait(10.3) == pytest.approx(4.0)
    assert pause.fruitless == 0


def test_one_probe_and_no_other():
    """After the pause one goes out; the others wait for its answer, or until it must have been let in."""
    pause = Pause()
    refused(pause, 0.0, 1.0)
    pause.started(1.0)
    assert pause.wait(1.0) == pause.patience
    assert pause.wait(1.5) == pause.patience - 0.5
    assert pause.wait(1.0 + pause.patience) == 0.0
    assert not pause.paused


def test_the_success_of_the_probe_opens_step_by_step():
    """The gaps after it shrink from 0.2 s to nothing within seconds."""
    pause = Pause()
    refused(pause, 0.0, 1.0)
    assert pause.succeeded(pause.started(1.0), 1.5)
    now, gaps = 1.5, []
    for _ in range(200):
        gaps.append(pause.wait(now))
        now += gaps[-1]
        pause.started(now)
    assert gaps[:2] == [0.0, pytest.approx(0.2)]
    assert gaps[1:] == sorted(gaps[1:], reverse=True)
    assert gaps[-1] < 0.01
    pause.started(10.0)
    assert pause.wait(10.0) == 0.0


def test_a_stale_success_does_not_open():
    """The answer to a request that was sent before the refusal is no news."""
    pause = Pause()
    before = pause.started(0.0)
    refused(pause, 0.1, 1.0)
    assert not pause.succeeded(before, 0.2)
    assert pause.paused
    assert pause.wait(0.2) == pytest.approx(0.9)


def test_a_probe_that_ends_otherwise_makes_room_for_the_next():
    """Cancelled or failed for its own reasons: the next one may try at once."""
    pause = Pause()
    refused(pause, 0.0, 1.0)
    probe = pause.started(1.0)
    pause.ended(probe)
    assert pause.wait(1.1) == 0.0
    assert pause.paused


def test_guesses_grow_and_end_in_hopelessness():
    """Without Retry-After: 1, 2, 4, 8, 16, then 30 s; ten fruitless probes are hopeless until a success."""
    pause, now, lengths = Pause(), 0.0, []
    for _ in range(11):
        assert not pause.hopeless
        refused(pause, now)
        lengths.append(pause.wait(now))
        now += lengths[-1]
    assert lengths == [1, 2, 4, 8, 16, 30, 30, 30, 30, 30, 30]
    assert pause.hopeless
    pause.succeeded(pause.started(now), now)
    assert not pause.hopeless


def test_a_refused_probe_waits_as_long_as_it_is_told():
    """One probe for each Retry-After is what was asked for; one that has proved too short ten times is doubled."""
    pause, now, lengths = Pause(), 0.0, []
    for _ in range(14):
        refused(pause, now, 1.0)
        lengths.append(pause.wait(now))
        now += lengths[-1]
    assert lengths == [1] * 10 + [2, 4, 8, 16]


def answered(pause, now, times):
    """So many requests go out and are answered at once."""
    for _ in range(times):
        pause.succeeded(pause.started(now), now)


def test_what_may_be_an_exception_pauses_shortly():
    """Few were refused and no time is named: 1/32 of a second, doubled with each probe that is refused."""
    pause, now, lengths = Pause(), 0.0, []
    answered(pause, now, 20)
    for _ in range(7):
        refused(pause, now)
        lengths.append((pause.wait(now), pause.brief))
        now += lengths[-1][0]
    assert lengths == [
        (1 / 32, True),
        (1 / 16, True),
        (1 / 8, True),
        (1 / 4, True),
        (1 / 2, True),
        (1, False),
        (2, False),
    ]
    assert pause.fruitless == 2


def test_an_exception_does_not_make_the_next_one_longer():
    """One refusal in thirty, again and again: each pause is 1/32 of a second, and opening takes an eighth."""
    pause, now = Pause(), 0.0
    answered(pause, now, 20)
    for _ in range(20):
        refused(pause, now)
        assert pause.wait(now) == pytest.approx(1 / 32)
        now += 1 / 32
        pause.succeeded(pause.started(now), now)
        pause.started(now)
        assert 0 < pause.wait(now) < 0.02
        now += 0.26
        answered(pause, now, 29)
        assert pause.wait(now) == 0.0


@pytest.mark.parametrize(("answers", "retry_after"), [(20, 1.0), (5, None)])
def test_a_refusal_is_no_exception_if_a_time_is_named_or_little_is_known(answers, retry_after):
    """A service that says when to come back means it; of a new one it is not known what is usual."""
    pause = Pause()
    answered(pause, 0.0, answers)
    refused(pause, 0.0, retry_after)
    assert pause.wait(0.0) == 1.0
    assert not pause.brief


def test_refusals_that_pile_up_are_no_exceptions():
    """Several refused at once, as by a limit that says nothing: the next pause is a whole second."""
    pause = Pause()
    answered(pause, 0.0, 50)
    epochs = [pause.started(0.0) for _ in range(10)]
    for epoch in epochs:
        pause.overloaded(epoch, 0.0, None, 0.0)
    pause.succeeded(pause.started(0.1), 0.1)
    refused(pause, 5.0)
    assert pause.wait(5.0) == 1.0


def test_a_short_time_that_is_named_is_meant():
    """Six thousandths of a second: exactly that, and no seconds."""
    pause, now, lengths = Pause(), 0.0, []
    for _ in range(5):
        refused(pause, now, 0.006)
        lengths.append(pause.wait(now))
        now += lengths[-1]
    assert lengths == pytest.approx([0.006] * 5)


def test_short_times_do_not_end_in_hopelessness_at_once():
    """Ten probes refused within seconds are no reason to give up; within minutes they are."""
    pause, now, probes = Pause(), 0.0, 0
    while not pause.hopeless:
        refused(pause, now, 0.006)
        now += pause.wait(now)
        probes += 1
    assert (now >= 60, probes) == (True, 23)
    pause.succeeded(pause.started(now), now)
    assert not pause.hopeless


def test_a_refused_probe_that_names_no_time_after_one_that_did():
    """A Retry-After of 0 that has proved too short is none."""
    pause = Pause()
    refused(pause, 0.0, 0.0)
    assert pause.wait(0.0) == 0.0
    refused(pause, 0.0, 0.0)
    assert pause.wait(0.0) == 2.0
