"""SQLite whose statements end with the scope they run in."""

import contextlib
import itertools
import sqlite3
import threading

import pytest

import threadfan
from support.controlled import PATIENCE
from support.scope_ends import WAYS
from threadfan import CallCancelled, fail_after
from threadfan.clients import sqlite3 as seam

FOR_EVER = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT {} FROM n WHERE beat(x)"


@pytest.fixture
def connection():
    """One that notes in `beats` that a statement runs, and may be used by all threads."""
    with contextlib.closing(seam.connect(":memory:", check_same_thread=False)) as connection:
        connection.beats = itertools.count()
        running = connection.running = threading.Event()

        def beat(number):
            if number > 1000:
                running.set()
            return True

        connection.create_function("beat", 1, beat)
        yield connection


ACTS = {
    "execute": lambda connection: connection.execute(FOR_EVER.format("count(*)")),
    "fetchall": lambda connection: connection.cursor().execute(FOR_EVER.format("x")).fetchall(),
    "fetchmany": lambda connection: connection.execute(FOR_EVER.format("x")).fetchmany(10**9),
    "iteration": lambda connection: max(connection.execute(FOR_EVER.format("x"))),
    "fetchone": lambda connection: connection.execute(FOR_EVER.format("x") + " AND x > 1e18").fetchone(),
    "executescript": lambda connection: connection.executescript(FOR_EVER.format("count(*)")),
    "executemany": lambda connection: connection.executemany(
        f"INSERT INTO t {FOR_EVER.format('count(*) + ?')}", [(1,), (2,)]
    ),
}


@pytest.mark.parametrize("end", WAYS)
@pytest.mark.parametrize("act", ACTS)
def test_a_statement_ends_with_its_scope(connection, act, end):
    """Wherever it runs; and the connection goes on to work."""
    connection.execute("CREATE TABLE t (x)")
    end(lambda: ACTS[act](connection), lambda: connection.running.wait(PATIENCE))
    connection.rollback()
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)


def test_an_interrupt_that_comes_too_early_is_made_up_for(monkeypatch):
    """One that has no effect, as the statement had not begun, is noticed by SQLite's own look at the scope."""
    monkeypatch.setattr(seam, "STEPS", 1000)

    def cancel(number):
        if number == 1000:
            scope.condemn()  # as a cancel does, but for the interrupt
        return True

    with contextlib.closing(seam.connect(":memory:")) as connection, fail_after(60) as scope:
        connection.create_function("beat", 1, cancel)
        with pytest.raises(CallCancelled):
            connection.execute(FOR_EVER.format("count(*)"))


def test_nothing_begins_after_the_end(connection):
    """But a rollback and a close, which are what is left to do."""
    connection.execute("CREATE TABLE t (x)")
    with fail_after(60) as scope:
        connection.execute("INSERT INTO t VALUES (1)")
        scope.cancel()
        for act in (lambda: connection.execute("SELECT 1"), connection.commit):
            with pytest.raises(CallCancelled):
                act()
        connection.rollback()
    assert connection.execute("SELECT * FROM t").fetchall() == []


def test_everything_else_is_as_ever(connection):
    """Results, errors, row factories, transactions, user's cursors; in a scope and outside of any."""

    class Mine(sqlite3.Cursor):
        """A cursor of the user's."""

    for block in (contextlib.nullcontext(), fail_after(60)):
        with block:
            connection.execute("DROP TABLE IF EXISTS t")
            assert isinstance(connection.execute("CREATE TABLE t (x, y)"), seam.Cursor)
            with connection:
                connection.executemany("INSERT INTO t VALUES (:x, :y)", [{"x": n, "y": -n} for n in range(3)])
            connection.row_factory = sqlite3.Row
            cursor = connection.cursor()
            assert [tuple(row) for row in cursor.execute("SELECT * FROM t WHERE x > ?", (0,))] == [(1, -1), (2, -2)]
            assert cursor.fetchone() is None
            assert connection.execute("SELECT x FROM t").fetchmany(2)[1]["x"] == 1
            assert type(connection.cursor(Mine)) is Mine
            with pytest.raises(sqlite3.OperationalError, match="no such table"):
                connection.execute("SELECT * FROM u")
            with contextlib.closing(seam.connect(":memory:")) as copy:
                connection.backup(copy)
                assert copy.execute("SELECT sum(x) FROM t").fetchone() == (3,)
            assert "CREATE TABLE t" in "".join(connection.iterdump())


def test_connections_that_can_be_attached(tmp_path):
    """Those that were made for it; of others it is said how they would be."""
    with contextlib.closing(sqlite3.connect(tmp_path / "x.db", factory=seam.Connection)) as connection:
        assert threadfan.attach(connection) is connection
    with (
        contextlib.closing(sqlite3.connect(":memory:")) as connection,
        pytest.raises(TypeError, match=r"cannot be changed; right is threadfan\.clients\.sqlite3\.connect\("),
    ):
        threadfan.attach(connection)
