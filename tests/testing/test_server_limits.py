"""The arithmetic of the loopback server's limits, in exact figures."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threadfan.testing import Limits
from threadfan.testing.loopback.limiter import MINUTE, SECOND, Bucket, Limiter, Refusal, Window
from threadfan.testing.options import Options

TENTH = SECOND // 10


def accepted(limits, moments, tokens=1):
    """The moments at which a fresh limiter lets a request pass."""
    limiter = Limiter(limits, 0)
    return [moment for moment in moments if limiter.admit(tokens, moment) is None]


def test_bucket_refills_continuously():
    """A bucket of one, 600 a minute, has the next request after a tenth of a second and not a nanosecond before."""
    moments = [0, TENTH - 1, TENTH, 2 * TENTH - 1, 2 * TENTH, 10 * TENTH]
    assert accepted(Limits(requests_per_minute=600), moments) == [0, TENTH, 2 * TENTH, 10 * TENTH]


def test_bucket_holds_its_burst():
    """A bucket gives its burst at once, and never more however long nobody came."""
    limits = Limits(requests_per_minute=600, burst=3)
    assert accepted(limits, [0] * 5 + [TENTH] * 2 + [MINUTE] * 5) == [0] * 3 + [TENTH] + [MINUTE] * 3


def test_refusal_uses_nothing_up():
    """A storm of refused requests leaves the next one its place."""
    moments = list(range(0, TENTH + 1, SECOND // 1000))
    assert accepted(Limits(requests_per_minute=600), moments) == [0, TENTH]


def test_window_slides():
    """Ten in any second: the eleventh passes when the first is a second old, whatever the clock's seconds are."""
    limits = Limits(requests_per_minute=600, burst=10, algorithm="window")
    moments = [TENTH * place for place in range(5, 15)]
    late = [15 * TENTH - 1, 15 * TENTH, 15 * TENTH, 16 * TENTH]
    assert accepted(limits, moments + late) == [*moments, 15 * TENTH, 16 * TENTH]


def test_waits():
    """A refusal names the kind of limit that lasts longest, its figure and the nanoseconds."""
    bucket = Limiter(Limits(requests_per_minute=600, input_tokens_per_minute=60, input_token_burst=5), 0)
    assert bucket.admit(2, 0) is None
    assert bucket.admit(1, TENTH // 4) == Refusal("requests", 600, TENTH * 3 // 4)
    assert bucket.admit(4, TENTH // 4) == Refusal("input-tokens", 60, SECOND - TENTH // 4)
    window = Limiter(Limits(requests_per_minute=600, burst=10, algorithm="window"), 0)
    assert [window.admit(1, 7) for _ in range(11)][-1] == Refusal("requests", 600, SECOND)


def test_input_tokens_are_taken_on_arrival():
    """Input tokens come out of one minute's worth, and a prompt beyond the capacity never passes."""
    limits = Limits(input_tokens_per_minute=60)
    assert accepted(limits, [0, 0, 0, 15 * SECOND - 1, 15 * SECOND], tokens=25) == [0, 0, 15 * SECOND]
    assert Limiter(limits, 0).admit(61, 0) == Refusal("input-tokens", 60, MINUTE)


def test_output_tokens_are_taken_afterwards():
    """Any answer is paid in full; the next request waits until the debt is paid and one token is there."""
    limiter = Limiter(Limits(output_tokens_per_minute=60, output_token_burst=10), 0)
    assert [limiter.admit(1, 0) for _ in range(3)] == [None] * 3
    limiter.charge(15, 0)
    assert limiter.admit(1, 0) == Refusal("output-tokens", 60, 6 * SECOND)
    assert limiter.admit(1, 6 * SECOND - 1) == Refusal("output-tokens", 60, 1)
    assert limiter.admit(1, 6 * SECOND) is None


def test_levels():
    """The levels count whole units and tell when each kind is full again; tokens are summed up."""
    limits = Limits(requests_per_minute=60, burst=2, input_tokens_per_minute=600, output_tokens_per_minute=120)
    limiter = Limiter(limits, 0)
    limiter.admit(30, 0)
    limiter.charge(10, 0)
    assert limiter.levels(SECOND // 2) == [
        ("requests", 60, 1, SECOND // 2),
        ("input-tokens", 600, 575, 25 * TENTH),
        ("output-tokens", 120, 111, 45 * TENTH),
        ("tokens", 720, 686, 45 * TENTH),
    ]


@pytest.mark.parametrize("kind", ["input", "output"])
def test_one_kind_of_tokens_has_no_sum(kind):
    """Tokens of the other kind are not limited, so neither are both together."""
    limiter = Limiter(Limits(**{f"{kind}_tokens_per_minute": 600}), 0)
    assert [level.kind for level in limiter.levels(0)] == [f"{kind}-tokens"]


def test_window_levels():
    """A window's level is what may be taken now, and it is full when the latest request has left it."""
    window = Window(600, 10, 0)
    window.take(3, 0)
    window.take(2, TENTH)
    assert (window.left(TENTH), window.full(TENTH)) == (5, SECOND)
    assert (window.left(SECOND), window.full(SECOND)) == (8, TENTH)
    assert (window.left(SECOND + TENTH), window.full(SECOND + TENTH)) == (10, 0)


def test_time_never_runs_back():
    """Taking at a moment before the latest counts as at that one, so nothing is refilled twice."""
    bucket = Bucket(600, 2, 0)
    bucket.take(1, SECOND)
    bucket.take(1, 0)
    assert bucket.wait(1, 0) == bucket.wait(1, SECOND) == TENTH
    assert bucket.wait(1, SECOND + TENTH) == 0


def test_looking_changes_nothing():
    """Levels that are read ahead of time give a request that came before nothing."""
    limiter = Limiter(Limits(requests_per_minute=600), 0)
    assert limiter.admit(1, 0) is None
    assert limiter.levels(TENTH) == [("requests", 600, 1, 0)]
    assert limiter.admit(1, TENTH - 1) == Refusal("requests", 600, 1)


@pytest.mark.parametrize("algorithm", ["bucket", "window"])
def test_change_is_no_refill(algorithm):
    """What was used up under the old limit is used up under the new one, be it tighter or wider."""
    limiter = Limiter(Limits(requests_per_minute=600, burst=10, algorithm=algorithm), 0)
    assert [limiter.admit(1, 0) for _ in range(10)] == [None] * 10
    limiter.change(Limits(requests_per_minute=300, burst=10, algorithm=algorithm), 0)
    assert limiter.admit(1, 0) == Refusal("requests", 300, SECOND // 5 if algorithm == "bucket" else 2 * SECOND)
    limiter.change(Limits(requests_per_minute=600, burst=10, algorithm=algorithm), 0)
    assert limiter.admit(1, 0) == Refusal("requests", 600, TENTH if algorithm == "bucket" else SECOND)


def test_change_settles_first():
    """Up to the change the old rate refills, and the level is clipped to the new capacity."""
    bucket = Bucket(600, 10, 0)
    bucket.take(10, 0)
    bucket.change(60, 4, SECOND // 2)
    assert bucket.left(SECOND // 2) == 4
    bucket.change(60, 10, SECOND // 2)
    assert (bucket.left(SECOND // 2), bucket.full(SECOND // 2)) == (4, 6 * SECOND)


def test_change_keeps_other_kinds():
    """Another algorithm for requests begins anew and leaves the tokens as they are."""
    limiter = Limiter(Limits(requests_per_minute=60, input_tokens_per_minute=60), 0)
    limiter.admit(50, 0)
    limiter.change(Limits(requests_per_minute=60, input_tokens_per_minute=60, algorithm="window"), 0)
    assert [level.left for level in limiter.levels(0)] == [1, 10]


def test_wider_window_remembers():
    """A window that is made wider counts what had left the narrow one."""
    window = Window(600, 10, 0)
    window.take(10, 0)
    window.take(10, SECOND)
    window.change(600, 20, SECOND)
    assert window.wait(1, SECOND) == SECOND


@given(
    algorithm=st.sampled_from(["bucket", "window"]),
    per_minute=st.integers(1, 10_000),
    burst=st.integers(1, 20),
    gaps=st.lists(st.integers(0, 2 * SECOND), min_size=1, max_size=60),
)
def test_no_span_has_more_than_allowed(algorithm, per_minute, burst, gaps):
    """However requests come, no span between two of them holds more than the limit allows: not by one."""
    limits = Limits(requests_per_minute=per_minute, burst=burst, algorithm=algorithm)
    moments = [sum(gaps[:place]) for place in range(len(gaps))]
    passed = accepted(limits, moments)
    for first, begin in enumerate(passed):
        for last, end in enumerate(passed[first:], first):
            grown = (end - begin) * per_minute
            if algorithm == "bucket":
                assert (last - first + 1 - burst) * MINUTE <= grown
            else:
                assert last - first < burst * (grown // (burst * MINUTE) + 1)


@given(per_minute=st.integers(1, 10_000), burst=st.integers(1, 20), algorithm=st.sampled_from(["bucket", "window"]))
def test_waits_are_exact(per_minute, burst, algorithm):
    """A request that comes back exactly when it was told to passes, and one a nanosecond earlier does not."""
    limiter = Limiter(Limits(requests_per_minute=per_minute, burst=burst, algorithm=algorithm), 0)
    while (refusal := limiter.admit(1, 0)) is None:
        pass
    assert limiter.admit(1, refusal.wait - 1) == refusal._replace(wait=1)
    assert limiter.admit(1, refusal.wait) is None


@pytest.mark.parametrize(
    ("limits", "seconds", "most"),
    [
        (Limits(requests_per_minute=600), 15, 151),
        (Limits(requests_per_minute=600, burst=10), 15, 160),
        (Limits(requests_per_minute=600, burst=10), 0.05, 10.5),
        (Limits(requests_per_minute=600, burst=10, algorithm="window"), 15, 150),
        (Limits(requests_per_minute=600, burst=10, algorithm="window"), 15.001, 160),
        (Limits(requests_per_minute=600, burst=1, algorithm="window"), 1.1, 11),
        (Limits(input_tokens_per_minute=600), 15, math.inf),
    ],
)
def test_allowed(limits, seconds, most):
    """A span may hold what the burst and the rate bring, or the bursts of all windows that begin in it."""
    assert limits.allowed(seconds) == most


@pytest.mark.parametrize(
    ("figures", "right"),
    [
        ({"requests_per_minute": 0}, "above 0"),
        ({"input_tokens_per_minute": math.inf}, "above 0"),
        ({"output_tokens_per_minute": -1}, "above 0"),
        ({"burst": 0}, "1 or more"),
        ({"burst": 1.5}, "whole number"),
        ({"input_token_burst": 0}, "from 1"),
        ({"algorithm": "leaky"}, "'bucket' or 'window'"),
    ],
)
def test_wrong_limits(figures, right):
    """A wrong figure is refused with its name, its value and what would be right."""
    ((name, value),) = figures.items()
    with pytest.raises(ValueError, match=rf"^{name} is {value!r}; right is .*{right}"):
        Limits(**figures)


def test_limits_travel():
    """Limits reach the server's process as they were set, and nothing else passes for limits."""
    options = Options(limits=Limits(requests_per_minute=600, burst=10, algorithm="window", headers=False))
    assert Options.from_json(options.to_json()).limits == options.limits
    with pytest.raises(TypeError, match=r"limits is 600; right is threadfan.testing.Limits"):
        Options(limits=600)
