"""What a journal stores of results, and what comes back."""

import dataclasses
import datetime
import json
import threading
from typing import Any, NamedTuple

import pydantic
import pytest

from threadfan import Fan, JournalError, NotStored


@dataclasses.dataclass
class Point:
    """A dataclass in a dataclass' place."""

    x: int
    when: datetime.date


class Answer(pydantic.BaseModel):
    """A model that holds a dataclass."""

    text: str
    points: list[Point]


class Pair(NamedTuple):
    """A tuple with names."""

    left: int
    right: str


DAY = datetime.date(2024, 2, 29)


def a_point(x) -> Point:
    """A dataclass."""
    return Point(x, DAY)


def an_answer(x) -> Answer:
    """A model."""
    return Answer(text=str(x), points=[Point(x, DAY)])


def many(x) -> list[Answer]:
    """Models in a list."""
    return [an_answer(x)]


def a_pair(x) -> tuple[int, Pair]:
    """Tuples."""
    return x, Pair(x, "b")


def a_moment(x) -> datetime.datetime | None:
    """A time, or none."""
    return datetime.datetime(2024, 2, 29, 12, x, tzinfo=datetime.UTC)


def plain(x) -> dict[str, Any]:
    """Plain data."""
    return {"x": [x, None, 1.5, True, "é"]}


def unsaid(x):
    """A dataclass that nobody tells of."""
    return Point(x, DAY)


async def awaited(x) -> Point:
    """A dataclass, in the end."""
    return Point(x, DAY)


def twice(fn, tmp_path, **options):
    """The value of a first run, and of a second one."""
    with Fan(1) as fan:
        first, second = (fan.run(fn, [3], journal=tmp_path / "run.db", **options)[0] for _ in range(2))
        assert (first.attempts, second.attempts) == (1, 0)
        return first.unwrap(), second.unwrap()


@pytest.mark.parametrize("fn", [a_point, an_answer, many, a_pair, a_moment, plain], ids=lambda fn: fn.__name__)
def test_values_come_back_as_the_annotation_says(fn, tmp_path):
    """Models, dataclasses, and whatever else pydantic can read, in any nesting."""
    first, second = twice(fn, tmp_path)
    assert first == second
    assert type(first) is type(second)


def test_what_is_not_annotated_comes_back_as_plain_data(tmp_path):
    """It is what JSON has of it."""
    assert twice(unsaid, tmp_path) == (Point(3, DAY), {"x": 3, "when": "2024-02-29"})


async def test_what_a_coroutine_function_returns(tmp_path):
    """Its annotation counts as well."""
    async with Fan(1) as fan:
        for attempts in (1, 0):
            report = await fan.arun(awaited, [3], journal=tmp_path / "run.db")
            assert (report[0].value, report[0].attempts) == (Point(3, DAY), attempts)


class Reversed:
    """A codec of the user's."""

    @staticmethod
    def encode(value):
        """Any bytes will do."""
        return json.dumps(sorted(value)).encode()[::-1]

    @staticmethod
    def decode(data):
        """The way back."""
        return set(json.loads(data[::-1]))


def test_a_codec_stores_what_json_cannot(tmp_path):
    """It sees every value, and only it."""
    assert twice(lambda x: {x, 4}, tmp_path, codec=Reversed, version=1) == ({3, 4}, {3, 4})


@pytest.mark.parametrize("codec", [object(), json, Reversed.encode])
def test_a_codec_has_two_functions(codec, tmp_path):
    """What is none is refused before anything is called."""
    with Fan(1) as fan, pytest.raises(TypeError, match=r"codec must be an object with encode\(value\) and decode"):
        fan.run(unsaid, [3], journal=tmp_path / "run.db", codec=codec)


def test_a_class_that_cannot_be_read_back_is_refused_at_once(tmp_path):
    """The annotation says so before the first call is paid for."""
    called = []

    def lock(x) -> threading.Event:
        called.append(x)

    with Fan(1) as fan, pytest.raises(TypeError, match=r"Event.*give codec="):
        fan.run(lock, [3], journal=tmp_path / "run.db")
    assert not called


def test_an_input_that_cannot_be_told_is_refused_at_once(tmp_path):
    """It is named, and nothing is called: not those before it either."""
    called = []
    with Fan(1) as fan:
        for bad in (threading.Lock(), iter([1]), {"a": [object()]}):
            with pytest.raises(TypeError, match=r"input 1, .*give key="):
                fan.run(called.append, ["fine", bad], journal=tmp_path / "run.db")
        with pytest.raises(TypeError, match="what key= gives for input 0"):
            fan.run(called.append, [1], journal=tmp_path / "run.db", key=lambda item: object())
        endless = []
        endless.append(endless)
        with pytest.raises(TypeError, match="holds itself"):
            fan.run(called.append, [endless], journal=tmp_path / "run.db")
    assert not called


def test_an_error_of_the_key_is_raised(tmp_path):
    """It is the user's own."""
    with Fan(1) as fan, pytest.raises(ZeroDivisionError):
        fan.run(unsaid, [1], journal=tmp_path / "run.db", key=lambda item: item / 0)


def test_a_result_that_cannot_be_stored_fails_its_call(tmp_path):
    """The value is not lost, the others are stored, and the call is made again by the next run."""

    def odd(x):
        called.append(x)
        return threading.Lock() if x == 1 else x

    called = []
    with Fan(1) as fan:
        report = fan.run(odd, [0, 1, 2], journal=tmp_path / "run.db")
        error = report[1].error
        assert isinstance(error, NotStored)
        assert isinstance(error, JournalError)
        assert "odd has returned a lock that cannot be stored" in str(error)
        assert error.value.acquire(blocking=False)
        assert report.values(None) == [0, None, 2]
        fan.run(odd, [0, 1, 2], journal=tmp_path / "run.db")
    assert called == [0, 1, 2, 1]


def test_a_result_that_is_not_what_the_annotation_says_fails_its_call(tmp_path):
    """Else the next run would be the first to notice."""

    def wrong(x) -> Point:
        return {"y": x}

    with Fan(1) as fan:
        error = fan.run(wrong, [3], journal=tmp_path / "run.db")[0].error
    assert isinstance(error, NotStored)
    assert error.value == {"y": 3}


def test_a_value_of_another_class_is_told(tmp_path):
    """A class that has changed since says which input, and that there are versions."""

    def make(kind):
        def fn(x) -> kind:
            return Point(x, DAY)

        return fn

    with Fan(1) as fan:
        fan.run(make(Point), [3], journal=tmp_path / "run.db")
        report = fan.run(make(Answer), [3], journal=tmp_path / "run.db")
    with pytest.raises(JournalError, match=r"input 0 cannot be read .*version="):
        report.unwrap()
    with pytest.raises(JournalError, match="input 0 cannot be read"):
        _ = report[0].value


@pytest.mark.parametrize(
    ("options", "kind", "said"),
    [
        ({"key": len}, TypeError, "key= says how a journal is kept, and there is none"),
        ({"unique": True}, TypeError, "unique= says how"),
        ({"version": 2}, TypeError, "version= says how"),
        ({"journal": 5}, TypeError, "journal must be the path of a file"),
        ({"journal": ""}, TypeError, "journal must be the path of a file"),
        ({"journal": "run.db", "key": "id"}, TypeError, "key must be a function"),
        ({"journal": "run.db", "version": True}, TypeError, "version must be a text or a number"),
        ({"journal": "run.db", "unique": 2}, TypeError, "unique must be True or False"),
    ],
)
def test_wrong_options(options, kind, said, tmp_path, monkeypatch):
    """Each is told at the call, before there is a file."""
    monkeypatch.chdir(tmp_path)
    with Fan(1) as fan, pytest.raises(kind, match=said):
        fan.run(unsaid, [1], **options)
    assert not list(tmp_path.iterdir())


def test_functions_without_a_name(tmp_path):
    """What a lambda or a partial does is not known by its name; a version tells it."""
    import functools

    with Fan(1) as fan:
        with pytest.raises(TypeError, match="a lambda has none"):
            fan.run(lambda x: x, [1], journal=tmp_path / "run.db")
        with pytest.raises(TypeError, match=r"what the partial of unsaid holds cannot be told.*give version="):
            fan.run(functools.partial(unsaid, threading.Lock()), [1], journal=tmp_path / "run.db")
