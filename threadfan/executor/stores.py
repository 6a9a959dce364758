"""Where processes keep one limit of requests in common: a SQLite file, or a Redis server.

``pyrate-limiter`` decides, by the same algorithm (GCRA) as a ``RateLimit``, and keeps its state in Redis.  ``limits``,
the other library that is well kept, knows no SQLite, and answers whether a request may go but not when.  Of a limit
there is one number, the moment at which the bucket would be full again, so any number of processes cost the same.
For SQLite the library has only a log of every request behind a lock that waits for ever; here its algorithm runs
inside a transaction of SQLite's own.

Guarantees, from any thread and any process: a request is counted or refused as a whole, by the time of the store and
not of the process; a process that is killed holds nothing; an answer or an error comes within about ``PATIENCE``
seconds.  Nothing is kept that a fork could break: a file is open during the
transaction only, and redis-py makes new connections in a child.
"""

from __future__ import annotations

import os
import time
import weakref
from contextlib import closing
from typing import TYPE_CHECKING, Any, Protocol

from ..base.errors import text_of
from ..base.secrets import masked_url

try:
    from pyrate_limiter import GCRA, Rate, RedisStateStore
except ImportError as error:
    raise ImportError(
        f'a RateLimit with shared=… needs pyrate-limiter ({error}): pip install "threadfan[shared]"'
    ) from error

if TYPE_CHECKING:
    from pyrate_limiter import Decision

PATIENCE = (
    2.0  # seconds for an answer, which hold up one slot; arbitrary: long for a store, short beside an agent's call
)

# The library counts in whole milliseconds, but never asks what they are: here they are tenths of one, or starts that
# are 10 ms apart would lose a twentieth to rounding.  A request weighs several units, so that there are parts of one.
TICKS = 10_000  # a second
UNITS = 100  # a request
NONSENSE = (
    60.0  # seconds, or ten times what fills the bucket: who would have to wait so long was told by a clock set back
)


class Store(Protocol):
    """One limit in common."""

    def reach(self) -> None:
        """See whether it is there; raises whatever error says why not."""

    def take(self, spacing: float, capacity: float) -> float:
        """Count one request if it may start now, and answer 0.0; else the seconds until it may be asked again.

        Args:
            spacing: seconds between two requests in the long run.
            capacity: requests that may start at once, at least 1.
        """

    def pause(self, seconds: float) -> None:
        """Let no process start anything for so long."""


def store_at(place: str, name: str) -> Store:
    """The limit called ``name`` that is kept at ``place``.

    Raises:
        ImportError: a library is missing; the message says which, and how it is installed.
        ValueError: there can be no such place.
    """
    kind, _, path = place.partition("///")
    return SQLiteStore(path, name) if kind == "sqlite:" else RedisStore(place, name)


def _rate(spacing: float, capacity: float) -> Rate:
    """In thousands of units, because a thousandth of the interval is what the library calculates with."""
    return Rate(1000, max(1, round(spacing * TICKS * 1000 / UNITS)), burst=max(UNITS, int(capacity * UNITS)))


def _seconds(decision: Decision) -> float:
    return 0.0 if decision.allowed else max(decision.retry_after_ms or 0, 1) / TICKS


def _as_it_is(*_: int) -> None:
    """Nothing is to change."""


_TABLE = """CREATE TABLE IF NOT EXISTS threadfan_limits (
    name TEXT PRIMARY KEY, full_at INTEGER NOT NULL, paused_at INTEGER NOT NULL, paused_until INTEGER NOT NULL)"""
_FIND = "SELECT full_at, paused_at, paused_until FROM threadfan_limits WHERE name = ?"
_KEEP = "INSERT OR REPLACE INTO threadfan_limits VALUES (?, ?, ?, ?)"


class SQLiteStore:
    """In a file, for the processes of one machine.

    Opening it anew costs 0.1 ms, all in all, and spares everything that connections ask for between threads and forks.
    """

    def __init__(self, path: str, name: str) -> None:
        if not path or path == ":memory:":
            raise ValueError(
                f'shared="sqlite:///{path}" names no file that processes could share: "sqlite:///limits.db"'
            )
        self._path = os.path.abspath(path)
        self._name = name
        self._gcra = GCRA()

    def reach(self) -> None:
        """Make the file if it is not there.

        Raises:
            OSError: it cannot be written.
        """
        import sqlite3

        try:
            self._change(_as_it_is)
        except sqlite3.Error as error:
            raise OSError(f"cannot keep a shared rate limit in {self._path}: {error}") from error

    def take(self, spacing: float, capacity: float) -> float:
        """See ``Store``."""
        wait = 0.0

        def decide(now: int, full_at: int, paused_at: int, paused_until: int) -> tuple[int, int, int] | None:
            nonlocal wait
            if paused_at <= now < paused_until:
                wait = (paused_until - now) / TICKS
                return None
            rate = _rate(spacing, capacity)
            if full_at - now * 1000 > max(NONSENSE, 10 * spacing * capacity) * TICKS * 1000:
                full_at = 0
            state, decision = self._gcra.step([rate], (full_at,), now, UNITS)
            wait = _seconds(decision)
            return (int(state[0]), paused_at, paused_until) if decision.allowed else None

        self._change(decide)
        return wait

    def pause(self, seconds: float) -> None:
        """See ``Store``."""

        def decide(now: int, full_at: int, paused_at: int, paused_until: int) -> tuple[int, int, int]:
            until = now + round(seconds * TICKS)
            return full_at, now, max(until, paused_until if paused_at <= now else 0)

        self._change(decide)

    def _change(self, decide: Any) -> None:
        """In one transaction, at its own time: what ``decide(now, *state)`` answers is the new state, unless None."""
        import sqlite3

        with closing(sqlite3.connect(self._path, timeout=PATIENCE, isolation_level=None)) as database:
            database.execute("PRAGMA synchronous=OFF")  # a power cut may lose it; it is worth nothing after one
            database.execute("BEGIN IMMEDIATE")
            database.execute(_TABLE)
            state = database.execute(_FIND, (self._name,)).fetchone() or (0, 0, 0)
            new = decide(time.time_ns() * TICKS // 1_000_000_000, *state)
            if new is not None:
                database.execute(_KEEP, (self._name, *new))
            database.execute("COMMIT")


class _OnItsClock(GCRA):
    """The library's algorithm by the time of the Redis server, so that the clocks of machines need not agree."""

    _BEFORE = f"""
    local pause = redis.call('PTTL', KEYS[1] .. ':pause')
    if pause > 0 then
        return {{0, pause * {TICKS // 1000}}}
    end
    local time = redis.call('TIME')
    ARGV[1] = time[1] * {TICKS} + math.floor(time[2] * {TICKS} / 1000000)
    """

    def redis_script(self) -> str:
        """The library's, with another reading of the clock."""
        return self._BEFORE + (super().redis_script() or "")


def _check_place(url: str) -> None:
    """Refuse a URL that would be read otherwise than it is meant: the errors of those who read it show the password.

    A password with ``/``, ``?`` or ``#`` in it ends there for them: what it begins with becomes a port, and the rest a
    path.

    Raises:
        ValueError: the URL cannot be read; neither the text nor what it was raised on top of shows the password.
    """
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        readable = parts.port != 0 and "@" not in f"{parts.path}{parts.query}{parts.fragment}"
    except ValueError:
        readable = False
    if not readable:  # raised here, as the error that was caught may hold the password
        raise ValueError(
            f"shared={masked_url(url)!r} cannot be read as a URL; right is redis://user:password@host:port/number, "
            f"with what is special in the password quoted, / as %2F: urllib.parse.quote(password, safe='')"
        )


class RedisStore:
    """In a Redis server, for processes anywhere."""

    def __init__(self, url: str, name: str) -> None:
        try:
            from redis import Redis
            from redis.backoff import NoBackoff
            from redis.exceptions import ConnectionError as Disconnected
            from redis.retry import Retry
        except ImportError as error:
            raise ImportError(
                f'shared="redis://…" needs the redis package ({error}): pip install "threadfan[shared]"'
            ) from error
        # A connection may have been closed while it was idle.  After a silence nothing is repeated: it may have counted
        # the request.
        again = Retry(NoBackoff(), 1, (Disconnected,))
        _check_place(url)
        self._redis = Redis.from_url(url, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE, retry=again)
        weakref.finalize(self, self._redis.connection_pool.disconnect)  # which the client itself leaves to the sockets
        self._key = f"threadfan:{{{name}}}"  # braces: a cluster keeps what belongs to one limit in one place
        self._state = RedisStateStore(self._redis, self._key)
        self._gcra = _OnItsClock()

    def reach(self) -> None:
        """Say hello.

        Raises:
            OSError: it does not answer.
        """
        from redis import RedisError

        try:
            self._redis.ping()
        except RedisError as error:
            raise OSError(f"cannot keep a shared rate limit in Redis: {text_of(error)}") from error

    def take(self, spacing: float, capacity: float) -> float:
        """See ``Store``."""
        check: Any = self._state.check  # the library leaves it untyped
        return _seconds(check(self._gcra, [_rate(spacing, capacity)], 0, UNITS))

    def pause(self, seconds: float) -> None:
        """See ``Store``."""
        key, length = f"{self._key}:pause", max(1, round(seconds * 1000))
        left: Any = self._redis.pttl(key)
        if left < length:
            self._redis.set(key, 1, px=length)
