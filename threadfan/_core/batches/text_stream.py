"""Texts that many calls make at once, piece by piece as they come: ``stream_text``.

Guarantees: the calls go on while the reader does, and as far as there is room for what he has not read; closing the
iterator ends them.  A call of which a piece was handed in is not made again, for it cannot be taken back, nor is any
made twice at once.  Outcomes are kept, for a report.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from queue import SimpleQueue

from ..base import checks
from ..base.generic import TYPE_CHECKING
from ..base.static import caller, describe
from ..calls.this_call import this_call
from ..scope.scope import current_scope
from . import loop_here, metering
from .keeping import Keeping
from .left import end_dropped, end_early
from .pieces import Pieces, Teller
from .reading import sleep
from .streamed import TextStream
from .telling import check, telling
from .window import make_stream

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from ..base.clock import Gate
    from ..base.outcome import Raw
    from ..calls.options import Options
    from ..pool.scheduler import Scheduler
    from .intake import Given
    from .metering import Shown
    from .pieces import Piece
    from .telling import Tell

BUFFER = 1024
"""Pieces that may wait to be read.  Arbitrary: seconds of many models' writing, and hardly any memory."""


class BatchOfTexts(Keeping[object]):
    """The stream of outcomes behind one of pieces: its reader takes outcomes as they come, and keeps them."""

    pieces: Pieces

    @property
    def room(self) -> int:
        """How many more inputs may be taken: a call that waits for the reader has no slot, and another one begins."""
        return 2 * self.batch.scheduler.slots.total - (self.taken - self.yielded)

    def idle(self) -> bool:
        """Whether there is neither a piece nor an outcome, although more may come."""
        return not self.pieces and super().idle()

    def take_outcomes(self) -> None:
        """Keep those that there are, and take more inputs."""
        ready: deque[Raw] = deque()
        self.harvest(ready)
        if ready:
            self.handed_out(self.yielded + len(ready))

    @property
    def read(self) -> bool:
        """Whether there is no more to read; to be asked when outcomes were taken."""
        return self.over and not self.pieces  # in this order: when all calls have ended, no more pieces come

    def cut(self, *, running: bool, finalizing: bool = False) -> None:
        """The reader has gone."""
        if running:
            self.pieces.close()
        super().cut(running=running, finalizing=finalizing)


def make_texts(
    scheduler: Scheduler,
    options: Options,
    fn: Callable[..., object],
    given: Given,
    *,
    buffer: int | None,
    star: bool,
    fed_by_owner: bool = False,
    by_name: bool | None = None,
    name: Callable[..., object] | None = None,
) -> BatchOfTexts:
    """The stream, and what its calls hand their pieces to; nothing is called yet.

    Args:
        by_name: see ``telling``.
        name: what messages call it by, if not ``fn``.
    """
    if options.sending is not None:
        raise TypeError(
            "texts are streamed from threads of this process, and the calls of over(…) are made in others: use "
            "stream(…), or a Fan"
        )
    pieces = Pieces(BUFFER if buffer is None else checks.count("buffer", buffer))
    wake: list[Callable[[], object]] = []

    def teller() -> Tell:
        session, key = this_call()
        return Teller(pieces, session.queue.index_of(key), current_scope(), session.scheduler, wake[0])

    told, window = telling(fn, teller, by_name=by_name), 2 * scheduler.slots.total
    told.__qualname__ = describe(fn if name is None else name)  # by which errors and events call it
    changed = options.changed({"hedge": None, **options.with_fallbacks(partial(telling, teller=teller))})
    made = make_stream(
        scheduler, changed, told, given, window=window, ordered=False, strict=True, star=star,
        fed_by_owner=fed_by_owner, kind=BatchOfTexts,
    )  # fmt: skip
    if not isinstance(made, BatchOfTexts):
        raise TypeError("this is no stream of texts")
    made.pieces = pieces
    wake.append(made.batch.reader.wake)
    return made


def stream_text(
    scheduler: Scheduler,
    options: Options,
    fn: Callable[..., object],
    given: Given,
    *,
    buffer: int | None,
    star: bool,
    owner: object,
    progress: Shown = False,
) -> TextStream:
    """See ``Fan.stream_text``.  ``owner`` is kept alive until the stream ends."""
    check("fan.stream_text", fn, given, star=star)
    progress = metering.wanted(progress, options)
    made = make_texts(scheduler, options, fn, given, buffer=buffer, star=star)
    return TextStream(_pieces(made, owner, progress), made)


def _pieces(stream: BatchOfTexts, owner: object, progress: Shown) -> Generator[Piece, None, None]:
    """What is iterated over; a finalizer of it may be the garbage collector."""
    finalizing, meter = False, None
    stream.batch.cancel_at_close = True
    pieces = stream.pieces
    gate: Gate = SimpleQueue()
    try:
        loop_here.check(stream.batch.scheduler)
        stream.enlist([partial(gate.put, None)])
        if progress is not False:
            meter = metering.begin(stream.batch, progress, partial(getattr, stream, "yielded"))
        stream.fill()
        while not stream.read:
            stream.check_wanted()
            for _ in range(len(pieces)):  # and not while there are any: other calls begin as outcomes are taken
                yield pieces.take()
            stream.take_outcomes()
            if stream.idle():
                stream.fill()
                sleep(stream.batch, stream.watch, stream.idle, gate, None)
        stream.check_complete()
    except GeneratorExit:  # the reader has gone, and nobody sees what is raised here
        finalizing = True
        if not stream.batch.ended:
            end_dropped(caller(), partial(end_early, stream, ready=deque(), gate=gate))
        raise
    except BaseException as error:
        end_early(stream, error, deque(), gate)
        raise
    finally:
        stream.cut(running=True, finalizing=finalizing)
        stream.tell_end()
        if meter is not None:
            meter.close(wait=not finalizing)
        del owner, meter, stream, pieces  # an error's traceback holds this frame: leave no cycle
