"""A run: inputs through a fan, results into a file, failures into another, and what is said of it."""

from __future__ import annotations

import asyncio
import warnings
from contextlib import ExitStack, aclosing, contextmanager, suppress
from functools import wraps
from typing import TYPE_CHECKING

from threadfan import CallCancelled, Fan, FanClosed, JournalError, Terminated, drain_on_signals
from threadfan._core.base.interrupts import INTERRUPTS
from threadfan._core.base.texts import shortened, text_of
from threadfan._core.batches.iteration import Iteration

from .arriving import Arriving
from .bar import Bar, bar_for
from .errors import INTERRUPTED, TERMINATED, CommandError
from .failures import Failures
from .files import Files
from .tally import Tally, say
from .writing import Sink, UnfitError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Iterator

    from threadfan import Outcome

    from .options import BatchOptions
    from .reading import Source, Unreadable
    from .rows import Item, Job, Result

_LOOK = 0.5  # seconds; as the fan itself does


def run_batch(job: Job, source: Source, options: BatchOptions) -> int:
    """Call ``job.fn`` with every input, and return the exit status.

    Raises:
        CommandError: not all have succeeded.
    """
    files = Files.of(source, options)
    if job.known_by and files.has_only_others(job.version):
        say(f"{files.journal} has results, but none of this {job.known_by}: every input is to be called")
    if options.dry_run:
        from .dry_run import show

        return show(job, source, files, options)
    with ExitStack() as stack:
        bar = bar_for(source, job.fn, wanted=options.progress, output=options.output)
        run = _Run(job, source, files, options, bar)
        stack.callback(run.close)
        stack.enter_context(run.warnings_as_lines())
        try:
            run.go()
        except KeyboardInterrupt as error:
            run.write_left(error)
            raise CommandError(f"interrupted: {run.done_so_far()}", INTERRUPTED) from error
        except Terminated as error:
            run.write_left(error)
            raise CommandError(f"terminated: {run.done_so_far()}", TERMINATED) from error
        except JournalError as error:
            raise CommandError(text_of(error)) from error
    return run.told()


class _Run:
    """One run, from its first call to its end."""

    def __init__(self, job: Job, source: Source, files: Files, options: BatchOptions, bar: Bar | None) -> None:
        self._job, self._source, self._files, self._options, self._bar = job, source, files, options, bar
        self._budget = options.money(job.model)
        self._tally = Tally(self._budget, options.money(job.model, endless=True), job.model)
        self._halt = options.halting()
        self._halted: str | None = None  # why it was stopped early
        self._hopeless: str | None = None  # why all calls would fail
        self._more: str | None = None  # to say of what has failed
        self._taken = 0  # inputs
        self._has_all = False  # whether there are no more
        self._cut = False  # whether calls that run are ended
        self._failures = Failures(files.failures)
        self._failures.check()
        self._sink = Sink(files.output, files.output_format, job.columns, job.text)
        source.unreadable = self._unreadable

    def go(self) -> None:
        """Call, and write what comes."""
        self._files.begin()  # last: by now nothing is refused that the user has named
        options, job = self._options, self._job
        retry = options.retry if job.retry is None else job.retry
        journal = self._files.journal_options(job.version)
        progress = self._bar.show if self._bar else False
        fan = Fan(
            options.workers, timeout=options.timeout, total_timeout=options.total_timeout, retry=retry,
            rate=options.rate_limit(), name="run",
        )  # fmt: skip
        given = {"ordered": options.keep_order, "progress": progress, **journal}
        fn, source = self._guarded(job.fn), self._source
        with fan, drain_on_signals():  # SIGTERM begins no further call, and lets those that run come to their end
            try:
                if source.is_slow:
                    asyncio.run(self._take_as_they_arrive(lambda rows: fan.astream(fn, rows, **given)))
                else:
                    self._take_all(fan.stream(fn, self._rows(), **given))
            except INTERRUPTS:
                self._cut = True
                raise
            except FanClosed:  # is what a stream ends with that was closed or drained
                if self._halted is None:
                    raise
        self._begin()
        self._sink.finish()
        for row, why in self._sink.unfit():
            self._tally.not_written += 1
            self._failures.add_line(row, {"status": "not written", "error": why})

    def _guarded(self, fn: Callable[[Item], Result]) -> Callable[[Item], Result]:
        """``fn``, which is not called any more once the run is halted, and is given a row that is its own.

        What it does to that is not seen in the output: a run that goes on would not have seen it.
        """

        @wraps(fn)
        def called(item: Item) -> Result:
            why = self._halted or self._hopeless
            if why is not None:
                raise CallCancelled(why)
            try:
                return fn(dict(item) if type(item) is dict else item)
            except Exception as error:
                self._hopeless = self._hopeless or self._job.hopeless(error)
                raise

        return called

    def _rows(self) -> Iterator[Item]:
        for row in self._source:
            self._taken += 1
            yield row
        self._has_all = True

    def _left_some(self) -> bool:
        """Whether inputs may be without an outcome; else it has not been stopped early, whatever was reached."""
        tally = self._tally
        return not self._has_all or self._taken > tally.ended() + tally.kept or "cancelled" in tally.failures

    def _take_all(self, outcomes: Generator[Outcome[Result]]) -> None:
        for outcome in outcomes:
            self._take(outcome)
            if self._to_halt():
                assert isinstance(outcomes, Iteration)  # noqa: S101 -- which can be drained
                outcomes.close() if self._cut else outcomes.drain()

    async def _take_as_they_arrive(self, begin: Callable[[Arriving], AsyncGenerator[Outcome[Result]]]) -> None:
        """The same of inputs for which one may have to wait: what has ended is written meanwhile."""
        rows, looking = Arriving(self._source), asyncio.create_task(_look_for_signals())
        try:
            async with aclosing(begin(rows)) as outcomes:
                async for outcome in outcomes:
                    self._take(outcome)
                    if self._to_halt():
                        if self._cut:
                            break
                        rows.end()  # what waits is refused, see ``_guarded``
        finally:
            looking.cancel()

    def _to_halt(self) -> bool:
        """Whether it is to stop now, for the first time."""
        if self._halted is not None:
            return False
        if self._halt is not None:
            self._halted = self._halt.reached(self._tally)
            self._cut = self._halted is not None and self._halt.now
        self._halted = self._halted or self._hopeless
        if self._options.budget is not None and self._budget is not None and self._halted is None:
            self._halted = self._budget.used_up()
        return self._halted is not None

    def _begin(self) -> None:
        """Replace what earlier runs have written."""
        if not self._sink.begun:
            self._sink.begin()
            self._failures.begin()

    def _take(self, outcome: Outcome[Result]) -> None:
        self._begin()
        self._tally.add(outcome)
        if outcome.ok:
            try:
                self._sink.write(outcome.item, outcome.value)
            except UnfitError as error:
                self._tally.not_written += 1
                self._failures.add(outcome, str(error))
        elif outcome.status in ("failed", "timed_out"):
            self._failures.add(outcome)
            if self._more is None and outcome.error is not None:
                self._more = self._job.more_of(outcome.error)

    def _unreadable(self, line: Unreadable) -> None:
        self._tally.unreadable += 1
        self._failures.add_line(line.text, {"line": line.line, "status": "unreadable", "error": line.why})

    def write_left(self, error: BaseException) -> None:
        """Write what had ended and was not handed out when a signal came."""
        with suppress(*INTERRUPTS):
            for outcome in getattr(error, "report", None) or ():
                if outcome.ok:
                    self._take(outcome)
            if self._sink.begun:
                self._sink.finish()

    @contextmanager
    def warnings_as_lines(self) -> Iterator[None]:
        """Warnings are lines as any others; none of threads that are stuck where the user wants out."""

        def show(message: Warning | str, *_: object) -> None:
            if not self._cut:
                say(f"warning: {shortened(str(message), 300)}")

        with warnings.catch_warnings():
            warnings.showwarning = show  # type: ignore[assignment]  # what it is called with differs by version
            yield

    def close(self) -> None:
        """Let go of files and of the terminal."""
        if self._bar is not None:
            self._bar.close()
        self._sink.close()
        self._failures.close()

    # -- what is said ------------------------------------------------------------------------------------------------

    def done_so_far(self) -> str:
        """How far it is, and how to go on."""
        kept = f"{self._tally.done():,} calls are done"
        if self._files.journal is None:
            return f"{kept}, in {self._files.output_name}; with --journal run.db the same command could go on"
        return f"{kept}; the same command goes on, by {self._files.journal}"

    def told(self) -> int:
        """Say what became of it; the exit status."""
        tally = self._tally
        try:
            page = self._files.write_report()
        except CommandError:
            say(tally.summary())
            raise
        say(f"{tally.summary()}{'' if page is None else f'; see {page}'}")
        if self._halted is not None and self._left_some():
            raise CommandError(f"stopped early, {self._halted}: {self.done_so_far()}")
        if tally.bad:
            where, again = self._files.failures, self._files.journal is not None
            right = "the same command tries them again" if again else "that file can be the INPUT of a run"
            told = f"; they are in {where}, and {right}" if where else f"; {right}" if again else ""
            more = "" if self._more is None else f"; {self._more}"
            raise CommandError(f"{tally.causes()}{more}{told}")
        return 0


async def _look_for_signals() -> None:
    """Wake the loop now and then: a signal that comes in the moment before it waits in the system does not."""
    while True:
        await asyncio.sleep(_LOOK)
