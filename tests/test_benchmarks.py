"""The benchmarks as a program: whether it runs, not how fast anything is."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WITHOUT_JOBLIB = "import runpy, sys; sys.modules['joblib'] = None; runpy.run_module('benchmarks', run_name='__main__')"


@pytest.fixture
def benchmarks():
    """A function that runs the benchmarks in a process in which joblib cannot be imported."""

    def run(*arguments):
        command = [sys.executable, "-c", WITHOUT_JOBLIB, *map(str, arguments)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    return run


def test_a_quick_run_ends_well_and_says_which_peers_are_missing(benchmarks, tmp_path):
    """A missed goal is no failure, a missing peer is named, and the JSON holds what the table shows."""
    file = tmp_path / "results" / "quick.json"
    done = benchmarks("--quick", "--only", "noop", "--json", file)
    assert done.returncode == 0, done.stderr
    (missing,) = [line for line in done.stdout.splitlines() if line.startswith("missing peers: ")]
    found = json.loads(file.read_text(encoding="utf-8"))
    assert "joblib" in missing
    assert missing == f"missing peers: {', '.join(found['missing_peers'])}"
    assert found["machine"]["cores"] >= 1
    assert [figure["group"] for figure in found["figures"]] == ["noop", "noop"]
    for figure in found["figures"]:
        assert figure["name"] in done.stdout
        assert figure["ratios"]["standard library"] == 1
        assert figure["ratios"]["threadfan"] > 0
        assert "joblib" not in figure["medians"]


def test_calls_that_hang_are_ended(benchmarks, tmp_path):
    """Every kind of hang that this installation allows is measured, each with its median and its worst."""
    file = tmp_path / "ends.json"
    done = benchmarks("--quick", "--rounds", "1", "--only", "ends", "--json", file)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(file.read_text(encoding="utf-8"))["figures"]
    assert [figure["name"].rpartition(", ")[2].split()[0] for figure in figures] == ["median", "worst"] * (
        len(figures) // 2
    )
    assert any("sleep 60" in figure["name"] for figure in figures) == bool(shutil.which("sleep"))


def test_the_list_names_every_group_with_what_it_measures(benchmarks):
    """``--list`` measures nothing and has a line for each name that ``--only`` takes."""
    done = benchmarks("--list")
    assert done.returncode == 0, done.stderr
    lines = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    assert {"work", "noop", "stream", "submit", "async", "hang", "ends", "import"} <= {name for name, _ in lines}
    assert all(text for _, text in lines)


def test_a_wrong_argument_is_named(benchmarks):
    """What is wrong on the command line is said with what would be right, and nothing is measured."""
    done = benchmarks("--rounds", "0")
    assert done.returncode == 2
    assert "rounds is '0'; right is a whole number from 1" in done.stderr
    assert not done.stdout
