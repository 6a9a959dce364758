"""What a queue says of a call that was taken from it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..base.usage import Usage
    from ..scope.scope import Scope


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

    def timeout_of(self, key: Any) -> float | None:
        """The timeout of the call ``key`` in seconds."""
        return self.timeout

    def outer_of(self, key: Any) -> Scope | None:
        """The scope in which the call ``key`` was handed in."""
        return self.outer

    def function_of(self, key: Any) -> str:
        """The name of the function that the call ``key`` runs."""
        return self.name

    def index_of(self, key: Any) -> Any:
        """The place of the call ``key`` in its input."""
        raise NotImplementedError

    def figures_of(self, key: Any) -> dict[str, Any] | None:
        """What the events of the call ``key`` say besides its times, if it is under policies."""
        return None

    def add_usage(self, key: Any, usage: Usage) -> None:
        """Note tokens that the call ``key`` has used."""
        raise NotImplementedError
