"""What ``Pipeline.stream`` and ``astream`` return: an iterator that says whether it was stopped."""

from __future__ import annotations

from ..base.generic import TYPE_CHECKING, T_co
from ..batches.iteration import AsyncIteration, Iteration
from .outcome import PipelineOutcome

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator


class ItemStream(Iteration[PipelineOutcome[T_co]]):
    """A generator of outcomes.

    Args:
        generator: what is iterated over.
        end: ends the calls that it hands out.
        why: says why it has ended, if it was stopped.
    """

    __slots__ = ("_why",)

    def __init__(
        self,
        generator: Generator[PipelineOutcome[T_co], None, None],
        end: Callable[[], object],
        why: Callable[[], str | None],
    ) -> None:
        super().__init__(generator, end)
        self._why = why

    @property
    def stopped(self) -> str | None:
        """Why items were left out, by ``halt``, ``max_errors`` or ``budget``; None if none was."""
        return self._why()


class AsyncItemStream(AsyncIteration[PipelineOutcome[T_co]]):
    """The same for ``async for``.

    Args:
        generator: what is iterated over.
        why: says why it has ended, if it was stopped.
    """

    def __init__(self, generator: AsyncGenerator[PipelineOutcome[T_co], None], why: Callable[[], str | None]) -> None:
        super().__init__(generator)
        self._why = why

    @property
    def stopped(self) -> str | None:
        """Why items were left out, by ``halt``, ``max_errors`` or ``budget``; None if none was."""
        return self._why()
