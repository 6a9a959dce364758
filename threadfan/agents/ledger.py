"""Tokens used by an agent and by all agents below it, while they run.

An agent that runs inside a tool call of another one finds its ledger in a context variable, however deep it is called,
and notes each answer's tokens there too.  So they are counted even if the call they were used in has timed out.
"""

from __future__ import annotations

from contextvars import ContextVar

from .._core.base import forks
from .._core.base.locks import Lock
from .._core.base.usage import Usage
from .errors import TokenLimit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextvars import Token
    from typing import Self


class Ledger:
    """Of one run of an agent; used as a ``with`` block around it.

    Args:
        owner: the agent's name, for messages.
        budget: how many tokens it and those below it may use, or None.
    """

    def __init__(self, owner: str, budget: int | None) -> None:
        self._owner = owner
        self._budget = budget
        self._outer = _current.get(None)
        self._forked()
        self._usage = Usage(requests=0)
        forks.renew(self, type(self)._forked)

    def _forked(self) -> None:
        """In the child of a fork too, nobody is just adding."""
        self._lock = Lock()  # guards ``_usage``

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
        """Note tokens, here and in the ledgers above."""
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
        if self._budget is not None and used >= self._budget:
            raise TokenLimit(
                f"{self._owner} has used {used} tokens; to go on it needs a token_budget above {self._budget}"
            )
        if self._outer is not None:
            self._outer.check()


_current: ContextVar[Ledger] = ContextVar("threadfan_agent_ledger")
