"""Files where others may write too, and files that come from others."""

import json
import os
import sqlite3
import stat
import subprocess
import sys

import pytest

from threadfan import Fan, JournalError, Report
from threadfan._core.journal.claims import Claims

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="modes and links are POSIX's")

PRECIOUS = b"ssh-ed25519 AAAA me@home\n" * 40


@pytest.fixture
def precious(tmp_path):
    """A file of the user's, which nobody has business with."""
    file = tmp_path / "precious"
    file.write_bytes(PRECIOUS)
    return file


def mode(file):
    """Who may do what with a file."""
    return stat.S_IMODE(os.stat(file).st_mode)


@pytest.fixture
def _open_umask():
    """As of a user who lets everybody read and write."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.parametrize("put", [os.symlink, os.link], ids=["symlink", "hard link"])
def test_a_link_in_the_place_of_claims_is_left_alone(put, precious, tmp_path):
    """The name of the file beside a journal is known beforehand; what a link there leads to is not written over."""
    put(precious, tmp_path / "run.db-claims")
    with Fan(1) as fan, pytest.raises(JournalError, match=r"run.db-claims.* is a link or a file of another kind"):
        fan.run(str, [1], journal=tmp_path / "run.db")
    assert precious.read_bytes() == PRECIOUS
    os.unlink(tmp_path / "run.db-claims")
    with Fan(1) as fan:
        assert fan.run(str, [1], journal=tmp_path / "run.db").unwrap() == ["1"]


@pytest.mark.parametrize("content", [b"x" * 9, b"short", PRECIOUS, bytes(5000)], ids=len)
def test_a_file_of_another_kind_in_the_place_of_claims_is_left_alone(content, tmp_path):
    """Be it short or long: only what was written as claims is written over."""
    (tmp_path / "run.db-claims").write_bytes(content)
    with Fan(1) as fan, pytest.raises(JournalError, match="file of another kind"):
        fan.run(str, [1], journal=tmp_path / "run.db")
    assert (tmp_path / "run.db-claims").read_bytes() == content


@pytest.mark.parametrize("left", [b"", bytes(100), bytes(4096), (1).to_bytes(8, sys.byteorder) + b"\xff" * 4088])
def test_claims_that_a_dead_process_has_left_are_taken_over(left, tmp_path):
    """Whole or in part, with items or without."""
    (tmp_path / "run.db-claims").write_bytes(left)
    claims = Claims(str(tmp_path / "run.db"))
    claims.open()
    try:
        assert claims.take(b"12345678")
    finally:
        claims.close()


@pytest.mark.usefixtures("_open_umask")
def test_a_journal_behind_a_link_is_its_owners_alone(tmp_path):
    """A link to what is not there yet is followed, and what is made there nobody else may read."""
    (tmp_path / "far").mkdir()
    os.symlink(tmp_path / "far" / "real.db", tmp_path / "run.db")
    with Fan(1) as fan:
        fan.run(str, [1], journal=tmp_path / "run.db")
    assert mode(tmp_path / "far" / "real.db") == 0o600


@pytest.mark.usefixtures("_open_umask")
def test_a_saved_report_is_its_owners_alone_from_its_first_byte(tmp_path, monkeypatch):
    """It is written under a name that nobody can know, and so have a file of theirs there that is taken."""
    names, replace = [], os.replace

    def spied(part, place):
        names.append((os.path.basename(part), mode(part)))
        replace(part, place)

    monkeypatch.setattr(os, "replace", spied)
    with Fan(1) as fan:
        report = fan.run(str, [1])
    for _ in range(2):
        report.save(tmp_path / "report.db")
    assert len({name for name, _ in names}) == 2
    assert all(len(name) >= len("report.db..part") + 16 for name, _ in names)
    assert {found for _, found in names} == {0o600} == {mode(tmp_path / "report.db")}


@pytest.mark.parametrize(
    "planted",
    [
        "CREATE TRIGGER t AFTER INSERT ON results BEGIN DELETE FROM results; END",
        "CREATE VIEW v AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT * FROM n",
        """DROP TABLE failures; CREATE VIEW failures AS WITH RECURSIVE n(key) AS (SELECT 1 UNION ALL SELECT 1 FROM n)
        SELECT key, 1 AS place, 1 AS run FROM n""",
        "CREATE VIRTUAL TABLE f USING fts4(t)",
    ],
    ids=["trigger", "view", "endless", "virtual"],
)
def test_a_journal_brings_no_sql_of_its_own(planted, tmp_path):
    """One that has anything but tables is refused before it is read: it can neither change nor stall anything."""
    path = tmp_path / "run.db"
    with Fan(1) as fan:
        fan.run(str, [1], journal=path)
    connection = sqlite3.connect(path)
    try:
        connection.executescript(planted)
    except sqlite3.OperationalError:
        pytest.skip("this SQLite has no such tables")
    finally:
        connection.close()
    with pytest.raises(JournalError, match="a database of another program"):
        Report.load(path)
    with Fan(1) as fan, pytest.raises(JournalError, match="a database of another program"):
        fan.run(str, [2], journal=path)


def test_an_error_in_a_journal_imports_nothing(tmp_path):
    """A file names classes: no module is imported for it, nor asked for a name that it would import one for."""
    path = tmp_path / "run.db"
    (tmp_path / "hostile.py").write_text("raise SystemExit('imported')")
    with Fan(1) as fan:
        fan.run(int, ["x"], journal=path)
    names = [["hostile", "Error"], ["concurrent.futures", "ProcessPoolExecutor"], ["builtins", "KeyError"]]
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE failures SET error = ?", (json.dumps([names, "text", None, None, None]),))
    connection.close()
    program = (
        "import sys, concurrent.futures\nfrom threadfan import Report\nerror = Report.load(sys.argv[1])[0].error\n"
        "assert isinstance(error, KeyError) and str(error) == 'text', repr(error)\n"
        "print([name for name in ('hostile', 'concurrent.futures.process') if name in sys.modules])"
    )
    root = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([root, str(tmp_path)])}
    done = subprocess.run(
        [sys.executable, "-c", program, path], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.parametrize("name", ["../../up", "a'; DROP TABLE results; --", "/abs", "con\0", "{x}", "$(touch evil)"])
def test_names_are_no_paths_and_no_sql(name, tmp_path, monkeypatch):
    """What a fan, a call or a version is called stands in no name of a file, and in no statement."""
    monkeypatch.chdir(tmp_path)
    with Fan(1, name=name.replace("\0", "")) as fan:
        assert fan.run(str, [1], journal="run.db", version=name).unwrap() == ["1"]
        assert fan.run(str, [1], journal="run.db", version=name)[0].attempts == 0
    assert sorted(os.listdir(tmp_path)) == ["run.db"]
    assert len(Report.load("run.db")) == 1
