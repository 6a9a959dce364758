"""The demo's job: research companies and analyse each, one after another and through a fan.

It knows nothing of terminals: a ``Watcher`` is told what happens.
"""

from __future__ import annotations

import threading
import time
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from threadfan import Fan, current_scope

from .figures import Answer, Call, Part, Result
from .reasons import reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    import anthropic

COMPANIES = (
    "Airbus", "Infosys", "Maersk", "Nestlé", "Novo Nordisk", "Petrobras", "Safaricom", "Samsung", "Shopify", "Siemens",
    "Toyota", "Unilever",
)  # fmt: skip
MODEL = "claude-haiku-4-5"
LATENCY = 0.5  # seconds
LONGEST = 86400.0  # seconds; a day is more than any call takes, and less than what clocks and sockets refuse

_MAX_TOKENS = 300  # of an answer; enough for the few sentences that are asked for
_RESEARCH = "Research {company}: what does it do, for whom, and against which competitors? Give notes of five lines."
_ANALYSE = "Analyse {company} in two sentences: its strongest advantage and its greatest risk. Notes:\n\n{notes}"


class DemoError(Exception):
    """Why the job could not begin, in one line."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to do.

    Args:
        companies: their names.
        workers: how many calls the fan may run at once.
        timeout: seconds for each call.
        model: the model to ask.
        sequential: whether to make the calls one after another first.
        latency: seconds the loopback server takes for an answer; None when another server is asked.
        base_url: the server to ask; None for the loopback server, or with a key the real API.
        key: the API key; None where it does not matter.
    """

    companies: tuple[str, ...]
    workers: int = 12
    timeout: float = 30.0
    model: str = MODEL
    sequential: bool = True
    latency: float | None = LATENCY
    base_url: str | None = None
    key: str | None = field(default=None, repr=False)


class Watcher(Protocol):
    """Is told what happens, in order and never twice at once, but from the thread that it happens in."""

    def begin(self, title: str, calls: int) -> None:
        """A part begins that will make so many calls."""

    def finished(self, call: Call) -> None:
        """A call has its answer."""

    def failed(self, answer: Answer) -> None:
        """A company will have no answer."""


class Silent:
    """A watcher that says nothing."""

    def begin(self, title: str, calls: int) -> None:
        """Nothing."""

    def finished(self, call: Call) -> None:
        """Nothing."""

    def failed(self, answer: Answer) -> None:
        """Nothing."""


def run(plan: Plan, watcher: Watcher) -> Result:
    """Do the job.

    One call goes ahead of the clock: it pays for the client's lazy imports, which are no part of either way to make
    the calls, and it finds a wrong key or a dead server before anything else is paid for.

    Raises:
        DemoError: the server cannot be asked.
    """
    with _connected(plan) as client:
        try:
            _ask(client, plan.model, "Say ok.", max_tokens=1)
        except Exception as error:
            raise DemoError(f"{_server(plan, client)} cannot be asked: {reason(error, plan.timeout)}") from error
        sequential = None
        if plan.sequential:
            study = Study(client, plan, watcher)
            watcher.begin("one after another", 2 * len(plan.companies))
            sequential = study.one_after_another()
        study = Study(client, plan, watcher)
        watcher.begin(f"through the fan, {plan.workers} workers", 2 * len(plan.companies))
        return Result(sequential, study.through_the_fan(), plan.workers)


class Study:
    """One way through all companies.  A company's two calls are one unit of work, so no company waits for another's research."""

    def __init__(self, client: anthropic.Anthropic, plan: Plan, watcher: Watcher) -> None:
        self._client = client
        self._plan = plan
        self._watcher = watcher
        self._lock = threading.Lock()  # guards the three below
        self._calls: list[Call] = []
        self._answers: dict[int, Answer] = {}

    def one_after_another(self) -> Part:
        """As a plain loop does it."""
        start = time.monotonic()
        for index, company in enumerate(self._plan.companies):
            try:
                self._settle(index, self._study(index, company), None)
            except Exception as error:
                self._settle(index, None, error)
        return self._part(time.monotonic() - start)

    def through_the_fan(self) -> Part:
        """As the fan does it: the same function, over the same companies."""
        plan = self._plan
        start = time.monotonic()
        with _without_word_of_stuck_threads(), Fan(plan.workers, timeout=2 * plan.timeout, name="demo") as fan:
            for outcome in fan.stream(self._study, range(len(plan.companies)), plan.companies):
                self._settle(outcome.index, outcome.value, outcome.error)
            seconds = time.monotonic() - start  # all answers are here; closing the pool is no part of getting them
        return self._part(seconds)

    def _study(self, index: int, company: str) -> str:
        notes = self._call(index, company, "research", _RESEARCH.format(company=company))
        return self._call(index, company, "analyse", _ANALYSE.format(company=company, notes=notes))

    def _call(self, index: int, company: str, stage: str, prompt: str) -> str:
        start = time.monotonic()
        message = _ask(self._client, self._plan.model, prompt)
        seconds = time.monotonic() - start
        current_scope().check()  # whoever is late has been reported as such, and makes no further call
        call = Call(index, company, stage, seconds, message.usage.input_tokens, message.usage.output_tokens)
        with self._lock:
            self._calls.append(call)
            self._watcher.finished(call)
        return "".join(block.text for block in message.content if block.type == "text")

    def _settle(self, index: int, text: str | None, error: BaseException | None) -> None:
        with self._lock:
            company, calls = self._plan.companies[index], [call for call in self._calls if call.index == index]
            why = (
                None if error is None else f"{'analyse' if calls else 'research'}: {reason(error, self._plan.timeout)}"
            )
            answer = self._answers[index] = Answer(index, company, text, why)
            if error is not None:
                self._watcher.failed(answer)

    def _part(self, seconds: float) -> Part:
        return Part(seconds, [self._answers[index] for index in range(len(self._plan.companies))], self._calls)


def _ask(
    client: anthropic.Anthropic, model: str, prompt: str, max_tokens: int = _MAX_TOKENS
) -> anthropic.types.Message:
    message = client.messages.create(model=model, max_tokens=max_tokens, messages=[{"role": "user", "content": prompt}])
    if not hasattr(message, "usage"):  # the client hands on as text what is no JSON
        raise TypeError("it does not speak the Messages API")
    return message


@contextmanager
def _connected(plan: Plan) -> Iterator[anthropic.Anthropic]:
    """A client that all threads share; it retries nothing, so that every figure is of one call."""
    import anthropic

    if plan.key is None and plan.base_url is None:
        from threadfan.testing import MessagesServer

        with MessagesServer(latency=LATENCY if plan.latency is None else plan.latency) as server:
            yield server.client(timeout=plan.timeout)
        return
    with anthropic.Anthropic(
        api_key=plan.key or "none", base_url=plan.base_url, timeout=plan.timeout, max_retries=0
    ) as client:
        yield client


def _server(plan: Plan, client: anthropic.Anthropic) -> str:
    return "the loopback server" if plan.key is None and plan.base_url is None else str(client.base_url).rstrip("/")


@contextmanager
def _without_word_of_stuck_threads() -> Iterator[None]:
    """A call that hangs has its own line already."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "demo: the thread .* is still stuck", RuntimeWarning)
        yield
