"""``run`` with a journal: what a run before, or another process, has done is not called again."""

from __future__ import annotations

import os
import random
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple

from ..base import checks
from ..base.errors import CallCancelled
from ..base.generic import T
from ..base.static import describe
from ..base.texts import brief, text_of
from ..calls.collector import Collector
from ..journal.digests import Digests, content
from ..journal.journal import Journal
from ..journal.values import Values, returned_by
from ..scope.scope import scope_var
from ..scope.waiting import sleep
from . import intake, metering
from .halting import StoppingCompletion, stops
from .journaled_report import JournaledReport
from .making import new_batch
from .report import Report, put_on

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..base.clock import Gate
    from ..base.outcome import Raw
    from ..calls.batch import Batch
    from ..calls.options import Options
    from ..journal.planning import Plan
    from ..journal.values import Codec
    from ..pool.scheduler import Scheduler
    from .halting import Stops
    from .intake import Given
    from .metering import Shown


class Asked(NamedTuple):
    """What the user has said of the journal."""

    journal: str | os.PathLike[str] | None
    key: Callable[[Any], object] | None
    version: str | int | None
    codec: Codec | None
    unique: bool


def run(
    scheduler: Scheduler,
    options: Options,
    fn: Callable[..., T],
    given: Given,
    *,
    fail_fast: bool,
    deadline: float | None,
    late: str | None,
    star: bool,
    progress: Shown,
    halt: str | Stops | None,
    asked: Asked,
) -> Report[T]:
    """See ``Fan.run``."""
    checks.function("fan.run", fn)
    metering.check(progress)
    metering.warn_of_bars("fan.run", given)
    intake.check("fan.run", fn, given, star=star)
    journal, halting = journal_of(fn, asked, late), stops(halt)
    gate: Gate = SimpleQueue()
    items = intake.everything(given, strict=True)
    try:
        plan = planned(journal, items, asked)
        completion = begin_run(
            journal, plan, scheduler, options, fn, items, given, partial(gate.put, None), fail_fast=fail_fast,
            deadline=deadline, star=star, halt=halting,
        )  # fmt: skip
        with metering.shown(completion.batch, progress):
            return completion.wait(gate)
    finally:
        journal.close()
        del journal  # an error's traceback holds this frame: leave no cycle


def journal_of(fn: Callable[..., object], asked: Asked, late: str | None) -> Journal:
    """The journal of a function that the user has given, not yet opened.

    Raises:
        TypeError, ValueError: what was asked for cannot be.
    """
    _check(asked, late)
    version = None if asked.version is None else str(asked.version)
    digests = Digests(_name_of(fn, version), version, asked.key)
    values = Values(asked.codec, returned_by(fn), f"the annotation of {describe(fn)}")
    return Journal(os.fspath(asked.journal or ""), fn, digests, values)


def planned(journal: Journal, items: list[object], asked: Asked) -> Plan:
    """Open the journal, and look up which inputs are to be called."""
    journal.open()
    plan = journal.plan(items, unique=asked.unique)
    journal.begin(plan, None if asked.version is None else str(asked.version))
    if journal.shared:  # so that runs that go on at once seldom want the same item
        random.shuffle(plan.todo)
        plan.todo.sort(key=journal.under_way)
    return plan


def begin_run(
    journal: Journal,
    plan: Plan,
    scheduler: Scheduler,
    options: Options,
    fn: Callable[..., T],
    items: list[object],
    given: Given,
    wake: Callable[[], object],
    *,
    fail_fast: bool,
    deadline: float | None,
    star: bool,
    halt: Stops | None,
) -> JournaledRun[T]:
    """The batch of a ``run``, not yet enlisted, and how it ends.

    Args:
        journal: which is open.
        plan: what is to be called.
        given: the iterables from which the items are.
    """
    fail_fast, deadline = checks.flag("fail_fast", fail_fast), checks.seconds("deadline", deadline)
    todo = [items[place] for place in plan.todo]
    around = partial(_around, journal, None if halt is None else halt.around())
    batch = new_batch(scheduler, options, fn, given, items=todo, star=star, numbers=plan.todo, around=around)
    some = _Some()
    some.judged = batch.collector.judged
    batch.collector = some
    return JournaledRun(batch, wake, journal, plan, items, fail_fast=fail_fast, deadline=deadline, halt=halt)


def _around(
    journal: Journal,
    counting: Callable[[Callable[[Any], object]], Callable[[Any], object]] | None,
    fn: Callable[[Any], object],
) -> Callable[[Any], object]:
    """``fn`` as it is called, with what is to be done for the journal.

    Args:
        counting: what counts the tokens of calls that are made, if anything does.
    """
    one = fn if counting is None else counting(fn)

    def journaled(item: object) -> object:
        session: Any = scope_var.get()  # of the thread that runs this call
        running = list(session.claim)
        if not running:
            raise CallCancelled("this call was ended before it began")
        place = session.queue.index_of(running[0])
        return journal.call(place, one, item, session.worker.thread.name, sleep)

    journaled.__qualname__ = describe(one)  # by which errors call it
    journaled.__wrapped__ = fn  # type: ignore[attr-defined]  # what a report calls again
    return journaled


class _Some(Collector):
    """What has become of calls that are only some of the batch's inputs, by index."""

    def in_order(self, number: int, missing: Callable[[int], Raw]) -> list[Raw]:
        """In the order of the inputs, without those that were not to be called."""
        return [raw for _, raw in sorted(self.in_order_of_ends().items())]


class JournaledRun(StoppingCompletion[T]):
    """How a batch with a journal ends.

    Args:
        journal: where outcomes are.
        plan: which inputs are called.
        items: all inputs.
    """

    def __init__(
        self,
        batch: Batch,
        wake: Callable[[], object],
        journal: Journal,
        plan: Plan,
        items: list[object],
        *,
        fail_fast: bool,
        deadline: float | None,
        halt: Stops | None,
    ) -> None:
        batch.collector.fail_fast = fail_fast
        if deadline is not None:
            batch.until = batch.since + deadline
        make = partial(_report, journal, plan, items, batch.since)
        super().__init__(batch, wake, fail_fast=fail_fast, deadline=deadline, halt=halt, make=make)
        self._journal = journal

    def report(self) -> Report[T]:
        """See ``Completion``; that the journal could not be written is raised too, when the calls have ended."""
        report = super().report()
        broken = self._journal.broken
        if broken is not None:
            put_on(broken, report)
            try:
                raise broken
            finally:
                del broken, report  # the traceback holds this frame: leave no cycle
        return report


def _report(
    journal: Journal, plan: Plan, items: list[object], since: float, made: list[Raw], **figures: Any
) -> Report[Any]:
    journal.note_end(made, {"wall": figures["wall"], "slots": figures["slots"]})
    figures["fn"] = figures["fn"].__wrapped__
    return JournaledReport(journal.raws(made, items, plan, since), **figures)


# -- checks ------------------------------------------------------------------------------------------------------------


def _check(asked: Asked, late: str | None) -> None:
    if asked.journal is None:
        name = (
            "unique"
            if asked[1:4] == (None,) * 3
            else next(name for name in ("key", "version", "codec") if getattr(asked, name) is not None)
        )
        raise TypeError(f"{name}= says how a journal is kept, and there is none: give journal='run.db' too")
    if not isinstance(asked.journal, (str, os.PathLike)) or not os.fspath(asked.journal):
        raise TypeError(f"journal must be the path of a file, such as 'run.db', not {brief(asked.journal)}")
    if asked.key is not None and not callable(asked.key):
        raise TypeError(f"key must be a function that says what an input is known by, not {brief(asked.key)}")
    if isinstance(asked.version, bool) or not isinstance(asked.version, (str, int, type(None))):
        raise TypeError(f"version must be a text or a number, not {brief(asked.version)}")
    checks.flag("unique", asked.unique)
    if late is not None:
        raise ValueError(
            "late= goes on with what is unfinished at the deadline, and with a journal the next run does: leave it out"
        )


def _name_of(fn: object, version: str | None) -> str:
    """By what a function is known in the journal: its name, and what a partial has of it already."""
    bound = ""
    inner: Any = fn
    while isinstance(inner, partial):
        try:
            bound += content([list(inner.args), inner.keywords]).decode()
        except TypeError as error:
            if version is None:
                raise TypeError(
                    f"a journal knows results by the function too, and what the partial of {describe(fn)} holds cannot "
                    f"be told ({text_of(error)}): give version=, by which it is known then"
                ) from error
        inner = inner.func
    name = describe(inner)
    if name.endswith("<lambda>") and version is None:
        raise TypeError(
            "a journal knows results by the function's name, and a lambda has none: define a function, or give "
            "version=, by which it is known then"
        )
    return f"{name}{bound}"
