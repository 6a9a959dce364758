"""A journal of functions that are called by a graph or a pipeline: each result is kept, by what it was made of.

What a task or a stage is called with is known only then, for it is what others have returned.  So its thread looks up
whether there is a result, and calls the function if not.
"""

from __future__ import annotations

from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from ..base.outcome import FAILED
from ..base.static import describe
from ..base.texts import text_of
from ..journal.digests import Digests
from ..journal.journal import Journal
from ..journal.journal_file import JournalFile
from ..journal.values import Values, returned_by
from .asked_journal import path_of
from .journaled_calls import LendingWait, running

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from .asked_journal import Asked


class JournaledFunctions:
    """Those of one run; a ``with`` block in which the journal is open.

    Args:
        name: of the graph or the pipeline.
        asked: what the user has said of the journal.
    """

    def __init__(self, name: str, asked: Asked) -> None:
        self.file = JournalFile(path_of(asked))
        self._name = name
        self._asked = asked

    def open(self) -> None:
        """Open the file, and note that a run begins."""
        self.file.open()
        self.file.begin(self._name, self._asked.text_of_version(), {})

    def close(self) -> None:
        """The run has ended."""
        self.file.note_end((), {}, {}, {})
        self.file.close()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def around(self, name: str, fn: Callable[..., object], one: Callable[..., object]) -> Callable[..., object]:
        """A function as it is called, with what is to be done for the journal.

        Args:
            name: of the task or the stage.
            fn: as the user has given it.
            one: as it would be called without a journal.

        Raises:
            TypeError: what it returns cannot be stored.
        """
        digests = Digests(f"{self._name}/{name}", self._asked.text_of_version(), None)
        values = Values(self._asked.codec, returned_by(fn), f"the annotation of {describe(fn)}")
        journal = Journal(self.file, fn, digests, values)

        def journaled(*args: object, **kwargs: object) -> object:
            session, place = running()
            start, worker, keys = monotonic(), session.worker.thread.name, self.file.keys
            try:
                keys[place] = _known(digests, name, [args, kwargs])
                call = partial(_called, one, args, kwargs)
                return journal.call(place, call, None, worker, LendingWait(session.scheduler), look=True)
            except Exception as error:
                raw = place, None, start, FAILED, error, start, monotonic(), worker
                self.file.failures.keep_all([raw], {}, {})
                raise
            finally:
                keys.pop(place, None)
                del session, args, kwargs  # an error's traceback holds this frame: leave no cycle

        journaled.__qualname__ = describe(fn)  # by which errors and events call it
        return journaled


def _called(one: Callable[..., object], args: tuple[object, ...], kwargs: dict[str, object], _: object) -> object:
    return one(*args, **kwargs)


def _known(digests: Digests, name: str, inputs: list[Any]) -> bytes:
    try:
        return digests.of(inputs)
    except TypeError as error:
        raise TypeError(
            f"a journal knows what {name} has to do by what is in its inputs, and these cannot be told "
            f"({text_of(error)}): they must be plain data"
        ) from error
