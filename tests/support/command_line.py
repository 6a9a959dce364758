"""What the command line has said and written."""

import json
from pathlib import Path


def said(process, status):
    """The last line on the standard error, without the command's name."""
    assert process.returncode == status, process.stderr
    line = process.stderr.splitlines()[-1]
    assert line.startswith("threadfan: ")
    return line.removeprefix("threadfan: ")


def lines_of(path):
    """The JSON of each line of a file, each of which is whole."""
    text = Path(path).read_text(encoding="utf-8")
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]
