"""What is known of a call besides its outcome: when it was handed in, its name, and its attempts; as JSON, and back."""

from __future__ import annotations

import json

from ..base.attempt import Attempt
from ..base.moments import EPOCH
from ..base.outcome import STATUSES
from . import errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


def packed(since: float, attempts: Sequence[Attempt], name: str | None = None) -> str:
    """As JSON.

    Args:
        since: when it was handed in, by the process's clock.
    """
    return json.dumps([since + EPOCH, name, [_packed(one) for one in attempts] or None])


def unpacked(data: str | None) -> tuple[float | None, str | None, list[Attempt] | None]:
    """When it was handed in, its name, its attempts; None for what is not known."""
    if data is None:
        return None, None, None
    since, name, attempts = json.loads(data)
    return since - EPOCH, name, None if attempts is None else [_unpacked(one) for one in attempts]


def _packed(one: Attempt) -> dict[str, object]:
    state = one.__getstate__()
    return {**state, "error": None if one.error is None else errors.packed(one.error)}


def _unpacked(state: dict[str, Any]) -> Attempt:
    error = None if state["error"] is None else errors.unpacked(state["error"])
    status = STATUSES[STATUSES.index(state.pop("status"))]
    return Attempt(status, error, **{name: value for name, value in state.items() if name != "error"})
