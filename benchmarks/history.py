"""What was measured before: one line of JSON for each run that was kept, and what has changed since the last.

Figures can be compared only where the machine is of the same kind and the interpreter of the same version and build, so
each row is compared with the last entry of just these that has it.
"""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

from benchmarks.harness import OURS
from benchmarks.processes import ROOT
from benchmarks.report import number

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from benchmarks.harness import Figure
    from benchmarks.report import Report

    Entry = dict[str, Any]
    Row = tuple[float, str]
    """Its score, and of which version and commit, and when it was measured."""

FILE = ROOT / "benchmarks" / "history.jsonl"
FIFTH = 0.2
"""By how much a figure has to change to be told.  Arbitrary: on a quiet machine rows move by a tenth."""


def entry(report: Report) -> Entry:
    """A run as it is kept."""
    return {
        "version": report.machine["threadfan"],
        "commit": _commit(),
        "started": report.to_json()["started"],
        "machine": report.machine["kind"],
        "interpreter": report.machine["interpreter"],
        "rounds": report.plan.rounds,
        "quiet": report.quiet,
        "rows": {figure.name: round(figure.scores[OURS], 4) for _, figure in report.figures},
    }


def keep(new: Entry, file: Path) -> None:
    """Add an entry at the end of the file."""
    with file.open("a", encoding="utf-8") as history:
        history.write(json.dumps(new, ensure_ascii=False) + "\n")


def before(facts: Mapping[str, object], file: Path) -> dict[str, Row]:
    """Each row as it was measured last on the same kind of machine by the same interpreter.

    Args:
        facts: of this machine.

    Raises:
        ValueError: a line of the file is no entry.
    """
    found: dict[str, Row] = {}
    if file.exists():
        for line_number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            try:
                old = json.loads(line)
                if (old["machine"], old["interpreter"]) == (facts["kind"], facts["interpreter"]):
                    where = old["commit"] or "what was no commit"
                    where += f" of {old['started']}" + ", NOT quiet" * (not old["quiet"])
                    where = f"{old['version']}, {where}" if "version" in old else where
                    found |= {name: (float(score), where) for name, score in old["rows"].items()}
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise ValueError(f"line {line_number} of {file} is no entry: delete it, or mend it") from error
    return found


def lines(report: Report, old: dict[str, Row]) -> list[str]:
    """What has changed, as it is said below the table."""
    known = [figure for _, figure in report.figures if figure.name in old]
    found = [change for figure in known if (change := _change(figure, *old[figure.name])) is not None]
    compared = f"{len(known)} of {len(report.figures)} rows were kept before on such a machine, by this interpreter"
    return [f"{compared}; {len(found)} of them changed by more than a fifth", *found]


def _change(figure: Figure, score: float, where: str) -> str | None:
    now = figure.scores[OURS]
    if abs(now - score) <= FIFTH * abs(score):
        return None
    verdict = "better" if (now > score) is figure.least else "WORSE"
    return f"{verdict}: {figure.name}: {number(score)} -> {number(now)} (since {where})"


def _commit() -> str:
    """The commit that is checked out, with a ``+`` if files differ from it; empty where there is no repository."""
    try:
        name = _git("rev-parse", "--short=12", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return ""
    return name + "+" * bool(changed)


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
