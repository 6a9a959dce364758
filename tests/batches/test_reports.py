"""A report: a sequence of outcomes with values, failures, and a form for every purpose."""

import json
import pickle
import threading
from collections.abc import Sequence

import pytest

from support.controlled import PATIENCE, aside, until
from threadfan import Attempt, Fan, Report, TaskCancelled, TaskSkipped, TaskTimeout, task
from threadfan._core.base.outcome import CANCELLED, FAILED, SKIPPED, SUCCEEDED, TIMED_OUT

PRIVATE = "a private prompt"


def raw(index, status=SUCCEEDED, payload=None, duration=1.0):
    """An outcome as the executor writes it."""
    return (index, PRIVATE, 0.0, status, payload, 2.0, 2.0 + duration, "pool_0")


@pytest.fixture
def mixed():
    """A value, a failure, a None, a timeout."""
    raws = [
        raw(0, payload="zero"),
        raw(1, FAILED, ValueError("bad")),
        raw(2, payload=None),
        raw(3, TIMED_OUT, TaskTimeout("late")),
    ]
    return Report(raws, names={1: "legal"}, wall=2.0, slots=2)


def facts(report):
    """What a report says."""
    outcomes = [(o.index, o.name, o.item, o.status, o.value, repr(o.error), o.worker) for o in report]
    return outcomes, report.stats.to_dict()


def test_a_report_is_a_sequence(mixed):
    """Length, places from both ends, slices, iteration and membership work as on a list."""
    assert isinstance(mixed, Sequence)
    assert (len(mixed), mixed[0].index, mixed[-1].index) == (4, 0, 3)
    assert [outcome.index for outcome in mixed[1:3]] == [outcome.index for outcome in mixed][1:3] == [1, 2]
    assert mixed[2] in mixed
    assert mixed.index(mixed[2]) == 2
    assert [outcome.index for outcome in reversed(mixed)] == [3, 2, 1, 0]
    with pytest.raises(IndexError):
        mixed[4]


def test_a_look_gives_the_same_outcome_each_time(mixed):
    """An outcome is made once, so that identity holds."""
    assert mixed[1] is mixed[1] is mixed["legal"] is list(mixed)[1]


def test_succeeded_and_failed_divide_the_report(mixed):
    """Each outcome is in exactly one of the two, in input order; a None is a value."""
    assert [outcome.index for outcome in mixed.succeeded] == [0, 2]
    assert [outcome.index for outcome in mixed.failed] == [1, 3]
    assert not mixed.ok
    assert Report([raw(0)]).ok


def test_values_pair_with_the_inputs(mixed):
    """`values` has the input's length, with the default for what is missing, never shifted."""
    assert mixed.values(default="missing") == ["zero", "missing", None, "missing"]
    assert mixed.values(None) == ["zero", None, None, None]
    assert Report([raw(0, payload=7)]).values() == [7]


@pytest.mark.parametrize("ask", [Report.unwrap, Report.values])
def test_a_missing_value_raises_all_failures(mixed, ask):
    """Without a default every failure is raised, in a group that `except*` divides."""
    with pytest.raises(ExceptionGroup, match="2 of 4 calls have no value") as caught:
        ask(mixed)
    assert caught.value.exceptions == (mixed[1].error, mixed[3].error)


def test_a_base_exception_makes_a_base_group():
    """An interrupt among the failures is not hidden in a group that `except Exception` catches."""
    with pytest.raises(BaseExceptionGroup) as caught:
        Report([raw(0, FAILED, ValueError()), raw(1, FAILED, KeyboardInterrupt())]).unwrap()
    assert not isinstance(caught.value, Exception)


def test_repr_counts_and_names_failures(mixed):
    """The first line gives the counts, then come the failures, without items and values."""
    assert repr(mixed).splitlines() == [
        "<Report of 4 calls: 2 succeeded, 1 failed, 1 timed out; 2.000 s>",
        "  legal: failed, ValueError: bad",
        "  3: timed_out, TaskTimeout: late",
        "  slowest: 0 (1.000 s), legal (1.000 s, failed), 2 (1.000 s); median 1.000 s",
        "  calls waited for one of 2 slots for 100% of the time: raise max_workers",
    ]
    assert PRIVATE not in repr(mixed)
    assert "zero" not in repr(mixed)


def failed(*errors, status=FAILED, **options):
    """A report of calls that have failed with these."""
    return Report([raw(index, status, error) for index, error in enumerate(errors)], **options)


def causes(report):
    """The lines of its text that say why calls have no value."""
    return [line.strip() for line in repr(report).splitlines()[1:] if not line.startswith("  slowest:")]


def test_failures_of_one_cause_are_one_line():
    """With their number and their places, in ranges; four hundred are as short as four."""
    report = failed(*[ValueError("bad") if index != 7 else KeyError("odd") for index in range(400)])
    assert causes(report) == ["399 failed, ValueError: bad (0-6, 8-399)", "7: failed, KeyError: 'odd'"]


def test_few_texts_are_told_apart_and_many_are_one():
    """As long as there are five; then what differs by numbers, quotes and addresses is the same, and at last a kind."""
    assert causes(failed(*[RuntimeError(f"HTTP {status}") for status in (500, 500, 404)])) == [
        "2 failed, RuntimeError: HTTP 500 (0, 1)",
        "2: failed, RuntimeError: HTTP 404",
    ]
    many = [ValueError(f"no line {number} in 'file {number}'") for number in range(50)]
    assert causes(failed(*many, ValueError("empty"))) == [
        "50 failed, ValueError, such as: no line 0 in 'file 0' (0-49)",
        "50: failed, ValueError: empty",
    ]
    words = ["red", "blue", "green", "white", "black", "grey"]
    assert causes(failed(*map(ValueError, words))) == ["6 failed, ValueError, such as: red (0-5)"]


def test_causes_beyond_five_are_a_number():
    """Those of most calls are told."""
    kinds = [type(f"Error{number}", (Exception,), {}) for number in range(8)]
    lines = causes(failed(*[kind() for kind in kinds], *[kinds[7]() for _ in range(3)]))
    assert lines[0] == "4 failed, Error7 (7-10)"
    assert lines[5:] == ["… and 3 more, for 3 other reasons"]


def test_failures_come_before_cancellations():
    """However many were cancelled, and what was skipped comes last."""
    raws = [raw(0, CANCELLED, TaskCancelled("why")), raw(1, CANCELLED, TaskCancelled("why"))]
    raws += [raw(2, SKIPPED, TaskSkipped("not needed")), raw(3, FAILED, ValueError("bad"))]
    assert causes(Report(raws)) == [
        "3: failed, ValueError: bad",
        "2 cancelled, TaskCancelled: why (0, 1)",
        "2: skipped, TaskSkipped: not needed",
    ]


def test_the_cause_of_a_fail_fast_comes_first():
    """Before what failed more often at the same time, and still when it was pickled."""
    barrier, ended = threading.Barrier(4), threading.Event()

    def call(number):
        barrier.wait(PATIENCE)
        if number == 3:
            raise KeyError("the cause")
        ended.wait(PATIENCE)
        raise ValueError("the others")

    def wait_for_the_end():
        until(lambda: fan.snapshot()["failed"] >= 1)
        ended.set()

    with Fan(4) as fan:
        aside(wait_for_the_end)
        with pytest.raises(KeyError) as caught:
            fan.run(call, [*range(4)], fail_fast=True)
    for report in (caught.value.report, pickle.loads(pickle.dumps(caught.value.report))):  # noqa: S301
        assert causes(report)[0] == "3: failed, KeyError: 'the cause'"


def test_the_slowest_calls_are_told():
    """Three of them, with the median to compare them with, and how they ended."""
    raws = [raw(index, duration=1.0) for index in range(9)]
    raws += [raw(9, TIMED_OUT, TaskTimeout("late"), duration=30.0), raw(10, duration=4.0)]
    line = "  slowest: 9 (30.000 s, timed out), 10 (4.000 s), 0 (1.000 s); median 1.000 s"
    assert line in repr(Report(raws)).splitlines()
    assert "slowest" not in repr(Report(raws[:1]))


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (SUCCEEDED, "call 1 ran alone for 73% of the time: make it shorter, or divide it"),
        (TIMED_OUT, None),
        (CANCELLED, "call 1 ran alone for 73% of the time and was cancelled: give it a timeout"),
    ],
)
def test_a_call_that_runs_alone(status, said):
    """What does not end cannot be made shorter, but can be given a timeout; one that timed out has had it."""
    raws = [raw(0), raw(1, status, TaskTimeout("late"), duration=9.0)]
    assert Report(raws, wall=11.0, slots=2).stats.advice == said


def test_attempts_are_told():
    """Of failures and of the slowest, as their seconds are those of all attempts; once, if the error says so itself."""
    late = [Attempt(TIMED_OUT, TaskTimeout("late"), started=2.5 * number, duration=2.0) for number in range(4)]
    raws = [raw(0), raw(1, TIMED_OUT, TaskTimeout("late"), duration=2.0)]
    lines = repr(Report(raws, attempts={1: late})).splitlines()
    assert lines[1] == "  1: timed_out, TaskTimeout: late, in 4 attempts"
    assert lines[2].startswith("  slowest: 1 (8.000 s in 4 attempts, timed out), 0 (1.000 s)")
    raws.append(raw(2, TIMED_OUT, TaskTimeout("late"), duration=2.0))
    assert causes(Report(raws, attempts={1: late, 2: late})) == [
        "2 timed_out, TaskTimeout: late, in 4 attempts each (1, 2)"
    ]
    assert causes(Report(raws, attempts={1: late})) == ["2 timed_out, TaskTimeout: late, in up to 4 attempts (1, 2)"]
    said = [raw(0, TIMED_OUT, TaskTimeout("not within 5 s, in 4 attempts"))]
    assert causes(Report(said, attempts={0: late})) == ["0: timed_out, TaskTimeout: not within 5 s, in 4 attempts"]


def test_the_errors_of_a_group_are_told_by_their_indices():
    """In its text by name or place, in `indices` by place; the errors are not touched, and may be one and the same."""
    shared = ValueError("bad")
    report = Report(
        [raw(0, FAILED, shared), raw(1), raw(2, FAILED, KeyError("k")), raw(3, FAILED, shared)], names={3: "legal"}
    )
    for _ in range(2):
        with pytest.raises(ExceptionGroup) as caught:
            report.unwrap()
        assert caught.value.indices == (0, 2, 3)
        assert caught.value.message == "3 of 4 calls have no value: 0, 2, legal"
        assert [report[index].error for index in caught.value.indices] == list(caught.value.exceptions)
        assert not hasattr(shared, "__notes__")
    returned = pickle.loads(pickle.dumps(caught.value))  # noqa: S301
    assert (returned.indices, str(returned)) == (caught.value.indices, str(caught.value))


def test_parts_of_a_group_know_the_indices():
    """What `except*` makes of it, also of errors that are groups themselves, and of one that is there twice."""
    shared = ValueError("bad")
    inner = ExceptionGroup("inner", [ValueError("v"), KeyError("k")])
    errors = [shared, KeyError("first"), inner, shared]
    with pytest.raises(ExceptionGroup) as caught:
        failed(*errors).unwrap()
    matched, rest = caught.value.split(ValueError)
    assert (matched.indices, rest.indices) == ((0, 2, 3), (1, 2))
    assert matched.message == "4 of 4 calls have no value; here 0, 2, 3"
    assert matched.split(KeyError)[1].indices == (0, 2, 3)
    for group in (matched, rest):
        returned = pickle.loads(pickle.dumps(group))  # noqa: S301
        assert (returned.indices, returned.message) == (group.indices, group.message)
        assert returned.subgroup(lambda _: True).indices == group.indices
    assert caught.value.derive([OSError("another")]).indices == ()


def test_repr_of_nothing():
    """An empty report says so."""
    assert repr(Report([])) == "<Report of 0 calls: nothing to do; 0.000 s>"


class Unspeakable(Exception):
    """An error whose text fails."""

    def __str__(self):
        """Fail."""
        raise RuntimeError("no text")


class Aloof(type):
    """Of classes that cannot be compared."""

    __hash__ = None

    def __eq__(cls, other):
        """Fail."""
        raise RuntimeError("no comparing")


def test_classes_that_cannot_be_compared_do_not_spoil_the_report():
    """Causes are told apart without asking the errors' classes."""
    kind = Aloof("Odd", (Exception,), {})
    assert causes(failed(kind("bad"), kind("bad"))) == ["2 failed, Odd: bad (0, 1)"]


@pytest.mark.parametrize("look", [repr, Report.to_dict])
def test_an_error_without_a_text_does_not_spoil_the_report(look):
    """An error whose `__str__` fails is named by its kind."""
    assert "Unspeakable" in str(look(Report([raw(0, FAILED, Unspeakable())])))


def test_a_value_whose_usage_fails_does_not_spoil_the_report():
    """Looking for token counts never fails."""

    class Response:
        @property
        def usage(self):
            raise RuntimeError("streaming has not ended")

    assert Report([raw(0, payload=Response())]).stats.input_tokens == 0


def test_to_dict_is_plain_data(mixed):
    """The figures and the outcomes go through JSON; items are left out."""
    data = json.loads(json.dumps(mixed.to_dict()))
    assert data["stats"]["total"] == 4
    assert data["outcomes"][0] == {
        "index": 0, "name": None, "status": "succeeded", "value": "zero", "error": None,
        "error_details": None, "fallback": None,
        "attempts": 1, "duration": 1.0, "waited_slot": 2.0, "waited_limit": 0, "waited_backoff": 0, "worker": "pool_0",
        "usage": None,
        "history": [{
            "status": "succeeded", "error": None, "started": 2.0, "duration": 1.0, "waited_slot": 2.0,
            "waited_limit": 0, "waited_backoff": 0, "worker": "pool_0", "fallback": None,
        }],
    }  # fmt: skip
    assert data["outcomes"][1]["error"] == "ValueError: bad"
    assert PRIVATE not in json.dumps(data)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_report_survives_pickling(mixed, protocol):
    """Every protocol brings outcomes, names and figures across."""
    returned = pickle.loads(pickle.dumps(mixed, protocol))  # noqa: S301
    assert facts(returned) == facts(mixed)
    assert returned["legal"].index == 1
    assert [outcome.ok for outcome in returned] == [True, False, True, False]


def test_a_report_of_many_survives_pickling():
    """The depth of a pickle does not grow with the number of calls."""
    report = Report([raw(index, payload=index) for index in range(20_000)])
    assert pickle.loads(pickle.dumps(report)).unwrap() == list(range(20_000))  # noqa: S301


def test_a_gatherings_report_survives_pickling():
    """The tasks that are its items go along."""
    with Fan(1) as fan:
        report = fan.gather(one=task(int, "1"), two=task(int, "x"))
    returned = pickle.loads(pickle.dumps(report))  # noqa: S301
    assert returned["one"].unwrap() == 1
    assert returned["two"].status == "failed"
    assert returned["one"].item() == 1


def test_an_error_survives_pickling_with_its_report():
    """What ended a batch can be sent to another process, and what was done goes along."""
    with Fan(1) as fan, pytest.raises(ValueError, match="invalid literal") as caught:
        fan.run(int, ["1", "x", "3"], fail_fast=True)
    returned = pickle.loads(pickle.dumps(caught.value))  # noqa: S301
    assert str(returned) == str(caught.value)
    assert returned.report[0].value == 1
    assert [outcome.status for outcome in returned.report] == [outcome.status for outcome in caught.value.report]


def test_the_report_of_an_error_survives_pickling():
    """The partial report loses nothing on the way, and nor does the error that holds it."""
    with Fan(1) as fan, pytest.raises(ValueError, match="invalid literal") as caught:
        fan.run(int, ["1", "x", "3"], fail_fast=True)
    returned = pickle.loads(pickle.dumps(caught.value.report))  # noqa: S301
    assert len(returned) == 3
    assert (type(returned[1].error), returned[1].error.args) == (ValueError, caught.value.args)
    error = pickle.loads(pickle.dumps(caught.value))  # noqa: S301
    assert [outcome.status for outcome in error.report] == [outcome.status for outcome in returned]


def test_a_cancelled_call_has_no_value():
    """What never ran counts among the failed."""
    report = Report([raw(0, CANCELLED, ValueError())])
    assert report.failed == list(report)
