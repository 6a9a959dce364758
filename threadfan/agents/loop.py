"""The tool loop of the Messages API: ask, run what is asked for side by side, hand the results back, ask again.

Guarantees: the results of one turn go back in one message, in the order of the calls, each call answered exactly once,
whatever became of it.  The transcript is at every moment one that the API takes and ``run`` goes on from: after an
answer that asks for tools either all its results stand in it or none, and a call that was cut off is left out.  No text
is given out twice, and no tool is run twice, however often a request is made again.
"""

from __future__ import annotations

from contextlib import suppress

from .._core.base.errors import TaskCancelled
from .._core.base.outcome import CANCELLED, Outcome
from .._core.base.static import describe
from .._core.batches.run import gather
from .._core.calls.requests import Requests
from .._core.events.log import Quiet
from .._core.fan.front import behind
from .._core.scope.scope import current_scope
from .client import Answer
from .content import content_of
from .errors import AgentStopped, AnswerCut, Refused, TurnLimit
from .faults import report_fault
from .ledger import Ledger
from .result import AgentResult, ToolCall
from .transcript import checked, kept, sent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .._core.base.usage import Usage
    from .settings import Settings
    from .shapes import Json

ENDED = ("end_turn", "stop_sequence")
ASKS_FOR_MORE = ("tool_use", "pause_turn")
WHOLE = (*ENDED, *ASKS_FOR_MORE, None)
"""After these the calls that an answer holds are run: some servers say ``end_turn`` all the same, or nothing."""

_QUIETLY = Quiet("gather")  # what has failed is told by ``report_fault``

CUT = ("max_tokens", "model_context_window_exceeded")


class Loop:
    """One run of an agent, in the thread that calls it.

    Args:
        agent: what to ask, and with what.
        messages: the conversation so far; not changed.
        on_text: called with the text of this run, and then the agent's own.
    """

    def __init__(self, agent: Settings, messages: list[Json], on_text: Callable[[str], object] | None = None) -> None:
        self._listeners = [one for one in (on_text, agent.on_text) if one is not None]
        self._agent = agent
        self._messages = list(messages)
        self._given = len(messages)
        self._calls: list[ToolCall] = []
        self._turns = 0
        self._stop_reason: str | None = None
        self._ledger = Ledger(agent.title, agent.token_budget, agent.budget)

    def run(self) -> AgentResult:
        """Run to the end of the model's answer.

        Raises:
            BaseException: whatever ends it early, with what was reached in its attribute ``result``.
        """
        scheduler, options = behind(self._agent.fan)
        self._requests = Requests(options.policies, scheduler.clock)
        try:
            with self._ledger:
                self._turn_by_turn()
        except BaseException as error:
            with suppress(AttributeError):  # a class of the user's may take no attributes
                object.__setattr__(error, "result", self._result())
            raise
        return self._result()

    def _turn_by_turn(self) -> None:
        self._run_tools()  # that a transcript handed in has left open
        while True:
            self._ledger.check()
            self._take(self._ask())
            if not self._open_calls() and self._stop_reason != "pause_turn":
                return self._check_ending()
            self._check_limits()
            self._run_tools()

    # -- the model ---------------------------------------------------------------------------------------------------

    def _ask(self) -> Answer:
        self._told = False
        return self._requests.make(self._ask_once, _usage_of, lambda: not self._told)

    def _ask_once(self) -> Answer:
        current_scope().check()
        agent = self._agent
        with self._ledger.request(agent.model) as answered:
            answer = agent.client.answer(
                system=agent.system,
                messages=sent(self._messages),
                tools=agent.toolbox.definitions,
                model=agent.model,
                max_tokens=agent.max_tokens,
                on_text=self._tell if self._listeners else None,
            )
            if not all(hasattr(answer, name) for name in ("content", "stop_reason", "usage")):
                raise TypeError(
                    f"answer(…) of {describe(type(agent.client))} has returned a {describe(type(answer))}; right is an "
                    f'Answer, such as Answer("a text", usage=response.usage)'
                )
            answer = Answer(answer.content, answer.stop_reason, answer.usage)
            answered(answer.usage)
        return Answer(checked(answer.content), answer.stop_reason, answer.usage)

    def _tell(self, text: str) -> None:
        """Hand a piece of text on; what was told cannot be taken back."""
        self._told = True
        for listener in self._listeners:
            listener(text)

    def _take(self, answer: Answer) -> None:
        self._turns += 1
        self._stop_reason = answer.stop_reason
        self._ledger.add(answer.usage)
        last = answer.content[-1]["type"] if answer.content else None
        self._broken_call = answer.stop_reason == "stop_sequence" and last == "tool_use"  # it stood in the arguments
        whole = answer.stop_reason in WHOLE and not self._broken_call
        content = kept([block for block in answer.content if whole or block["type"] != "tool_use"])
        if content:  # a message without any is one that the API does not take back
            self._messages.append({"role": "assistant", "content": content})

    def _check_ending(self) -> None:
        reason, agent = self._stop_reason, self._agent
        if self._broken_call:
            raise AnswerCut(
                f"the answer to {agent.title} was cut off in a tool call, by a stop sequence; right is one that no "
                f"arguments of a tool can hold"
            )
        if reason in ENDED or reason == "tool_use":  # without a call there is nothing that it would wait for
            return
        if reason == "refusal":
            raise Refused(
                f"the model refused to answer {agent.title}; right is to change what was asked, or not to ask"
            )
        if reason in CUT:
            raise AnswerCut(
                f"the answer to {agent.title} was cut off ({reason}); right is a larger max_tokens than "
                f"{agent.max_tokens}, or a shorter conversation"
            )
        raise AgentStopped(f"the model stopped answering {agent.title} for a reason that is not known here: {reason!r}")

    def _check_limits(self) -> None:
        agent = self._agent
        if agent.max_turns is not None and self._turns >= agent.max_turns:
            raise TurnLimit(
                f"{agent.title} has not come to an end; to go on it needs more turns than {agent.max_turns}"
            )
        self._ledger.check()

    # -- tools -------------------------------------------------------------------------------------------------------

    def _open_calls(self) -> list[Json]:
        last = self._messages[-1]
        if last["role"] != "assistant" or not isinstance(last["content"], list):
            return []
        return [block for block in last["content"] if block["type"] == "tool_use"]

    def _run_tools(self) -> None:
        blocks = self._open_calls()
        if not blocks:
            return
        toolbox = self._agent.toolbox
        outcomes: list[Outcome[object]] = []
        try:
            for group in toolbox.together(blocks):
                scheduler, options = behind(self._agent.fan)
                outcomes += gather(scheduler, options, tuple(map(toolbox.task, group)), {}, _QUIETLY)
        except BaseException as error:
            # What has ended by then is told all the same: the next run must not do it again.
            outcomes += getattr(error, "report", None) or ()
            if outcomes:
                self._hand_back(blocks, [*outcomes, *map(self._not_begun, range(len(outcomes), len(blocks)))])
            raise
        for call in self._hand_back(blocks, outcomes):
            report_fault(self._agent, call)
            if self._agent.on_tool is not None:
                self._agent.on_tool(call)

    def _not_begun(self, place: int) -> Outcome[object]:
        now = behind(self._agent.fan)[0].clock.monotonic()
        error = TaskCancelled("the run was cut short before this call")
        return Outcome((place, None, now, CANCELLED, error, None, now, None))

    def _hand_back(self, blocks: list[Json], outcomes: Sequence[Outcome[object]]) -> list[ToolCall]:
        calls = []
        for block, outcome in zip(blocks, outcomes, strict=True):
            content, is_error = content_of(outcome)
            calls.append(ToolCall(block, self._turns, outcome, content, is_error=is_error))
        self._calls += calls
        self._messages.append({"role": "user", "content": [call.to_block() for call in calls]})
        return calls

    # -- the end -----------------------------------------------------------------------------------------------------

    def _result(self) -> AgentResult:
        return AgentResult(
            _last_text(self._messages[self._given :]),
            list(self._messages),
            stop_reason=self._stop_reason,
            turns=self._turns,
            usage=self._ledger.usage,
            tool_calls=list(self._calls),
        )


def _usage_of(answer: Answer) -> Usage | None:
    """For the limit, which goes on expecting what it did where nothing is known."""
    return answer.usage if answer.usage.total_tokens else None


def _last_text(messages: list[Json]) -> str:
    """What the model said last; an answer with pauses is several messages."""
    said: list[str] = []
    for message in reversed(messages):
        if message["role"] == "assistant":
            content = message["content"]
            said[:0] = [block["text"] for block in content if block["type"] == "text"]
        elif said:
            break
    return "".join(said)
