"""The shell completes commands, flags and formats."""

import pytest

pytest.importorskip("typer")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("threadfan r", {"run", "report"}),
        ("threadfan run f.py:f in.csv --journ", {"--journal", "--journal-version"}),
        ("threadfan run f.py:f in.csv --format j", {"jsonl"}),
    ],
)
def test_completion(command, words, found):
    """What the script that `--show-completion` prints asks for."""
    count = len(words.split()) - 1
    process = command(_THREADFAN_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=str(count))
    assert set(process.stdout.split()) == found, process.stderr
