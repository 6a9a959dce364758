"""The public API keeps its types."""

import subprocess
import sys
from pathlib import Path

import pytest

import threadfan

FILES = sorted(Path(__file__).parent.glob("public_*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_public_api_is_typed(file):
    """mypy, at its strictest, finds in the file the types that it asserts and the errors that it expects."""
    pytest.importorskip("mypy")
    root = Path(threadfan.__file__).parents[1]
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", str(file)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
