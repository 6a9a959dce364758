"""Whole batches, and different functions side by side: ``run``, ``stream``, ``gather``, ``join``."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from os import PathLike
    from typing import Any, Literal, Never, TypeVar, overload

    from ..base.outcome import Outcome
    from ..batches.joiners import AllSucceed, Collect, FirstSuccess, Joiner, Quorum
    from ..batches.metering import Shown
    from ..batches.report import Report
    from ..batches.streamed import RunStream, TextStream
    from ..calls.options import Options
    from ..journal.values import Codec, Key
    from ..policies.budget import Budget
    from ..policies.rate_limit import RateLimit
    from ..pool.scheduler import Scheduler
    from .run import Run

    R = TypeVar("R")
    T = TypeVar("T")


class BatchCalls:
    """Many calls at once, waited for in the caller's thread."""

    _scheduler: Scheduler
    _options: Options

    def run(
        self,
        fn: Callable[..., R],
        /,
        *iterables: Iterable[object],
        fail_fast: bool = False,
        deadline: float | None = None,
        late: Literal["keep"] | None = None,
        star: bool = False,
        progress: Shown = False,
        halt: str | None = None,
        max_errors: int | None = None,
        budget: Budget | None = None,
        journal: str | PathLike[str] | None = None,
        key: Key | None = None,
        version: str | int | None = None,
        codec: Codec | None = None,
        unique: bool = False,
        by: Callable[..., object] | None = None,
        max_concurrent: int | None = None,
        rate: RateLimit | None = None,
        priority: float | None = None,
        **misplaced: Never,
    ) -> Report[R]:
        """Call ``fn`` on every input, and report what became of each, in input order; failures are collected.

        Args:
            iterables: as for ``map``, but their lengths must agree.  Inputs that are not at hand yet (a generator's)
                are worked on as they come.
            fail_fast: let the first failure cancel the rest, and raise it.
            deadline: seconds for the whole batch; what is unfinished then is cancelled, what is finished is kept.
            late: with ``"keep"``, what is unfinished at the deadline goes on, and ``report.late`` has its futures.
            star: each input is a tuple of arguments, of one iterable: ``fan.run(pow, [(2, 5), (3, 2)], star=True)``.
            halt: stop before all are done: ``"soon,fail=5"`` starts no call after five have failed, ``"now,fail=10%"``
                also ends those that run, ``"now,success=1"`` stops at the first value; ``report.stopped`` says why.
            max_errors: start no call after so many have failed: 5 is short for ``halt="soon,fail=5"``, and may be given
                together with another ``halt``.
            budget: a ``Budget`` of tokens or money: start no call when it is used up.
            progress: ``True`` shows a bar on stderr, by rich or tqdm if one is installed, and lines where there is no
                terminal; a function is called ten times a second with a ``Progress``, in a thread of its own.
            journal: the path of a file that keeps each result as its call ends.  What has succeeded is not called by
                the next run with the same file, nor by another process meanwhile.
            key: with a journal, a function of an input whose result identifies the input there; by default its content.
            version: with a journal, a text or a number; change it when ``fn`` does something else, and results of other
                versions are not used.
            codec: with a journal, an object whose ``encode`` makes bytes of a result, and ``decode`` a result of those;
                without one, results are stored as JSON, and read as the type in the annotation of ``fn``.
            unique: with a journal, call inputs that are equal once.
            by: a function of an input that returns its key, such as its host; then ``max_concurrent`` and ``rate`` hold
                for each key by itself.  It is called with the input, a tuple if ``fn`` takes several arguments.
            max_concurrent: how many calls of the batch, or of each key, may run at once.  Inputs whose key is at its
                limit take no slot, and the others go on.
            rate: a ``RateLimit`` for the batch, in place of the fan's; with ``by`` each key has one like it.
            priority: as for ``with_options``.

        Raises:
            JournalError: the journal cannot be used, or not be written any more.
            BaseException: whatever ended the batch early (``fail_fast``, Ctrl-C, an exception from an iterable,
                ``FanClosed``), with the outcomes so far in its attribute ``report``.
        """
        from ..batches.run import run
        from .arguments import asked_of, limited, stops_of

        if misplaced:
            from ..base.checks import refuse_misplaced

            refuse_misplaced("fan.run", misplaced)
        asked = asked_of(journal, key, version, codec, unique)
        stops = stops_of(halt, max_errors, budget)
        options = limited(self._options, by, max_concurrent, rate, priority)
        if asked is not None:
            from ..batches import journaled

            return journaled.run(
                self._scheduler, options, fn, iterables, fail_fast=fail_fast, deadline=deadline, late=late,
                star=star, progress=progress, halt=stops, asked=asked,
            )  # fmt: skip
        return run(
            self._scheduler,
            options,
            fn,
            iterables,
            fail_fast=fail_fast,
            deadline=deadline,
            late=late,
            star=star,
            progress=progress,
            halt=stops,
        )

    def start(
        self,
        fn: Callable[..., R],
        /,
        *iterables: Iterable[object],
        fail_fast: bool = False,
        deadline: float | None = None,
        star: bool = False,
        progress: Shown = False,
        halt: str | None = None,
        max_errors: int | None = None,
        budget: Budget | None = None,
        journal: str | PathLike[str] | None = None,
        key: Key | None = None,
        version: str | int | None = None,
        codec: Codec | None = None,
        unique: bool = False,
        by: Callable[..., object] | None = None,
        max_concurrent: int | None = None,
        rate: RateLimit | None = None,
        priority: float | None = None,
        **misplaced: Never,
    ) -> Run[R]:
        """``run``, in the background: returns at once, with a ``Run`` to watch, pause, cancel and wait for.

        It goes on even if nothing refers to the ``Run`` any more.  Leaving the fan's ``with`` waits for it.

        Args:
            iterables: as for ``run``; a generator is read in a thread of its own, or before the first call if there is
                a journal.
            fail_fast: as for ``run``; ``result`` raises the failure.
            deadline: as for ``run``.
            star: as for ``run``.
            progress: as for ``run``.
            halt: as for ``run``, as are ``max_errors`` and ``budget``.
            journal: as for ``run``, as are ``key``, ``version``, ``codec`` and ``unique``.
            by: as for ``run``, as are ``max_concurrent``, ``rate`` and ``priority``.

        Raises:
            JournalError: the journal cannot be used.
        """
        from .arguments import asked_of, limited, stops_of
        from .starting import start

        if misplaced:
            from ..base.checks import refuse_misplaced

            refuse_misplaced("fan.start", misplaced)
        asked = asked_of(journal, key, version, codec, unique)
        return start(
            self._scheduler, limited(self._options, by, max_concurrent, rate, priority), fn, iterables,
            fail_fast=fail_fast, deadline=deadline, star=star, progress=progress,
            halt=stops_of(halt, max_errors, budget), asked=asked, owner=self,
        )  # fmt: skip

    def stream(
        self,
        fn: Callable[..., R],
        /,
        *iterables: Iterable[object],
        ordered: bool = False,
        window: int | None = None,
        star: bool = False,
        progress: Shown = False,
        keep: bool = False,
        halt: str | None = None,
        max_errors: int | None = None,
        budget: Budget | None = None,
        journal: str | PathLike[str] | None = None,
        key: Key | None = None,
        version: str | int | None = None,
        codec: Codec | None = None,
        unique: bool = False,
        by: Callable[..., object] | None = None,
        max_concurrent: int | None = None,
        rate: RateLimit | None = None,
        priority: float | None = None,
        **misplaced: Never,
    ) -> RunStream[R]:
        """Call ``fn`` on every input, and hand out each outcome as its call ends; ``outcome.index`` says which it was.

        Work starts at the first ``next``.  Closing the iterator, or leaving the fan's ``with``, cancels what is left.

        Args:
            iterables: as for ``run``; they may be endless.
            ordered: hand out in input order.
            window: how many inputs may be taken whose outcomes are not yet yielded; by default
                ``max(64, 4 * max_workers)``, and up to 1,024 while inputs come out within 2 ms.
            star: as for ``run``.
            progress: as for ``run``.
            keep: keep all outcomes, for ``report``; for inputs that have an end.
            halt: as for ``run``, as are ``max_errors`` and ``budget``: inputs that were taken and not begun are handed
                out as cancelled, no further input is taken, and the stream's ``stopped`` says why.
            journal: as for ``run``: outcomes that it has are handed out at once, and a new one is in it before it is
                handed out.
            key, version, codec, unique: with a journal, as for ``run``.
            by: as for ``run``, as are ``max_concurrent``, ``rate`` and ``priority``, among the inputs in the window.

        Returns:
            A generator that can be watched, paused and cancelled like a ``Run``.

        Raises:
            FanClosed: (while iterating) the fan was closed before the end.
            JournalError: (while iterating) the journal cannot be used, or not be written any more.
        """
        from ..batches.reading import stream
        from .arguments import asked_of, limited, stops_of

        if misplaced:
            from ..base.checks import refuse_misplaced

            refuse_misplaced("fan.stream", misplaced)
        return stream(
            self._scheduler,
            limited(self._options, by, max_concurrent, rate, priority),
            fn,
            iterables,
            ordered=ordered,
            window=window,
            star=star,
            owner=self,
            progress=progress,
            keep=keep,
            halt=stops_of(halt, max_errors, budget),
            asked=asked_of(journal, key, version, codec, unique),
        )

    def stream_text(
        self,
        fn: Callable[..., object],
        /,
        *iterables: Iterable[object],
        star: bool = False,
        buffer: int | None = None,
        progress: Shown = False,
        **misplaced: Never,
    ) -> TextStream:
        """Run calls that write texts piece by piece, one for each input, and hand out ``(index, text)`` as pieces come.

        The outcomes of the calls, failures too, are in the stream's ``report()``.  Closing the iterator, or leaving the
        fan's ``with``, ends the calls.  A call is tried again only while it has written nothing, and it is not hedged.

        Args:
            fn: a generator function that yields texts; or a function that returns such an iterator, or the stream of
                an SDK (``client.messages.stream(…)``), whose texts are taken from its events; or one that takes
                ``on_text``, a function to call with each piece, as an ``Agent`` does.
            iterables: as for ``run``; of inputs without an outcome at most twice as many as there are slots are taken.
            star: as for ``run``.
            buffer: how many pieces may wait for the reader, by default 1,024.  When there are so many, calls wait,
                without a slot; their timeouts go on.
            progress: as for ``run``.

        Returns:
            A generator that can be watched, paused and cancelled like a ``Run``.

        Raises:
            FanClosed: (while iterating) the fan was closed before the end.
        """
        from ..batches.text_stream import stream_text

        if misplaced:
            from ..base.checks import refuse_misplaced

            refuse_misplaced("fan.stream_text", misplaced)
        return stream_text(
            self._scheduler, self._options, fn, iterables, buffer=buffer, star=star, owner=self, progress=progress
        )

    def gather(self, /, *tasks: Callable[[], T], **named: Callable[[], T]) -> Report[T]:
        """Run different functions side by side, and report what became of each.

        Every keyword is the name of a task, so options are given to a view:
        ``fan.with_options(timeout=30, progress=True).gather(…)``.

        Args:
            tasks: functions without arguments, or ``task(fn, *args, **kwargs)``, which takes options of its own.
            named: the same; their outcomes are found in the report by name.
        """
        from ..batches.run import gather

        report: Report[T] = gather(self._scheduler, self._options, tasks, named)
        return report

    if TYPE_CHECKING:  # policies that take any tasks give back what the tasks return

        @overload
        def join(self, policy: FirstSuccess, /, *tasks: Callable[[], T], **named: Callable[[], T]) -> Outcome[T]: ...
        @overload
        def join(
            self, policy: AllSucceed | Collect | Quorum, /, *tasks: Callable[[], T], **named: Callable[[], T]
        ) -> Report[T]: ...
        @overload
        def join(self, policy: Joiner[T, R], /, *tasks: Callable[[], T], **named: Callable[[], T]) -> R: ...

    def join(self, policy: Joiner[Any, Any], /, *tasks: Callable[[], object], **named: Callable[[], object]) -> object:
        """Run different functions side by side until a policy has enough, cancel the rest, and return its result.

        Args:
            policy: is given each outcome as its call ends, in this thread, and says when it has enough.
                ``threadfan.patterns`` has some (``FirstSuccess``, ``Quorum``, ``Majority``, …), and ``Joiner``, from
                which you derive your own.
            tasks: as for ``gather``.
            named: as for ``gather``.

        Raises:
            BaseException: what the policy makes of the outcomes, or whatever ended the batch early, with the outcomes
                so far in its attribute ``report``.
        """
        from ..batches.joining import join

        return join(self._scheduler, self._options, policy, tasks, named)
