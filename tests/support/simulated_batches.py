"""Batches on the manual clock, which moves on by itself whenever nothing more can happen at that moment."""

import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from support.controlled import PATIENCE, aside
from threadfan import Fan, sleep
from threadfan._core.base import clock as clocks
from threadfan._core.scope import alarms
from threadfan.testing import ManualClock, Probe

STEP = 0.25  # seconds of the manual clock; what takes multiples of it, up to its timeout, is simulated exactly
ROUNDING = 1e-6  # seconds
CALM = 3  # looks in a row at which nothing moves
TASKS = Path("/proc/self/task")  # the threads of this process, as Linux shows them


class Refused(Exception):
    """What a server answers that is asked too much."""

    status_code = 429


class Server:
    """Lets so many requests a minute through: a bucket that holds ``burst``; counts those that it refuses."""

    def __init__(self, world, per_minute, burst=1):
        self._world = world
        self._per_second = per_minute / 60
        self._burst = self._level = burst
        self._at = 0.0
        self._lock = threading.Lock()
        self.refused = 0

    def ask(self):
        """One request."""
        with self._lock:
            now = self._world.now
            self._level = min(self._burst, self._level + (now - self._at) * self._per_second)
            self._at = now
            if self._level < 1 - 1e-6:
                self.refused += 1
                raise Refused("too many requests")
            self._level -= 1


class World:
    """A clock, a fan that lives by it, and calls that take so many seconds of it."""

    def __init__(self, *args, **options):
        self._args = args
        self._options = options
        self._lock = threading.Lock()
        self._asleep = {}  # by the thread: until when
        self._feeding = False
        self.seconds = []  # of each attempt, as they began

    @property
    def now(self):
        """Seconds of the clock."""
        return self._clock.monotonic()

    def __enter__(self):
        self.clock = self._clock = ManualClock()
        self._clock.__enter__()
        self.fan = Fan(*self._args, **self._options)
        return self

    def __exit__(self, *exc_info):
        self.fan.shutdown()
        self._clock.__exit__(*exc_info)

    def take(self, seconds):
        """Be busy for so many seconds."""
        me = threading.get_ident()
        with self._lock:
            self.seconds.append(seconds)
            self._asleep[me] = self.now + seconds
        try:
            sleep(seconds)
        finally:
            with self._lock:
                del self._asleep[me]

    def inputs(self, items, seconds):
        """Items that come one by one, so many seconds apart."""
        self._feeding = True
        for item in items:
            self._wait_outside(seconds)
            yield item
        self._feeding = False

    def _wait_outside(self, seconds):
        with self._lock:
            self._asleep["inputs"] = self.now + seconds
        try:
            sleep(seconds)
        finally:
            with self._lock:
                del self._asleep["inputs"]

    def run(self, *args, **options):
        """``fan.run``, to its end."""
        return self.through(self.fan.run, *args, **options)

    def through(self, fn, *args, **options):
        """A function of the fan, to its end."""
        self._deadline = options.get("deadline", float("inf"))
        self._caller = None
        future, calm, end = aside(self._called, fn, *args, **options), 0, time.monotonic() + 4 * PATIENCE
        while not future.done():
            assert time.monotonic() < end, f"the batch does not end: {self._state()}"
            calm = calm + 1 if self._settled() else 0
            if calm >= CALM and not self._woken():
                self._clock.advance(STEP)
                calm = 0
            time.sleep(0)
        return future.result()

    @staticmethod
    def _woken():
        """Whether some other thread could go on, but has not got a processor yet.

        It may be on its way out of a wait: the queues and the clock do not tell of it any more, nor yet the scheduler.
        """
        me = str(threading.get_native_id())
        for _ in range(2):
            time.sleep(0.0002)  # who waits for the GIL has it meanwhile
            for task in TASKS.glob("*"):
                with suppress(OSError):  # it has just ended
                    if task.name != me and (task / "stat").read_text().rpartition(")")[2].split()[0] == "R":
                        return True
        return False

    def _called(self, fn, *args, **options):
        self._caller = threading.get_ident()
        return fn(*args, **options)

    def _waits(self):
        """Whether the caller has handed in what there is to hand in, and waits."""
        frame = sys._current_frames().get(self._caller)
        return frame is not None and frame.f_code in (clocks.Asleep.receive.__code__, clocks.receive.__code__)

    def _settled(self):
        """Whether all that can happen at this moment has happened, and something is to come."""
        if not self._waits():
            return False
        probe = Probe(self.fan)
        with self._lock:
            asleep = dict(self._asleep)
        outside = "inputs" in asleep
        moments = [*asleep.values(), *self._next_alarm()]
        moments += [look for look in (probe.next_look, self._deadline) if self.now <= look < float("inf")]
        if outside != self._feeding or not moments or not self._sleep_until(moments):
            return False
        with probe.still():
            moving = (
                probe.starting or probe.at_work != len(asleep) - outside or (probe.free_slots > 0 and probe.may_start)
            )
            return not moving and not self._let()

    def _sleep_until(self, moments):
        """Whether threads sleep until these moments: they read the time, and fall asleep a little later."""
        with self._clock._changed:
            deadlines = [sleeper.deadline for sleeper in self._clock._sleepers]
        for moment in moments:
            found = [deadline for deadline in deadlines if abs(deadline - moment) < ROUNDING]
            if not found:
                return False
            deadlines.remove(found[0])
        return True

    def _next_alarm(self):
        with alarms._lock:
            keeper = alarms._keepers.get(self._clock)
            return [] if keeper is None else sorted(alarm.due for alarm in keeper._heap if alarm.acts)[:1]

    def _state(self):
        probe = Probe(self.fan)
        at_work = f"{probe.at_work} at work, work {probe.may_start}"
        moving = f"{probe.starting} waking, {probe.free_slots} free, {at_work}"
        return f"{self.now}, {self._asleep}, {moving}, alarm {self._next_alarm()}, let {self._let()}, {self._clock}"

    def _queues(self):
        return [queue for queue in Probe(self.fan).queues if hasattr(queue, "backlog")]

    def _let(self):
        """Whether a limit lets a call go, or a back-off is over, and it has not gone yet."""
        probe = Probe(self.fan)
        for queue in self._queues():
            if any(take_back.args[0].due <= self.now - ROUNDING for take_back in queue.backlog.backing_off.values()):
                return True
            if probe.free_slots > 0 and any(self._open(waitlist) for waitlist in queue.backlog.waitlists):
                return True
        return False

    def _open(self, line):
        cost = next(iter(line._waiting.values()), self)
        return cost is not self and line.limit.wait(self.now, cost) <= 1e-9
