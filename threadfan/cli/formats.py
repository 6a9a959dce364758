"""In which format a file is, by its ending or by what the user says."""

from __future__ import annotations

import os

from threadfan._core.base.texts import brief

from .errors import USAGE, CommandError

STANDARD = "-"
"""Standard input or output, in the place of a file."""
FORMATS = ("jsonl", "csv", "tsv", "parquet", "lines")
_ENDINGS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".txt": "lines",
    ".log": "lines",
    ".list": "lines",
}


def format_of(file: str, said: str | None, flag: str, otherwise: str) -> str:
    """The format of a file.

    Args:
        said: what the user says it is, with ``flag``.
        otherwise: that of standard input or output, if nobody says anything.

    Raises:
        CommandError: it cannot be told.
    """
    if said is not None:
        if said not in FORMATS:
            raise CommandError(f"{flag} is {brief(said)}; right is one of {', '.join(FORMATS)}", USAGE)
        found = said
    elif file == STANDARD:
        found = otherwise
    else:
        ending = os.path.splitext(file)[1].lower()
        if ending == ".json":
            raise CommandError(
                f"{file} may be one JSON value, which cannot be read row by row; right is a line for each row "
                f"(jq -c '.[]' makes that), or {flag} jsonl if it is so",
                USAGE,
            )
        if ending not in _ENDINGS:
            if os.path.exists(file) and not os.path.isfile(file):  # a pipe, /dev/null
                return otherwise
            raise CommandError(f"the ending of {file} says no format; right is {flag} {'|'.join(FORMATS)}", USAGE)
        found = _ENDINGS[ending]
    if found == "parquet" and file == STANDARD:
        raise CommandError(f"{flag} parquet needs a file, not {STANDARD}", USAGE)
    return found
