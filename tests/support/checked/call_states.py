"""A call goes from a state only to one that can follow.

There is no field with a state: what a call is in is told by where it is.  So the places are watched: the containers
that calls are put into, the loan of a session, and the functions that begin a judgement and end a call.  The call
is marked with the state that it was last put into; taking it out of a place changes nothing, for it is on its way.

The calls of a plain batch are no objects and are pulled from an iterator written in C; of them it is watched that each
outcome is put into its place once.  One under policies becomes an object when its first attempt has not just succeeded.
"""

from collections import deque

from . import fault

WAITING, HELD_BACK, TAKEN = "waiting for a slot", "held back by a limit", "taken"
ASKING, RUNNING, WAITING_FOR_OTHERS = "asking", "running", "waiting for others"
BEING_JUDGED, TO_BE_JUDGED, BACKING_OFF, OVER = "being judged", "to be judged", "backing off", "over"
NEW = "new"  # handed in, and seen nowhere yet; so is one of a batch until it runs, and one that changes its queue

MOVES = {
    WAITING: {TAKEN, HELD_BACK, OVER},
    HELD_BACK: {WAITING, OVER},
    TAKEN: {RUNNING, ASKING, WAITING, OVER},
    ASKING: {RUNNING, WAITING, OVER},
    RUNNING: {OVER, BEING_JUDGED, TO_BE_JUDGED, BACKING_OFF, WAITING, WAITING_FOR_OTHERS},
    WAITING_FOR_OTHERS: {RUNNING, OVER, TO_BE_JUDGED, BACKING_OFF, WAITING},
    BEING_JUDGED: {OVER, BACKING_OFF, WAITING},
    TO_BE_JUDGED: {BEING_JUDGED, OVER},
    BACKING_OFF: {WAITING, BACKING_OFF, OVER},
    OVER: set(),
}
"""What may follow each state, as `docs/internals.md` says it."""

FIRST = {WAITING, TAKEN, RUNNING, ASKING, OVER}


def moved(call, state, *, since=None):
    """A call is put into a state.

    Args:
        since: what it is in, where that is told by something else than its mark.
    """
    before = since or getattr(call, "marked", NEW)
    if state not in (FIRST if before == NEW else MOVES[before]):
        fault(f"a call that was {before} is {state}: {call!r}")
    call.marked = state


class Entries(deque):
    """Calls that wait for a slot; those of batches, which are tuples, are not watched."""

    def append(self, call):
        """First the mark: another thread may take it at once."""
        moved(call, WAITING)
        super().append(call)

    def appendleft(self, call):
        """The same."""
        moved(call, WAITING)
        super().appendleft(call)

    def popleft(self):
        """A thread takes it."""
        call = super().popleft()
        moved(call, TAKEN)
        return call

    def remove(self, call):
        """It changes its queue, or ends."""
        super().remove(call)
        moved_out(call)


def moved_out(call):
    """It was taken out by somebody who does not run it."""
    call.marked = NEW


class Undecided(deque):
    """Calls to be judged."""

    def appendleft(self, call):
        """Its time was up."""
        moved(call, TO_BE_JUDGED)
        super().appendleft(call)


class BackingOff(dict):
    """Calls that back off."""

    def __setitem__(self, call, alarm):
        moved(call, BACKING_OFF)
        super().__setitem__(call, alarm)


class Claims(dict):
    """The call of a session that runs, or asks for room."""

    def __setitem__(self, call, claim):
        if not isinstance(call, int):
            moved(call, ASKING if call.state is not None and call.state.asking else RUNNING)
        super().__setitem__(call, claim)

    def pop(self, call, *default):
        """Whoever gets it owns the outcome."""
        found = super().pop(call, *default)
        if found is not None and not isinstance(call, int):
            state = getattr(call, "marked", NEW)
            if state not in (RUNNING, ASKING, WAITING_FOR_OTHERS):
                fault(f"the claim of a call was there while it was {state}: {call!r}")
        return found


class ByIndex(dict):
    """Outcomes, each put there once; the reader of a stream takes them out."""

    def __setitem__(self, index, raw):
        if index in self:
            fault(f"a call of a batch has two ends: {self[index]!r} and {raw!r}")
        super().__setitem__(index, raw)


class InOrder(list):
    """The same, each in a place that was empty; whoever has handed one out may empty its place."""

    def __setitem__(self, index, raw):
        if raw is not None and self[index] is not None:
            fault(f"a call of a batch has two ends: {self[index]!r} and {raw!r}")
        super().__setitem__(index, raw)


class Converted:
    """An attribute of a class whose values are made into others as they are set."""

    def __init__(self, owner, name, **kinds):
        self._slot = vars(owner).get(name)  # where the class has slots
        self._name = name
        self._kinds = kinds
        setattr(owner, name, self)

    def __get__(self, thing, _=None):
        if thing is None:
            return self
        if self._slot is not None:
            return self._slot.__get__(thing)
        try:
            return vars(thing)[self._name]
        except KeyError:
            raise AttributeError(self._name) from None

    def __set__(self, thing, value):
        kind = self._kinds.get(type(value).__name__)
        value = value if kind is None else kind(value)
        if self._slot is not None:
            self._slot.__set__(thing, value)
        else:
            vars(thing)[self._name] = value


class Loans(Converted):
    """Of sessions: while one has a loan its call waits for others."""

    def __set__(self, session, loan):
        had = getattr(session, "loan", None)
        super().__set__(session, loan)
        call = next(iter(session.claim), None)
        if loan is not had and session.claim and not isinstance(call, int) and session.lost is None:
            moved(call, RUNNING if loan is None else WAITING_FOR_OTHERS)


def install():
    """Watch the places."""
    from threadfan._core.calls.backlog import Backlog
    from threadfan._core.calls.call_queue import Call, CallQueue
    from threadfan._core.calls.collector import Collector
    from threadfan._core.calls.first_call_queue import Entries as FirstEntries
    from threadfan._core.calls.first_call_queue import FirstCallQueue
    from threadfan._core.calls.future import Future
    from threadfan._core.calls.input_calls import InputCalls
    from threadfan._core.calls.lanes import Lanes
    from threadfan._core.calls.verdicts import Verdicts
    from threadfan._core.fan.aio.calls import LoopCall
    from threadfan._core.pipeline.stage_state import StageState
    from threadfan._core.pool.work_queue import Session

    Converted(CallQueue, "entries", deque=Entries)
    Converted(StageState, "entries", deque=Entries)
    Converted(Backlog, "undecided", deque=Undecided)
    Converted(Backlog, "backing_off", dict=BackingOff)
    Converted(Session, "claim", dict=Claims)
    Converted(Collector, "results", dict=ByIndex, list=InOrder)
    Loans(Session, "loan")
    after(InputCalls, "become", ran)
    after(InputCalls, "made_call", ran)
    before(FirstEntries, "append", lambda entries, call: moved(call, WAITING))
    after(FirstEntries, "popleft", lambda call: moved(call, TAKEN))
    before(FirstEntries, "remove", lambda entries, call: moved_out(call))
    before(FirstCallQueue, "_waits", lambda queue, call: moved_out(call))  # from one place to another
    before(Lanes, "append", lambda lanes, call: moved(call, WAITING))
    before(Lanes, "appendleft", lambda lanes, call: moved(call, WAITING))
    before(Lanes, "take", lambda lanes, lane: moved(lane.first, TAKEN, since=HELD_BACK if lane.shut else None))
    before(Lanes, "remove", lambda lanes, call: moved_out(call))
    before(Verdicts, "judge", lambda verdicts, session, call, *_: moved(call, BEING_JUDGED))
    before(Call, "forget", lambda call: moved(call, OVER))
    before(Future, "_end", lambda future, raw: moved(future, OVER))  # the two that forget in the same breath
    before(LoopCall, "deliver_quietly", lambda call, raw: moved(call, OVER))


def ran(call):
    """An input becomes a call when something happens to its first attempt, which runs or has just run."""
    if call is not None and getattr(call, "marked", NEW) == NEW:
        call.marked = RUNNING


def after(owner, name, look):
    """Have what each call of a method gives looked at."""
    method = getattr(owner, name)

    def looked_at(self, *args):
        found = method(self, *args)
        look(found)
        return found

    setattr(owner, name, looked_at)


def before(owner, name, look):
    """Have each call of a method looked at."""
    method = getattr(owner, name)

    def looked_at(self, *args):
        look(self, *args)
        return method(self, *args)

    setattr(owner, name, looked_at)
