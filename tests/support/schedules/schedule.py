"""One schedule: real threads, of which one at a time runs, and who is next is chosen at each point of choice.

Points of choice are what is done with ``primitives``, starts and ends of threads, and, in the files under test, each
line (``lines``).  A thread that waits at a primitive is *blocked* until somebody releases it, or until the time has
come up to which it waits.  Time stands still while anybody can run, unless the strategy lets it fly; if nobody can run,
it is moved on to the first moment that somebody waits for.  If there is none, that is a deadlock.
"""

import sys
import threading
import traceback
from _thread import allocate_lock, get_ident
from contextlib import suppress

FOREVER = float("inf")
START = 1000.0
"""What the clock shows at first.  Arbitrary."""
HARNESS = __file__.rpartition("schedule.py")[0]
MOST_STEPS = 100_000
"""A schedule that takes more does not end.  Arbitrary: a hundred times what the longest scenario takes."""
STUCK = 60.0
"""Real seconds after which a thread counts as waiting for something that the harness does not know."""
LOST = 30
"""Exceptions that a thread may catch when its schedule was given up, before it is left where it is; arbitrary."""


class GivenUpError(BaseException):
    """Raised in each thread of a schedule in which something was found wrong."""


class Thread:
    """A thread, as a schedule knows it."""

    def __init__(self, number, name, thread):
        self.number = number
        self.name = name
        self.thread = thread  # of ``threading``, if it has one
        self.ident = None
        self.baton = allocate_lock()  # released when it is to run
        self.baton.acquire()
        self.blocked = False
        self.until = FOREVER  # while it is blocked
        self.late = False  # it was released since that moment has come
        self.ended = False
        self.joiners = []
        self.rank = 0.0  # for the strategy
        self.caught = 0

    def __repr__(self):
        return f"{self.number} {self.name}"


class Schedule:
    """What runs, and what has happened; the primitives ask ``schedule.now`` of the one that is on.

    Args:
        strategy: says who runs, see ``strategies``.
    """

    on = None
    """The one that is on."""

    def __init__(self, strategy):
        self.strategy = strategy
        self.threads = []
        self.current = None
        self.ident = None  # of the thread that runs
        self.time = START
        self.scenario = None
        self.flown = False  # time has passed although somebody could run
        self.steps = 0
        self.next_look = strategy.next_look  # the step at which to ask it
        self.given_up = False
        self.fault = None
        self.switches = []  # (step, from, to, where)
        self._over = allocate_lock()
        self._over.acquire()

    # -- run -----------------------------------------------------------------------------------------------------------

    def run(self, scenario, begin):
        """Run a scenario as the first thread; gives what was wrong, or None.

        Args:
            begin: starts a thread, really.
        """
        self.scenario = scenario
        first = self.add("scenario", None)

        def act():
            try:
                scenario()
            except GivenUpError:
                pass
            except BaseException as error:
                self.complain(f"{type(error).__name__}: {error}", error)

        Schedule.on = self
        try:
            begin(self.wrapped(first, act), ())
            self.current = first
            first.baton.release()
            if not self._over.acquire(timeout=STUCK):
                self.complain(f"stuck for {STUCK:g} real seconds at something that the harness does not know")
                self.given_up = True
            if self.given_up:
                self._clear_up()
            for thread in self.threads:
                if thread.thread is not None and thread.ended:
                    thread.thread._join_really(10.0)
        finally:
            Schedule.on = None
        return self.fault

    def _clear_up(self):
        """Have all threads leave, each by an exception."""
        for thread in self.threads:
            if not thread.ended:
                self.current = thread
                thread.baton.release()
                self._over.acquire(timeout=2.0)  # it ends, or is left

    def add(self, name, thread):
        """A thread is about to be started."""
        made = Thread(len(self.threads), name, thread)
        self.threads.append(made)
        self.strategy.new(made)
        return made

    def wrapped(self, thread, function):
        """What a new thread does."""

        def run(*args):
            thread.baton.acquire()
            self.ident = thread.ident = get_ident()
            try:
                if not self.given_up:
                    function(*args)
            finally:
                if thread.thread is None:  # ``threading`` may have made a stand-in for it
                    threading._active.pop(thread.ident, None)
                self._end(thread)

        return run

    def _end(self, thread):
        thread.ended = True
        self.ident = None
        self.steps += 1
        if self.given_up:
            self._tell_over()
            return
        for joiner in thread.joiners:
            joiner.blocked = False
        try:
            following = self._following()
        except GivenUpError:
            following = None
        if following is None:
            self._tell_over()
        else:
            self._hand_over(following, thread)

    def _tell_over(self):
        with suppress(RuntimeError):  # it was told before
            self._over.release()

    # -- points of choice ----------------------------------------------------------------------------------------------

    def is_mine(self):
        """Whether this thread is the one that runs; others of the process do as ever."""
        return self.ident == get_ident()

    def point(self):
        """Another thread may come here."""
        if self.given_up:
            self.leave()
        self.steps += 1
        if self.steps >= self.next_look:
            self.look()

    def look(self):
        """The strategy wants to be asked."""
        if self.given_up:
            self.leave()
        if self.steps >= MOST_STEPS:
            self.give_up(f"no end after {MOST_STEPS} steps")
        me = self.current
        chosen = self.strategy.look(self, me)
        self.next_look = 0 if self.given_up else min(self.strategy.next_look, MOST_STEPS)
        if chosen is not me:
            self._hand_over(chosen, me)
            self._await_turn(me)

    def block(self, waiting, until=FOREVER):
        """Wait until somebody calls ``release`` with this list; False if ``until`` has come before."""
        if self.given_up:
            self.leave()
        me = self.current
        me.blocked, me.until, me.late = True, until, False
        if waiting is not None:
            waiting.append(me)
        self.steps += 1  # so that no two choices are made at one step
        following = self._following()
        if following is not me:
            self._hand_over(following, me)
            self._await_turn(me)
        if waiting is not None and me in waiting:
            waiting.remove(me)
        return not me.late

    def release(self, waiting):
        """What they wait for may be there."""
        if not waiting:
            return
        for thread in waiting:
            thread.blocked = False
        waiting.clear()
        if self.is_mine() and not self.given_up and self.strategy.hurries(self.current, self.runnable()):
            self.look()

    def runnable(self):
        """Who could run."""
        return [thread for thread in self.threads if not thread.blocked and not thread.ended]

    def let_time_pass(self):
        """Up to the first moment that anybody waits for; False if nobody does."""
        sleepers = [thread for thread in self.threads if thread.blocked and not thread.ended and thread.until < FOREVER]
        if not sleepers:
            return False
        self.time = max(self.time, min(thread.until for thread in sleepers))
        for thread in sleepers:
            if thread.until <= self.time:
                thread.blocked, thread.late = False, True
        return True

    def _following(self):
        """Who runs next, for the present one cannot; None if all have ended."""
        while not (ready := self.runnable()):
            if all(thread.ended for thread in self.threads):
                return None
            if not self.let_time_pass():
                self.give_up("deadlock: nobody can run, and nobody waits for a moment")
        chosen = self.strategy.pick(self, ready)
        self.next_look = min(self.strategy.next_look, MOST_STEPS)
        return chosen

    def _hand_over(self, following, before):
        self.switches.append((self.steps, before, following, None if before.ended else _place(sys._getframe(2))))
        self.current = following
        self.ident = None
        following.baton.release()

    def _await_turn(self, me):
        me.baton.acquire()
        self.ident = me.ident
        if self.given_up:
            self.leave()

    # -- what is wrong -------------------------------------------------------------------------------------------------

    def complain(self, what, error=None):
        """Something is wrong; the first of several is kept."""
        if self.fault is None:
            shown = [what]
            if error is not None:
                shown.append("".join(traceback.format_exception(error)))
            shown.append(self._stacks())
            shown.append("the last changes of threads:")
            shown += [
                f"  step {step}: {before} -> {after}{f', at {where}' if where else ', having ended'}"
                for step, before, after, where in self.switches[-40:]
            ]
            self.fault = "\n".join(shown)

    def give_up(self, what):
        """Something is wrong, and the schedule does not go on."""
        self.complain(what)
        self.given_up, self.next_look = True, 0
        self.leave()

    def leave(self):
        """Out of the present thread."""
        me = next((thread for thread in self.threads if thread.ident == get_ident() and not thread.ended), None)
        if me is not None:
            me.caught += 1
            if me.caught > LOST:  # it catches everything: then it stays here
                me.ended = True
                self._tell_over()
                while True:
                    me.baton.acquire()
        raise GivenUpError

    def _stacks(self):
        frames = sys._current_frames()
        lines = []
        for thread in self.threads:
            if thread.ended:
                continue
            state = "can run" if not thread.blocked else "waits"
            if thread.blocked and thread.until < FOREVER:
                state += f" until {thread.until - START:g}"
            lines.append(f"thread {thread} {state}:")
            frame = frames.get(thread.ident)
            while frame is not None:
                if not frame.f_code.co_filename.startswith(HARNESS):
                    lines.append(f"    {_place(frame)}")
                frame = frame.f_back
        return "\n".join(lines)


def _place(frame):
    while frame is not None and frame.f_code.co_filename.startswith(HARNESS):
        frame = frame.f_back
    if frame is None:
        return "its start"
    code = frame.f_code
    return f"{'/'.join(code.co_filename.split('/')[-2:])}:{frame.f_lineno} in {code.co_qualname}"
