"""What streams of outcomes and of texts return: an iterator, and a handle on the batch that it reads from."""

from __future__ import annotations

from functools import partial

from ..base import checks
from ..base.generic import TYPE_CHECKING, T
from ..base.outcome import Outcome
from .handle import Handle
from .iteration import AsyncIteration, Iteration

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator
    from types import TracebackType
    from typing import Self, TypeVar

    from .pieces import Piece
    from .report import Report
    from .window import BatchStream

    S = TypeVar("S", bound=BatchStream[object])


class _Streamed(Handle[T]):
    """The handle."""

    _stream: BatchStream[T]

    def _watch(self, stream: BatchStream[T]) -> None:
        self._stream = stream
        self._batch = stream.batch

    def _taken_inputs(self) -> int:
        return self._stream.taken

    def _has_ended(self, index: int) -> bool:
        return self._stream.has_handed_out(index)

    def _handed_out(self) -> Callable[[], int]:
        return partial(getattr, self._stream, "yielded")

    def report(self) -> Report[T]:
        """The outcomes of the calls that have ended so far, in input order.

        Raises:
            RuntimeError: the stream was made without ``keep=True``.
        """
        if not self._stream.keeps:
            raise RuntimeError(
                "this stream keeps no outcomes that it has handed out, for its inputs may be endless; right is: "
                "fan.stream(…, keep=True)"
            )
        return self._stream.report([])

    @property
    def stopped(self) -> str | None:
        """Why inputs were left out, by ``halt``, ``max_errors``, ``budget`` or ``cancel``; None if none was."""
        return self._stream.early.stopped()

    def _cancel_all(self) -> bool:
        return self._stream.early.cancel()


class RunStream(_Streamed[T], Iteration[Outcome[T]]):
    """A generator of outcomes, made by ``fan.stream``, that can be watched, paused and cancelled from any thread.

    As a context manager it is closed when the block is left.

    Args:
        generator: what is iterated over.
        stream: where its outcomes come from.
    """

    def __init__(self, generator: Generator[Outcome[T], None, None], stream: BatchStream[T]) -> None:
        super().__init__(generator, partial(stream.cut, running=True), partial(stream.cut, running=False))
        self._watch(stream)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """``close``."""
        self.close()


class AsyncRunStream(_Streamed[T], AsyncIteration[Outcome[T]]):
    """``RunStream`` for ``async for``, made by ``fan.astream``.

    Args:
        generator: what is iterated over.
        stream: where its outcomes come from.
    """

    def __init__(self, generator: AsyncGenerator[Outcome[T], None], stream: BatchStream[T]) -> None:
        super().__init__(generator)
        self._watch(stream)


class TextStream(_Streamed[object], Iteration["Piece"]):
    """A generator of pieces of text, each with the index of its call, made by ``fan.stream_text``.

    It can be watched, paused and cancelled like a ``Run``.

    ``report`` has the outcome of each call that has ended.  As a context manager it is closed when the block is left.

    Args:
        generator: what is iterated over.
        stream: where they come from.
    """

    def __init__(self, generator: Generator[Piece, None, None], stream: BatchStream[object]) -> None:
        super().__init__(generator, partial(stream.cut, running=True), partial(stream.cut, running=False))
        self._watch(stream)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """``close``."""
        self.close()


class AsyncTextStream(_Streamed[object], AsyncIteration["Piece"]):
    """``TextStream`` for ``async for``, made by ``fan.astream_text``.

    Args:
        generator: what is iterated over.
        stream: where they come from.
    """

    def __init__(self, generator: AsyncGenerator[Piece, None], stream: BatchStream[object]) -> None:
        super().__init__(generator)
        self._watch(stream)


def kind_of(kind: type[S], keep: bool) -> type[S]:
    """The kind of stream that keeps outcomes, or that does not."""
    if not checks.flag("keep", keep):
        return kind
    from .keeping import keeping

    return keeping(kind)
