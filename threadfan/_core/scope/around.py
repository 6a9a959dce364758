"""Whose scope holds here: what each ``submit`` asks, apart from what a scope can do, for it needs no further import."""

from __future__ import annotations

from contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

scope_var: ContextVar[Any] = ContextVar("threadfan_scope")
"""A ``ScopeSource``: whose scope holds here; not set outside of calls and blocks."""


def scope_around() -> Any:
    """``current_scope()``, or None outside of any call and block.

    Raises:
        CallCancelled: it has ended, so nothing more may be begun in it.
    """
    found = scope_var.get(None)
    if found is None:
        return None
    scope = found.scope()
    scope.check()
    return scope
