"""The demo's job: research companies and analyse each, one after another and through a fan.

It knows nothing of terminals: a ``Watcher`` is told what happens.
"""

from __future__ import annotations

import time
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

from threadfan import Fan, current_scope

from .._core.base.locks import Lock
from .companies import replies
from .figures import Answer, Call, Part, Result
from .reasons import reason
from .settings import DemoError, DemoSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Protocol

    import anthropic

    from threadfan import Report

    class Watcher(Protocol):
        """Is told what happens, never twice at once, but in whichever thread it happens."""

        def asking(self, server: str) -> None:
            """The job is about to begin."""

        def begin(self, title: str, calls: int) -> None:
            """A part begins that will make so many calls."""

        def finished(self, call: Call) -> None:
            """A call has its answer."""

        def failed(self, answer: Answer) -> None:
            """A company will have no answer."""


_MAX_TOKENS = 300  # of an answer; enough for the few sentences that are asked for
_RESEARCH = "Research {company}: what does it do, for whom, and against which competitors? Give notes of five lines."
_ANALYSE = "Analyse {company} in two sentences: its strongest advantage and its greatest risk. Notes:\n\n{notes}"


def run(settings: DemoSettings, watcher: Watcher) -> Result:
    """Do the job.

    One call goes ahead of the clock: it pays for the client's lazy imports, which are no part of either way to make
    the calls, and it finds a wrong key or a dead server before anything else is paid for.

    Raises:
        DemoError: the server cannot be asked.
    """
    with _connected(settings) as client:
        watcher.asking(settings.server(str(client.base_url)))
        try:
            _greet(client, settings)
        except Exception as error:
            why = reason(error, settings.timeout)
            raise DemoError(f"{settings.server(str(client.base_url))} cannot be asked: {why}") from error
        calls = 2 * len(settings.companies)
        sequential = None
        if settings.sequential:
            watcher.begin("one after another", calls)
            sequential = Study(client, settings, watcher).one_after_another()
        _open_connections(client, settings)
        watcher.begin(f"through the fan, {settings.workers} workers", calls)
        part, report = Study(client, settings, watcher).through_the_fan()
        return Result(sequential, part, settings.workers, report)


class Study:
    """One way through all companies.

    A company's two calls are one unit of work, so that no analysis waits for another company's research.

    Args:
        client: shared by all threads.
        settings: what to ask, and how.
        watcher: is told of each call.
    """

    def __init__(self, client: anthropic.Anthropic, settings: DemoSettings, watcher: Watcher) -> None:
        self._client = client
        self._settings = settings
        self._watcher = watcher
        self._lock = Lock()  # guards the two below, and makes the watcher's lines come one by one
        self._calls: list[Call] = []
        self._answers: dict[int, Answer] = {}

    def one_after_another(self) -> Part:
        """As a plain loop does it."""
        start = time.monotonic()
        for index, company in enumerate(self._settings.companies):
            try:
                self._settle(index, self._study(index, company), None)
            except Exception as error:
                self._settle(index, None, error)
        return self._part(time.monotonic() - start)

    def through_the_fan(self) -> tuple[Part, Report[str]]:
        """As the fan does it: the same function, over the same companies; and its report."""
        settings = self._settings
        start = time.monotonic()
        with _no_word_of_stuck_threads(), Fan(settings.workers, timeout=2 * settings.timeout, name="demo") as fan:
            report = fan.run(self._study, range(len(settings.companies)), settings.companies)
            seconds = time.monotonic() - start  # all answers are here; closing the fan is no part of getting them
        for outcome in report:
            self._settle(outcome.index, outcome.value, outcome.error)
        return self._part(seconds), report

    def _study(self, index: int, company: str) -> str:
        notes = self._call(index, "research", _RESEARCH.format(company=company))
        return self._call(index, "analyse", _ANALYSE.format(company=company, notes=notes))

    def _call(self, index: int, stage: str, prompt: str) -> str:
        start = time.monotonic()
        message = _ask(self._client, self._settings.model, prompt)
        seconds = time.monotonic() - start
        current_scope().check()  # a company whose time is up was reported already, and costs no further call
        usage = message.usage
        call = Call(index, self._settings.companies[index], stage, seconds, usage.input_tokens, usage.output_tokens)
        with self._lock:
            self._calls.append(call)
            self._watcher.finished(call)
        return "".join(block.text for block in message.content if block.type == "text")

    def _settle(self, index: int, text: str | None, error: BaseException | None) -> None:
        with self._lock:
            why = None
            if error is not None:
                stage = "analyse" if any(call.index == index for call in self._calls) else "research"
                why = f"{stage}: {reason(error, self._settings.timeout)}"
            answer = self._answers[index] = Answer(index, self._settings.companies[index], text, why)
            if error is not None:
                self._watcher.failed(answer)

    def _part(self, seconds: float) -> Part:
        return Part(seconds, [self._answers[index] for index in range(len(self._settings.companies))], self._calls)


def _ask(
    client: anthropic.Anthropic, model: str, prompt: str, max_tokens: int = _MAX_TOKENS
) -> anthropic.types.Message:
    message = client.messages.create(model=model, max_tokens=max_tokens, messages=[{"role": "user", "content": prompt}])
    if not hasattr(message, "usage"):  # the client hands on as text what is no JSON
        raise TypeError("it does not speak the Messages API")
    return message


def _greet(client: anthropic.Anthropic, settings: DemoSettings) -> None:
    _ask(client, settings.model, "Say ok.", max_tokens=1)


def _open_connections(client: anthropic.Anthropic, settings: DemoSettings) -> None:
    """Open the fan's connections before its time counts, as the sequential part's was; not where calls cost money."""
    if settings.key is None:
        connections = min(settings.workers, len(settings.companies))
        with _no_word_of_stuck_threads(), Fan(connections, timeout=settings.timeout, name="demo") as fan:
            fan.run(
                _greet, [client] * connections, [settings] * connections
            )  # what fails here fails again, and is told then


@contextmanager
def _connected(settings: DemoSettings) -> Iterator[anthropic.Anthropic]:
    """A client that retries nothing, so that every figure is of one call."""
    import anthropic

    if settings.loopback:
        from threadfan.testing import MessagesServer

        with MessagesServer(latency=settings.latency, replies=replies(settings.companies)) as server:
            yield server.client(timeout=settings.timeout)
        return
    try:
        client = anthropic.Anthropic(
            api_key=settings.key or "none", base_url=settings.base_url, timeout=settings.timeout, max_retries=0
        )
    except Exception as error:
        shown = settings.server(settings.base_url or "")
        raise DemoError(f"{shown} cannot be asked: {reason(error, settings.timeout)}") from error
    with client:
        yield client


@contextmanager
def _no_word_of_stuck_threads() -> Iterator[None]:
    """A call that hangs has a line of its own here, and needs no warning."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "demo: (the thread|[0-9]+ threads) .*stuck", RuntimeWarning)
        yield
