"""The scope of one call that a thread runs."""

from __future__ import annotations

from functools import partial

from ..base.clock import FOREVER
from ..scope.scope import Scope

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..base.clock import Clock
    from ..base.usage import Usage
    from .terms import Claim, Key, Terms


class CallScope(Scope):
    """The scope of one call of a session.

    Users' functions may have it in a variable, and an error of the call keeps those: so when the call has ended it
    forgets the call, and where its outcome goes.

    Args:
        key: of the call.
        start: of the call, on ``clock``.
        claims: those of the session; the call runs while its own is there.
        terms: how long it may take.
        clock: of the fan.
        late: told of the tokens that are used when the call has ended.
    """

    __slots__ = ("_claim", "_claims", "_key", "_late", "_start", "_terms")

    def __init__(
        self,
        key: object,
        start: float,
        claims: dict[Key, Claim],
        terms: Terms,
        *,
        clock: Clock,
        late: Callable[[Usage], object],
    ) -> None:
        super().__init__(clock=clock, ledger=partial(terms.add_usage, key))
        self._claims: dict[Key, Claim] | None = claims
        self._claim = claims.get(key)
        self._terms: Terms | None = terms
        self._key: object = key
        self._start = start
        self._late = late
        self.set_deadline()

    def set_deadline(self) -> None:
        """Ask anew how long the call may take."""
        key, terms = self._key, self._terms
        if terms is None:
            return
        timeout, outer = terms.timeout_of(key), terms.outer_of(key)
        deadline = FOREVER if timeout is None else self._start + timeout
        if outer is not None and outer.live:  # a call that has ended by itself leaves those it handed in their time
            deadline = min(deadline, outer.deadline)
        self._deadline = deadline

    @property
    def live(self) -> bool:
        """Whether the call runs, and not by now another attempt of it."""
        claims, claim = self._claims, self._claim
        return claims is not None and claim is not None and claims.get(self._key) is claim

    def forget(self) -> None:
        """The call has ended by itself: threads that it has started may use the scope still."""
        if self._claims is not None:
            self._ledger = self._late
            if self.permits is not None:
                self.permits.forget()
            self._claims = self._terms = self._claim = self._key = None
