"""What can be wrong with the file: a clear error with its path and the remedy, and nothing stored is lost."""

import os
import sqlite3
from contextlib import closing

import pytest

from support.controlled import run_program
from threadfan import Fan, JournalError, NotStored
from threadfan._core.journal import database as databases
from threadfan._core.journal.faults import remote


def double(item):
    """Twice as much."""
    return item * 2


def refused(path):
    """The text of what is raised."""
    with Fan(1) as fan, pytest.raises(JournalError) as caught:
        fan.run(double, [1], journal=path)
    return str(caught.value)


def test_a_newer_version(tmp_path):
    """It is not touched."""
    path = tmp_path / "run.db"
    with Fan(1) as fan:
        fan.run(double, [1], journal=path)
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version=99")
    before = path.read_bytes()
    assert "was written by a newer threadfan (format 99, and this one knows 1): install that version" in refused(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"id,text\n1,hello\n", b"x" * 5000])
def test_a_file_of_another_kind(tmp_path, content):
    """It is not touched."""
    path = tmp_path / "questions.csv"
    path.write_bytes(content)
    assert "is no journal, but a file of another kind: give the path of a file that is not there" in refused(path)
    assert path.read_bytes() == content


def test_a_database_of_another_program(tmp_path):
    """It is not touched."""
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE orders (id)")
    before = path.read_bytes()
    assert "is no journal, but a database of another program" in refused(path)
    assert path.read_bytes() == before


def test_a_damaged_file(tmp_path):
    """What can be read of it can be saved by SQLite's own means, which the error names."""
    path = tmp_path / "run.db"
    with Fan(1) as fan:
        fan.run(double, ["x" * 3000 + str(item) for item in range(50)], journal=path)
    data = bytearray(path.read_bytes())
    data[4096:] = os.urandom(len(data) - 4096)
    path.write_bytes(data)
    said = refused(path)
    assert "is damaged" in said
    assert ".recover" in said


def test_folders(tmp_path):
    """One that is not there, and one in the place of the file."""
    assert "cannot be made, for its folder is not there: make that first" in refused(tmp_path / "none" / "run.db")
    assert "is a folder: give the path of a file in it" in refused(tmp_path)


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(30, "Read-only file system")])
def test_a_folder_where_nothing_may_be_made(tmp_path, monkeypatch, error):
    """Whatever the reason."""

    def refuse(*_args):
        raise error

    monkeypatch.setattr(databases.os, "open", refuse)
    said = refused(tmp_path / "run.db")
    assert "cannot be made" in said
    assert "give a path where you may write" in said


FULL = """
from threadfan import Fan, JournalError, NotStored
from threadfan._core.journal import database

path, connect = PATH, database.sqlite3.connect
called = []

def big(item):
    called.append(item)
    return str(item) * 4000

with Fan(2) as fan:
    fan.run(big, range(5), journal=path)

    def small(*args, **kwargs):
        connection = connect(*args, **kwargs)
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count={pages + 8}")
        return connection

    database.sqlite3.connect = small
    called.clear()
    try:
        fan.run(big, range(300), journal=path)
    except JournalError as error:
        print("the disk is full: make room" in str(error))
        report = error.report
    lost = [outcome for outcome in report if isinstance(outcome.error, NotStored)]
    print(1 <= len(lost) <= 2, all(outcome.error.value == str(outcome.index) * 4000 for outcome in lost))
    print(len(called) < 60, all("was not called" in str(one.error) for one in report.failed if one not in lost))
    database.sqlite3.connect = connect
    done = [outcome.index for outcome in report.succeeded]
    print(done[:5], len(done) > 5)
    called.clear()
    print(fan.run(big, range(300), journal=path).ok, sorted(called) == sorted(set(range(300)) - set(done)))
"""


def test_a_full_disk(tmp_path):
    """Nothing more is called, values that could not be stored are in the report, and what was stored is there."""
    out, _ = run_program(FULL.replace("PATH", repr(str(tmp_path / "run.db"))))
    assert out.splitlines() == ["True", "True True", "True True", "[0, 1, 2, 3, 4] True", "True True"]


MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:25 / /mnt/all rw - nfs4 server:/all rw,vers=4.2
31 22 0:26 / /mnt/my\\040disk rw - cifs //server/disk rw
32 30 254:1 / /mnt/all/local rw - ext4 /dev/vdb rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/me/run.db", None),
        ("/mnt/all/run.db", "nfs4"),
        ("/mnt/all/of/it/run.db", "nfs4"),
        ("/mnt/all/local/run.db", None),
        ("/mnt/allthesame/run.db", None),
        ("/mnt/my disk/run.db", "cifs"),
    ],
)
def test_a_disk_of_another_machine(tmp_path, path, kind):
    """There neither locks nor shared memory hold, so nothing is begun there."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS, encoding="utf-8")
    found = remote(path, str(mounts))
    assert (found is None) == (kind is None)
    if kind is not None:
        assert f"another machine ({kind})" in str(found)
        assert "give a path on a disk of this machine" in str(found)


def test_where_mounts_are_not_told():
    """Nothing is known then, and nothing refused."""
    assert remote("/home/me/run.db", "/nowhere/mountinfo") is None


def test_a_program_that_leaves_a_transaction_open(tmp_path, monkeypatch):
    """After some time it is named as the reason."""
    path = tmp_path / "run.db"
    with Fan(1) as fan:
        fan.run(double, [1], journal=path)
    monkeypatch.setattr(databases, "_PATIENCE", 0.01)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert "is locked by another program, which has left a transaction open" in refused(path)
        other.execute("ROLLBACK")


def test_the_child_of_a_fork_uses_a_connection_of_its_own(tmp_path):
    """A run in a child that is forked in a call of another run goes on with the same journal."""
    program = """
import os
from threadfan import Fan

def double(item):
    return item * 2

def fork(item):
    child = os.fork()
    if not child:
        with Fan(1) as fan:
            good = fan.run(double, [1, 2], journal=PATH).unwrap() == [2, 4]
        os._exit(0 if good else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

with Fan(2) as fan:
    print(fan.run(fork, [1, 2, 3], journal=PATH).unwrap())
    print(fan.run(double, [1, 2], journal=PATH)[0].attempts)
"""
    out, _ = run_program(program.replace("PATH", repr(str(tmp_path / "run.db"))))
    assert out.splitlines() == ["[0, 0, 0]", "0"]


def test_an_error_has_its_value():
    """Also one that was not given any."""
    assert NotStored("no room").value is None


class Grabby(Exception):
    """Whatever it is asked for, it raises something that ends programs."""

    def __getattr__(self, name):
        """Fail."""
        raise SystemExit(name)


def test_an_error_that_raises_what_ends_programs(tmp_path):
    """Its call has its outcome, in a run and in a stream, and is called again by the next one."""

    def call(item):
        if item % 2:
            raise Grabby
        return item

    with Fan(2) as fan:
        report = fan.run(call, range(4), journal=tmp_path / "run", version="1")
        outcomes = list(fan.stream(call, range(4), journal=tmp_path / "stream", version="1"))
    assert [outcome.status for outcome in report] == ["succeeded", "failed"] * 2
    assert {outcome.index: type(outcome.error) for outcome in outcomes if not outcome.ok} == {1: Grabby, 3: Grabby}
