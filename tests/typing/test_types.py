"""The public API keeps its types."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import threadfan

FILES = sorted(Path(__file__).parent.glob("public_*.py"))
ROOT = Path(threadfan.__file__).parents[1]
KNOWN = 0.98
"""The part of the names that has to have a known type.  All have, where all the libraries are that clients are for."""
SOURCE = (ROOT / "setup.cfg").exists()  # else it is installed, and mypy would take all that is beside it for its own


def run(*command):
    """What a type checker says, if it finds a fault."""
    cwd = ROOT if SOURCE else FILES[0].parent
    done = subprocess.run([sys.executable, "-m", *command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_mypy_agrees():
    """At its strictest, it finds in the files the types that they assert and the errors that they expect."""
    pytest.importorskip("mypy")
    run("mypy", "--strict", "--config-file=", *map(str, FILES))


def test_pyright_agrees(tmp_path):
    """So does pyright, here in the edition that needs nothing but Python's packages."""
    pytest.importorskip("basedpyright")
    config = tmp_path / "pyrightconfig.json"
    strict = {
        "typeCheckingMode": "strict",
        "reportUnnecessaryTypeIgnoreComment": "error",
        "enableTypeIgnoreComments": True,
        "include": list(map(str, FILES)),
        "extraPaths": [str(ROOT)],
    }
    config.write_text(json.dumps(strict))
    run("basedpyright", "--project", str(config), "--pythonpath", sys.executable)


def test_what_is_public_has_a_known_type():
    """Whoever checks types against the library is told what each name of it is, and need not guess."""
    pytest.importorskip("basedpyright")
    command = [sys.executable, "-m", "basedpyright", "--pythonpath", sys.executable, "--outputjson"]
    command += ["--verifytypes", "threadfan", "--ignoreexternal"]
    # As if its environment were activated: so it finds the libraries whose types stand in ours.
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)["typeCompleteness"]
    unknown = [one["name"] for one in found["symbols"] if one["isExported"] and not one["isTypeKnown"]]
    assert found["completenessScore"] >= KNOWN, unknown
