"""Reports in files: what ``Report.save`` writes, and ``Report.load`` reads, of journals too."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from functools import partial
from time import time
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pydantic_core import from_json, to_json

from ..base.errors import JournalError, NotStored
from ..base.moments import EPOCH
from ..base.outcome import STATUSES, SUCCEEDED, attempts_of, raw_of
from ..base.texts import text_of
from ..base.usage import FIELDS, Usage
from ..journal import errors, further
from ..journal.database import Database, opened_to_read
from ..journal.faults import strange
from ..journal.values import Values

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

    from ..base.attempt import Attempt
    from ..base.outcome import Outcome, Raw
    from ..journal.values import Codec

MadeReport = TypeVar("MadeReport")

_RESULT = """INSERT INTO results (key, run, place, value, started, ended, worker, usage, more, item)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_FAILURE = """INSERT INTO failures (key, run, place, status, error, started, ended, worker, usage, more, item)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_RUN = "INSERT INTO runs (id, began, kind, function, total, facts) VALUES (1, ?, 'report', 'report', ?, ?)"


# -- writing -----------------------------------------------------------------------------------------------------------


def save(
    outcomes: Sequence[Outcome[Any]], figures: dict[str, object], path: str | os.PathLike[str], codec: Codec | None
) -> None:
    """See ``Report.save``.

    Args:
        figures: of the report, besides its outcomes.
    """
    place = os.fspath(path)
    _check_replaceable(place)
    values = Values(codec)
    results = [_result(outcome, values) for outcome in outcomes if outcome.ok]
    failures = [_failure(outcome) for outcome in outcomes if not outcome.ok]
    facts = json.dumps(figures)
    part = f"{place}.{os.urandom(8).hex()}.part"  # which nobody can know, and have a file or a link of his own there
    database = Database(part)

    def write(connection: sqlite3.Connection) -> None:
        connection.execute(_RUN, (time(), len(outcomes), facts))
        connection.executemany(_RESULT, results)
        connection.executemany(_FAILURE, failures)

    try:
        database.open(log=False)
        database.transact(write)
        database.close()
        os.replace(part, place)
    except OSError as error:
        raise JournalError(f"the report could not be written to {place!r} ({error})") from error
    finally:
        database.close()
        with suppress(OSError):
            os.unlink(part)


def _check_replaceable(path: str) -> None:
    """What is at the path must be nothing, or a report that was saved."""
    if not os.path.exists(path):
        return
    database = opened_to_read(path)
    try:
        kinds = database.do("SELECT DISTINCT kind FROM runs")
    finally:
        database.close()
    if kinds != [("report",)]:
        raise JournalError(f"{path!r} is the journal of a run, which a report would replace: give another path")


def _result(outcome: Outcome[Any], values: Values) -> tuple[object, ...]:
    value = outcome.value
    try:
        data = values.encode(value)
    except Exception as error:
        found = NotStored(
            f"the value of call {outcome.index}, a {type(value).__qualname__}, cannot be stored ({text_of(error)}): "
            "give codec=, an object with encode and decode"
        )
        found.value = value
        raise found from error
    return (*_known(outcome), data, *_more(outcome))


def _failure(outcome: Outcome[Any]) -> tuple[object, ...]:
    error = outcome.error or AssertionError("it has no value")
    return (*_known(outcome), outcome.status, errors.packed(error), *_more(outcome))


def _known(outcome: Outcome[Any]) -> tuple[object, ...]:
    """Key, run and place."""
    return outcome.index.to_bytes(16, "big"), 1, outcome.index


def _more(outcome: Outcome[Any]) -> tuple[object, ...]:
    _, item, since, _, _, start, end, worker = raw_of(outcome)
    item_data = None
    with suppress(Exception):  # what is no plain data is not kept
        item_data = to_json(item)
    more = further.packed(since, attempts_of(outcome), outcome.name)
    usage = None if outcome.usage is None else json.dumps(outcome.usage.to_dict())
    return None if start is None else start + EPOCH, end + EPOCH, worker, usage, more, item_data


# -- reading -----------------------------------------------------------------------------------------------------------


class _Row(NamedTuple):
    """Of a result or of a failure; what it has not is None."""

    place: int
    status: str
    data: bytes | str
    started: float | None
    ended: float | None
    worker: str | None
    usage: str | None
    more: str | None
    item: bytes | None


_STRANGE = (ArithmeticError, AssertionError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What reading raises where a file says what no run and no ``save`` has written."""
_ROWS = """
    SELECT place, 'succeeded', value, started, ended, worker, usage, more, item, run FROM results WHERE run IN ({runs})
    UNION ALL
    SELECT place, status, error, started, ended, worker, usage, more, item, run FROM failures WHERE run IN ({runs})
        AND key NOT IN (SELECT key FROM results)
    ORDER BY 1, 10"""


def load(
    path: str | os.PathLike[str], returns: object, codec: Codec | None, make: Callable[..., MadeReport]
) -> MadeReport:
    """See ``Report.load``.

    Args:
        make: makes the report, of outcomes and figures.
    """
    place = os.fspath(path)
    values = Values(codec, returns)
    database = opened_to_read(place)
    try:
        runs = database.do("SELECT id, kind, function, version, facts FROM runs ORDER BY id DESC LIMIT 1")
        if not runs:
            return make([])
        number, kind, function, version, facts = runs[0]
        same = {number: facts}
        if kind == "run":
            query = "SELECT id, facts FROM runs WHERE function = ? AND version IS ?"
            same = dict(database.do(query, (function, version)))
        found = database.do(_ROWS.format(runs=",".join(map(str, same))))
    finally:
        database.close()
    rows = [_Row(*row[:-1]) for row in found]
    try:
        figures = json.loads(facts or "{}")
        if kind == "run":
            spans: dict[object, list[_Row]] = {run: [] for run in same}
            for row, (*_, its) in zip(rows, found, strict=True):
                spans[its].append(row)
            figures["wall"] = sum(_wall(json.loads(said or "{}").get("wall"), spans[run]) for run, said in same.items())
            figures["conditions"] = {"gaps": True}
        return make(**_parts(rows, partial(values.read, path=place)), **figures)
    except _STRANGE as error:
        raise strange(place, error) from error


def _wall(told: float | None, rows: list[_Row]) -> float:
    """How long one run took; of one that goes on or was killed, from its first call to the last that has ended."""
    starts, ends = [row.started for row in rows if row.started], [row.ended for row in rows if row.ended]
    if told is None:
        return max(ends) - min(starts) if starts and ends else 0.0
    return told


def _parts(rows: list[_Row], read: partial[object]) -> dict[str, Any]:
    raws: list[Raw] = []
    names: dict[int, str] = {}
    usages: dict[int, Usage] = {}
    attempts: dict[int, list[Attempt]] = {}
    for number, row in enumerate(rows):
        since, name, tried = further.unpacked(row.more)
        if name is not None:
            names[number] = name
        if row.usage is not None:
            counts = json.loads(row.usage)
            usages[row.place] = Usage(*(counts[field] for field in FIELDS), requests=counts["requests"])
        if tried is not None:
            attempts[row.place] = tried
        raws.append(_raw(row, since, read))
    return {"raws": raws, "names": names, "usages": usages, "attempts": attempts}


def _raw(row: _Row, since: float | None, read: partial[object]) -> Raw:
    status = STATUSES[STATUSES.index(row.status)]
    payload = read(row.data, label=row.place) if status is SUCCEEDED else errors.unpacked(str(row.data))
    item = None if row.item is None else from_json(row.item)
    ended = (row.ended or 0.0) - EPOCH
    started = None if row.started is None else row.started - EPOCH
    since = (ended if started is None else started) if since is None else since
    return row.place, item, since, status, payload, started, ended, row.worker
