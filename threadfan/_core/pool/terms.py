"""What a queue says of a call that was taken from it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..base.usage import Usage
    from ..scope.scope import Scope

    Key = Any
    """By which a queue knows a call that was taken from it: its place in a batch, or an object of the call's own."""

    Claim = tuple[Any, float, float]
    """Of a call that runs: its item, since when it was queued, its start."""


class Terms:
    """The same for all calls of a queue, unless a subclass knows more of each.

    A call is known by its key: what that is says the subclass.
    """

    __slots__ = ("name", "outer", "timeout")

    name: str
    """That of the function that the calls run."""
    timeout: float | None
    """Seconds, when all calls have the same; they then do not announce theirs."""
    outer: Scope | None
    """The scope in which all were handed in."""

    def timeout_of(self, key: Key) -> float | None:
        """The timeout of the call ``key`` in seconds."""
        return self.timeout

    def waited_of(self, key: Key) -> float:
        """How many seconds of that are for what the call ``key`` waited for a limit while it ran."""
        return 0.0

    def outer_of(self, key: Key) -> Scope | None:
        """The scope in which the call ``key`` was handed in."""
        return self.outer

    def function_of(self, key: Key) -> str:
        """The name of the function that the call ``key`` runs."""
        return self.name

    def index_of(self, key: Key) -> Any:
        """The place of the call ``key`` in its input."""
        raise NotImplementedError

    def figures_of(self, key: Key) -> Mapping[str, object] | None:
        """What the events of the call ``key`` say besides its times, if it is under policies."""
        return None

    def add_usage(self, key: Key, usage: Usage) -> None:
        """Note tokens that the call ``key`` has used."""
        raise NotImplementedError
