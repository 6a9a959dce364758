"""How an answer ends, and what becomes of the run: a whole answer is returned, anything else is raised with it."""

import pickle

import pytest

from support.staged_agents import ask_for, double, fail, results
from threadfan import Fan
from threadfan.agents import AgentStopped, AnswerCut, Refused, TokenLimit, TurnLimit

CALL = ("double", {"number": 2})


@pytest.mark.parametrize("reason", ["end_turn", "stop_sequence"])
def test_a_whole_answer(make, reason):
    """It is returned, with its stop reason."""
    with Fan(1) as fan:
        result = make(fan)(f"Tell me about rivers [stop:{reason}]")
    assert (result.stop_reason, result.turns) == (reason, 1)


def test_a_pause_is_sent_on_as_it_is(messages_server, make):
    """A paused turn goes back without a word of ours, and the text is that of all its parts."""
    messages_server.configure(
        replies={"search": ["[stop:pause_turn] Searching", "[stop:pause_turn] , still", ", found."]}
    )
    with Fan(1) as fan:
        result = make(fan)("search")
    assert (result.text, result.turns, result.stop_reason) == ("Searching, still, found.", 3, "end_turn")
    assert [message["role"] for message in result.messages] == ["user", "assistant", "assistant", "assistant"]


def test_a_pause_may_be_followed_by_tool_calls(messages_server, make):
    """After the pause the turn may ask for tools like any other."""
    pausing = ["[stop:pause_turn] Searching", 'use tool double with {"number": 4}']
    messages_server.configure(replies={"search": pausing})
    with Fan(1) as fan:
        result = make(fan, double)("search")
    assert results(result) == [("8", False)]
    assert (result.turns, result.text) == (3, "The tools returned: (1) 8.")


@pytest.mark.parametrize(
    ("reason", "error", "complaint"),
    [
        ("max_tokens", AnswerCut, r"cut off \(max_tokens\); right is a larger max_tokens than 4096"),
        ("model_context_window_exceeded", AnswerCut, r"cut off \(model_context_window_exceeded\)"),
        ("refusal", Refused, "refused to answer the agent 'scout'"),
        ("something_new", AgentStopped, "a reason that is not known here: 'something_new'"),
    ],
)
def test_half_an_answer_is_no_answer(make, reason, error, complaint):
    """It is raised, with what was said and what was paid for."""
    with Fan(1) as fan, pytest.raises(error, match=complaint) as caught:
        make(fan, name="scout")(f"Tell me about rivers [stop:{reason}]")
    result = caught.value.result
    assert type(caught.value) is error
    assert (result.stop_reason, result.turns, result.usage.requests) == (reason, 1, 1)
    assert "rivers" in result.text
    assert result.messages[-1]["role"] == "assistant"


def test_a_text_is_cut_at_max_tokens(make):
    """The real cut of a real answer."""
    with Fan(1) as fan, pytest.raises(AnswerCut) as caught:
        make(fan, max_tokens=5)("Tell me about rivers")
    assert caught.value.result.usage.output_tokens == 5


@pytest.mark.parametrize("reason", ["max_tokens", "refusal", "stop_sequence", "something_new"])
def test_a_call_that_was_cut_off_is_not_run(messages_server, make, reason):
    """It is no part of the transcript either, from which the next run can go on."""
    messages_server.configure(replies={"go": f'[stop:{reason}] Well, use tool fail with {{"reason": "never"}}'})
    with Fan(1) as fan:
        agent = make(fan, fail)
        with pytest.raises(AgentStopped) as caught:
            agent("go")
        result = caught.value.result
        assert (result.tool_calls, result.text) == ([], "Well,")
        assert [block["type"] for block in result.messages[-1]["content"]] == ["text"]
        assert agent([*result.messages, {"role": "user", "content": "Tell me about rivers"}]).turns == 1


@pytest.mark.parametrize("stream", [False, True])
def test_calls_are_run_though_the_answer_is_said_to_have_ended(messages_server, make, stream):
    """What an answer holds decides: some servers name every end alike."""
    messages_server.configure(replies={"go": 'Well, use tool double with {"number": 4} [stop:end_turn]'})
    with Fan(1) as fan:
        result = make(fan, double, on_text=len if stream else None)("go")
    assert (results(result), result.turns) == ([("8", False)], 2)


@pytest.mark.parametrize("reason", ["end_turn", "refusal"])
def test_an_answer_without_content(messages_server, make, reason):
    """It leaves no empty message behind, which the API would not take back."""
    messages_server.configure(replies={"go": f"[stop:{reason}]"})
    with Fan(1) as fan:
        try:
            result = make(fan)("go")
        except Refused as error:
            result = error.result
    assert (result.text, result.stop_reason, len(result.messages)) == ("", reason, 1)


def test_tool_use_without_a_call(make):
    """A model that waits for nothing has ended."""
    with Fan(1) as fan:
        result = make(fan)("Tell me about rivers [stop:tool_use]")
    assert (result.stop_reason, result.turns) == ("tool_use", 1)


def test_a_cap_on_turns(messages_server, make):
    """At the cap no tool is run any more; the transcript goes on from there, tools first."""
    messages_server.configure(replies={"go": ask_for(CALL), "4": [ask_for(CALL)] * 3 + ["Enough."]})
    with Fan(1) as fan:
        agent = make(fan, double, max_turns=2)
        with pytest.raises(
            TurnLimit, match="the agent has not come to an end; to go on it needs more turns than 2"
        ) as caught:
            agent("go")
        first = caught.value.result
        assert (first.turns, first.usage.requests, len(first.tool_calls)) == (2, 2, 1)
        assert first.messages[-1]["role"] == "assistant"
        with pytest.raises(TurnLimit) as caught:
            agent(first)
        second = agent(caught.value.result)
    assert (second.text, second.turns, second.usage.requests) == ("Enough.", 1, 1)
    assert results(second) == [("4", False)] * 4


def test_an_answer_within_the_cap(make):
    """The last turn that is allowed may be the last of the answer."""
    with Fan(1) as fan:
        assert make(fan, double, max_turns=2)(ask_for(CALL)).turns == 2
        assert make(fan, double, max_turns=None)(ask_for(CALL)).turns == 2


def test_pauses_count_as_turns(messages_server, make):
    """A model that pauses for ever meets the cap."""
    messages_server.configure(replies={"go": "[stop:pause_turn] Hm"})
    with Fan(1) as fan, pytest.raises(TurnLimit) as caught:
        make(fan, max_turns=3)("go")
    assert (caught.value.result.text, messages_server.stats().requests) == ("HmHmHm", 3)


def test_a_budget_of_tokens(messages_server, make):
    """Once it is used up no request is made; what was said is kept."""
    with Fan(1) as fan:
        needed = make(fan, double)(ask_for(CALL)).usage.total_tokens
        assert make(fan, double, token_budget=needed)(ask_for(CALL)).turns == 2
        requests = messages_server.stats().requests
        complaint = r"the agent has used \d+ tokens; to go on it needs a token_budget above 1$"
        with pytest.raises(TokenLimit, match=complaint) as caught:
            make(fan, double, token_budget=1)(ask_for(CALL))
    result = caught.value.result
    assert messages_server.stats().requests == requests + 1
    assert (result.turns, result.stop_reason, result.tool_calls) == (1, "tool_use", [])


def test_a_whole_answer_beyond_the_budget(make):
    """It is paid for and whole, so it counts."""
    with Fan(1) as fan:
        assert make(fan, token_budget=1)("Tell me about rivers").usage.total_tokens > 1


def test_results_and_errors_can_be_pickled(make):
    """So can what a process of workers sends back."""
    with Fan(1) as fan:
        result = make(fan, double)(ask_for(CALL))
        with pytest.raises(TurnLimit) as caught:
            make(fan, double, max_turns=1)(ask_for(CALL))
    copied = pickle.loads(pickle.dumps(result))  # noqa: S301
    assert (copied.text, copied.messages, copied.usage) == (result.text, result.messages, result.usage)
    assert copied.tool_calls[0].outcome.value == 4
    error = pickle.loads(pickle.dumps(caught.value))  # noqa: S301
    assert (type(error), str(error)) == (TurnLimit, str(caught.value))
    assert error.result.messages == caught.value.result.messages


@pytest.mark.parametrize(
    ("option", "value", "error"),
    [
        ("max_turns", 0, ValueError),
        ("max_tokens", -1, ValueError),
        ("token_budget", 1.5, TypeError),
        ("tool_timeout", 0, ValueError),
        ("on_text", "print", TypeError),
        ("fan", None, TypeError),
    ],
)
def test_options_out_of_range(make, option, value, error):
    """The error names the option."""
    with Fan(1) as fan, pytest.raises(error, match=option):
        make(fan, **{option: value})
