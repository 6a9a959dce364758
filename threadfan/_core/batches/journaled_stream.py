"""``stream`` with a journal: what that has already is handed out at once, in its place if outcomes are ordered.

Guarantees:

- An outcome is in the journal before it is handed out, a failure too.
- Inputs may be endless: nothing is kept of those whose outcomes were handed out.
- Once the journal cannot be written no more inputs are taken, and the stream ends with the ``JournalError``.
"""

from __future__ import annotations

import random
from contextlib import nullcontext
from functools import partial
from itertools import count, islice
from time import sleep
from typing import TYPE_CHECKING, Any

from ..base.clock import FOREVER
from ..base.generic import T
from ..base.outcome import INDEX, PAYLOAD, STATUS, SUCCEEDED
from . import intake
from .asked_journal import journal_of
from .journaled_calls import JournaledCollector, around
from .making import new_batch
from .report import Report
from .window import BatchStream

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Iterator

    from ..base.errors import JournalError
    from ..base.outcome import Raw
    from ..calls.batch import Batch
    from ..calls.inputs import Entry
    from ..calls.options import Options
    from ..journal.digests import Digest
    from ..journal.journal import Journal
    from ..pool.scheduler import Scheduler
    from .asked_journal import Asked
    from .halting import Stops
    from .intake import Given

SOON = 0.002
"""Seconds after which threads that have no inputs get some although half the window is not free.  Arbitrary: ten
times what looking up a few takes, and not felt."""

QUICK = 0.0002
"""Seconds from one outcome to the next in which calls are not waited for one by one.  Arbitrary: some times what
storing a result takes."""

REST = 0.005
"""Seconds that such calls are left to themselves at the most, until half of them are over; if there are ``ENOUGH``.
Arbitrary: many, and not felt."""
ENOUGH = 32


def _make(raws: list[Raw], **figures: Any) -> Report[Any]:
    figures["fn"] = figures["fn"].__wrapped__  # what the user has given
    return Report(raws, **figures)


class JournaledStream(BatchStream[T]):
    """The window between inputs and outcomes of which a journal may have some.

    Args:
        journal: which is opened when the first outcome is asked for.
        asked: what the user has said of it.
    """

    make = staticmethod(_make)
    ahead = 0.02  # ten times that of others: looking up many costs little more

    def __init__(
        self, batch: Batch, inputs: Iterator[object] | None, journal: Journal, asked: Asked, **window: Any
    ) -> None:
        self._collected = JournaledCollector(batch, journal.file)
        super().__init__(batch, inputs, **window)
        self._journal, self._file = journal, journal.file
        self._asked = asked
        self._look_up = journal.look_up(unique=asked.unique)
        self._taken = 0
        self._filled = -FOREVER  # when inputs were taken last
        self._rested, self._before = 0.0, 0  # when somebody was about to wait last, and what was handed out then
        self._first: dict[Digest, int] = {}  # of inputs that are called, if equal ones are called once: the place
        self._copies: dict[int, list[Entry]] = {}  # of such a place: the inputs that are like it

    @property
    def taken(self) -> int:
        """How many inputs were taken, those that are not called among them."""
        return self._taken

    def prepare(self) -> None:
        """Open the journal."""
        self.finish = self._close
        self._file.open()
        self._file.begin(self._journal.name, self._asked.text_of_version(), {})
        self._look_up.begin(self._file.run)

    # -- taking inputs -----------------------------------------------------------------------------------------------

    def handed_out(self, number: int) -> float:
        """As of any; but what the journal has leaves threads without inputs, and is looked up many at once."""
        self.yielded = number
        if self._inputs is not None and (
            number >= self.due or (not self.entries and self.room > 0 and self._clock() - self._filled > SOON)
        ):
            self.fill()
        return self.due

    def fill(self) -> None:
        """As of any, but for a few inputs only if threads have none left: looking up many costs little more."""
        if self.entries and 2 * self.room < self._window:
            return
        super().fill()
        self._filled = self._clock()

    def feed(self, items: list[object], now: float) -> None:
        """Have the outcomes that the journal has ready to be handed out, and the other inputs called."""
        if self._file.broken is not None:
            self._raise(self._file.broken)
        first, read = self._taken, self._journal.read
        todo: dict[int, object] = {}
        there: dict[int, Raw] = {}
        try:
            for place, item, (key, data) in zip(count(first), items, self._look_up.of(items, first), strict=False):
                self._taken = place + 1
                if data is not None:
                    there[place] = (place, item, now, SUCCEEDED, read(data, place), None, now, None)
                elif not self._asked.unique or self._is_first(place, key, item, now):
                    self._file.keys[place] = key
                    todo[place] = item
        finally:
            self._keep(there)
        if todo:
            self._call(todo, now)
        if len(todo) < len(items):
            self.batch.reader.wake()  # who feeds may be another than who reads

    def _keep(self, raws: dict[int, Raw]) -> None:
        with nullcontext() if self.early.moving is None else self.early.moving.lock:
            self._collected.kept += len(raws)  # first: never more than there are
            self._results.update(raws)

    def _is_first(self, place: int, key: Digest, item: object, now: float) -> bool:
        """Whether an input without a result is called: equal ones are not, and have what becomes of the first."""
        same = self._first.setdefault(key, place)
        failure = self._file.failures.of(key) if same == place and self._collector.failures else None
        if failure is not None:
            del self._first[key]
            self._keep({place: (place, item, now, *failure, None, now, None)})
        elif same != place:
            self._copies.setdefault(same, []).append((place, item, now))
        return same == place and failure is None

    def _call(self, todo: dict[int, object], now: float) -> None:
        places = list(todo)
        if self._file.shared:  # so that runs that go on at once seldom want the same item
            random.shuffle(places)
            places.sort(key=self._file.under_way)
        self.batch.feed([todo[place] for place in places], now, places)

    def _must_end(self) -> bool:
        if self._file.broken is not None and self._inputs is not None:
            self._end_of_inputs()
        return self._inputs is None or super()._must_end()

    # -- handing out -------------------------------------------------------------------------------------------------

    def harvest(self, ready: deque[Raw]) -> None:
        """As of any; failures are stored that are not, and inputs like those that are called get what came of them."""
        before = len(ready)
        super().harvest(ready)
        while len(ready) > before:
            new = list(islice(ready, before, None))
            before = len(ready)
            if self._settle(new):
                super().harvest(ready)

    def _settle(self, raws: list[Raw]) -> bool:
        """These leave; whether there are copies of them."""
        file, shared, found = self._file, self._file.shared, False
        called = [raw for raw in raws if raw[INDEX] in file.keys]
        file.failures.keep_all(called, self._collector.usages, self._collector.attempts)
        for raw in called:
            key = file.forget(raw[INDEX])
            if not self._asked.unique:
                self._look_up.ended(key, stored=raw[STATUS] is SUCCEEDED and not shared)
                continue
            del self._first[key]
            for place, item, now in self._copies.pop(raw[INDEX], ()):
                found = True
                self._keep({place: (place, item, now, raw[STATUS], raw[PAYLOAD], None, now, None)})
        return found

    def rest(self) -> None:
        """Leave calls that take no time to themselves for a moment: to be woken by each costs as much as they do.

        Not in a call of the fan itself: that has to lend them its slot.
        """
        now, number, left = self._clock(), self.yielded, len(self.entries)
        took, ended = now - self._rested, number - self._before
        self._rested, self._before = now, number
        quick = took < QUICK * ended and left >= ENOUGH
        if quick and self.batch.scheduler.lending.take_out() is None:
            sleep(min(REST, took / ended * left / 2))

    # -- ending ------------------------------------------------------------------------------------------------------

    def check_complete(self) -> None:
        """As of any; that the journal could not be written is raised too."""
        if self._file.broken is not None:
            self._raise(self._file.broken)
        super().check_complete()

    def _raise(self, broken: JournalError) -> None:
        try:
            raise broken
        finally:
            del self, broken  # the traceback holds this frame: leave no cycle

    def left(self) -> list[Raw]:
        """As of any."""
        self._settle(list(self._results.values()))
        return super().left()

    def _close(self) -> None:
        wall, slots = self._clock() - self.batch.since, self.batch.scheduler.slots.total
        try:
            self._file.note_end((), {}, {}, {"wall": wall, "slots": slots})
        finally:
            self._file.close()


def make_stream(
    scheduler: Scheduler,
    options: Options,
    fn: Callable[..., T],
    given: Given,
    asked: Asked,
    *,
    window: int,
    ordered: bool,
    elastic: bool,
    star: bool,
    fed_by_owner: bool = False,
    halt: Stops | None = None,
    said: Callable[..., object] | None = None,
    kind: type[JournaledStream[Any]] | None = None,
) -> JournaledStream[T]:
    """As that of ``window``.

    Args:
        asked: what the user has said of the journal.
        said: the function as the user has given it, if ``fn`` is another.
        kind: of stream, if it is a special one.
    """
    journal = journal_of(said or fn, asked)
    with scheduler.lock:
        scheduler.check_open()
    inputs = None if fed_by_owner else intake.one_by_one(given, strict=True)
    counting = None if halt is None else halt.around()
    calls = partial(around, journal, counting=counting)
    batch = new_batch(scheduler, options, fn, given, items=None, star=star, around=calls)
    kind = JournaledStream if kind is None else kind
    made = kind(
        batch, inputs, journal, asked, window=window, elastic=elastic, ordered=ordered, quick=intake.known(given)
    )
    made.early.stop_at(halt)
    return made
