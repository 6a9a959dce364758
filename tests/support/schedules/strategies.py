"""Who runs next.

- ``RandomWalk`` changes threads at random points, some of them often and some seldom, to any that can run.
- ``Pct`` is probabilistic concurrency testing (Burckhardt, Kothari, Musuvathi and Nagarakatte, "A randomized scheduler
  with probabilistic guarantees of finding bugs", ASPLOS 2010): threads have priorities, the highest that can run runs,
  and at ``depth - 1`` points that are drawn beforehand it falls below all others.  A fault that needs ``depth`` things
  to come in an order is found with a probability of at least 1 / (threads * steps ** (depth - 1)).
- ``Scripted`` departs from the plain order only where it is told to.  ``every`` in the package goes through all scripts
  of so many departures at most: what CHESS does with preemptions (Musuvathi and Qadeer, "Iterative context bounding for
  systematic testing of multithreaded programs", PLDI 2007), while a choice between those that can run, where the
  present one cannot, counts here as well (as in Emmi, Qadeer and Rakamaric, "Delay-bounded scheduling", POPL 2011).
"""

import random

NEVER = 1 << 62


class Strategy:
    """Threads run until they cannot, and then the first one that can."""

    next_look = NEVER
    """The step at which ``look`` is to be called."""

    def new(self, thread):
        """There is one more thread."""

    def look(self, schedule, me):
        """Who goes on; the present one could."""
        return me

    def pick(self, schedule, ready):
        """Who goes on; the present one cannot."""
        return ready[0]

    def hurries(self, me, ready):
        """Whether to look at once, since others have been released."""
        return False


class RandomWalk(Strategy):
    """See above.

    Args:
        pause: steps between two changes, on average.
        flies: how often time passes in the place of a change, 0.0 to 1.0.
    """

    def __init__(self, seed, pause, flies=0.0):
        self._random = random.Random(seed)
        self._pause = pause
        self._flies = flies
        self.next_look = self._draw(0)

    def _draw(self, step):
        return step + 1 + int(self._random.expovariate(1.0) * (self._pause - 1))

    def look(self, schedule, me):
        """See ``Strategy``."""
        self.next_look = self._draw(schedule.steps)
        if self._flies and self._random.random() < self._flies and schedule.let_time_pass():
            schedule.flown = True
        return self._random.choice(schedule.runnable())

    def pick(self, schedule, ready):
        """See ``Strategy``."""
        return self._random.choice(ready)


class Pct(Strategy):
    """See above.

    Args:
        depth: one more than there are points at which a thread falls behind.
        steps: that the scenario takes, about.
        flies: how often time passes at such a point, too.
    """

    def __init__(self, seed, depth, steps, flies=0.0):
        self._random = random.Random(seed)
        self._changes = sorted((self._random.randrange(1, max(2, steps)) for _ in range(depth - 1)), reverse=True)
        self._low = 0.0
        self._flies = flies
        self._plan()

    def _plan(self):
        self.next_look = self._changes[-1] if self._changes else NEVER

    def new(self, thread):
        """See ``Strategy``."""
        thread.rank = 1.0 + self._random.random()

    def look(self, schedule, me):
        """See ``Strategy``."""
        while self._changes and schedule.steps >= self._changes[-1]:
            self._changes.pop()
            self._low -= 1.0
            me.rank = self._low
            if self._flies and self._random.random() < self._flies and schedule.let_time_pass():
                schedule.flown = True
        self._plan()
        return self.pick(schedule, schedule.runnable())

    def pick(self, schedule, ready):
        """See ``Strategy``."""
        return max(ready, key=_rank)

    def hurries(self, me, ready):
        """See ``Strategy``."""
        return any(thread.rank > me.rank for thread in ready)


class Scripted(Strategy):
    """See above.

    Args:
        script: pairs of a step and the number of the thread that goes on there.
    """

    next_look = 0

    def __init__(self, script):
        self.choices = []  # (step, who else could have gone on), after the last step of the script
        self._left = dict(script)
        self._last = script[-1][0] if script else -1

    def look(self, schedule, me):
        """See ``Strategy``."""
        return self._choose(schedule, me, schedule.runnable())

    def pick(self, schedule, ready):
        """See ``Strategy``."""
        return self._choose(schedule, ready[0], ready)

    def _choose(self, schedule, plain, ready):
        step = schedule.steps
        if step > self._last:
            if len(ready) > 1:
                self.choices.append((step, [thread.number for thread in ready if thread is not plain]))
            return plain
        number = self._left.pop(step, None)
        return plain if number is None else next((thread for thread in ready if thread.number == number), plain)


def _rank(thread):
    return thread.rank
