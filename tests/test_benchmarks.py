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


@pytest.fixture
def quick(benchmarks, tmp_path):
    """A function that runs one group quickly and returns its figures by the last part of their names."""

    def run(group, *arguments):
        pytest.importorskip("anthropic")
        pytest.importorskip("uvicorn")
        file = tmp_path / f"{group}.json"
        done = benchmarks("--quick", "--rounds", "1", "--only", group, "--json", file, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        figures = json.loads(file.read_text(encoding="utf-8"))["figures"]
        return {figure["name"].rpartition(": ")[2]: figure for figure in figures}

    return run


def test_limits_are_measured_beside_others_and_drawn(quick, tmp_path):
    """Shares are shares, every contender has its requests in the JSON, and the picture holds them."""
    pytest.importorskip("plotly")
    picture = tmp_path / "limits.html"
    figures = quick("limits", "--picture", picture)
    assert list(figures) == ["accepted, of what is allowed", "requests refused", "items failed"]
    accepted, refused, failed = figures.values()
    for name in ("threadfan", "standard library"):
        assert 0 < accepted["medians"][name] <= 100
        assert 0 <= refused["medians"][name] <= 100
        assert accepted["permits"][name]["accepted"].startswith("0.000")
    assert failed["medians"]["threadfan"] == 0
    assert failed["reached"]
    assert "refused (429)" in picture.read_text(encoding="utf-8")


def test_a_turn_of_an_agent_is_measured_beside_the_sdks_own_loop(quick):
    """Both loops come to the same answer; ours has the goal."""
    (figure,) = quick("agents").values()
    assert set(figure["medians"]) == {"threadfan", "tool_runner of the SDK"}
    assert figure["goal"] == {"bound": 0.35, "least": False, "lead": False}


def test_a_storm_ends_with_every_item_answered_once(quick):
    """What must hold however busy the machine is: nothing fails and nothing is answered twice."""
    wall, failed, again = quick("storm").values()
    assert wall["medians"]["threadfan"] > 0.9
    assert (failed["medians"]["threadfan"], again["medians"]["threadfan"]) == (0, 0)


@pytest.mark.parametrize(
    ("group", "count"),
    [
        ("shared", 3),
        ("backoff", 1),
        ("adaptive", 3),
        ("hedging", 2),
        ("losers", 3),
        ("watching", 1),
        ("keys", 1),
        ("crowds", 9),
        ("priorities", 2),
    ],
)
def test_other_groups_are_measured(quick, group, count):
    """Each figure has a score of threadfan's."""
    figures = quick(group)
    assert len(figures) == count
    for figure in figures.values():
        assert figure["medians"]["threadfan"] >= 0


def test_calls_that_compute_are_measured_on_two_workers(quick):
    """Long and short calls have their speed-up; a goal there is only where threads may compute side by side."""
    long, *by_processor, short = quick("cpu").values()
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert (long["goal"] is None) is (gil or cores < 2)
    assert short["goal"] is None
    assert [figure["goal"] for figure in by_processor] == [long["goal"]] * (long["goal"] is not None)
    for figure in (long, *by_processor, short):
        assert figure["medians"]["threadfan"] > 0


def test_what_attaching_costs_is_measured(quick):
    """For each client every way has the bare client's time beside it, and model calls are counted beside asyncio's."""
    figures = quick("seams")
    rows = [figure for figure in figures.values() if figure["unit"] == "µs"]
    rates = [figure for figure in figures.values() if figure["unit"] == "a second"]
    assert rows
    assert all(figure["medians"]["threadfan"] > 0 for figure in rows)
    assert [set(figure["medians"]) for figure in rates] == [{"standard library", "asyncio", "threadfan"}]


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


def test_ways_are_counted():
    """Each kind of call goes through some files of the package, and the table says how many; more with a policy."""
    command = [sys.executable, str(ROOT / "benchmarks" / "ways.py"), "--rounds", "2", "--hops"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    head, *rows = [line for line in done.stdout.splitlines() if "->" not in line]
    assert head.split() == ["files", "switches"]
    found = {name.strip(): (int(files), int(switches)) for name, files, switches in (r.rsplit(None, 2) for r in rows)}
    assert list(found) == ["submit", "one item of run", "a call that times out", "a retry under a rate"]
    assert sorted(found.values()) == list(found.values())
    assert ".submit -> " in done.stdout


def test_locks_that_are_waited_for_are_counted():
    """Each kind of call has a head, and below it the scheduler's lock with the times that it was taken."""
    command = [sys.executable, "-m", "benchmarks.contention", "--calls", "50", "--workers", "2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    heads = [line for line in done.stdout.splitlines() if not line.startswith(" ")]
    assert len(heads) == 7
    assert all(line.endswith(", 50 calls on 2 workers") for line in heads)
    assert done.stdout.count("    pool/scheduler.py: taken ") == 7


def test_what_the_machine_charges():
    """Each step has a time, left to the system and, where threads can be kept there, on one processor."""
    command = [sys.executable, "-m", "benchmarks.floors", "--quick"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    head, *rows = done.stdout.splitlines()
    columns = 1 + hasattr(os, "sched_setaffinity")
    assert head.count("system") + head.count("processor") == columns
    assert len(rows) == 6
    assert all(float(cell) > 0 for row in rows for cell in row.split()[-columns:])


def test_peers_are_measured_side_by_side(benchmarks, tmp_path):
    """Each that is installed has a row, the table and a picture are written, and what is missing is named."""
    done = benchmarks("--quick", "--rounds", "1", "--peers", tmp_path, "--json", tmp_path / "peers.json")
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads((tmp_path / "peers.json").read_text(encoding="utf-8"))["figures"]
    assert len(figures) == 7
    assert all({"threadfan", "standard library"} <= set(figure["medians"]) for figure in figures)
    (right,) = [figure for figure in figures if "right" in figure["name"]]
    assert right["medians"]["threadfan"] <= 20
    head, _, *rows = (tmp_path / "peers-table.md").read_text(encoding="utf-8").splitlines()
    assert [row.split(" | ")[0] for row in rows] == ["| threadfan", "| standard library"]
    assert {row.count("|") for row in rows} == {head.count("|")}
    assert "not installed, and left out: " in done.stdout
    picture = (tmp_path / "peers.svg").read_text(encoding="utf-8")
    assert picture.startswith("<svg ")
    assert picture.count("threadfan</text>") == 7
