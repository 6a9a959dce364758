"""Finding the report that an exception carries."""

from __future__ import annotations

from ..base.static import is_group
from ..base.texts import brief
from .report import Report, put_on


def report_of(error: BaseException) -> Report[object] | None:
    """The report of the batch that this exception has ended, or None if there is none.

    It is the exception's own attribute ``report`` or, failing that, the first one found on the exceptions that it was
    raised from, in the handling of which it was raised, or that it groups.  ``asyncio.run``, for one, raises the
    ``KeyboardInterrupt`` of a Ctrl-C in place of the ``CancelledError`` that has come out of the batch.
    """
    if not isinstance(error, BaseException):
        raise TypeError(f"report_of needs the exception that was raised, not {brief(error)}")
    queue: list[BaseException | None] = [error]
    seen = set()
    for one in queue:  # it grows meanwhile
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        report = getattr(one, "report", None)
        if isinstance(report, Report):
            return report
        queue += [one.__cause__, one.__context__]
        if is_group(one):
            queue += one.exceptions
    return None


def carry(error: BaseException) -> None:
    """Let an exception that has no report carry the one that ``report_of`` finds behind it."""
    if getattr(error, "report", None) is None and (report := report_of(error)) is not None:
        put_on(error, report)
