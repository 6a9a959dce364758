"""No pickle is read from a file, and no code that a file brings is run."""

import json
import pickle
import sqlite3
import sys

import pytest

from threadfan import Fan, Report

RAN = []


def run(text):
    """What a pickle has run."""
    RAN.append(text)


class Bomb:
    """Runs something when it is unpickled."""

    def __reduce__(self):
        return run, ("it ran",)


@pytest.fixture
def watched():
    """What the interpreter reports meanwhile: classes looked up by a pickle, code made of text, modules imported."""
    seen, on = [], [True]
    events = ("pickle.find_class", "compile", "exec", "marshal.loads", "os.system", "subprocess.Popen")

    def hook(event, arguments):
        if on and event in events:
            seen.append((event, repr(arguments)[:200]))

    sys.addaudithook(hook)  # which can never be taken away again
    yield seen
    on.clear()


def test_the_hook_sees_a_pickle(watched):
    """Else the test below would show nothing."""
    pickle.loads(pickle.dumps(Bomb()))  # noqa: S301
    assert "pickle.find_class" in dict(watched)
    assert RAN.pop() == "it ran"


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_a_run_that_goes_on_from_a_hostile_journal_reads_no_pickle(protocol, tmp_path, watched):
    """Every text and every value of the file is a pickle: the run goes on, or says that the file cannot be read."""
    path, bomb = tmp_path / "run.db", pickle.dumps(Bomb(), protocol)
    with Fan(1) as fan:
        fan.run(int, ["1", "x"], journal=path)  # what follows has been imported once
        list(fan.stream(int, ["1"], journal=path))
        assert not Report.load(path).ok
    text = bomb.decode("latin-1")
    names = json.dumps([[["builtins", "ValueError"]], text, None, None, text])
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE results SET value = ?, usage = NULL, worker = ?", (bomb, text))
        connection.execute("UPDATE failures SET error = ?", (names,))
    connection.close()
    del watched[:]
    with Fan(1) as fan:
        report = fan.run(int, ["1", "x"], journal=path)
        with pytest.raises(Exception, match="cannot be read"):
            print(report[0].value)
        with pytest.raises(Exception, match="cannot be read"):
            [outcome.value for outcome in fan.stream(int, ["1"], journal=path)]
    with pytest.raises(Exception, match="cannot be read"):
        Report.load(path)
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM results")
    connection.close()
    assert "ValueError" in type(Report.load(path)[0].error).__name__
    seen = [*watched]
    assert seen == []
    assert RAN == []
