"""What the benchmarks keep of a run, what they say has changed since, and whether the machine was quiet."""

import json
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def bench(monkeypatch, tmp_path):
    """The benchmarks in this process, on a machine at rest, with figures that the test makes up."""
    return Bench(monkeypatch, tmp_path)


class Bench:
    """Runs them with scores by the names of rows; a row whose name begins with "more" is better the higher it is."""

    def __init__(self, monkeypatch, directory):
        monkeypatch.syspath_prepend(ROOT)
        self.patch = monkeypatch
        self.program = import_module("benchmarks.__main__")
        self.harness = import_module("benchmarks.harness")
        self.machine = import_module("benchmarks.machine")
        self.quiet = import_module("benchmarks.quiet")
        self.history = import_module("benchmarks.history")
        self.file = directory / "history.jsonl"
        self.json = directory / "run.json"
        monkeypatch.setattr(self.program, "_configure_structlog", lambda: None)
        monkeypatch.setattr(self.machine, "load", lambda: 0.0)
        monkeypatch.setattr(self.quiet, "between", lambda *_: None)

    def run(self, *arguments, **scores):
        """The exit status of a run, which measures one group."""
        figures = [
            self.harness.Figure(name, "x", {self.harness.OURS: score}, least=name.startswith("more"))
            for name, score in scores.items()
        ]
        self.patch.setattr(self.program.figures, "measure", lambda name, plan: iter(figures))
        return self.program.main(
            ["--only", "noop", "--json", str(self.json), "--history", str(self.file), *map(str, arguments)]
        )

    def kept(self):
        """The entries that were kept."""
        return [json.loads(line) for line in self.file.read_text(encoding="utf-8").splitlines()]


def below_the_table(capsys):
    """The lines that tell of changes."""
    lines = capsys.readouterr().out.splitlines()
    first = next(
        number
        for number, line in enumerate(lines)
        if " rows were kept before on such a machine, by this interpreter; " in line
    )
    return lines[first:]


def test_a_run_is_kept_only_if_that_is_asked_for(bench):
    """One line for each run: where, by what and what was measured; a run without ``--keep`` writes none."""
    assert bench.run(row=1.5) == 0
    assert not bench.file.exists()
    assert bench.run("--keep", row=1.5) == 0
    assert bench.run("--keep", row=1.6) == 0
    first, second = bench.kept()
    assert first["rows"] == {"row": 1.5}
    assert second["rows"] == {"row": 1.6}
    facts = json.loads(bench.json.read_text(encoding="utf-8"))["machine"]
    assert (first["machine"], first["interpreter"]) == (facts["kind"], facts["interpreter"])
    assert first["quiet"] is True
    assert set(first) == {"version", "commit", "started", "machine", "interpreter", "rounds", "quiet", "rows"}


def test_a_run_that_means_little_is_not_kept(bench, capsys):
    """``--quick --keep`` is refused before anything is measured."""
    assert bench.run("--quick", "--keep", row=1.0) == 2
    assert "leave out --quick" in capsys.readouterr().err
    assert not bench.file.exists()


def test_what_changed_by_more_than_a_fifth_is_told(bench, capsys):
    """With the verdict, both scores and since when; a fifth is not more than a fifth, and a new row no change."""
    bench.run("--keep", slower=1.0, faster=1.0, same=1.0, more_of_it=1.0, more_or_less=1.0)
    (entry,) = bench.kept()
    capsys.readouterr()
    bench.run(slower=1.3, faster=0.7, same=1.2, more_of_it=1.3, more_or_less=0.7, new=5.0)
    head, *told = below_the_table(capsys)
    assert head.startswith("5 of 6 rows were kept before ")
    assert head.endswith("; 4 of them changed by more than a fifth")
    since = f"(since {entry['version']}, {entry['commit'] or 'what was no commit'} of {entry['started']})"
    assert told == [
        f"WORSE: slower: 1.00 -> 1.30 {since}",
        f"better: faster: 1.00 -> 0.70 {since}",
        f"better: more_of_it: 1.00 -> 1.30 {since}",
        f"WORSE: more_or_less: 1.00 -> 0.70 {since}",
    ]


def test_each_row_is_compared_with_the_last_entry_that_has_it(bench, capsys):
    """A later run of other rows does not hide it, a later one of the same row does."""
    bench.run("--keep", one=1.0, other=1.0)
    bench.run("--keep", other=2.0)
    capsys.readouterr()
    bench.run(one=2.0, other=2.0)
    head, told = below_the_table(capsys)
    assert head.startswith("2 of 2 rows ")
    assert told.startswith("WORSE: one: 1.00 -> 2.00 ")


@pytest.mark.parametrize("fact", ["kind", "interpreter"])
def test_other_machines_and_interpreters_are_another_matter(bench, capsys, fact):
    """Nothing is said against what was measured elsewhere."""
    bench.run("--keep", row=1.0)
    facts = bench.machine.describe()
    bench.patch.setattr(bench.machine, "describe", lambda: {**facts, fact: "another"})
    capsys.readouterr()
    bench.run(row=9.0)
    (head,) = below_the_table(capsys)
    assert head.startswith("0 of 1 rows were kept before ")


@pytest.mark.parametrize("line", ["{", "[]", '{"machine": "x"}', "1"])
def test_a_line_that_is_no_entry_is_named(bench, capsys, line):
    """Before anything is measured, with its number."""
    bench.run("--keep", row=1.0)
    bench.json.unlink()
    with bench.file.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    capsys.readouterr()
    assert bench.run(row=2.0) == 2
    assert capsys.readouterr().err == f"line 2 of {bench.file} is no entry: delete it, or mend it\n"
    assert not bench.json.exists()


def test_the_file_of_the_project_has_only_entries(bench):
    """Whatever was kept can be compared with."""
    bench.history.before({"kind": "", "interpreter": ""}, bench.history.FILE)


# -- a quiet machine --------------------------------------------------------------------------------------------------


def test_a_machine_that_was_not_quiet_is_named(bench, capsys):
    """Above the table, in the JSON and in the entry."""
    use = bench.quiet.Use(others=0.25, stolen=0.1)
    bench.patch.setattr(bench.quiet, "between", lambda *_: use)
    bench.run("--keep", row=1.0)
    words = "other programs used 25% of the processors; the host took 10% of them"
    assert f"NOT a quiet machine, so these figures mean little: {words}" in capsys.readouterr().out
    assert json.loads(bench.json.read_text(encoding="utf-8"))["noise"] == words.split("; ")
    assert bench.kept()[0]["quiet"] is False
    bench.run(row=2.0)
    assert below_the_table(capsys)[1].endswith(", NOT quiet)")


def test_a_quiet_machine_is_asked_for(bench, capsys):
    """A load is told before anything is measured, and waited for as long as is allowed; a quick run does not care."""
    bench.patch.setattr(bench.machine, "load", lambda: 40.0)
    waits = []
    bench.patch.setattr(bench.quiet, "wait", lambda cores, seconds: waits.append(seconds))
    bench.run("--wait", 7, row=1.0)
    assert waits == [7.0]
    assert capsys.readouterr().err.startswith("the load is 40, ")
    bench.run("--quick", row=1.0)
    assert "please" not in capsys.readouterr().err


def test_waiting_ends_when_the_load_is_low(bench):
    """The load is looked at each second."""
    loads, slept = [9.0, 9.0, 0.1], []
    bench.patch.setattr(bench.quiet.os, "getloadavg", lambda: (loads.pop(0), 0, 0))
    bench.patch.setattr(bench.quiet.time, "sleep", slept.append)
    bench.quiet.wait(2, 60)
    assert slept == [1, 1]


def test_what_others_use_is_what_is_used_and_not_ours(monkeypatch, tmp_path):
    """Of ten seconds of two processors: 4 were ours, 3 of others, 1 stolen, and in the rest nothing ran."""
    monkeypatch.syspath_prepend(ROOT)
    quiet = import_module("benchmarks.quiet")
    first = quiet.Moment(total=100, used=50, stolen=5, own=10)
    second = quiet.Moment(total=120, used=57, stolen=6, own=14)
    assert quiet.between(first, second) == quiet.Use(others=0.15, stolen=0.05)
    unknown = quiet.Moment(-1, -1, -1, 14)
    assert quiet.between(first, unknown) is quiet.between(unknown, second) is None


@pytest.mark.parametrize("text", ["", "cpu 1 2 3\n", "cpu a b c d e f g h\n"])
def test_a_system_that_does_not_say_what_is_used(monkeypatch, tmp_path, text):
    """Then nothing is said of it."""
    monkeypatch.syspath_prepend(ROOT)
    quiet = import_module("benchmarks.quiet")
    stat = tmp_path / "stat"
    assert quiet.now(stat).total == -1
    stat.write_text(text, encoding="utf-8")
    assert quiet.now(stat).total == -1


def test_the_line_of_all_processors_is_read(monkeypatch, tmp_path):
    """User, nice, system, idle, waiting, interrupts twice, stolen; what guests had is in the first two."""
    monkeypatch.syspath_prepend(ROOT)
    quiet = import_module("benchmarks.quiet")
    monkeypatch.setattr(quiet.os, "sysconf", lambda _: 100)
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 200 300 4000 500 10 20 600 70 80\ncpu0 1 1 1 1\n", encoding="utf-8")
    found = quiet.now(stat)
    assert (found.total, found.used, found.stolen) == (57.3, 6.3, 6.0)
