"""What the calls of a batch spend of its budget.

Tokens that attached clients tell of are counted as they are noted; those that a returned value tells of are noted when
its call returns, in the call's own thread: before it takes the next call, of which there is none when the budget is
used up.
"""

from __future__ import annotations

from types import FunctionType

from ..base.static import describe
from ..base.usage import charged_to, model_of, priced_usage_of
from ..calls.this_call import this_call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..base.generic import OneInput
    from ..base.usage import Usage
    from ..policies.budget import Budget

SILENT = 3
"""Calls without a word of their tokens after which a warning says so."""


class Spending:
    """Of one batch.

    Args:
        budget: which others may have too.
    """

    __slots__ = ("__weakref__", "_ended", "_silent", "_wake", "budget")

    def __init__(self, budget: Budget) -> None:
        self.budget: Budget = budget
        self._silent = 0  # calls that have said nothing; below 0 once one has
        self._ended: tuple[list[bool], ...] = ()
        self._wake: Callable[[], object] | None = None

    def begin(self, ended: tuple[list[bool], ...], wake: Callable[[], object]) -> None:
        """Look after a batch, before any of its calls can start.

        Args:
            ended: what says that it has ended, and what its threads look at before each call.
            wake: wakes whoever waits for it.
        """
        self._ended, self._wake = ended, wake
        self.budget.spent_by(self)

    def stop(self) -> None:
        """Nothing is left: start no further call."""
        for said in self._ended:  # here and now: the next call would be paid for
            said.append(True)
        if self._wake is not None:
            self._wake()

    def let_go(self) -> None:
        """The batch has ended."""
        self._ended, self._wake = (), None

    def note(self, usage: Usage) -> None:
        """A call has used these."""
        self._silent = -1
        if self.budget not in charged_to(usage):  # an agent that has the same budget was faster
            self.budget.add(usage, model_of(usage))

    def counting(self, one: OneInput) -> OneInput:
        """``one`` as it is called, with a look at what it returns."""

        def counted(item: object) -> object:
            session, key = this_call()
            usages, index = session.queue.collector.usages, session.queue.index_of(key)
            before = usages.get(index)
            value = one(item)
            if usages.get(index) is before:  # no client has told
                self._look_at(priced_usage_of(value), session, key)
            return value

        counted.__qualname__ = describe(one)  # by which errors call it
        counted.__wrapped__ = one  # type: ignore[attr-defined]  # see ``uncounted``
        return counted

    def counting_steps(self, fn: Callable[..., object]) -> Callable[..., object]:
        """The same for a function of a graph or a pipeline, whose calls keep what they have used themselves."""

        def counted(*args: object, **kwargs: object) -> object:
            session, key = this_call()
            before = key.usage
            value = fn(*args, **kwargs)
            if key.usage is before:  # no client has told
                self._look_at(priced_usage_of(value), session, key)
            return value

        counted.__qualname__ = describe(fn)  # by which errors call it
        return counted

    def _look_at(self, usage: Usage | None, session: Any, key: object) -> None:
        if usage is None:
            self._tell_of_silence()
        elif key in session.claim:
            session.queue.add_usage(key, usage)
        else:  # its time was up meanwhile, and it has its outcome
            self.note(usage)

    def _tell_of_silence(self) -> None:
        if self._silent < 0:
            return
        self._silent += 1
        if self._silent == SILENT:
            from logging import getLogger

            getLogger("threadfan").warning(
                "nothing tells how many tokens these calls use, so %r holds nothing back; right is an attached client, "
                "calls that return the response with its usage, or current_scope().add_usage(…) in them",
                self.budget,
            )

    @staticmethod
    def uncounted(fn: Any) -> Any:
        """What was given to ``counting``, if this is from there."""
        inner: Any = fn
        return inner.__wrapped__ if type(fn) is FunctionType and fn.__code__ is _COUNTED else fn


_COUNTED = next(code for code in Spending.counting.__code__.co_consts if getattr(code, "co_name", None) == "counted")
