"""Any conversation, interrupted anywhere and gone on from: it comes to the same, and nothing is done twice."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from threadfan import Fan, Usage
from threadfan.agents import Agent, Answer, TurnLimit, tool

KINDS = ("good", "bad", "unknown", "wrong")
turns = st.lists(st.one_of(st.just("pause"), st.lists(st.sampled_from(KINDS), min_size=1, max_size=4)), max_size=5)


class Script:
    """A model that says what is laid down, and fails at some requests.

    Args:
        turns: what each turn asks for before the last one, which is a text.
        failures: the numbers of the requests that fail.
    """

    def __init__(self, turns, failures):
        self.turns = turns
        self.failures = failures
        self.requests = 0

    def answer(self, *, messages, **_):
        """The turn after those that stand in the conversation, which the API would have to take."""
        self.requests += 1
        if self.requests in self.failures:
            raise ConnectionError("reset by peer")
        check(messages)
        place = sum(message["role"] == "assistant" for message in messages)
        if place == len(self.turns):
            return Answer("The end.", "end_turn", Usage(1))
        if self.turns[place] == "pause":
            return Answer("Hm. ", "pause_turn", Usage(1))
        return Answer(
            [call(kind, f"{place}.{number}") for number, kind in enumerate(self.turns[place])], "tool_use", Usage(1)
        )


def call(kind, name):
    """A block that asks for a tool."""
    given = {"wrong": name} if kind == "wrong" else {"name": name}
    return {"type": "tool_use", "id": name, "name": "good" if kind == "wrong" else kind, "input": given}


def check(messages):
    """Every call is answered once, in the next message, in order; nothing else is."""
    asked = []
    for message in messages:
        blocks = message["content"] if isinstance(message["content"], list) else []
        answered = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        assert answered == asked
        asked = [block["id"] for block in blocks if block["type"] == "tool_use"]
    assert asked == []


def converse(turns, failures, max_turns):
    """Run to the end, however often that takes; gives the result, the calls that were made, and the usage of all."""
    calls = Counter()

    def good(name: str) -> str:
        calls[name] += 1
        return f"done {name}"

    def bad(name: str) -> None:
        calls[name] += 1
        raise ValueError(name)

    with Fan(4) as fan:
        agent = Agent(Script(turns, failures), model="m", fan=fan, tools=[tool(good), tool(bad)], max_turns=max_turns)
        prompt, used = "Go", Usage(requests=0)
        while True:
            try:
                result = agent(prompt)
            except (ConnectionError, TurnLimit) as error:
                prompt = error.result
                used += prompt.usage
            else:
                return result, calls, used + result.usage


@settings(max_examples=60)
@given(turns=turns, failures=st.sets(st.integers(1, 8)), max_turns=st.integers(1, 4))
def test_interruptions_change_nothing(turns, failures, max_turns):
    """The transcript, the calls and the tokens are those of a run that nothing interrupts."""
    result, calls, used = converse(turns, failures, max_turns)
    whole, expected, needed = converse(turns, set(), None)
    assert result.messages == whole.messages
    check(result.messages)
    assert calls == expected
    assert set(calls.values()) <= {1}
    assert used == needed == Usage(len(turns) + 1, requests=len(turns) + 1)
