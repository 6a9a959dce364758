"""A second run with the same journal calls only what has not succeeded."""

import copy
import functools
import pickle
import stat
import threading

import pytest

from support.controlled import Gate, aside, elapse, meet, until
from threadfan import Fan, JournalError, RateLimit, Report, Usage, current_scope
from threadfan._core.journal.journal_file import JournalFile

CALLS = []


@pytest.fixture(autouse=True)
def _no_calls():
    CALLS.clear()


def double(item):
    """Noted, and fails for what cannot be doubled."""
    CALLS.append(item)
    return item * 2


def positive(item):
    """Noted, and fails for numbers below 0 while FAILING is set."""
    CALLS.append(item)
    if item < 0 and FAILING:
        raise ValueError(f"{item} is below 0")
    return item


FAILING = []


def test_what_has_succeeded_is_not_called_again(path):
    """The second run calls nothing, and its report has all values at their places."""
    with Fan(4) as fan:
        first = fan.run(double, range(50), journal=path)
        second = fan.run(double, range(50), journal=path)
    assert sorted(CALLS) == list(range(50))
    assert first.unwrap() == second.unwrap() == [2 * item for item in range(50)]
    assert second.ok
    assert [outcome.item for outcome in second] == list(range(50))
    assert [outcome.index for outcome in second] == list(range(50))
    assert {outcome.attempts for outcome in second} == {0}
    assert {outcome.attempts for outcome in first} == {1}


def test_what_has_failed_is_called_again(path):
    """And if it succeeds then, not a third time."""
    FAILING.append(True)
    with Fan(2) as fan:
        first = fan.run(positive, [1, -1, 2, -2], journal=path)
        FAILING.clear()
        second = fan.run(positive, [1, -1, 2, -2], journal=path)
        third = fan.run(positive, [1, -1, 2, -2], journal=path)
    assert [outcome.status for outcome in first] == ["succeeded", "failed", "succeeded", "failed"]
    assert sorted(CALLS) == [-2, -2, -1, -1, 1, 2]
    assert second.values() == third.values() == [1, -1, 2, -2]
    assert [outcome.attempts for outcome in second] == [0, 1, 0, 1]


def test_inputs_are_known_by_what_they_are(path):
    """Other inputs among them, another order, and more of them: only what is new is called."""
    with Fan(2) as fan:
        fan.run(double, ["a", "b", "c"], journal=path)
        CALLS.clear()
        report = fan.run(double, ["d", "c", "x", "a"], journal=path)
    assert sorted(CALLS) == ["d", "x"]
    assert report.unwrap() == ["dd", "cc", "xx", "aa"]


def test_the_order_of_keys_does_not_matter(path):
    """Rows with the same columns are equal, however those are ordered; so are sets."""
    with Fan(1) as fan:
        fan.run(len, [{"id": 1, "text": "a"}, {"in": {"deep": {"b", "a"}, "c": 1}}], journal=path)
        report = fan.run(len, [{"in": {"c": 1, "deep": {"a", "b"}}}, {"text": "a", "id": 1}], journal=path)
    assert [outcome.attempts for outcome in report] == [0, 0]
    assert report.unwrap() == [1, 2]


def test_each_function_has_its_own(path):
    """What one function made of an input says nothing of another."""
    with Fan(1) as fan:
        fan.run(double, [1], journal=path)
        report = fan.run(positive, [1], journal=path)
    assert CALLS == [1, 1]
    assert report.unwrap() == [1]


def test_a_version_discards_what_others_produced(path):
    """And each version finds its own results again."""
    with Fan(1) as fan:
        for version in ("one", "two", "one", None, None):
            fan.run(double, [1], journal=path, version=version)
    assert CALLS == [1, 1, 1]


def test_a_key_says_what_an_input_is_known_by(path):
    """Then the rest of it may change, and need not be plain data."""
    with Fan(1) as fan:
        fan.run(len, [{"id": 1, "lock": threading.Lock()}], journal=path, key=lambda row: row["id"])
        report = fan.run(len, [{"id": 1}], journal=path, key=lambda row: row["id"])
    assert report[0].attempts == 0
    assert report.unwrap() == [2]


def test_equal_inputs_are_called_each_by_itself(path):
    """As without a journal; and the next run calls none of them, or only those that are more."""
    with Fan(2) as fan:
        first = fan.run(double, [1, 1, 2, 1], journal=path)
        second = fan.run(double, [1, 2, 1, 1, 1], journal=path)
    assert sorted(CALLS) == [1, 1, 1, 1, 2]
    assert first.unwrap() == [2, 2, 4, 2]
    assert second.unwrap() == [2, 4, 2, 2, 2]
    assert [outcome.attempts for outcome in second] == [0, 0, 0, 0, 1]


def test_equal_inputs_are_called_once_if_unique(path):
    """Each has the outcome of the one that was called, an error too."""
    FAILING.append(True)
    with Fan(2) as fan:
        first = fan.run(positive, [1, -1, 1, -1], journal=path, unique=True)
        FAILING.clear()
        second = fan.run(positive, [1, -1, 1, -1], journal=path, unique=True)
    assert sorted(CALLS) == [-1, -1, 1]
    assert [outcome.status for outcome in first] == ["succeeded", "failed", "succeeded", "failed"]
    assert first[1].error is first[3].error
    assert [outcome.index for outcome in first] == [0, 1, 2, 3]
    assert second.unwrap() == [1, -1, 1, -1]


def test_several_iterables_and_tuples(path):
    """An input may be of several parts."""
    with Fan(2) as fan:
        assert fan.run(pow, [2, 3], [5, 2], journal=path).unwrap() == [32, 9]
        again = fan.run(pow, [(3, 2), (2, 5)], star=True, journal=path)
    assert again.unwrap() == [9, 32]
    assert [outcome.attempts for outcome in again] == [0, 0]
    assert [outcome.item for outcome in again] == [(3, 2), (2, 5)]


def test_what_a_partial_holds_counts(path):
    """Two partials of one function are two functions."""
    with Fan(1) as fan:
        assert fan.run(functools.partial(pow, 2), [3], journal=path).unwrap() == [8]
        assert fan.run(functools.partial(pow, 3), [3], journal=path).unwrap() == [27]


@pytest.mark.parametrize("options", [{"retry": 2}, {"rate": RateLimit(60_000)}, {"timeout": 30}])
def test_under_policies(path, options):
    """Calls that are tried again, or wait for a limit, are kept as all others."""
    failures = [ConnectionError("once")]

    def fragile(item):
        CALLS.append(item)
        if failures and "retry" in options:
            raise failures.pop()
        return item

    with Fan(2, **options) as fan:
        first = fan.run(fragile, range(9), journal=path)
        second = fan.run(fragile, range(12), journal=path)
    assert first.unwrap() == list(range(9))
    assert second.unwrap() == list(range(12))
    assert len(CALLS) == 12 + ("retry" in options)
    assert [outcome.attempts for outcome in second] == [0] * 9 + [1] * 3


def test_tokens_are_those_of_the_run_that_made_the_call(path):
    """What is taken from the journal has used none."""

    def ask(item):
        current_scope().add_usage(Usage(3, 4))
        return item

    with Fan(1) as fan:
        first = fan.run(ask, ["a"], journal=path)
        second = fan.run(ask, ["a"], journal=path)
    assert first.stats.output_tokens == 4
    assert second.stats.output_tokens == 0


def test_a_run_that_is_ended_early_keeps_what_was_done(path):
    """Its error carries the report, with what was there before, and the next run goes on."""
    with Fan(1) as fan:
        fan.run(positive, [1], journal=path)
        FAILING.append(True)
        with pytest.raises(ValueError, match="below 0") as caught:
            fan.run(positive, [1, 2, -3, 4], journal=path, fail_fast=True)
        FAILING.clear()
        assert [outcome.status for outcome in caught.value.report] == [
            "succeeded",
            "succeeded",
            "failed",
            "cancelled",
        ]
        assert caught.value.report.values(None) == [1, 2, None, None]
        CALLS.clear()
        assert fan.run(positive, [1, 2, -3, 4], journal=path).unwrap() == [1, 2, -3, 4]
    assert CALLS == [-3, 4]


def test_a_deadline_and_the_next_run(path):
    """What was unfinished at the deadline is called by the next run; ``late`` is refused, as that is what it is for."""
    gate = Gate()
    with gate, Fan(2) as fan:
        report = fan.run(gate, ["a", "b", "c"], deadline=0.05, journal=path, version=1)
        assert [outcome.status for outcome in report] == ["cancelled"] * 3
        gate.open()
        assert fan.run(gate, ["a", "b", "c"], journal=path, version=1).unwrap() == ["a", "b", "c"]
        with pytest.raises(ValueError, match="leave it out"):
            fan.run(gate, ["a"], deadline=1.0, late="keep", journal=path, version=1)


def test_a_call_that_returns_when_its_run_has_ended(path, clock, monkeypatch):
    """What it returns finds the journal closed, which is no failure of the run."""
    gate, close = Gate(), JournalFile.close

    def close_and_wait(file):
        close(file)
        gate.open()
        until(lambda: file.broken is not None)

    monkeypatch.setattr(JournalFile, "close", close_and_wait)
    with gate, Fan(1, timeout=2) as fan:
        elapse(clock, 2, lambda: gate.wait_for(1))
        assert fan.run(gate, ["a"], journal=path, version=1)[0].status == "timed_out"


def test_two_runs_of_one_process_call_nothing_twice(path):
    """Each waits for what the other has under way, and takes its result."""
    gate = Gate()
    with gate, Fan(2) as fan, Fan(2) as other:
        first = aside(fan.run, gate, range(4), journal=path, version=1)
        gate.wait_for(2)
        second = aside(other.run, gate, range(4), journal=path, version=1)
        gate.wait_for(4)  # the other two are taken by the second run, in whatever order it goes
        gate.open()
        assert first.result(20).unwrap() == second.result(20).unwrap() == [0, 1, 2, 3]
    assert sorted(gate.started) == [0, 1, 2, 3]


def test_who_waits_for_another_run_holds_no_slot(path):
    """Other calls have it meanwhile, and it comes back before the item is called; or the call's time is up."""
    gate = Gate()

    def fail(item):
        gate(item)
        raise ConnectionError("no")

    fail.__qualname__ = gate_name = "either"

    def again(item):
        CALLS.append(item)
        return other.snapshot()["running"]

    again.__qualname__ = gate_name
    with gate, Fan(1) as fan, Fan(1) as other:
        first = aside(fan.run, fail, ["a"], journal=path)
        gate.wait_for(1)
        second = aside(other.run, again, ["a"], journal=path)
        until(lambda: other.snapshot()["waiting"] == 1)
        assert other.submit(pow, 2, 3).result(20) == 8
        late = other.with_options(timeout=0.02).run(again, ["a"], journal=path)
        assert late[0].status == "timed_out"
        assert not CALLS
        gate.open()
        assert not first.result(20).ok
        assert second.result(20).unwrap() == [1]
        assert other.snapshot()["slots"] == 1
        meet(other, 1)


def test_the_file_is_its_owners_alone(path, tmp_path):
    """And so is what stands beside it meanwhile; afterwards nothing does."""
    modes = {}

    def look(item):
        modes.update((file.name, stat.S_IMODE(file.stat().st_mode)) for file in tmp_path.iterdir())

    with Fan(1) as fan:
        fan.run(look, [1, 2], journal=path)
    assert set(modes) == {"run.db", "run.db-wal", "run.db-shm", "run.db-claims"}
    assert set(modes.values()) == {0o600}
    assert [file.name for file in tmp_path.iterdir()] == ["run.db"]


def test_values_are_there_when_the_program_has_gone_elsewhere(path, tmp_path, monkeypatch):
    """A relative path means the folder in which the run was begun."""
    monkeypatch.chdir(tmp_path)
    with Fan(1) as fan:
        fan.run(double, [1], journal="run.db")
        report = fan.run(double, [1], journal="run.db")
    monkeypatch.chdir("/")
    assert report[0].value == 2


def test_a_file_that_is_gone(path, tmp_path):
    """Values that were not looked at are gone with it, which is said."""
    with Fan(1) as fan:
        fan.run(double, [1, 2], journal=path)
        report = fan.run(double, [1, 2], journal=path)
    (tmp_path / "run.db").unlink()
    with pytest.raises(JournalError, match="not there"):
        report.unwrap()


def test_nothing_to_do(path):
    """A run without inputs has an empty report."""
    with Fan(1) as fan:
        assert len(fan.run(double, [], journal=path)) == 0


async def test_from_a_coroutine(path):
    """``arun`` takes coroutine functions and async iterables, and the same journal."""

    async def numbers():
        for number in range(5):
            yield number

    async def halve(item):
        CALLS.append(item)
        return item / 2

    async with Fan(2) as fan:
        first = await fan.arun(halve, numbers(), journal=path)
        second = await fan.arun(halve, range(6), journal=path)
    assert sorted(CALLS) == [0, 1, 2, 3, 4, 5]
    assert first.unwrap() == second.unwrap()[:5] == [0.0, 0.5, 1.0, 1.5, 2.0]


def test_a_report_that_is_pickled_has_its_values(path):
    """It goes where the file is not."""
    with Fan(1) as fan:
        fan.run(double, [1, 2], journal=path)
        report = fan.run(double, [1, 2], journal=path)
        again = pickle.loads(pickle.dumps(report))  # noqa: S301
        alone = pickle.loads(pickle.dumps(report[1]))  # noqa: S301
    assert isinstance(again, Report)
    assert [outcome.item for outcome in again] == [1, 2]
    assert copy.copy(report).unwrap() == copy.deepcopy(report).unwrap() == pickle.loads(pickle.dumps(again)).unwrap()  # noqa: S301
    assert again.unwrap() == [2, 4]
    assert alone.value == 4
    assert report[1:][0].value == 4
    assert "2 succeeded" in repr(report)
    assert report.to_dict()["outcomes"][1]["value"] == 4


def test_values_of_many_are_read_in_parts(path):
    """All of them, more than are read at once."""
    with Fan(1) as fan:
        fan.run(double, range(3000), journal=path)
        CALLS.clear()
        report = fan.run(double, range(3000), journal=path)
        assert not CALLS
    assert report.values() == [2 * item for item in range(3000)]


def test_halting_keeps_what_was_done(path):
    """The report says what has stopped it, and the next run goes on."""
    FAILING.append(True)
    with Fan(1) as fan:
        report = fan.run(positive, [1, -2, 3, 4], journal=path, halt="soon,fail=1")
        FAILING.clear()
        assert [outcome.status for outcome in report] == ["succeeded", "failed", "cancelled", "cancelled"]
        assert report.stopped
        assert "stopped" in repr(report) or report.stopped in repr(report)
        CALLS.clear()
        assert fan.run(positive, [1, -2, 3, 4], journal=path).unwrap() == [1, -2, 3, 4]
    assert CALLS == [-2, 3, 4]


def test_what_failed_can_be_called_again(path):
    """The report's own ``retry`` calls the function, not what kept the journal of a run that has ended."""
    FAILING.append(True)
    with Fan(1) as fan:
        fan.run(positive, [1], journal=path)
        report = fan.run(positive, [1, -2], journal=path)
        FAILING.clear()
        again = report.retry(fan)
    assert again.unwrap() == [1, -2]
    assert report.usage is None
    assert list(report.by_error())
