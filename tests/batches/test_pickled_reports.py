"""Reports in pickles and in plain data: whatever they hold, they can be written and read again, and tell no secret."""

import collections
import copy
import dataclasses
import json
import multiprocessing
import pickle
import sys
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import resource_tracker

import pydantic
import pytest

from support.sdk_http import http as httpx2
from threadfan import Fan, Hedge, RateLimit, Report, Task, TaskTimeout, fail_after, patterns, stage, task
from threadfan._core.base.outcome import FAILED, SUCCEEDED
from threadfan._core.base.pickling.unpicklable import Unpicklable
from threadfan._core.base.usage import Usage
from threadfan.agents import AgentResult, TurnLimit

KEY = "sk-ant-S3CRET"
URL = f"https://me:{KEY}@host/v1?api_key={KEY}"


def refused(*_):
    """A call that is answered with an error, which holds its request."""
    request = httpx2.Request("POST", URL, headers={"x-api-key": KEY})
    return httpx2.Response(503, request=request).raise_for_status()


def answered(item):
    """A call that is paid for, unless its item says otherwise."""
    return refused() if item == "refuse" else f"answer to {item}"


def travelled(thing, protocol=None):
    """What it is after a journey, which took no secret along."""
    data = pickle.dumps(thing, protocol)
    assert b"S3CRET" not in data
    return pickle.loads(data)  # noqa: S301


def report_of(*values):
    """A report of calls that have returned these."""
    return Report([(place, place, 0.0, SUCCEEDED, value, 1.0, 2.0, "w") for place, value in enumerate(values)])


# -- errors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_one_bad_error_costs_nothing(protocol):
    """What was paid for can be read again although an error cannot be made anew, and that error is caught as before."""
    with Fan(2) as fan:
        report = fan.run(answered, ["a", "refuse", "b"])
    again = travelled(report, protocol)
    assert again.values("?") == ["answer to a", "?", "answer to b"]
    with pytest.raises(httpx2.HTTPStatusError, match="503") as caught:
        again[1].unwrap()
    assert caught.value.response.status_code == 503
    assert repr(again) == repr(report)
    assert again.to_dict() == report.to_dict()
    assert [outcome.item for outcome in again] == ["a", "refuse", "b"]


def in_a_process(way):
    """A batch in a worker of a pool of processes, in one of the ways to end."""
    with Fan(2) as fan:
        if way == "fail-fast":
            return fan.run(answered, ["a", "refuse"], fail_fast=True)
        report = fan.gather(one=lambda: "answer", two=refused)
        return report.unwrap() if way == "unwrap" else report


@pytest.fixture(scope="module")
def _tracker():
    """What multiprocessing starts once and never ends."""
    if sys.platform != "win32":
        resource_tracker.ensure_running()


@pytest.mark.usefixtures("_tracker")
@pytest.mark.parametrize("way", ["report", "fail-fast", "unwrap"])
def test_out_of_a_process(way):
    """A report comes back, and so do the errors that end a batch; the pool of processes lives on."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        found = pool.submit(in_a_process, way)
        if way == "report":
            assert found.result()["one"].value == "answer"
            assert isinstance(found.result()["two"].error, httpx2.HTTPStatusError)
        elif way == "fail-fast":
            with pytest.raises(httpx2.HTTPStatusError) as caught:
                found.result()
            assert caught.value.report[0].value == "answer to a"
        else:
            with pytest.raises(ExceptionGroup, match="1 of 2") as caught:
                found.result()
            assert isinstance(caught.value.exceptions[0], httpx2.HTTPStatusError)
        assert pool.submit(abs, -1).result() == 1


def test_an_error_with_its_report():
    """Fail-fast's error travels by itself, with the report, in which an error just like it stands."""
    with Fan(1) as fan, pytest.raises(httpx2.HTTPStatusError) as caught:
        fan.run(answered, ["a", "refuse", "b"], fail_fast=True)
    again = travelled(caught.value)
    assert isinstance(again, httpx2.HTTPStatusError)
    assert again.report[0].value == "answer to a"
    report = travelled(caught.value.report)
    assert isinstance(report[1].error, httpx2.HTTPStatusError)


class Refusal(Exception):
    """An error with its request, which can be copied but not pickled."""

    def __init__(self, text):
        super().__init__(text)
        self.request = threading.Lock()


def test_a_copy_of_such_an_error():
    """It has all that the error has, and travels as well."""

    def refuse(_):
        raise Refusal("no")

    with Fan(1) as fan, pytest.raises(Refusal) as caught:
        fan.run(refuse, [1], fail_fast=True)
    twin = copy.copy(caught.value)
    assert type(twin) is Refusal
    assert twin is not caught.value
    assert twin.request is caught.value.request
    assert twin.report is caught.value.report
    assert travelled(twin).report[0].status == "failed"


def test_groups_of_failures():
    """`unwrap`'s group travels, and so do the parts that `except*` makes of it, which are groups of the same kind."""
    report = Report([(0, 0, 0.0, FAILED, error, 1.0, 2.0, "w") for error in (ValueError("v"), KeyError("k"))])
    with pytest.raises(ExceptionGroup) as caught:
        report.unwrap()
    matched, rest = caught.value.split(KeyError)
    for group in (caught.value, matched, rest):
        again = travelled(group)
        assert type(again) is type(group)
        assert repr(again.exceptions) == repr(group.exceptions)
    report = Report([(0, 0, 0.0, FAILED, KeyboardInterrupt(), 1.0, 2.0, "w")])
    with pytest.raises(BaseExceptionGroup) as caught:
        report.unwrap()
    assert not isinstance(travelled(caught.value), Exception)


def test_every_report_and_its_parts():
    """Those of graphs, pipelines and late calls, outcomes, attempts, votes, guards, results of agents, deadlines."""
    with Fan(2, retry=1) as fan:
        graph = fan.graph(refused)
        graph.add(lambda refused: refused, name="after")
        graph.add(lambda words: words, name="each", each={"words": "words"})
        graph.add(lambda each: 1 + each[-1], name="sum")
        report = travelled(graph.run(words=[1, 2]))
        assert report.value("sum") == 3
        assert isinstance(report["after"].error.__cause__, httpx2.HTTPStatusError)
        report = travelled(fan.pipeline(answered, stage(len, name="length")).run(["a", "refuse"]))
        assert (report[0].value, report[1].stage) == (11, "answered")
        assert isinstance(report[1].history[0].error, httpx2.HTTPStatusError)
        outcome = fan.run(refused, [1])[0]
        assert isinstance(travelled(outcome.history[0]).error, httpx2.HTTPStatusError)
        assert [attempt.status for attempt in travelled(outcome).history] == ["failed", "failed"]
        gate = threading.Event()
        report = fan.run(lambda wait: wait and gate.wait(10), [0, 1], deadline=0.01, late="keep")
        assert isinstance(travelled(report)[1].error, TaskTimeout)
        gate.set()
        vote = travelled(patterns.vote(fan, lambda: "yes", lambda: "yes", refused))
        assert (vote.winner, len(vote.report)) == ("yes", 3)
        with pytest.raises(patterns.GuardFailed) as caught:
            patterns.guard(fan, lambda: 1, refused)
        again = travelled(caught.value)
        assert isinstance(again.__cause__, httpx2.HTTPStatusError)
        assert len(again.report) == 2
    stopped = TurnLimit("too many")
    stopped.result = AgentResult("so far", [], stop_reason=None, turns=1, usage=Usage(3, 4), tool_calls=[])
    assert travelled(stopped).result.usage == Usage(3, 4)
    with pytest.raises(TaskTimeout) as caught, fail_after(1):
        raise TaskTimeout("late") from httpx2.ConnectError(URL)
    assert str(travelled(caught.value).__cause__) == "https://***@host/v1?api_key=***"


# -- values and items --------------------------------------------------------------------------------------------------


def test_lambdas_and_local_functions():
    """As tasks they are items, of which the names are left; what can be found again can be called again."""

    def local():
        return "local"

    with Fan(2) as fan:
        report = fan.gather(lambda: 1, local, a=task(lambda x: x, 5).with_options(timeout=3, retry=2), b=task(abs, -1))
    again = travelled(report)
    assert again.values() == [1, "local", 5, 1]
    assert repr(again[1].item) == "<task test_lambdas_and_local_functions.<locals>.local>"
    assert again["a"].item.changes == {"timeout": 3, "retry": 2}
    assert again["b"].item() == 1
    with pytest.raises(TypeError, match=r"stands for the function .*local.*it could not be pickled"):
        again[1].item()
    assert report[1].item() == "local"


class Client:
    """What a method may belong to, which can be pickled, with its key."""

    def __init__(self):
        self.key = KEY

    def ask(self):
        """Ask."""


def test_what_a_task_does_not_take_along():
    """The object of a method, limits and policies: they have keys, addresses and locks."""
    limit = RateLimit(60_000)
    limit.shared = URL
    with Fan(2) as fan:
        report = fan.gather(a=task(Client().ask), b=task(abs, 1).with_options(rate=RateLimit(60_000), hedge=Hedge()))
    changed = Task(abs, (1,), {}, {"rate": limit, "timeout": 2})
    assert travelled(changed).changes == {"timeout": 2}
    again = travelled(report)
    assert repr(again["a"].item) == "<task Client.ask>"
    with pytest.raises(TypeError, match="could not be pickled"):
        again["a"].item()
    assert copy.copy(changed).changes == changed.changes


@dataclasses.dataclass
class Record:
    """A value with a part that cannot be pickled."""

    text: str
    lock: object


class Model(pydantic.BaseModel):
    """Another."""

    text: str
    lock: object


class Live:
    """An object that is of no use in part, and has a key."""

    def __init__(self):
        self.key = KEY
        self.lock = threading.Lock()


def test_values_that_cannot_be_pickled(caplog):
    """The rest of a record or a container is kept; of any other object nothing is; a log line says so."""

    @dataclasses.dataclass
    class Local:
        text: str

    lock = threading.Lock()
    pair = collections.namedtuple("Pair", "text")
    values = [
        "paid", {"text": "paid", "lock": lock}, Record("paid", lock), Model(text="paid", lock=lock), [[lock], "paid"],
        Live(), {"live": Live()}, (number for number in [1]), Local("paid"), pair("paid"),
    ]  # fmt: skip
    found = travelled(report_of(*values)).values()
    assert found[0] == found[1]["text"] == found[2].text == found[3].text == found[4][1] == "paid"
    holes = [found[1]["lock"], found[2].lock, found[3].lock, found[4][0][0], found[5], found[6]["live"], *found[7:]]
    assert {type(hole) for hole in holes} == {Unpicklable}
    assert "Live" in repr(found[5])
    assert (found[8].plain, found[9].plain) == ({"text": "paid"}, ["paid"])
    (record,) = caplog.records
    assert record.getMessage().startswith("pickled without a _thread.lock (TypeError: cannot pickle")
    assert record.getMessage().endswith(", and 5 more")


def test_a_stand_in_is_of_no_use():
    """Whoever takes it for the value gets an error that says what it was; to look at it is no use of it."""
    (hole,) = travelled(report_of(threading.Lock())).values()
    uses = [bool, len, iter, int, lambda it: it(), lambda it: it[0], lambda it: it + "x", lambda it: "x" in it]
    for use in uses:
        with pytest.raises(TypeError, match=r"stands for a _thread\.lock"):
            use(hole)
    with pytest.raises(AttributeError, match=r"no 'acquire', for this stands for a _thread\.lock"):
        hole.acquire()
    assert f"{hole}" == repr(hole)
    assert hole in [1, hole]
    assert type(travelled(report_of(hole)).values()[0]) is Unpicklable
    json.dumps(report_of(hole).to_dict())


class Unmakeable:
    """Can be pickled, but not read again."""

    def __init__(self, needed):
        self.needed = needed

    def __reduce__(self):
        return Unmakeable, ()


class Unsettable:
    """The same, later."""

    def __init__(self):
        self.text = "paid"

    def __setstate__(self, state):
        raise RuntimeError("no state")


class Choosy(list):
    """The same, of a container."""

    def append(self, item):
        """Refuse."""
        raise RuntimeError("no more")

    extend = append


class Gone:
    """Is not there where the pickle is read."""

    def __init__(self):
        self.text = "paid"


class GoneError(LookupError):
    """An error that is not there either."""


def test_values_that_cannot_be_read(monkeypatch):
    """One costs no other, and what it held is kept as plain data where it is known."""
    values = ["paid", Unmakeable(1), Unsettable(), Choosy([1]), Gone(), {"text": "paid", "gone": [Gone()]}]
    report = report_of(*values)
    raw = (6, None, 0.0, FAILED, GoneError("gone"), 1.0, 2.0, "w")
    data = pickle.dumps(Report([*report._raws, raw]))
    monkeypatch.delattr(f"{__name__}.Gone")
    monkeypatch.delattr(f"{__name__}.GoneError")
    again = pickle.loads(data)  # noqa: S301
    found = again.values(None)
    assert found[0] == found[5]["text"] == "paid"
    assert [type(value) for value in found[1:5]] == [Unpicklable] * 4
    assert "Unmakeable" in found[1].what
    assert found[2].plain == found[4].plain == {"text": "paid"}
    assert "Gone" in found[5]["gone"][0].what
    assert isinstance(again[6].error, LookupError)
    assert (type(again[6].error).__name__, str(again[6].error)) == ("GoneError", "gone")


def test_a_value_that_is_too_deep():
    """Recursion has an end; the other values are there."""
    deep = []
    for _ in range(100_000):
        deep = [deep]
    found = travelled(report_of("paid", deep, {"text": "paid", "lock": threading.Lock()})).values()
    assert found[0] == found[2]["text"] == "paid"
    assert type(found[2]["lock"]) is Unpicklable
    while deep:
        deep = deep.pop()  # one by one: freeing it at once would be a recursion too


def test_what_calls_have_in_common_is_written_once():
    """A long document that is part of each item does not make the pickle longer with each."""
    document = "x" * 100_000
    report = Report([(place, (document, place), 0.0, SUCCEEDED, place, 1.0, 2.0, "w") for place in range(100)])
    data = pickle.dumps(report)
    assert len(data) < 110_000
    again = pickle.loads(data)  # noqa: S301
    assert again[0].item[0] is again[1].item[0]


def test_copies_are_no_pickles():
    """A copy has the same errors, values and tasks, even those that cannot be pickled; a deep one its own values."""
    with Fan(2) as fan:
        report = fan.gather(one=lambda: [1], two=refused)
    for twin in (copy.copy(report), copy.copy(report[0]), copy.copy(report[0].history[0])):
        assert type(twin).__name__ in ("Report", "Outcome", "Attempt")
    shallow = copy.copy(report)
    assert shallow["two"].error is report["two"].error
    assert shallow["one"].value is report["one"].value
    deep = copy.deepcopy(report[0])
    assert deep.value == [1]
    assert deep.value is not report[0].value
    assert copy.copy(TaskTimeout("late")).args == ("late",)


# -- plain data --------------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Answer:
    """A value."""

    text: str
    usage: Usage


def test_plain_data_has_everything():
    """Values of any kind, tokens, attempts, and of errors the kind, text, status and traceback, without secrets."""

    def tool(item):
        if item == "refuse":
            refused()
        return Answer(b"\xff" if item == "bytes" else item, Usage(3, 4))

    with Fan(1, retry=1) as fan:
        report = fan.run(tool, ["a", "bytes", "refuse"])
    data = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    first, second, third = data["outcomes"]
    assert first["value"]["text"] == "a"
    assert first["usage"]["input_tokens"] == first["value"]["usage"]["input_tokens"] == 3
    assert second["value"]["text"] == "/w=="
    assert third["error"].startswith("HTTPStatusError: Server error '503")
    assert third["error_details"]["type"] == f"{httpx2.__name__}.HTTPStatusError"
    assert third["error_details"]["status"] == 503
    assert "in refused" in third["error_details"]["traceback"]
    assert [attempt["status"] for attempt in third["history"]] == ["failed", "failed"]
    assert third["history"][0]["error"] == third["error"]
    assert "S3CRET" not in json.dumps(data)
    assert "S3CRET" not in repr(report)


def test_plain_data_of_other_reports():
    """Of a graph with what it was reduced to, of a pipeline with its stages, and of reports and results as values."""
    with Fan(2) as fan:
        graph = fan.graph()
        graph.add(lambda word: word.upper(), name="shout", each={"word": "words"}, reduce=lambda a, b: {a, b})
        data = json.loads(json.dumps(graph.run(words=["a", "b"]).to_dict()))
        assert sorted(data["reduced"]["shout"]) == ["A", "B"]
        data = json.loads(json.dumps(fan.pipeline(answered, len).run(["refuse"]).to_dict()))
        assert data["outcomes"][0]["stage"] == data["outcomes"][0]["history"][0]["stage"] == "answered"
        nested = fan.run(lambda item: fan.run(abs, [item]), [-1])
        data = json.loads(json.dumps(nested.to_dict()))
        assert data["outcomes"][0]["value"]["outcomes"][0]["value"] == 1
    result = AgentResult("said", [], stop_reason="end_turn", turns=1, usage=Usage(3, 4), tool_calls=[])
    assert report_of(result).to_dict()["outcomes"][0]["value"]["text"] == "said"
