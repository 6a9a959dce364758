"""``--dry-run``: what a run would call, and what that would cost; nothing is called or written."""

from __future__ import annotations

import json
import os
import sys
from itertools import islice
from typing import TYPE_CHECKING

from pydantic_core import to_json

from threadfan import JournalError, Usage
from threadfan._core.base.texts import shortened, text_of
from threadfan._core.batches.asked_journal import Asked, journal_of
from threadfan._core.journal.database import opened_to_read
from threadfan._core.journal.looking_up import LookUp

from .errors import USAGE, CommandError
from .tally import dollars, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from threadfan import Budget

    from .files import Files
    from .options import BatchOptions
    from .reading import Source
    from .rows import Item, Job

_SHOWN = 10  # inputs, where a person reads them; arbitrary: the counts stay on the screen
_AT_ONCE = 400
_SAMPLE = 1000  # results, of which the tokens are looked at


def show(job: Job, source: Source, files: Files, options: BatchOptions) -> int:
    """Write the inputs that would be called, a line each, and say how many there are.

    Returns:
        The exit status.
    """
    money = options.money(job.model, endless=True)  # first: a price that is none is refused before anything is shown
    number = done = unreadable = 0

    def told(_: object) -> None:
        nonlocal unreadable
        unreadable += 1

    source.unreadable = told
    shown = True  # as long as somebody reads it
    most = _SHOWN if sys.stdout.isatty() else None
    try:
        for item, stands in _looked_up(job, source, files):
            if stands:
                done += 1
                continue
            number += 1
            if most is None or number <= most:
                text = to_json(item, bytes_mode="base64", serialize_unknown=True).decode()
                shown = shown and _shown(text if most is None else shortened(text, 100))
        if most is not None and number > most:
            shown = shown and _shown(f"… and {number - most:,} more")
        if shown:
            _shown("", end="", flush=True)
        parts = [f"{number:,} would be called", f"{done:,} are done"]
        if unreadable:
            parts.append(f"{unreadable:,} lines cannot be read")
        say(f"dry run: {', '.join(parts)}{_cost(number, job, files, money)}")
    except (JournalError, TypeError) as error:
        raise CommandError(text_of(error), USAGE) from error
    return 0


def _shown(text: str, *, end: str = "\n", flush: bool = False) -> bool:
    """Whether it could be written: `| head` may have seen enough, and the rest is counted all the same."""
    try:
        print(text, end=end, flush=flush)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # so that nothing more fails, at exit neither
        return False
    return True


def _looked_up(job: Job, source: Source, files: Files) -> Iterator[tuple[Item, bool]]:
    """Each input, and whether the journal has its result."""
    if not files.going_on:
        yield from ((item, False) for item in source)
        return
    asked = files.journal_options(job.version)
    journal = journal_of(job.fn, Asked(asked["journal"], asked["key"], asked["version"], None, unique=False))
    rows, first = iter(source), 0
    database = opened_to_read(asked["journal"])
    try:
        look_up = LookUp(database, journal.digests, unique=False)
        look_up.begin(0)
        while items := list(islice(rows, _AT_ONCE)):
            found = look_up.of(items, first)
            for item, (key, stored) in zip(items, found, strict=True):
                look_up.ended(key, stored=False)
                yield item, stored is not None
            first += len(items)
    finally:
        database.close()


def _cost(number: int, job: Job, files: Files, money: Budget | None) -> str:
    """What so many calls would cost, if calls as dear as those that the journal has."""
    if money is None:
        return ""
    used = _used(files.journal) if files.going_on else []
    for one in used:
        money.add(one, job.model)
    if not used or money.unpriced is not None:
        return f"; {money.unpriced or 'what a call costs is not known until a journal has some'}"
    cost = dollars(number * money.spent_usd / len(used))
    inward, outward = (
        sum(getattr(one, name) for one in used) / len(used) for name in ("input_tokens", "output_tokens")
    )
    return f"; about {cost}, at {inward:,.0f} tokens in and {outward:,.0f} out a call, as those that are done"


def _used(path: str | None) -> list[Usage]:
    """The tokens of some results."""
    if path is None or not os.path.exists(path):
        return []
    database = opened_to_read(path)
    try:
        rows = database.do(f"SELECT usage FROM results WHERE usage IS NOT NULL ORDER BY id DESC LIMIT {_SAMPLE}")  # noqa: S608 -- a number
    finally:
        database.close()
    return [Usage.of(json.loads(text)) for (text,) in rows]
