"""A limit of requests that several processes keep in a Redis server.

What is guaranteed is said in ``stores``.  The time is the server's, so that the clocks of machines need not agree;
where it was set back, so is what it had been asked for.  The child of a fork uses no connection that its parent had.
"""

from __future__ import annotations

import weakref
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from ..base import forks
from ..base.locks import begin_bare
from ..base.packages import install
from ..base.texts import masked_url, text_of
from . import ticks
from .ticks import TICKS, in_ticks
from .turns import Turns, Word

if TYPE_CHECKING:
    from redis import Redis as Client
    from redis.commands.core import Script

_HEAD = """
local cost, room, nonsense, grace = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local kept = redis.call('HMGET', KEYS[1], 'full_at', 'seen', 'pauses', 'tickets', 'turn')
for place = 1, 5 do
    kept[place] = tonumber(kept[place] or 0)
end
local full_at, seen, pauses, tickets, turn = unpack(kept)
full_at = full_at - math.max(0, seen - now)
if full_at - now > nonsense then
    full_at = 0
end
local function keep()
    redis.call('HSET', KEYS[1], 'full_at', string.format('%.0f', full_at), 'seen', string.format('%.0f', now),
        'pauses', pauses, 'tickets', tickets, 'turn', turn)
    redis.call('PEXPIRE', KEYS[1], math.ceil(math.max(0, full_at - now) / 1000) + 10000)
end
"""
_ASK = """
local ticket, lead = tonumber(ARGV[5]), tonumber(ARGV[6])
local pause = redis.call('PTTL', KEYS[2])
if pause > 0 then
    return {pause * 1000, ticket, pauses, 0, 0}
end
if ticket < 0 or ticket >= tickets then
    ticket = tickets
end
local rank, free_at = math.max(0, ticket - turn), full_at - room
local goes = now >= free_at + rank * grace or (rank == 0 and now + lead >= free_at)
local leaves = math.max(now, free_at)
local lacking = math.max(0, full_at - leaves)
if goes then
    full_at = math.max(leaves, full_at) + cost
    turn = math.max(turn, ticket + 1)
end
if goes or ticket == tickets then
    tickets = math.max(tickets, ticket + 1)
    keep()
end
if goes then
    return {leaves - now, -1, pauses, lacking, 1}
end
local behind = rank > 0 and grace + (rank - 1) * cost or 0
return {free_at + behind - now, ticket, pauses, 0, 0}
"""
_LEFT = """
full_at = math.max(full_at, math.min(full_at + tonumber(ARGV[5]), now + cost + room))
keep()
"""
_EMPTY = """
full_at = math.max(full_at, now + tonumber(ARGV[5]) + room)
pauses = pauses + 1
keep()
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


_parents: list[object] = []
"""Clients that a child has from its parent: whatever they did at their end might wait for a lock, or speak."""
_over: list[Client] = []
"""Clients whose stores are gone, until their connections are closed."""


def _hand_over(client: Client) -> None:
    """In a finalizer, which may run wherever a lock is held: to close connections takes that of their pool.

    A client takes it at its own end too, so another thread is to have the last reference.
    """
    _over.append(client)
    with suppress(RuntimeError):  # no thread can be had: the next store that is made does it
        begin_bare(_close)


def _close() -> None:
    while True:
        try:
            client = _over.pop()
        except IndexError:
            return
        with suppress(Exception):
            client.connection_pool.disconnect()  # which the client leaves to sockets


def _in_child() -> None:
    _parents.extend(_over)
    _over.clear()


forks.in_child(_in_child)


class RedisStore(Turns):
    """In a Redis server, for processes anywhere."""

    def __init__(self, url: str, name: str) -> None:
        super().__init__()
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
            Redis.from_url, url, socket_timeout=ticks.PATIENCE, socket_connect_timeout=ticks.PATIENCE, retry=again
        )
        self._key = f"threadfan:{{{name}}}"  # braces: a cluster keeps what belongs to one limit in one place
        self._begin()

    def _begin(self) -> None:
        _close()
        self._redis = self._new_client()
        self._end = weakref.finalize(self, _hand_over, self._redis)
        self._end.atexit = False  # the process takes its connections along
        self._ask, self._left, self._empty = (self._redis.register_script(_HEAD + act) for act in (_ASK, _LEFT, _EMPTY))

    def _forked(self) -> None:
        """In the child of a fork: the connections are the parent's too, and so are the locks of their pool."""
        super()._forked()
        before = self.__dict__.get("_redis")
        if before is None:  # it is just being made
            return
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

    def ask(self, spacing: float, capacity: float, ticket: int | None, lead: float = 0.0) -> Word:
        """See ``Turns``."""
        answer = self._run(self._ask, spacing, capacity, -1 if ticket is None else ticket, round(lead * TICKS))
        wait, number, pauses, lacking, counted = map(int, answer)
        return Word(wait / TICKS, None if number < 0 else number, pauses, lacking / TICKS, bool(counted))

    def left(self, spacing: float, capacity: float, late: float) -> None:
        """See ``Store``."""
        self._run(self._left, spacing, capacity, round(late * TICKS))

    def pause(self, seconds: float, bucket: tuple[float, float] | None = None) -> None:
        """See ``Store``."""
        key, length = f"{self._key}:pause", max(1, round(seconds * 1000))
        left = int(self._redis.pttl(key))
        if left < length:
            self._redis.set(key, 1, px=length)
        if bucket is not None:
            self._run(self._empty, *bucket, max(length, left) * 1000)

    def _run(self, script: Script, spacing: float, capacity: float, *more: int) -> list[int | bytes]:
        keys, arguments = [self._key, f"{self._key}:pause"], (*in_ticks(spacing, capacity), *more)
        answer: list[int | bytes] = script(keys=keys, args=arguments)
        return answer
