"""Stand-ins for connections of DuckDB's: queries that end with their scope."""

import contextlib

import pytest

import threadfan
from support.controlled import until
from support.scope_ends import WAYS
from threadfan import CallCancelled, Fan, fail_after

duckdb = pytest.importorskip("duckdb")

LONG = "SELECT count(*) FROM range(1_000_000_000_000) t(x) WHERE x % 7 = 3"


@pytest.fixture
def connection():
    """An attached connection."""
    with threadfan.attach(duckdb.connect(config={"threads": 2})) as connection:
        yield connection


ACTS = {
    "execute": lambda connection: connection.execute(LONG).fetchall(),
    "relation": lambda connection: connection.sql(LONG).fetchall(),
    "chain": lambda connection: connection.sql(LONG).filter("1 = 1").limit(5).fetchall(),
    "shown": lambda connection: str(connection.sql(LONG)),
    "cursor": lambda connection: connection.cursor().execute(LONG).fetchall(),
}


@pytest.mark.parametrize("end", WAYS)
@pytest.mark.parametrize("act", ACTS)
def test_a_query_ends_with_its_scope(connection, act, end):
    """It is interrupted, wherever it runs, and the connection goes on to work."""
    begun = []

    def run():
        begun.append(True)
        return ACTS[act](connection)

    end(run, lambda: until(lambda: begun))
    assert connection.execute("SELECT 1").fetchall() == [(1,)]


def test_nothing_begins_after_the_end(connection):
    """But what is left to do."""
    with fail_after(60) as scope:
        connection.execute("BEGIN")
        connection.execute("CREATE TABLE t (x INT)")
        relation = connection.sql("SELECT * FROM t")
        scope.cancel()
        for act in (lambda: connection.execute("SELECT 1"), relation.fetchall, lambda: len(relation)):
            with pytest.raises(CallCancelled):
                act()
        connection.rollback()
    with pytest.raises(duckdb.CatalogException):
        connection.execute("SELECT * FROM t")


def test_everything_else_is_as_ever(connection):
    """In a scope and outside of any: results, relations, errors, cursors for other threads."""
    for block in (contextlib.nullcontext(), fail_after(60)):
        with block:
            connection.execute("CREATE OR REPLACE TABLE t AS SELECT x FROM range(5) s(x)")
            assert connection.execute("SELECT sum(x) FROM t WHERE x > ?", [1]).fetchone() == (9,)
            assert connection.fetchone() is None
            table = connection.table("t")
            assert len(table) == 5
            assert table.columns == ["x"]
            assert table.union(table).count("*").fetchall() == [(10,)]
            assert "x" in repr(table.limit(1))
            assert table["x"].fetchall() == [(place,) for place in range(5)]
            with pytest.raises(duckdb.CatalogException):
                connection.sql("SELECT * FROM u")
    with Fan(2) as fan:
        query = "SELECT sum(x) FROM t WHERE x <= ?"
        report = fan.run(lambda most: connection.cursor().execute(query, [most]).fetchone()[0], [1, 4])
        assert report.unwrap() == [1, 10]
    assert threadfan.attach(connection) is connection


def test_what_cannot_be_attached_says_so():
    """Other things."""
    from threadfan.clients.duckdb import attach

    with pytest.raises(TypeError, match="right is a connection of duckdb's"):
        attach("sales.db")
