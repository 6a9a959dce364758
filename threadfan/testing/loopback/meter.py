"""Counting what happens on the loopback server.

Everything here runs on the server's event loop, so no lock is needed.  A count is complete when the client has read the
answer: the last byte is written and the request counted as done in one step of the loop.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import count
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from threadfan.testing.loopback.gate import Gate


class ConnectionDroppedError(Exception):
    """The server itself has closed the connection, so there is nothing more to send."""


class Answers:
    """Which prompts have had their whole answer; of each only a hash is kept."""

    def __init__(self) -> None:
        self.asked_again: int = 0
        self._once: set[int] = set()
        self._again: set[int] = set()

    def ask(self, prompt: str) -> None:
        """Counts a request for a prompt that needs none any more."""
        self.asked_again += hash(prompt) in self._once

    def answer(self, prompt: str) -> None:
        """Counts a whole answer."""
        (self._again if hash(prompt) in self._once else self._once).add(hash(prompt))

    def counts(self) -> dict[str, int]:
        """Returns the counts under their names in `Stats`."""
        again = {"answered_again": len(self._again), "asked_again": self.asked_again}
        return {"answered": len(self._once), **again}


class Tally:
    """What has been seen since the start or since the last reset.

    Args:
        gate: Counts what passes the limits.
    """

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self.requests: int = 0
        self.open: int = 0
        self.max_open: int = 0
        self.disconnects: int = 0
        self.statuses: Counter[int] = Counter()
        self.faults: Counter[str] = Counter()
        self.answers: Answers = Answers()
        self.clients: set[object] = set()
        self._waiting: list[tuple[Mapping[str, int], asyncio.Future[dict[str, object]]]] = []

    def arrived(self, client: object) -> None:
        """Counts a request that has just come in."""
        self.requests += 1
        self.open += 1
        self.max_open = max(self.max_open, self.open)
        self.clients.add(client)
        self._tell()

    def done(self, client: object) -> None:
        """Counts a request as no longer open, however it ended."""
        self.open -= 1
        self.clients.discard(client)
        self._tell()

    def snapshot(self) -> dict[str, object]:
        """Returns the counts in a form that JSON can carry."""
        names = ("requests", "open", "max_open", "disconnects", "statuses", "faults")
        counts = {name: getattr(self, name) for name in names}
        counts.update(accepted=self._gate.accepted, refused=self._gate.refused, **self.answers.counts())
        return {name: dict(value) if isinstance(value, Counter) else value for name, value in counts.items()}

    async def reach(self, goal: Mapping[str, int]) -> dict[str, object]:
        """Waits until the counts have reached a goal, if only for a moment, and returns the counts of that moment.

        Args:
            goal: `requests` and `disconnects` are reached when they are at least so many, `open` when exactly so many.
        """
        reached: asyncio.Future[dict[str, object]] = asyncio.get_running_loop().create_future()
        self._waiting.append((goal, reached))
        self._tell()
        return await reached

    def _tell(self) -> None:
        for goal, reached in self._waiting:
            if not reached.done() and self._meets(goal):
                reached.set_result(self.snapshot())
        self._waiting = [waiting for waiting in self._waiting if not waiting[1].done()]

    def _meets(self, goal: Mapping[str, int]) -> bool:
        exact = goal.get("open", self.open) == self.open
        return exact and all(getattr(self, name) >= least for name, least in goal.items() if name != "open")


class Meter:
    """Middleware that counts every request except those to the server's own controls.

    Args:
        app: What answers the requests.
        controls: The path below which requests are not counted.
    """

    def __init__(self, app: ASGIApp, controls: str) -> None:
        self._app = app
        self._controls = controls
        self._numbers = count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on and counts it.

        The request finds its own number in `request.state.number` and the counts in `request.state.tally`; a request
        that outlives a reset goes on in the counts that it began in.
        """
        if scope["type"] != "http" or scope["path"].startswith(self._controls):
            await self._app(scope, receive, send)
            return
        tally: Tally = scope["app"].state.tally

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                tally.statuses[message["status"]] += 1
            await send(message)

        scope.setdefault("state", {}).update(number=next(self._numbers), tally=tally)
        tally.arrived(scope["client"])
        try:
            await self._app(scope, receive, counted)
        except ClientDisconnect:
            tally.disconnects += 1
        except ConnectionDroppedError:
            pass
        finally:
            tally.done(scope["client"])
