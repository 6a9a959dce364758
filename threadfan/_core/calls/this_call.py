"""Which call this thread runs, for what is called in the place of the user's function."""

from __future__ import annotations

from ..base.errors import CallCancelled
from ..scope.scope import scope_var

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def this_call() -> tuple[Any, Any]:
    """The session of this thread, and the key of the call that it runs.

    Raises:
        CallCancelled: somebody has ended the call before it began.
    """
    session: Any = scope_var.get()
    for key in session.claim.copy():
        return session, key
    raise CallCancelled("this call was ended before it began")
