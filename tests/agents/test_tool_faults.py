"""A tool of one's own that has a bug: its programmer learns of it, and not only the model."""

import logging
import threading

import pytest
import structlog
from anthropic.lib.tools import ToolError

from support.staged_agents import ask_for, double, fail, results
from threadfan import Fan
from threadfan.agents import ToolFailed, TurnLimit, tool

PRIVATE = "a private matter"


def broken(key: str) -> str:
    """Fail in a way that repeats what it was given."""
    return {}[key]


@pytest.fixture
def events():
    """What structlog is told."""
    with structlog.testing.capture_logs() as events:
        structlog.configure(processors=structlog.get_config()["processors"])
        yield events
    structlog.reset_defaults()


def told(events):
    """The events about tools."""
    return [event for event in events if event["event"] == "tool_failed"]


def test_an_event_with_the_traceback(make, events):
    """It says where, from the tool on, and nothing of what was said."""
    with Fan(1, name="desk") as fan:
        make(fan, broken, double, name="clerk")(ask_for(("broken", {"key": PRIVATE}), ("double", {"number": 1})))
    (event,) = told(events)
    traceback = event.pop("traceback")
    assert traceback.splitlines()[0].endswith("in broken")
    assert "return {}[key]" in traceback
    assert event == {
        "event": "tool_failed",
        "log_level": "warning",
        "fan": "desk",
        "function": "broken",
        "error_type": "KeyError",
        "agent": "clerk",
        "turn": 1,
    }
    assert PRIVATE not in repr(events)


def test_arguments_for_those_who_ask(make, events):
    """They and the error's message are told to whoever wants them in the log."""
    with Fan(1) as fan:
        make(fan, broken, log_arguments=True)(ask_for(("broken", {"key": PRIVATE})))
    (event,) = told(events)
    assert (event["arguments"], event["error"]) == ({"key": PRIVATE}, repr(PRIVATE))


def lines(caplog):
    """What is logged besides events of the fan."""
    return [record for record in caplog.records if not hasattr(record, "event")]


@pytest.mark.parametrize("retry", [None, 1])
def test_what_may_be_expected_is_no_warning(make, caplog, retry):
    """Neither in an event of the call nor in that of its batch; a bug is one warning, and not three."""
    structlog.reset_defaults()

    def refuse():
        raise ToolFailed("not today")

    with Fan(1) as fan, caplog.at_level(logging.DEBUG, "threadfan"):
        make(fan, tool(refuse, retry=retry), double)(ask_for("refuse", ("double", {"number": "x"})))
        assert [record for record in caplog.records if record.levelno > logging.INFO] == []
        assert "call_failed" in caplog.text
        make(fan, tool(broken, retry=retry))(ask_for(("broken", {"key": PRIVATE})))
    assert [record.getMessage()[:22] for record in caplog.records if record.levelno > logging.INFO] == [
        "the tool broken failed"
    ]


@pytest.mark.parametrize("asked_for", [False, True])
def test_the_log_without_structlog(make, caplog, asked_for):
    """Where no events are listened to, the log of the standard library has it, which prints warnings by itself."""
    structlog.reset_defaults()
    with Fan(1) as fan, caplog.at_level(logging.WARNING, "threadfan"):
        make(fan, broken, log_arguments=asked_for)(ask_for(("broken", {"key": PRIVATE})))
    (record,) = lines(caplog)
    assert record.getMessage().startswith("the tool broken failed: KeyError")
    assert "return {}[key]" in record.getMessage()
    assert (PRIVATE in record.getMessage()) is asked_for


def test_a_result_that_cannot_be_written_is_one(make, caplog):
    """It is as much a bug as an exception."""

    def endless() -> list:
        made = []
        made.append(made)
        return made

    with Fan(1) as fan:
        make(fan, endless)(ask_for("endless"))
    assert lines(caplog)[0].getMessage().startswith("the tool endless failed: result without JSON")


def test_what_may_be_expected_is_not_told(make, events, caplog):
    """A model that errs, and a tool that says no as it means to, are no faults of the program."""

    def refuse() -> None:
        raise ToolFailed("not on Sundays")

    def refuse_as_the_sdk_does() -> None:
        raise ToolError("nor on Mondays")

    with Fan(1) as fan:
        agent = make(fan, double, refuse, refuse_as_the_sdk_does)
        result = agent(ask_for("refuse", "refuse_as_the_sdk_does", ("double", {"number": "x"})))
    assert results(result)[:2] == [("not on Sundays", True), ("nor on Mondays", True)]
    assert told(events) == []
    assert caplog.records == []


def test_each_call_is_told(make):
    """Beside the text: in order, in the thread of the run, once all of a turn have ended, failed ones too."""
    seen, second = [], threading.Event()

    def slow() -> str:
        assert second.wait(10)
        return "slow"

    def quick() -> str:
        second.set()
        return "quick"

    with Fan(2) as fan:
        agent = make(fan, slow, quick, fail, on_tool=lambda call: seen.append((call, threading.current_thread())))
        result = agent(ask_for("slow", "quick", "fail"))
    assert [call for call, _ in seen] == result.tool_calls
    assert [(call.name, call.content, call.is_error) for call, _ in seen] == [
        ("slow", "slow", False),
        ("quick", "quick", False),
        ("fail", "ValueError: no reason", True),
    ]
    assert {thread for _, thread in seen} == {threading.current_thread()}


def test_an_error_of_the_callback_ends_the_run(make):
    """It is raised as it is; the calls of the turn stand in the result, and are not made again."""
    ran = []

    def note() -> None:
        ran.append(1)

    def stop(call):
        raise LookupError("enough")

    with Fan(1) as fan:
        with pytest.raises(LookupError, match="enough") as caught:
            make(fan, note, on_tool=stop)(ask_for("note"))
        make(fan, note)(caught.value.result)
    assert ran == [1]
    assert len(caught.value.result.tool_calls) == 1


def test_an_agent_that_stops_is_no_fault(messages_server, make, events):
    """A sub-agent that comes to no end has a reason of its own, which its caller is told."""
    messages_server.configure(replies={"count": ask_for(("double", {"number": 1}))})
    with Fan(1) as fan:
        clerk = make(fan, double, name="clerk", max_turns=1)
        prompt = 'use tool clerk with {"task": "cou\\u006et"}'  # which the clerk alone reads as count
        result = make(fan, clerk)(prompt)
    assert isinstance(result.tool_calls[0].outcome.error, TurnLimit)
    assert told(events) == []


@pytest.mark.parametrize(("option", "value"), [("on_tool", "print"), ("log_arguments", 1)])
def test_options_of_a_wrong_kind(make, option, value):
    """The error names the option."""
    with Fan(1) as fan, pytest.raises(TypeError, match=option):
        make(fan, **{option: value})
