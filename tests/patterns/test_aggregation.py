"""One value from a report: nothing is left out unless it is asked for, and what is left out is told."""

import pickle
from functools import partial
from itertools import chain

import pytest

from support.outcomes import CUT, report_of
from threadfan import Report
from threadfan.patterns import MergeConflict, best_score, concatenate, majority_vote, merge, synthesise

OH = ValueError("oh")


def joined(report):
    """A synthesis that needs no model."""
    return "+".join(str(outcome.value) for outcome in report.succeeded)


WAYS = {
    "concatenate": (concatenate, ["a", "b"], "a\nb"),
    "majority_vote": (majority_vote, ["a", "a"], "a"),
    "best_score": (partial(best_score, key=len), ["aa", "b"], "aa"),
    "merge": (merge, [{"a": 1}, {"b": 2}], {"a": 1, "b": 2}),
    "synthesise": (partial(synthesise, fn=joined), [1, 2], "1+2"),
}
each_way = pytest.mark.parametrize(("aggregate", "values", "expected"), WAYS.values(), ids=WAYS)


@each_way
def test_of_all(aggregate, values, expected):
    """With a value from every call the result is complete."""
    result = aggregate(report_of(*values))
    assert (result.value, result.complete, result.left_out) == (expected, True, [])


@each_way
def test_a_failure_is_not_left_out_in_silence(aggregate, values, expected):
    """By default it is raised, with the report."""
    report = report_of(values[0], OH, values[1], CUT)
    with pytest.raises(ExceptionGroup) as caught:
        aggregate(report)
    assert list(caught.value.exceptions) == [OH, CUT]
    assert caught.value.report is report


@each_way
def test_of_a_part(aggregate, values, expected):
    """If asked for, the rest will do; the result is not complete and has the outcomes that are missing."""
    result = aggregate(report_of(values[0], OH, values[1], CUT), partial=True)
    assert (result.value, result.complete) == (expected, False)
    assert [outcome.error for outcome in result.left_out] == [OH, CUT]
    assert "without 2 outcomes" in repr(result)


@each_way
def test_of_nothing(aggregate, values, expected):
    """Without a single value there is no result, whatever was asked for."""
    with pytest.raises(ExceptionGroup) as caught:
        aggregate(report_of(OH), partial=True)
    assert list(caught.value.exceptions) == [OH]
    with pytest.raises(ValueError, match="the report is of no calls"):
        aggregate(Report([]), partial=True)


@each_way
def test_results_can_be_pickled_and_show_no_values(aggregate, values, expected):
    """They may hold prompts, so `repr` has none."""
    result = aggregate(report_of(*values))
    again = pickle.loads(pickle.dumps(result))  # noqa: S301
    assert (again.value, again.complete) == (expected, True)
    assert repr(expected) not in repr(again)
    assert repr(again) == repr(result)


def test_concatenate():
    """Strings are joined by a separator, lists end to end, in the order of the report."""
    assert concatenate(report_of("a", "", "c"), separator=" | ").value == "a |  | c"
    assert concatenate(report_of([1], [], [2, 3])).value == [1, 2, 3]


@pytest.mark.parametrize(
    ("values", "kinds"), [(["a", ["b"]], "list, str"), ([1, 2], "int"), ([None, "a"], "NoneType, str")]
)
def test_concatenate_takes_nothing_else(values, kinds):
    """The error says what the values are."""
    with pytest.raises(TypeError, match=f"all strings or all lists, not {kinds}"):
        concatenate(report_of(*values))


def test_the_best():
    """The highest score wins, of equals the first; its outcome and score are told."""
    best = best_score(report_of("a", "bbb", "cc", "ddd"), key=len)
    assert (best.value, best.score, best.outcome.index, best.outcome.item) == ("bbb", 3, 1, 10)


def test_a_best_value_may_be_none():
    """A score is all that counts."""
    assert best_score(report_of(1, None), key=lambda value: value is None).value is None


def test_a_score_must_be_a_number():
    """With NaN the order would decide, and not the score."""
    with pytest.raises(ValueError, match="scores must be comparable, but that of number 1 is nan"):
        best_score(report_of(1.0, float("nan"), 2.0), key=float)


A, B, C = {"x": 1, "y": 1}, {"y": 2, "z": 3}, {"y": 1, "x": 1}


@pytest.mark.parametrize(
    ("strategy", "chosen"), [("first", 1), ("last", 1), (lambda key, values: (key, values), ("y", [1, 2, 1]))]
)
def test_a_conflict_is_resolved(strategy, chosen):
    """By name or by a function of the key and all its values; keys stand in the order in which they came up."""
    merged = merge(report_of(A, B, C), conflicts=strategy)
    assert list(merged.value.items()) == [("x", 1), ("y", chosen), ("z", 3)]
    assert merged.conflicts == {"y": [1, 2, 1]}
    assert repr(merged) == "<Merged: 1 conflicts, complete>"


def test_first_and_last_are_those_of_the_report():
    """Not of what differs."""
    assert merge(report_of({"k": 1}, {"k": 2}), conflicts="first").value == {"k": 1}
    assert merge(report_of({"k": 1}, {"k": 2}), conflicts="last").value == {"k": 2}


def test_lists_under_one_key_can_be_appended():
    """A function makes of a conflict what it likes; equal values are none."""
    report = report_of({"found": [1], "of": 9}, {"found": [2, 3], "of": 9})
    merged = merge(report, conflicts=lambda _, lists: list(chain.from_iterable(lists)))
    assert merged.value == {"found": [1, 2, 3], "of": 9}


def test_a_conflict_is_an_error_unless_said_otherwise():
    """The error has the keys in its message and the values in its attribute, and can be pickled."""
    with pytest.raises(MergeConflict, match='results differ under \'y\': say conflicts="first" or "last"') as caught:
        merge(report_of(A, B))
    assert caught.value.conflicts == {"y": [1, 2]}
    assert pickle.loads(pickle.dumps(caught.value)).conflicts == {"y": [1, 2]}  # noqa: S301


def test_merge_takes_nothing_else():
    """A value without keys, and a strategy that is none, are refused."""
    with pytest.raises(TypeError, match="dictionaries, not a list"):
        merge(report_of([1]))
    with pytest.raises(ValueError, match=r"conflicts must be .* or a function of a key and its values, not 'newest'"):
        merge(report_of(A), conflicts="newest")


def test_a_synthesis_sees_everything_that_is_known_of_a_piece():
    """The function gets the report: item, value, and what failed."""

    def describe(report):
        found = ", ".join(f"{outcome.item}: {outcome.value}" for outcome in report.succeeded)
        return f"{found}; missing: {[outcome.item for outcome in report.failed]}"

    result = synthesise(report_of("a", OH, "c"), describe, partial=True)
    assert result.value == "0: a, 20: c; missing: [10]"
    assert len(result.report) == 3


def test_a_synthesis_that_fails():
    """What its function raises comes out as it is, with the report."""
    report = report_of(1)
    with pytest.raises(ZeroDivisionError) as caught:
        synthesise(report, lambda report: 1 // 0)
    assert caught.value.report is report
