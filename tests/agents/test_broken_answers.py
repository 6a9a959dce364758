"""What comes is no answer: that is what the error says, and what was reached until then is not lost."""

import pytest

from support.scripted_server import ScriptedServer, call, events, message, text
from support.staged_agents import double, results
from threadfan import Fan
from threadfan.agents import Agent, AgentStopped, Answer, AnswerBroken, MessagesClient

ASKS = message(call("double", number=2), stop="tool_use")
PAGE = "<html><body>Please sign in</body></html>"
ANSWER = list(events("So ", "it is."))
NULL = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": None}}
WHOLE = [
    (("text/html", PAGE), "what came is no message, but str"),
    (("application/json", "[1]"), "no message|cannot be read"),
    (("application/json", '{"content": ['), "cannot be read: JSONDecodeError"),
    (("message", {**message(), "content": None}), "no message"),
    (
        ("message", message({"type": "text", "text": None})),
        "of type text, has null where its text should be",
    ),
    (("message", message({"type": "tool_use", "id": "t", "name": None, "input": {}})), "null where its name"),
    (("message", message({"text": "untyped"})), "block 0 of the answer"),
]
STREAMED = [
    (("text/html", PAGE), "ended before the answer"),
    (("events", []), "ended before the answer"),
    (("events", ANSWER[:1]), "ended before the answer"),
    (("events", ANSWER[:4]), "ended before the answer"),
    (("events", ANSWER[:-1]), "ended before the answer"),
    (("events", [*ANSWER[:2], NULL, *ANSWER[2:]]), "cannot be read"),
    (("events", ANSWER[1:]), "cannot be read"),
    (("text/event-stream", "event: message_start\ndata: {\n\n"), "cannot be read"),
]
SHORT, LONG, ALOUD = {}, {"max_tokens": 100_000}, {"on_text": len}
CASES = [(SHORT, *case) for case in WHOLE] + [(way, *case) for case in STREAMED for way in (LONG, ALOUD)]


@pytest.mark.parametrize(("options", "broken", "complaint"), CASES)
def test_what_is_no_answer(options, broken, complaint):
    """Whoever listens: it is an error of the library's own, which holds the tool call that was paid for."""
    with ScriptedServer(("message", ASKS), broken) as server, Fan(1) as fan, server.client() as client:
        agent = Handed(client, options)
        with pytest.raises(AnswerBroken, match=complaint) as caught:
            Agent(agent, model="m", fan=fan, tools=[double])("Go")
    assert isinstance(caught.value, AgentStopped)
    assert results(caught.value.result) == [("4", False)]
    assert caught.value.result.usage.requests == 1


class Handed:
    """A model's client that asks for a whole answer first, and then as it is told."""

    def __init__(self, client, later):
        self._client = MessagesClient(client)
        self._changes = [{}, later]

    def answer(self, **asked):
        """Ask."""
        return self._client.answer(**asked | self._changes.pop(0))


@pytest.mark.parametrize("content", [None, 5, [None], [{"type": 1}], [{"type": "text"}]])
def test_an_adapter_that_answers_nonsense(content):
    """Other clients are held to the same."""

    class Odd:
        def answer(self, **asked):
            answer = Answer("")
            answer.content = content
            return answer

    with Fan(1) as fan, pytest.raises(AnswerBroken, match=r"of the answer|the answer has") as caught:
        Agent(Odd(), model="m", fan=fan)("Go")
    assert caught.value.result.messages == [{"role": "user", "content": "Go"}]


@pytest.mark.parametrize("error", [TypeError, AttributeError, AssertionError, KeyError])
def test_an_error_of_the_callback_is_its_own(error):
    """It is no broken answer, though it is raised while one is read."""

    def fail(piece):
        raise error("mine")

    server = ScriptedServer(("events", ANSWER))
    with server, Fan(1) as fan, server.client() as client, pytest.raises(error, match="mine"):
        Agent(client, model="m", fan=fan, on_text=fail)("Go")


def test_wrong_arguments_of_the_client_are_no_broken_answer(client):
    """What the SDK says before it asks is let through."""
    with Fan(1) as fan, pytest.raises(TypeError, match="temprature"):
        Agent(MessagesClient(client, temprature=0), model="m", fan=fan)("Go")


@pytest.mark.parametrize("aloud", [False, True])
def test_long_answers_are_streamed(make, aloud):
    """The SDK refuses to wait for a whole answer that may take ten minutes; nobody has to know that."""
    pieces = []
    with Fan(1) as fan:
        agent = make(fan, double, max_tokens=100_000, on_text=pieces.append if aloud else None)
        result = agent('use tool double with {"number": 4}')
        assert results(result) == [("8", False)]
        assert result.text == make(fan, double)('use tool double with {"number": 4}').text
    assert "".join(pieces) == (result.text if aloud else "")


def test_a_tool_that_takes_nothing_may_be_asked_for_without_input():
    """Some servers leave it out, or say null."""

    def now() -> str:
        return "noon"

    asks = {"type": "tool_use", "id": "t", "name": "now", "input": None}
    script = ("message", message(asks, stop="tool_use")), ("message", message(text("It is noon.")))
    with ScriptedServer(*script) as server, Fan(1) as fan, server.client() as client:
        result = Agent(client, model="m", fan=fan, tools=[now])("Go")
    assert results(result) == [("noon", False)]
    assert server.asked[1]["messages"][1]["content"][0]["input"] == {}
