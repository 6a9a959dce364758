"""``Report.save`` and ``Report.load``: the same file format as a journal's."""

import dataclasses
import sqlite3
import stat
import threading

import pytest

from threadfan import Fan, JournalError, NotStored, Report, TaskTimeout, Usage, current_scope, task


@dataclasses.dataclass
class Point:
    """A value."""

    x: int


def work(item):
    """Use tokens, and fail for one item."""
    current_scope().add_usage(Usage(1, item + 1))
    if item == 2:
        raise LookupError("nothing at https://me:secret@example.com")
    return Point(item)


def test_a_report_comes_back(tmp_path):
    """Values, items, errors by what they say, figures, tokens, and attempts."""
    path = tmp_path / "report.db"
    with Fan(2, retry={LookupError: 1}) as fan:
        report = fan.run(work, range(4))
    report.save(path)
    again = Report.load(path, returns=Point)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["report.db"]
    assert [outcome.item for outcome in again] == [0, 1, 2, 3]
    assert again.values(None) == [Point(0), Point(1), None, Point(3)]
    assert [outcome.status for outcome in again] == [outcome.status for outcome in report]
    assert [outcome.attempts for outcome in again] == [1, 1, 2, 1]
    assert again.stats.wall == report.stats.wall
    assert again.stats.duration_sum == pytest.approx(report.stats.duration_sum, abs=1e-5)
    assert again.stats.output_tokens == report.stats.output_tokens
    assert isinstance(again[2].error, LookupError)
    assert str(again[2].error) == "nothing at https://***@example.com"
    assert again[2].history[0].duration == report[2].history[0].duration
    assert isinstance(again[2].history[0].error, LookupError)
    assert again[1].worker == report[1].worker


def test_names_and_other_ends(tmp_path):
    """Tasks are found by name, and a timeout is one."""
    never = threading.Event()
    with Fan(2) as fan:
        slow = task(never.wait).with_options(timeout=0.01)
        report = fan.gather(fast=lambda: 1, slow=slow)
        never.set()
    report.save(tmp_path / "report.db")
    again = Report.load(tmp_path / "report.db")
    assert again["fast"].value == 1
    assert again["slow"].status == "timed_out"
    assert isinstance(again["slow"].error, TaskTimeout)


def test_without_a_type_values_are_plain(tmp_path):
    """What JSON has of them."""
    with Fan(1) as fan:
        fan.run(Point, [1]).save(tmp_path / "report.db")
    assert Report.load(tmp_path / "report.db").unwrap() == [{"x": 1}]


def test_it_replaces_a_report_and_no_journal(tmp_path):
    """A journal may hold what was paid for."""
    with Fan(1) as fan:
        fan.run(abs, [-1]).save(tmp_path / "report.db")
        fan.run(abs, [-2]).save(tmp_path / "report.db")
        report = fan.run(abs, [-1], journal=tmp_path / "run.db")
    assert Report.load(tmp_path / "report.db").unwrap() == [2]
    with pytest.raises(JournalError, match="is the journal of a run"):
        report.save(tmp_path / "run.db")


def test_a_value_that_cannot_be_stored(tmp_path):
    """Nothing is written, and a codec helps."""
    with Fan(1) as fan:
        report = fan.run(lambda item: threading.Lock(), [1])
    with pytest.raises(NotStored, match="the value of call 0, a lock, cannot be stored"):
        report.save(tmp_path / "report.db")
    assert not list(tmp_path.iterdir())

    class Codec:
        """Keeps nothing."""

        encode = staticmethod(lambda value: b"")
        decode = staticmethod(lambda data: "a lock")

    report.save(tmp_path / "report.db", codec=Codec)
    assert Report.load(tmp_path / "report.db", codec=Codec).unwrap() == ["a lock"]


def test_a_journal_can_be_looked_at(tmp_path):
    """What its runs have done so far, failures too; what has succeeded since has not failed."""
    failing = [True]

    def fragile(item):
        if item and failing:
            raise ValueError(item)
        return item

    path = tmp_path / "run.db"
    with Fan(1) as fan:
        fan.run(fragile, [0, 1], journal=path)
        report = Report.load(path)
        assert [outcome.status for outcome in report] == ["succeeded", "failed"]
        assert isinstance(report[1].error, ValueError)
        failing.clear()
        fan.run(fragile, [0, 1], journal=path)
        fan.run(abs, [-9], journal=path, version=2)
        assert Report.load(path).unwrap() == [9]
        fan.run(fragile, [0, 1], journal=path)
    assert Report.load(path).unwrap() == [0, 1]


@pytest.mark.parametrize("way", ["run", "stream"])
def test_retries_are_in_a_journal(tmp_path, way):
    """Attempts of what has failed, and of what has succeeded at last, with their errors."""
    tenacity = pytest.importorskip("tenacity")
    left = {1: 9, 2: 2}

    def fragile(item):
        left[item] = left.get(item, 0) - 1
        if left[item] >= 0:
            raise LookupError(item)
        return item

    path = tmp_path / "run.db"
    with Fan(2, retry=tenacity.Retrying(stop=tenacity.stop_after_attempt(4), reraise=True)) as fan:
        list(getattr(fan, way)(fragile, range(4), journal=path))
    report = Report.load(path)
    assert sorted((outcome.status, outcome.attempts) for outcome in report) == [
        ("failed", 4), ("succeeded", 1), ("succeeded", 1), ("succeeded", 3),
    ]  # fmt: skip
    assert report.stats.retries == 5
    (failed,) = report.failed
    assert [repr(attempt.error) for attempt in failed.history] == [repr(failed.error)] * 4


def test_a_pause_between_runs_is_no_advice(tmp_path):
    """Nobody knows what has passed between two runs; how long they took is added up, of one that was killed too."""
    path = tmp_path / "run.db"
    with Fan(1) as fan:
        for number in (3, 6, 9):
            fan.run(abs, range(number), journal=path)
    connection = sqlite3.connect(path)
    # Calls of a second, one after another, and a pause of hours before each run.
    connection.execute("UPDATE results SET started = 9000 * run + place, ended = 9000 * run + place + 1")
    connection.execute("""UPDATE runs SET facts = '{"wall": 3, "slots": 1}' WHERE id < 3""")
    connection.execute("UPDATE runs SET facts = NULL WHERE id = 3")
    connection.commit()
    connection.close()
    stats = Report.load(path).stats
    assert (stats.duration_sum, stats.wall, stats.advice) == (9, 9, None)


def test_what_is_not_there(tmp_path):
    """The error has the path."""
    with pytest.raises(JournalError, match=r"nowhere\.db' is not there: give the path of a file"):
        Report.load(tmp_path / "nowhere.db")
    assert not list(tmp_path.iterdir())


def test_a_report_with_values_in_a_journal(tmp_path):
    """They are read for it."""
    with Fan(1) as fan:
        for _ in range(2):
            report = fan.run(abs, [-1, -2], journal=tmp_path / "run.db")
    report.save(tmp_path / "report.db")
    assert Report.load(tmp_path / "report.db").unwrap() == [1, 2]
