"""The public API keeps its types."""

import subprocess
import sys
from pathlib import Path

import pytest

import threadfan

HERE = Path(__file__).parent


def test_the_public_api_is_typed():
    """mypy, at its strictest, finds in `public_api.py` the types that it asserts and the errors that it expects."""
    pytest.importorskip("mypy")
    root = Path(threadfan.__file__).parents[1]
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", str(HERE / "public_api.py")]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
