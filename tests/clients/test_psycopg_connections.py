"""Attached connections of psycopg: queries that end with their scope, against a real PostgreSQL."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile

import pytest

import threadfan
from support.controlled import PATIENCE, until
from support.scope_ends import WAYS
from support.scoped import call
from threadfan import CallCancelled, Scope, fail_after

psycopg = pytest.importorskip("psycopg", exc_type=ImportError)


def program(name):
    """The path of one of PostgreSQL's."""
    found = shutil.which(name) or shutil.which(name, path="/usr/lib/postgresql/15/bin:/usr/lib/postgresql/17/bin")
    if found is None:
        pytest.skip(f"there is no {name}; on Debian: apt-get install -y postgresql")
    return found


@pytest.fixture(scope="module")
def url():
    """That of a server of this file's own, which nobody runs as root."""
    made, served = program("initdb"), program("postgres")
    options = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with tempfile.TemporaryDirectory(
        ignore_cleanup_errors=True
    ) as folder:  # not in pytest's, which others cannot enter
        if os.geteuid() == 0:
            try:
                user = pwd.getpwnam("postgres")
            except KeyError:
                pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
            os.chown(folder, user.pw_uid, user.pw_gid)
            options |= {"user": user.pw_uid, "group": user.pw_gid}
        where = ["-D", f"{folder}/db"]
        subprocess.run([made, *where, "-A", "trust", "-U", "me", "--no-sync"], check=True, cwd=folder, **options)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        command = [served, *where, "-p", str(port), "-k", folder, "-c", "fsync=off"]
        with subprocess.Popen(command, cwd=folder, **options) as process:
            address = f"postgresql://me@127.0.0.1:{port}/postgres"
            until(lambda: answers(address) or process.poll() is not None)
            yield address
            process.send_signal(signal.SIGINT)  # which does not wait for connections


def answers(address):
    """Whether a server is there."""
    with contextlib.suppress(psycopg.OperationalError):
        psycopg.connect(address).close()
        return True
    return False


@pytest.fixture
def connection(url):
    """An attached connection."""
    with contextlib.closing(psycopg.connect(url)) as connection:
        assert threadfan.attach(connection) is connection
        yield connection


@pytest.fixture
def plain(url):
    """One that sees what others do."""
    with contextlib.closing(psycopg.connect(url, autocommit=True)) as connection:
        yield connection


def busy(plain):
    """How many queries sleep at the server."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    return plain.execute(query).fetchone()[0]


@pytest.mark.parametrize("end", WAYS)
@pytest.mark.parametrize("way", ["execute", "stream", "notifies"])
def test_a_query_ends_with_its_scope(connection, plain, way, end):
    """It is cancelled at the server, and the connection goes on to work once it is rolled back."""
    acts = {
        "execute": lambda: connection.execute("SELECT pg_sleep(600)"),
        "stream": lambda: list(connection.cursor().stream("SELECT pg_sleep(600)")),
        "notifies": lambda: next(connection.notifies()),
    }
    if way == "notifies":
        connection.execute("LISTEN news")
        connection.commit()
        query = "SELECT count(*) FROM pg_stat_activity WHERE query = 'COMMIT' AND state = 'idle'"
        end(acts[way], lambda: until(lambda: plain.execute(query).fetchone()[0] == 1))
    else:
        end(acts[way], lambda: until(lambda: busy(plain) == 1))
    until(lambda: busy(plain) == 0)
    connection.rollback()
    assert connection.execute("SELECT 1").fetchone() == (1,)


def test_an_end_between_two_waits_for_one_query(connection, plain, monkeypatch):
    """Nobody waits at that moment, and the query runs at the server: it is cancelled by whoever waits next."""
    scope, kind = Scope(), type(connection)
    usual = kind.wait

    def waited(self, *args, **options):
        done = usual(self, *args, **options)
        scope.cancel()
        return done

    monkeypatch.setattr(kind, "wait", waited)
    done = call(scope, lambda: list(connection.cursor().stream("SELECT pg_sleep(600)")))
    assert isinstance(done.exception(PATIENCE), CallCancelled)
    monkeypatch.undo()
    until(lambda: busy(plain) == 0)
    connection.rollback()
    assert connection.execute("SELECT 1").fetchone() == (1,)


def test_nothing_begins_after_the_end(connection):
    """But a rollback, at the end of a block as well."""
    with fail_after(60) as scope:
        with contextlib.suppress(CallCancelled), connection:
            connection.execute("CREATE TABLE t (x int)")
            scope.cancel()
            with pytest.raises(CallCancelled):
                connection.execute("INSERT INTO t VALUES (1)")
            with pytest.raises(CallCancelled):
                connection.commit()
            connection.rollback()
            scope.check()
        assert connection.closed


def test_everything_else_is_as_ever(connection):
    """In a scope and outside of any: results, errors, transactions."""
    for block in (contextlib.nullcontext(), fail_after(60)):
        with block, connection.transaction(force_rollback=True):
            connection.execute("CREATE TABLE t (x int)")
            with connection.cursor() as cursor:
                cursor.executemany("INSERT INTO t VALUES (%s)", [(1,), (2,)])
                with cursor.copy("COPY t FROM STDIN") as copy:
                    copy.write_row((3,))
            assert connection.execute("SELECT sum(x) FROM t").fetchone() == (6,)
            with pytest.raises(psycopg.errors.UndefinedTable), connection.transaction():
                connection.execute("SELECT * FROM u")
    before = type(connection)
    threadfan.attach(connection)
    assert type(connection) is before


def test_what_cannot_be_attached_says_so():
    """Connections for coroutines, and other things."""
    from threadfan.clients.psycopg import attach

    with pytest.raises(TypeError, match=r"right is a psycopg\.Connection, used from a fan's threads"):
        threadfan.attach(object.__new__(psycopg.AsyncConnection))
    with pytest.raises(TypeError, match=r"right is a psycopg\.Connection"):
        attach(psycopg)
