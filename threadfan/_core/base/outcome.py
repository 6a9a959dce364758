"""What became of one call.

While calls run, an outcome is a plain tuple, a ``Raw``: making one costs a twentieth of a microsecond.  ``Outcome``
is the view of it that is made when somebody looks.
"""

from __future__ import annotations

from contextlib import suppress

from .generic import TYPE_CHECKING, Generic, T_co
from .moments import EPOCH
from .times import Timed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Final

    from .attempt import Attempt, Status
    from .attempt import Raw as Raw  # noqa: PLC0414 -- how type checkers are told that it is passed on
    from .usage import Usage


# The parts of a ``Raw`` by name.
INDEX: Final = 0
ITEM: Final = 1
SINCE: Final = 2
STATUS: Final = 3
PAYLOAD: Final = 4
START: Final = 5
END: Final = 6
WORKER: Final = 7

SUCCEEDED: Status = "succeeded"
FAILED: Status = "failed"
TIMED_OUT: Status = "timed_out"
CANCELLED: Status = "cancelled"
SKIPPED: Status = "skipped"
STATUSES = (SUCCEEDED, FAILED, TIMED_OUT, CANCELLED, SKIPPED)

SILENT = (type(None), str, int, float, bytes, list, tuple)
"""Values that say nothing of tokens: there may be many."""


class Kept:
    """In the place of a value that stands in a file: it is read when somebody asks for it.

    Args:
        read_at: gives the value of one place.
    """

    __slots__ = ("place", "read_at")

    def __init__(self, read_at: Callable[[int], object], place: int) -> None:
        self.read_at = read_at
        self.place = place

    def read(self) -> object:
        """The value."""
        return self.read_at(self.place)

    def __reduce__(self) -> tuple[Callable[[object], object], tuple[object]]:
        return _itself, (self.read(),)  # a pickle goes where the file is not


def _itself(value: object) -> object:
    return value


class Outcome(Timed, Generic[T_co]):
    """What became of one call: its place in the input, its value or its error, and its times in seconds.

    ``repr`` shows neither the item nor the value: they may hold prompts and keys.
    """

    __slots__ = ("_name", "_usage")

    def __init__(
        self,
        raw: Raw,
        name: str | None = None,
        usage: Usage | None = None,
        history: list[Attempt] | None = None,
    ) -> None:
        self._raw = raw
        self._name = name
        self._usage = usage
        self._history = history

    @property
    def index(self) -> int:
        """The call's place in the input, from 0."""
        return self._raw[0]  # type: ignore[no-any-return]

    @property
    def name(self) -> str | None:
        """The name it was given in ``gather``, or None."""
        return self._name

    @property
    def item(self) -> Any:
        """The input: one value, or a tuple when several iterables were given."""
        return self._raw[1]

    @property
    def status(self) -> Status:
        """``succeeded``, ``failed``, ``timed_out``, ``cancelled`` or ``skipped``."""
        return self._raw[3]

    @property
    def ok(self) -> bool:
        """Whether there is a value."""
        return self._raw[3] is SUCCEEDED

    @property
    def value(self) -> T_co | None:
        """What the call returned; None if it did not succeed (``unwrap`` tells the two Nones apart)."""
        if self._raw[3] is not SUCCEEDED:
            return None
        value = self._raw[4]
        if type(value) is Kept:
            value = value.read()
            self._raw = (*self._raw[:4], value, *self._raw[5:])
        return value  # type: ignore[no-any-return]

    @property
    def error(self) -> BaseException | None:
        """Why there is no value; None if the call succeeded."""
        return None if self._raw[3] is SUCCEEDED else self._raw[4]

    @property
    def attempts(self) -> int:
        """How often the call was started."""
        if self._history is not None:
            return len(self._history)
        return 0 if self._raw[5] is None else 1

    @property
    def history(self) -> tuple[Attempt, ...]:
        """An ``Attempt`` for each time that the call was started: its times, its error, and its waits."""
        if self._history is not None:
            return tuple(self._history)
        _, _, since, status, payload, start, end, worker = self._raw
        if start is None:
            return ()
        from .attempt import Attempt

        error, waited = None if status is SUCCEEDED else payload, start - since
        return (Attempt(status, error, started=waited, duration=end - start, waited_slot=waited, worker=worker),)

    @property
    def fallback(self) -> str | None:
        """The name of the fallback function that the outcome comes from; None if it comes from the function itself."""
        return self._history[-1].fallback if self._history else None

    @property
    def worker(self) -> str | None:
        """The name of the thread that ran the call."""
        return self._raw[7]

    @property
    def usage(self) -> Usage | None:
        """The tokens that were noted while the call ran, or those that the returned value tells; None without either.

        An attached client notes them as responses come, so that they are known whatever became of the call.
        """
        if self._usage is not None:
            return self._usage
        if type(self._raw[4]) is Kept:  # they were used by the run that has made the call
            return None
        return usage_said(self.value)

    def unwrap(self) -> T_co:
        """The value; raises the error if there is none."""
        if self._raw[3] is not SUCCEEDED:
            error: BaseException = self._raw[4]
            try:
                raise error
            finally:
                del error, self  # the traceback holds this frame: leave no cycle
        return self.value  # type: ignore[return-value]  # it has one

    def to_dict(self) -> dict[str, Any]:
        """Plain data, which ``json.dumps`` takes: all but the item, with the text of the error and all attempts."""
        from .facts import facts_of
        from .plain import plain

        return {
            "index": self.index,
            "name": self._name,
            "status": self.status,
            "value": plain(self.value),
            **facts_of(self.error),
            "fallback": self.fallback,
            "attempts": self.attempts,
            "duration": self.duration,
            "waited_slot": self.waited_slot,
            "waited_limit": self.waited_limit,
            "waited_backoff": self.waited_backoff,
            "worker": self.worker,
            "usage": plain(self.usage),
            "history": [attempt.to_dict() for attempt in self.history],
        }

    def __getstate__(self) -> dict[str, object]:
        return {**super().__getstate__(), "epoch": EPOCH}

    def __setstate__(self, state: dict[str, Any]) -> None:
        epoch = state.pop("epoch")
        super().__setstate__(state)
        self._raw = restored(self._raw, epoch)

    def __repr__(self) -> str:
        place = repr(self._name) if self._name is not None else self._raw[0]
        error = "" if self.ok else f", {type(self._raw[4]).__name__}"
        attempts = f", {self.attempts} attempts" if self._history and self.attempts > 1 else ""
        fallback = "" if self.fallback is None else f", by {self.fallback}"
        return f"<Outcome {place}: {self.status}{error}, {self.duration:.3f} s{attempts}{fallback}>"


def usage_said(value: object) -> Usage | None:
    """The tokens that a returned value says it has used; None if it says nothing."""
    if isinstance(value, SILENT):
        return None
    from .usage import usage_of

    return usage_of(value)


def raw_of(outcome: Outcome[object]) -> Raw:
    """The plain tuple that it is a view of; moments by the fan's clock are in it, of which an outcome tells nothing."""
    return outcome._raw


def renamed(outcome: Outcome[T_co], name: str, item: object) -> Outcome[T_co]:
    """The same outcome by another name, of another item."""
    raw = outcome._raw
    return Outcome((raw[0], item, *raw[2:]), name, outcome._usage, outcome._history)


def twin_of(error: BaseException) -> BaseException:
    """An error like this one: its class, arguments, attributes, traceback and causes, made without its ``__init__``."""
    kind: Any = type(error)
    built_in = next(base for base in kind.__mro__ if not base.__flags__ & _HEAP_TYPE)
    twin: BaseException = built_in.__new__(kind, *error.args)
    fields: dict[str, Any] = {}
    for base in kind.__mro__:
        fields.update((name, field) for name, field in vars(base).items() if type(field) in _FIELDS)
    fields.pop("__dict__", None)  # else they would share it
    for field in fields.values():
        with suppress(AttributeError, TypeError, ValueError):  # it is empty, or cannot be set
            value = field.__get__(error)
            if value is not None:  # which some show in place of nothing
                field.__set__(twin, value)
    fields["__suppress_context__"].__set__(twin, error.__suppress_context__)  # which setting a cause has changed
    twin.__dict__.update(error.__dict__)
    return twin


_FIELDS = (type(vars(OSError)["errno"]), type(vars(BaseException)["args"]))  # of slots, and of what is made in C
_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: of classes that are not part of the interpreter


def attempts_of(outcome: Outcome[object]) -> Sequence[Attempt]:
    """The attempts of a call that may have had several; none of any other, which ``history`` makes one for."""
    return outcome._history or ()


def restored(raw: Raw, epoch: float) -> Raw:
    """A raw outcome as it was before pickling, which copies strings: statuses are compared by identity.

    Args:
        epoch: the ``EPOCH`` of the process that has written it, whose monotonic clock may be another one.
    """
    index, item, since, status, payload, start, end, worker = raw
    shift = epoch - EPOCH
    begun = None if start is None else start + shift
    return index, item, since + shift, STATUSES[STATUSES.index(status)], payload, begun, end + shift, worker
