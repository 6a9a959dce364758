"""Values as plain data: what ``json.dumps`` takes, whatever a call has returned."""

import collections
import dataclasses
import datetime
import decimal
import enum
import json
import math
import pathlib
import uuid

import pydantic
import pytest

from support.controlled import run_program
from threadfan._core.base.plain import plain


@dataclasses.dataclass
class Answer:
    """A record."""

    text: str
    when: datetime.date
    inner: object = None


class Colour(enum.Enum):
    """An enum."""

    RED = "red"


class Level(enum.IntEnum):
    """Another, of numbers."""

    HIGH = 3


class Model(pydantic.BaseModel):
    """A model."""

    text: str
    when: datetime.datetime
    data: bytes = b"ok"
    key: pydantic.SecretStr = pydantic.SecretStr("hidden")
    score: float = math.nan
    more: object = None


class Text(str):
    """A text of a class of its own."""

    __slots__ = ()


Pair = collections.namedtuple("Pair", "a b")
DAY = datetime.date(2026, 1, 2)
PLAIN = [
    (None, None),
    (True, True),
    (2**70, 2**70),
    ("\ud800", "\ud800"),
    (math.nan, None),
    (-math.inf, None),
    (b"text", "text"),
    (b"\xff\xfe", "//4="),
    (bytearray(b"x"), "x"),
    ([1, (2, {3})], [1, [2, [3]]]),
    ({"a": 1, 2: 3, None: 4, Colour.RED: 5}, {"a": 1, "2": 3, "None": 4, "red": 5}),
    (Answer("t", DAY, Pair(1, DAY)), {"text": "t", "when": "2026-01-02", "inner": [1, "2026-01-02"]}),
    (Colour.RED, "red"),
    (Level.HIGH, 3),
    (Text("t"), "t"),
    (Pair(1, DAY), [1, "2026-01-02"]),
    (datetime.datetime(2026, 1, 2, 3), "2026-01-02T03:00:00"),
    (decimal.Decimal("1.10"), "1.10"),
    (uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
    (pathlib.PurePosixPath("/a/b"), "/a/b"),
    (collections.deque([1, b"\xff"]), [1, "/w=="]),
    (collections.OrderedDict(a=math.nan), {"a": None}),
    (collections.defaultdict(list, {1: [2]}), {"1": [2]}),
    (collections.ChainMap({"a": 1}), {"a": 1}),
    (ValueError("https://me:pw@host"), "ValueError: https://***@host"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "expected"), PLAIN, ids=lambda value: type(value).__name__)
def test_values_become_plain(value, expected):
    """Each kind of value, and JSON without NaN has the same."""
    found = plain(value)
    assert found == expected
    assert json.loads(json.dumps(found, allow_nan=False)) == expected
    assert plain({"deep": [value]}) == {"deep": [expected]}


def test_models():
    """Fields of any kind are read, what pydantic does not know too, and its secrets stay secret."""
    model = Model(text="t", when=datetime.datetime(2026, 1, 2), more={"unknown": [Pair(1, 2), object]})
    found = plain(model)
    assert (found["text"], found["when"], found["key"], found["score"]) == ("t", "2026-01-02T00:00:00", "*" * 10, None)
    json.dumps(found, allow_nan=False)
    assert plain(Model(text="t", when=datetime.datetime(2026, 1, 2), data=b"\xff"))["data"] == "/w=="


class Scalar:
    """A number as numpy has them, which is there only sometimes."""

    def __init__(self, value):
        self._value = value

    def tolist(self):
        """As Python's own."""
        return self._value


def test_numpy():
    """Scalars and arrays, as values, keys and parts of records."""
    assert plain([Scalar(1), Scalar([math.nan, 2]), Answer("t", DAY, Scalar(True))])[:2] == [1, [None, 2]]
    np = pytest.importorskip("numpy")
    values = [np.int64(3), np.float32("nan"), np.bool_(True), np.array([[1, 2]]), {np.int64(4): np.str_("s")}]
    assert plain(values) == [3, None, True, [[1, 2]], {"4": "s"}]


def test_what_is_not_known_is_shown():
    """By its repr, without secrets and shortened; a class is no record, and a failing repr does no harm."""

    class Unknown:
        def __repr__(self):
            return f"<Unknown at https://me:pw@host {'x' * 1000}>"

    class Worse:
        def __repr__(self):
            raise KeyError

    assert plain(Unknown()).startswith("<Unknown at https://***@host xxx")
    assert len(plain(Unknown())) == 200
    assert plain(Worse()) == "<Worse whose repr fails>"
    assert isinstance(plain(Answer), str)


def test_nothing_is_used_up():
    """A generator is not read."""
    numbers = iter([1, 2])
    assert isinstance(plain([numbers]), list)
    assert list(numbers) == [1, 2]


def test_what_holds_itself_has_an_end():
    """So does what is nested deeper than anybody reads."""
    twice = []
    twice += [twice, twice]
    assert json.dumps(plain(twice)) == json.dumps([repr(twice)] * 2)
    deep = []
    for _ in range(5000):
        deep = [deep]
    assert len(json.dumps(plain(deep))) < 1000


def test_without_pydantic():
    """What pydantic would read is read without it, if in fewer words."""
    program = """
import dataclasses, datetime, decimal, enum, json, pathlib, sys
sys.modules["pydantic_core"] = None
from threadfan._core.base.plain import plain
@dataclasses.dataclass
class D:
    day: datetime.date
E = enum.Enum("E", {"A": "x"})
print(json.dumps(plain([D(datetime.date(2026, 1, 2)), E.A, pathlib.PurePosixPath("/a"), decimal.Decimal("1.5"), {1}])))
"""
    assert json.loads(run_program(program)[0]) == [{"day": "2026-01-02"}, "x", "/a", "1.5", [1]]


def test_pydantic_is_imported_when_it_is_needed():
    """Not for what is built in."""
    program = (
        "import sys; from threadfan._core.base.plain import plain; plain({'a': [1, b'x', None, 1.5]});"
        "print('pydantic_core' in sys.modules)"
    )
    assert run_program(program)[0] == "False\n"
