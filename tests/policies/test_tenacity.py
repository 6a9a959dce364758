"""A policy of tenacity's decides as tenacity itself would, but waits elsewhere, on another clock and in any thread."""

import copy
import gc
import inspect
import threading
import weakref

import pytest
import tenacity
from hypothesis import given, settings
from hypothesis import strategies as st
from tenacity import Retrying, stop_after_attempt, wait_fixed

from support.controlled import PATIENCE
from support.refusals import FAILED, half, refused, waits
from threadfan import CallCancelled, TaskCancelled
from threadfan._core.policies.retry import retry_policy


class Time:
    """What tenacity takes for the module `time`."""

    now = 0.0

    def monotonic(self):
        """The moment that it is."""
        return self.now

    def sleep(self, seconds):
        """Let so much time pass."""
        self.now += seconds


def elsewhere(act):
    """The result of `act()` in a thread of its own."""
    found = []
    thread = threading.Thread(target=lambda: found.append(act()))
    thread.start()
    thread.join(PATIENCE)
    return found[0]


def told(state):
    """What a hook can see, as far as it can be compared."""
    return (
        state.attempt_number,
        state.idle_for,
        state.upcoming_sleep,
        state.seconds_since_start,
        state.next_action and state.next_action.sleep,
        state.outcome and repr(state.outcome.exception() or state.outcome.result()),
        (state.fn.__name__, state.args, state.kwargs),
        sorted(state.retry_object.statistics.items()),
    )


class Script:
    """A function that ends as it is told, the last way for ever, each time after a while."""

    def __init__(self, ends, time, seen):
        self.ends, self.time, self.seen = list(ends), time, seen
        self.__name__ = "script"

    def __call__(self, *args, **kwargs):
        """One attempt."""
        self.time.now += 0.25
        self.seen.append(("attempt", self.time.now))
        end = self.ends.pop(0) if len(self.ends) > 1 else self.ends[0]
        end = copy.copy(end)
        if isinstance(end, tenacity.TryAgain):
            raise end from KeyError("the reason")
        if isinstance(end, Exception):
            raise end
        return end


def ended(act):
    """What `act()` returns or raises."""
    try:
        return True, act()
    except Exception as error:
        return False, error


def by_tenacity(retrying, ends):
    """What is seen when tenacity itself calls the script, and how it ends."""
    time, seen = Time(), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tenacity, "time", time)

        def sleep(seconds):
            seen.append(("sleep", seconds))
            time.sleep(seconds)

        return seen, ended(lambda: hooked(retrying, seen).copy(sleep=sleep)(Script(ends, time, seen), 1, key=2))


def by_course(retrying, ends):
    """The same by a course, each step of it in another thread."""
    time, seen = Time(), []
    script = Script(ends, time, seen)
    attempts = retry_policy(hooked(retrying, seen), half).new_state(time.now, script, (1,), {"key": 2})
    while True:
        assert elsewhere(lambda: attempts.begin(time.now)) is None
        ok, payload = ended(lambda: script(1, key=2))
        wait, ok, payload = elsewhere(lambda: attempts.decide(time.now, ok, payload))  # noqa: B023 -- called at once
        if wait is None:
            return seen, (ok, payload)
        seen.append(("sleep", wait))
        time.sleep(wait)


def hooked(retrying, seen):
    """A copy whose hooks note what they are told."""
    return retrying.copy(
        before=lambda state: seen.append(("before", *told(state))),
        after=lambda state: seen.append(("after", *told(state))),
        before_sleep=lambda state: seen.append(("before_sleep", *told(state))),
    )


def family(error):
    """An error with what it was raised from, as far as they can be compared."""
    return error and (
        type(error),
        str(error).partition(" at 0x")[0],
        error.__suppress_context__,
        family(error.__cause__),
    )


STOPS = st.one_of(
    st.floats(0, 8).map(tenacity.stop_after_delay),
    st.floats(0, 8).map(tenacity.stop_before_delay),
    st.just(tenacity.stop_never),
    st.builds(
        lambda number, delay: stop_after_attempt(number) & tenacity.stop_after_delay(delay),
        st.integers(1, 5),
        st.floats(0, 4),
    ),
)
WAITS = st.one_of(
    st.floats(0, 3).map(wait_fixed),
    st.just(tenacity.wait_none()),
    st.builds(tenacity.wait_incrementing, st.floats(0, 1), st.floats(0, 1)),
    st.builds(tenacity.wait_exponential, multiplier=st.floats(0.1, 1), max=st.floats(1, 5)),
    st.lists(st.floats(0, 2).map(wait_fixed), min_size=1, max_size=3).map(lambda some: tenacity.wait_chain(*some)),
    st.builds(lambda first, second: wait_fixed(first) + wait_fixed(second), st.floats(0, 1), st.floats(0, 1)),
    # which older versions do not have
    *(
        [st.just(tenacity.wait_exception(lambda error: len(str(error)) / 8))]
        if hasattr(tenacity, "wait_exception")
        else []
    ),
)
RETRIES = st.one_of(
    st.just(tenacity.retry_if_exception_type()),
    st.just(tenacity.retry_if_exception_type((KeyError, OSError))),
    st.just(tenacity.retry_if_not_exception_type(ValueError)),
    st.just(tenacity.retry_if_exception_message(match="ti")),
    st.just(tenacity.retry_if_exception_cause_type(KeyError)),
    st.just(tenacity.retry_if_result(lambda value: value in (1, "no"))),
    st.just(tenacity.retry_if_exception_type(OSError) | tenacity.retry_if_result(lambda value: value is None)),
    st.just(tenacity.retry_always),
    st.just(tenacity.retry_never),
    st.just(tenacity.retry_unless_exception_type(KeyError)),
)
SWITCHED = "enabled" in inspect.signature(Retrying).parameters  # not in older versions
OTHERS = st.fixed_dictionaries(
    {"reraise": st.booleans()},
    optional={
        "retry_error_callback": st.just(lambda state: ("given up", state.attempt_number)),
        **({"enabled": st.just(False)} if SWITCHED else {}),
        "retry_error_cls": st.just(type("GivenUp", (tenacity.RetryError,), {})),
    },
)
ENDS = st.lists(
    st.sampled_from([1, 2, None, "no", KeyError("k"), OSError("times out"), ValueError("v"), tenacity.TryAgain("t")]),
    min_size=1,
    max_size=7,
)


@settings(max_examples=150)
@given(STOPS, st.integers(1, 6), WAITS, RETRIES, OTHERS, ENDS)
def test_as_tenacity_itself(stop, most, wait, retry, others, ends):
    """The same attempts at the same moments, hooks that are told the same, the same waits, the same end."""
    retrying = Retrying(stop=stop | stop_after_attempt(most), wait=wait, retry=retry, **others)
    expected, (expected_ok, expected_end) = by_tenacity(retrying, ends)
    seen, (ok, end) = by_course(retrying, ends)
    assert seen == expected
    assert ok is expected_ok
    assert end == expected_end if ok else family(end) == family(expected_end)


def begun(retrying, draw=half):
    """A call under a policy of tenacity's whose first attempt has begun."""
    attempts = retry_policy(retrying, draw).new_state(0.0, print, (), {})
    assert attempts.begin(0.0) is None
    return attempts


def waits_after(attempts, error):
    """The wait after an attempt that is under way ends with this error."""
    return attempts.decide(0.0, False, error)[0]


def test_calls_that_share_a_policy():
    """Two calls take turns in one thread, and each has its own count and its own statistics."""
    numbers = []
    retrying = Retrying(
        stop=stop_after_attempt(3),
        reraise=True,
        before_sleep=lambda state: numbers.append(state.retry_object.statistics["attempt_number"]),
    )
    policy = retry_policy(retrying)
    calls = [policy.new_state(0.0, print, (), {}) for _ in range(2)]
    found = [waits(call, FAILED)[0] for _ in range(3) for call in calls]
    assert found == [0.0, 0.0, 0.0, 0.0, None, None]
    assert numbers == [2, 2, 3, 3]
    assert not policy.plain


def test_retry_after():
    """A wait is never shorter than the answer asks, and tenacity's own rules know the wait that results."""
    slept = []
    retrying = Retrying(
        stop=tenacity.stop_before_delay(10),
        wait=wait_fixed(1),
        before_sleep=lambda state: slept.append((state.upcoming_sleep, state.idle_for)),
        reraise=True,
    )
    attempts = begun(retrying)
    first, second = refused(429, retry_after="3"), refused(429, retry_after="20")
    assert attempts.decide(0.0, False, first) == (3.25, False, first)
    assert waits(attempts, FAILED, second) == [1.0, None]  # 21 s would be too late
    assert slept == [(3.25, 3.25), (1.0, 4.25)]


def test_a_value_that_is_tried_again():
    """What an earlier answer asked for, and its error, are no business of a later attempt that returned."""
    retrying = Retrying(
        retry=tenacity.retry_if_result(lambda value: value is None) | tenacity.retry_if_exception_type()
    )
    attempts = begun(retrying)
    assert waits_after(attempts, refused(429, retry_after="3")) == 3.25
    assert attempts.decide(0.0, True, None) == (0.0, True, None)
    assert attempts.decide(0.0, True, 1) == (None, True, 1)


def test_a_bug_about_a_value():
    """It has the error of no earlier attempt as its context."""
    attempts = begun(Retrying(retry=lambda state: state.outcome.failed or 1 / 0))
    assert waits_after(attempts, FAILED) == 0.0
    wait, ok, error = attempts.decide(0.0, True, "value")
    assert (wait, ok, type(error), error.__context__) == (None, False, ZeroDivisionError, None)


def test_a_wait_that_is_negative():
    """It is none."""
    assert waits_after(begun(Retrying(wait=lambda state: -1)), FAILED) == 0.0


def test_the_error_is_raised_as_it_was():
    """With `reraise`, the call's error keeps its traceback and gets no context."""
    try:
        raise FAILED
    except ConnectionError as error:
        trace = error.__traceback__
    attempts = begun(Retrying(stop=stop_after_attempt(1), reraise=True))
    assert attempts.decide(0.0, False, FAILED) == (None, False, FAILED)
    assert (FAILED.__traceback__, FAILED.__context__, FAILED.__cause__) == (trace, None, None)


def test_the_end_without_reraise():
    """A RetryError, raised from the call's own."""
    wait, ok, error = begun(Retrying(stop=stop_after_attempt(1))).decide(0.0, False, FAILED)
    assert (wait, ok, type(error)) == (None, False, tenacity.RetryError)
    assert error.last_attempt.exception() is error.__cause__ is FAILED


@pytest.mark.parametrize("error", [CallCancelled(), TaskCancelled(), KeyboardInterrupt(), SystemExit()])
def test_what_tenacity_is_never_shown(error):
    """A cancel and the end of the process are final, even for a policy that retries everything."""
    asked = []
    attempts = begun(Retrying(retry=lambda state: asked.append(state) or True))
    assert attempts.decide(0.0, False, error) == (None, False, error)
    assert asked == []


def test_an_overload_that_does_not_count():
    """Tenacity is not asked about it, and its count stays."""
    limited = refused(529)
    attempts = begun(Retrying(stop=stop_after_attempt(2), reraise=True))
    for _ in range(5):
        assert attempts.decide(0.0, False, limited, counted=False) == (0.0, False, limited)
        assert attempts.begin(0.0) is None
    assert attempts.decide(0.0, False, limited) == (0.0, False, limited)
    assert waits(attempts, limited) == [None]


@pytest.mark.parametrize("part", ["stop", "wait", "retry", "after", "before_sleep"])
def test_a_bug_in_the_policy(part):
    """It ends the call as its error, and the call's own error can be seen behind it."""
    own = KeyError("own")

    def bug(state):
        try:
            raise OSError("handled by the policy")
        except OSError:
            return 1 / 0

    parts = {"stop": stop_after_attempt(3), part: bug}
    wait, ok, error = begun(Retrying(**parts)).decide(0.0, False, own)
    assert (wait, ok, type(error)) == (None, False, ZeroDivisionError)
    assert error.__context__.__context__ is own
    assert (own.__context__, own.__cause__) == (None, None)


def test_a_bug_in_the_hook_before_an_attempt():
    """The attempt is not begun; before the second, the error of the first is the context."""
    wrong = []
    retrying = Retrying(before=lambda state: wrong and wrong.pop()())
    attempts = begun(retrying)
    assert waits_after(attempts, FAILED) == 0.0
    wrong.append(lambda: 1 / 0)
    wait, ok, error = attempts.begin(0.0)
    assert (wait, ok, type(error), error.__context__) == (None, False, ZeroDivisionError, FAILED)
    assert attempts.attempts == 1


def test_a_hook_that_is_cancelled():
    """What it raises ends the call, as if the call had raised it."""

    def cancelled(state):
        raise CallCancelled

    wait, ok, error = begun(Retrying(before_sleep=cancelled)).decide(0.0, False, FAILED)
    assert (wait, ok, type(error)) == (None, False, CallCancelled)


@pytest.mark.skipif(not SWITCHED, reason="this version of tenacity has no such policy")
def test_a_policy_that_is_switched_off():
    """It does nothing: no hook runs, and the first attempt is the last."""
    seen = []
    attempts = begun(Retrying(enabled=False, before=seen.append, after=seen.append))
    assert attempts.decide(0.0, False, FAILED) == (None, False, FAILED)
    assert seen == []


def test_nothing_is_left_behind():
    """A call's arguments, results and policy go as soon as it has ended, without the garbage collector."""

    class Argument:
        """Something that a weak reference can be had of."""

    argument = Argument()
    seen = [weakref.ref(argument)]
    retrying = Retrying(
        stop=stop_after_attempt(2), reraise=True, after=lambda state: seen.append(weakref.ref(state.retry_object))
    )
    attempts = retry_policy(retrying).new_state(0.0, print, (argument,), {})
    gc.collect()
    gc.disable()
    try:
        waits(attempts, KeyError(), KeyError())
        del argument, attempts
        assert [gone() for gone in seen] == [None, None, None]
    finally:
        gc.enable()
