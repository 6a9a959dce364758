"""What runs now, and what it waits for."""

from __future__ import annotations

from ..base.locks import GIL
from ..base.places import place_of, standing
from ..base.texts import brief
from ..calls.call_queue import CallQueue
from ..scope.deadlines import around_blocks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

    from ..pool.scheduler import Scheduler
    from ..pool.terms import Claim, Key
    from ..pool.work_queue import Session, WorkQueue
    from ..scope.scope import Scope


class RunningCall:
    """A call that runs at this moment.  As text, it has a line for itself and one for each call that it waits for.

    Attributes:
        name: of the function.
        index: the place of its input in the batch; None for a single call.
        item: the input; None for a single call.
        seconds: since its start, or that of its present attempt.
        worker: the name of the thread.
        place: the line of the user's own code that the thread is in, as ``file:line``; None if it runs no Python code,
            and on a Python without the GIL.
        waits: whether it waits for calls of its own and has given its slot to others.
        calls: the running calls that it has handed in.
        queued: how many calls it has handed in that do not run yet.
    """

    __slots__ = ("calls", "index", "item", "name", "place", "queued", "seconds", "waits", "worker")

    def __init__(
        self, name: str, index: int | None, item: object, seconds: float, worker: str, place: str | None, waits: bool
    ) -> None:
        self.name: str = name
        self.index: int | None = index
        self.item: Any = item
        self.seconds: float = seconds
        self.worker: str = worker
        self.place: str | None = place
        self.waits: bool = waits
        self.calls: list[RunningCall] = []
        self.queued: int = 0

    def __repr__(self) -> str:
        return f"<RunningCall {self._said()}>"

    def __str__(self) -> str:
        lines = [self._said()]
        lines += [f"  {line}" for call in self.calls for line in str(call).splitlines()]
        return "\n".join(lines)

    def _said(self) -> str:
        which = self.name if self.index is None else f"{self.name}({brief(self.item)})"
        parts = [which, f"{self.seconds:.1f} s"]
        parts += [f"at {self.place}"] if self.place else []
        parts += ["waits for calls"] if self.waits else []
        parts += [f"{self.queued} queued"] if self.queued else []
        return ", ".join(parts)


def running(scheduler: Scheduler, queue: WorkQueue | None = None) -> list[RunningCall]:
    """The calls that run now, those that others wait for below these.

    Args:
        queue: only its calls, those below them included.
    """
    with scheduler.lock:
        found = [
            (session, key, claim, session.queue.function_of(key), around_blocks(session.queue.outer_of(key)))
            for session in scheduler.at_work
            for key, claim in session.claim.copy().items()
        ]
        scopes = {id(scope): session for session, key, *_ in found if (scope := session.made_scope(key)) is not None}
        queued = [(id(scope), number) for one in scheduler.queues for scope, number in _queued(one)]
    frames = standing() if GIL else {}  # without it they go on meanwhile, and what is read of them may be anything
    now = scheduler.clock.monotonic()
    calls = {session: _call(session, key, claim, name, now, frames) for session, key, claim, name, _ in found}
    del frames
    for scope_id, number in queued:
        if scope_id in scopes:
            calls[scopes[scope_id]].queued += number
    roots = []
    for session, *_, outer in sorted(found, key=lambda one: (one[2][2], calls[one[0]].index or 0)):  # by their start
        above = calls.get(scopes[id(outer)]) if id(outer) in scopes else None
        if above is not None:
            above.calls.append(calls[session])
        if session.queue is queue or (queue is None and above is None):
            roots.append(calls[session])
    return roots


def _call(session: Session, key: Key, claim: Claim, name: str, now: float, frames: dict[int, FrameType]) -> RunningCall:
    index = session.queue.index_of(key)
    place = place_of(frames.get(session.worker.ident or 0))
    return RunningCall(name, index, claim[0], now - claim[2], session.worker.name, place, session.loan is not None)


def _queued(queue: WorkQueue) -> list[tuple[Scope, int]]:
    """How many calls of a queue wait, by the scope in which they were handed in.  With the lock held."""
    if queue.outer is not None:
        outer = around_blocks(queue.outer)
        return [] if outer is None or not queue.pending() else [(outer, queue.pending())]
    if not isinstance(queue, CallQueue):
        return []
    entries = getattr(queue, "backlog", queue).entries
    while True:
        try:
            calls = list(entries)
        except RuntimeError:  # without a GIL, another thread has pulled one meanwhile
            continue
        outers = [around_blocks(call.outer) for call in calls if call.outer is not None]
        return [(outer, 1) for outer in outers if outer is not None]
