"""Where processes keep one limit of requests in common: a SQLite file, or a Redis server.

The algorithm is that of a ``RateLimit`` (GCRA).  Of a limit there is one number, the moment at which the bucket would
be full again, so any number of processes cost the same.  The libraries for this answer whether a request may go now,
not which start is the next to be had; see ``reserving`` for what that costs.

Guarantees, from any thread and any process: a start is reserved or refused as a whole, by the time of the store and not
of the process, and clocks that are set stall nobody: a file goes by the machine's time since its start, and Redis,
which has none, notices.  A process that is killed holds nothing; an answer or an error comes within about ``PATIENCE``
seconds.  The child of a fork goes on with what is here: a connection to Redis that its parent had is not used, and a
file is open during a transaction only, for which a fork waits.  SQLite keeps locks of its own, and what locks of files
the process has, where a child would find them as they were: held by nobody that is there.
"""

from __future__ import annotations

import os
import time
import weakref
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ..base import forks
from ..base.errors import text_of
from ..base.packages import install
from ..base.secrets import masked_url
from .reserving import Reserved

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

PATIENCE = (
    2.0  # seconds for an answer, which hold up one thread; arbitrary: long for a store, short beside an agent's call
)

TICKS = 1_000_000  # a second
HORIZON = 30.0  # seconds; a start that is further away is not reserved: whoever wants it may have ended by then
NONSENSE = 60.0  # seconds, or ten times what fills the bucket; further ahead nothing is reserved, but by another clock


class Store(Protocol):
    """One limit in common."""

    def reach(self) -> None:
        """See whether it is there; raises whatever error says why not."""

    def take(self, spacing: float, capacity: float) -> float:
        """0.0 at the moment at which one more request may start; else the seconds until it should be asked again.

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


def _in_ticks(spacing: float, capacity: float) -> tuple[int, int, int]:
    """What a request takes, what a full bucket has beyond one request, and what is too far ahead to be true."""
    nonsense = max(NONSENSE, 10 * spacing * capacity)
    return max(1, round(spacing * TICKS)), max(0, round((capacity - 1) * spacing * TICKS)), round(nonsense * TICKS)


def _as_it_is(now: int, state: _State) -> None:
    """Nothing is to change."""


_TABLE = """CREATE TABLE IF NOT EXISTS threadfan_starts (
    name TEXT PRIMARY KEY, full_at INTEGER NOT NULL, paused_at INTEGER NOT NULL, paused_until INTEGER NOT NULL,
    left_at INTEGER NOT NULL)"""
_FIND = "SELECT full_at, paused_at, paused_until, left_at FROM threadfan_starts WHERE name = ?"
_KEEP = "INSERT OR REPLACE INTO threadfan_starts VALUES (?, ?, ?, ?, ?)"


class _State:
    """Of one limit, in a file: moments in ticks; ``full_at`` is when the bucket would be full again."""

    __slots__ = ("full_at", "left_at", "paused_at", "paused_until")

    def __init__(self, full_at: int, paused_at: int, paused_until: int, left_at: int) -> None:
        self.full_at, self.paused_at, self.paused_until, self.left_at = full_at, paused_at, paused_until, left_at

    def paused(self, now: int) -> int:
        """For how long nobody is to start anything; not if that was said at a moment that is yet to come."""
        return max(0, self.paused_until - now) if self.paused_at <= now else 0


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
        self._reserved = Reserved(self)

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
        return self._reserved.take(spacing, capacity)

    def reserve(self, spacing: float, capacity: float) -> tuple[float, bool]:
        """See ``Ledger``."""
        cost, room, nonsense = _in_ticks(spacing, capacity)

        def decide(now: int, state: _State) -> tuple[float, bool]:
            if wait := state.paused(now):
                return wait / TICKS, False
            full_at = max(now, state.full_at if state.full_at - now <= nonsense else 0)
            wait = max(0, full_at - room - now)
            reserved = wait <= HORIZON * TICKS
            if reserved:
                state.full_at = full_at + cost
            return wait / TICKS, reserved

        return self._change(decide)

    def leave(self, gap: float) -> tuple[float, bool]:
        """See ``Ledger``."""
        distance = round(gap * TICKS)

        def decide(now: int, state: _State) -> tuple[float, bool]:
            if wait := state.paused(now):
                return wait / TICKS, False
            behind = state.left_at + distance - now
            wait = max(0, behind if behind <= 2 * distance else 0)  # more was said by another clock
            state.left_at = now + wait
            return wait / TICKS, True

        return self._change(decide)

    def pause(self, seconds: float) -> None:
        """See ``Store``."""

        def decide(now: int, state: _State) -> None:
            state.paused_until = now + max(round(seconds * TICKS), state.paused(now))
            state.paused_at = now

        self._change(decide)

    def _change(self, decide: Callable[[int, _State], T]) -> T:
        """In one transaction, at its own time: what ``decide(now, state)`` answers; what it changes is kept.

        To wait for other processes is not left to SQLite, as a fork would have to wait for that too.
        """
        from .transactions import patiently

        answers: list[T] = []
        patiently(lambda: answers.append(self._change_now(decide)), PATIENCE)
        return answers[0]

    def _change_now(self, decide: Callable[[int, _State], T]) -> T:
        import sqlite3

        with closing(sqlite3.connect(self._path, timeout=0.0, isolation_level=None)) as database:
            database.execute("PRAGMA synchronous=OFF")  # a power cut may lose it; it is worth nothing after one
            database.execute("PRAGMA journal_mode=PERSIST")  # else each transaction makes a file and removes it
            database.execute("BEGIN IMMEDIATE")
            database.execute(_TABLE)
            old = database.execute(_FIND, (self._name,)).fetchone() or (0, 0, 0, 0)
            state = _State(*old)
            answer = decide(time.monotonic_ns() * TICKS // 1_000_000_000, state)  # the same clock for all processes
            new = state.full_at, state.paused_at, state.paused_until, state.left_at
            if new != old:
                database.execute(_KEEP, (self._name, *new))
            database.execute("COMMIT")
        return answer


# By the time of the server, so that the clocks of machines need not agree.  Where it was set back, so is what it had
# been asked for.  Answers how long the wait is, and whether the start is reserved.
_RESERVE = """
local pause = redis.call('PTTL', KEYS[2])
if pause > 0 then
    return {pause * 1000, 0}
end
local cost, room, nonsense, horizon = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local kept = redis.call('HMGET', KEYS[1], 'full_at', 'seen')
local full_at, seen = tonumber(kept[1] or 0), tonumber(kept[2] or 0)
if now < seen then
    full_at = full_at - (seen - now)
end
if full_at - now > nonsense then
    full_at = 0
end
full_at = math.max(now, full_at)
local wait = math.max(0, full_at - room - now)
if wait > horizon then
    return {wait, 0}
end
full_at = full_at + cost
redis.call('HSET', KEYS[1], 'full_at', string.format('%.0f', full_at), 'seen', string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil((full_at - now) / 1000) + 1000)
return {wait, 1}
"""
_LEAVE = """
local pause = redis.call('PTTL', KEYS[2])
if pause > 0 then
    return {pause * 1000, 0}
end
local time = redis.call('TIME')
local now, gap = time[1] * 1000000 + time[2], tonumber(ARGV[1])
local behind = tonumber(redis.call('HGET', KEYS[1], 'left_at') or 0) + gap - now
if behind > 2 * gap then
    behind = 0
end
local wait = math.max(0, behind)
redis.call('HSET', KEYS[1], 'left_at', string.format('%.0f', now + wait))
redis.call('PEXPIRE', KEYS[1], math.max(redis.call('PTTL', KEYS[1]), 1000))
return {wait, 1}
"""


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


_parents: list[Any] = []
"""Clients that a child has from its parent: whatever they did at their end might wait for a lock, or speak."""


class RedisStore:
    """In a Redis server, for processes anywhere."""

    def __init__(self, url: str, name: str) -> None:
        try:
            from redis import Redis
            from redis.backoff import NoBackoff
            from redis.exceptions import ConnectionError as Disconnected
            from redis.retry import Retry
        except ImportError as error:
            raise ImportError(f'shared="redis://…" needs the redis package ({error}): {install("shared")}') from error
        # A connection may have been closed while it was idle.  After a silence nothing is repeated: it may have counted
        # the request.
        again = Retry(NoBackoff(), 1, (Disconnected,))
        _check_place(url)
        self._new_client = partial(
            Redis.from_url, url, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE, retry=again
        )
        self._key = f"threadfan:{{{name}}}"  # braces: a cluster keeps what belongs to one limit in one place
        self._begin()
        forks.renew(self)

    def _begin(self) -> None:
        self._redis = self._new_client()
        self._end = weakref.finalize(self, self._redis.connection_pool.disconnect)  # which the client leaves to sockets
        self._script = self._redis.register_script(_RESERVE)
        self._leave = self._redis.register_script(_LEAVE)
        self._reserved = Reserved(self)

    def _forked(self) -> None:
        """In the child of a fork: the connections are the parent's, and so are the locks of their pool."""
        before = self._redis
        self._end.detach()
        self._begin()
        _parents.append(before)

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
        return self._reserved.take(spacing, capacity)

    def reserve(self, spacing: float, capacity: float) -> tuple[float, bool]:
        """See ``Ledger``."""
        args = (*_in_ticks(spacing, capacity), round(HORIZON * TICKS))
        wait, reserved = self._script(keys=[self._key, f"{self._key}:pause"], args=args)
        return int(wait) / TICKS, bool(reserved)

    def leave(self, gap: float) -> tuple[float, bool]:
        """See ``Ledger``."""
        args = (round(gap * TICKS),)
        wait, used = self._leave(keys=[self._key, f"{self._key}:pause"], args=args)
        return int(wait) / TICKS, bool(used)

    def pause(self, seconds: float) -> None:
        """See ``Store``."""
        key, length = f"{self._key}:pause", max(1, round(seconds * 1000))
        left: Any = self._redis.pttl(key)
        if left < length:
            self._redis.set(key, 1, px=length)
