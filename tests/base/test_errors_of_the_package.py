"""The errors' kinds and the texts that messages are made of."""

import pickle
from concurrent import futures
from functools import partial

import pytest

from threadfan import CallCancelled, FanClosed, TaskCancelled, TaskTimeout
from threadfan._core.base.interrupts import INTERRUPTS
from threadfan._core.base.static import describe
from threadfan._core.base.texts import brief, text_of


def test_what_the_caller_gets_is_what_the_standard_library_raises():
    """Handlers written for the standard pool catch timeouts and cancels of this one."""
    assert issubclass(TaskTimeout, TimeoutError)
    assert issubclass(TaskCancelled, futures.CancelledError)
    assert issubclass(FanClosed, RuntimeError)


def test_what_the_call_gets_passes_through_handlers():
    """`except Exception` in a tool, an SDK's retries and tenacity let the cancel pass."""
    assert not issubclass(CallCancelled, Exception)


@pytest.mark.parametrize("error", [CallCancelled, FanClosed, TaskCancelled, TaskTimeout])
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_errors_survive_pickling(error, protocol):
    """Every protocol brings an error's kind and text across."""
    returned = pickle.loads(pickle.dumps(error("too late"), protocol))  # noqa: S301
    assert (type(returned), str(returned)) == (error, "too late")


class Callable:
    """Something to call that has no name of its own."""

    def __call__(self):
        """Do nothing."""


@pytest.mark.parametrize(
    ("fn", "name"),
    [
        (describe, "describe"),
        (partial(partial(describe, "sk-secret")), "describe"),
        (Callable(), "Callable"),
        (Callable().__call__, "Callable.__call__"),
        (5, "int"),
    ],
)
def test_a_function_is_described_without_arguments(fn, name):
    """The name in messages and logs is the innermost function's, and never shows what was bound to it."""
    assert describe(fn) == name


class Unspeakable:
    """Its `repr` fails."""

    def __repr__(self):
        """Fail."""
        raise KeyError


def test_brief_always_gives_a_text():
    """A message gets out even if the wrong value's `repr` is endless or fails."""
    assert brief("x" * 100) == "'" + "x" * 58 + "…"
    assert brief(Unspeakable()) == "<Unspeakable whose repr fails>"
    assert brief([1]) == "[1]"


@pytest.mark.parametrize("kind", INTERRUPTS)
@pytest.mark.parametrize("told", [brief, text_of])
def test_an_interrupt_is_not_taken_for_a_fault_of_a_text(told, kind):
    """A Ctrl-C, or a second signal, may strike while a value's own code says how it is written."""

    class Struck(Exception):
        def __str__(self):
            raise kind("now")

        __repr__ = __str__

    with pytest.raises(kind):
        told(Struck())
