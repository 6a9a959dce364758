"""``start``: a batch of which one gets a handle at once."""

from __future__ import annotations

from functools import partial

from ..base import checks
from ..base.generic import TYPE_CHECKING, T
from ..batches import intake, metering
from ..batches.conduct import Bell, Conduct
from ..batches.halting import stops
from ..batches.run import begin_run
from .run import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..batches.asked_journal import Asked
    from ..batches.halting import Stops
    from ..batches.intake import Given
    from ..batches.metering import Shown
    from ..batches.stopping import StoppingCompletion
    from ..calls.options import Options
    from ..pool.scheduler import Scheduler


def start(
    scheduler: Scheduler,
    options: Options,
    fn: Callable[..., T],
    given: Given,
    *,
    fail_fast: bool,
    deadline: float | None,
    star: bool,
    progress: Shown,
    halt: str | Stops | None,
    asked: Asked | None,
    owner: object,
) -> Run[T]:
    """See ``Fan.start``.  ``owner`` is kept alive by the run."""
    said = fn
    if checks.is_coroutine_function(fn, generators=False):
        from .aio.coroutines import taker
        from .aio.loops import running_loop

        fn = taker(running_loop("fan.start"))("fan.start", fn)
    checks.function("fan.start", fn)
    progress = metering.wanted(progress, options)
    metering.warn_of_bars("fan.start", given)
    intake.check("fan.start", said, given, star=star)
    deadline = checks.seconds("deadline", deadline)
    bell = Bell()
    completion: StoppingCompletion[T]
    inputs: Iterator[object] | None = None
    finish: Callable[[], object] | None = None
    total: int | None = None
    if asked is None:
        completion = fed = begin_run(
            scheduler, options, fn, given, bell.ring, fail_fast=fail_fast, deadline=deadline, late=None, star=star,
            halt=halt, keep=True,
        )  # fmt: skip
        inputs = intake.one_by_one(given, strict=True) if fed.fed else None
    else:
        from ..batches import journaled
        from ..batches.asked_journal import journal_of

        journal, halting = journal_of(said, asked), stops(halt)
        items = intake.everything(given, strict=True)
        finish, total = journal.file.close, len(items)
        try:
            plan = journaled.planned(journal, items, asked)
            completion = journaled.begin_run(
                journal, plan, scheduler, options, fn, items, given, bell.ring, fail_fast=fail_fast, deadline=deadline,
                star=star, halt=halting,
            )  # fmt: skip
        except BaseException:
            journal.file.close()
            raise
    called = None if asked is None else getattr(completion.batch.fn, "__wrapped__", None)
    conduct = Conduct(completion, bell, deadline=deadline, finish=finish, called=called)
    meter = None
    try:
        run = Run(conduct, owner, total)
        meter = conduct.meter = metering.begin(completion.batch, progress)
        conduct.begin(inputs)
        return run
    except BaseException:
        for act in (finish, None if meter is None else partial(meter.close, wait=False)):
            if act is not None:
                act()
        raise
    finally:
        del conduct, completion, bell  # an error's traceback holds this frame: leave no cycle
