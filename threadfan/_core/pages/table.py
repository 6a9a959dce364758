"""A batch as rows of a table."""

from __future__ import annotations

from importlib import import_module

from ..base.texts import text_of
from ..base.usage import FIELDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..base.outcome import Outcome


def row(outcome: Outcome[object], stage: str | None) -> dict[str, Any]:
    """A call, flat.

    Args:
        stage: where in a pipeline it has ended, or None.
    """
    error, usage = outcome.error, outcome.usage
    return {
        "index": outcome.index,
        "name": outcome.name,
        **({} if stage is None else {"stage": stage}),
        "item": outcome.item,
        "status": outcome.status,
        "value": outcome.value,
        "error": None if error is None else f"{type(error).__name__}: {text_of(error)}",
        "attempts": outcome.attempts,
        "started": outcome.started,
        "ended": outcome.ended,
        "duration": outcome.duration,
        "waited_slot": outcome.waited_slot,
        "waited_limit": outcome.waited_limit,
        "waited_backoff": outcome.waited_backoff,
        "worker": outcome.worker,
        **{field: None if usage is None else getattr(usage, field) for field in FIELDS[:2]},
    }


def frame(rows: list[dict[str, Any]]) -> Any:
    """The rows as a data frame of whichever library is installed.

    Raises:
        ImportError: none is.
    """
    for library in ("pandas", "polars"):
        try:
            return import_module(library).DataFrame(rows)
        except ModuleNotFoundError as error:
            if error.name != library:  # one that it needs is missing
                raise
    raise ImportError(
        "report.to_frame needs pandas or polars, and neither is installed; right is: pip install pandas.  "
        "report.rows() needs nothing",
        name="pandas",
    )
