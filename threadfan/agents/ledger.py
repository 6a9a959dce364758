"""Tokens used by an agent and by all agents below it, while they run.

An agent that runs inside a tool call of another one finds its ledger in a context variable, however deep it is called,
and notes each answer's tokens there too.  So they are counted even if the call they were used in has timed out.

What each request has used is noted on the scope of the call that its agent runs in, and on those of the agents above:
as soon as an attached client tells of it, or else when the answer is there.  So it is on the outcome of each of these
calls and taken from their budgets, however they end.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar

from .._core.base import forks
from .._core.base.locks import Lock
from .._core.base.usage import SharedUsage, Usage, charged_to, is_again, model_of, of_model, shared
from .._core.scope.deadlines import around_blocks
from .._core.scope.scope import current_scope, overheard
from .errors import TokenLimit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextvars import Token
    from typing import Self

    from .._core.policies.budget import Budget


class Ledger:
    """Of one run of an agent; used as a ``with`` block around it.

    Args:
        owner: the agent's name, for messages.
        limit: how many tokens it and those below it may use, or None.
        budget: what all who have it may use together, or None.
    """

    def __init__(self, owner: str, limit: int | None, budget: Budget | None) -> None:
        self._owner = owner
        self._limit = limit
        self._budget = budget
        self._outer = _current.get(None)
        self._scope = around_blocks(current_scope())
        self._forked()
        self._usage = Usage(requests=0)
        forks.renew(self, type(self)._forked)

    def _forked(self) -> None:
        """In the child of a fork too, nobody is just adding."""
        self._lock = Lock()  # guards ``_usage``
        self._noting = Lock()  # held while something is noted on the scope, which one thread may do at a time

    def __enter__(self) -> Self:
        self._token: Token[Ledger] = _current.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)

    @property
    def usage(self) -> Usage:
        """What was used until now."""
        return self._usage

    def add(self, usage: Usage) -> None:
        """Add the tokens of an answer, here and in the ledgers above."""
        with self._lock:
            self._usage += usage
        if self._outer is not None:
            self._outer.add(usage)

    def check(self) -> None:
        """Return if another request may be made.

        Raises:
            TokenLimit: this budget, or one above it, is used up.
        """
        used = self._usage.total_tokens
        if self._limit is not None and used >= self._limit:
            raise TokenLimit(
                f"{self._owner} has used {used} tokens; to go on it needs a token_budget above {self._limit}"
            )
        spent = None if self._budget is None else self._budget.used_up()
        if spent is not None:
            raise TokenLimit(f"{self._owner} asks no further: {spent}")
        if self._outer is not None:
            self._outer.check()

    @contextmanager
    def request(self, model: str) -> Iterator[Callable[[Usage], None]]:
        """The block of one request; gives what is told of the usage of its answer.

        Args:
            model: whom it asks.
        """
        scope = current_scope()
        heard: list[Usage] = []

        def listen(usage: Usage, tell: Callable[[Usage], object]) -> None:
            if is_again(usage):  # of an agent below, which has told the others
                tell(usage)
                return
            if not isinstance(usage, SharedUsage):  # that of an agent which something in the request has asked
                heard.append(usage)
            self._note(usage if model_of(usage) else of_model(usage, model), tell)

        def answered(usage: Usage) -> None:
            if sum(one.total_tokens for one in heard) < usage.total_tokens:  # its own client has not told
                scope.add_usage(of_model(usage, model))

        with overheard(around_blocks(scope) or scope, listen):
            yield answered

    def _note(self, usage: Usage, tell: Callable[[Usage], object]) -> None:
        """Tell of what a request has used: here, and above."""
        budgets = list(charged_to(usage))
        ledger: Ledger | None = self
        while ledger is not None:
            budget = ledger._budget
            if budget is not None and budget not in budgets:
                budgets.append(budget)
                budget.add(usage, model_of(usage))
            ledger = ledger._outer
        charged = tuple(budgets)
        with self._noting:
            tell(shared(usage, charged, again=False))
        again, below, ledger = shared(usage, charged, again=True), self, self._outer
        while ledger is not None and ledger._scope is not below._scope:  # else that one hears of it by itself
            with ledger._noting:
                if ledger._scope is not None:
                    ledger._scope.add_usage(again)
            below, ledger = ledger, ledger._outer


_current: ContextVar[Ledger] = ContextVar("threadfan_agent_ledger")
