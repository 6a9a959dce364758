"""Servers that enforce a limit, and a fan's worth of workers before one, in virtual time.

Each departure is 0.1-0.5 ms late, as a timed wait is, and travels 0.2 ms and an exponential jitter.
"""

import heapq
import math
import random


class Bucket:
    """A token bucket: ``per_second`` in the long run, ``size`` at once."""

    def __init__(self, per_second, size):
        self.per_second, self.size, self.level, self.last = per_second, size, size, 0.0

    def ask(self, now):
        """None if the request is let in, else the seconds until one would be."""
        self.level = min(self.size, self.level + (now - self.last) * self.per_second)
        self.last = now
        if self.level < 1 - 1e-12:
            return (1 - self.level) / self.per_second
        self.level -= 1
        return None


class Window:
    """A sliding window: at most ``per_second`` in any second."""

    def __init__(self, per_second):
        self.per_second, self.let_in = per_second, []

    def ask(self, now):
        """None if the request is let in, else the seconds until one would be."""
        self.let_in = [at for at in self.let_in if at > now - 1]
        if len(self.let_in) < self.per_second:
            self.let_in.append(now)
            return None
        return self.let_in[0] + 1 - now if self.let_in else 1.0


class Events:
    """What is to happen, in order of time; ``wake`` moves the one wake-up that a waiter has."""

    def __init__(self, seed, jitter):
        self.random = random.Random(seed)
        self.jitter = jitter
        self.queue, self.number, self.alarm = [], 0, None

    def at(self, moment, kind, *facts):
        """Something is to happen at a moment."""
        self.number += 1
        heapq.heappush(self.queue, (moment, self.number, kind, facts))
        return self.number

    def transit(self):
        """Seconds on the way."""
        return 0.0002 + min(self.random.expovariate(1 / self.jitter), 10 * self.jitter)

    def wake(self, moment):
        """Look again at a moment, or a little later; an earlier alarm is void."""
        self.alarm = self.at(moment + self.random.uniform(0.0001, 0.0005), "look")

    def __iter__(self):
        while self.queue:
            now, number, kind, facts = heapq.heappop(self.queue)
            if kind != "look" or number == self.alarm:
                yield now, kind, facts


class Result:
    """What came of a run: requests let in, requests refused, the last moment."""

    let_in = refused = 0
    now = 0.0


def paced(limit, server, seed=0, *, seconds=math.inf, items=math.inf, workers=20, call=0.2, jitter=0.0003, change=None):
    """``workers`` that share a RateLimit, until the time is up or the items are done; Retry-After in whole seconds.

    ``change(server, result)`` is called before each arrival and may answer response headers.
    """
    events, result, idle, todo, done, cost = Events(seed, jitter), Result(), workers, items, 0, limit.cost()
    events.wake(0.0)
    for now, kind, facts in events:
        if now >= seconds:
            break
        result.now = now
        if kind == "arrive":
            headers = change(server, result) if change else None
            refused = server.ask(now)
            if refused is None:
                result.let_in += 1
                events.at(now + call + events.transit(), "ok", *facts, headers)
            else:
                result.refused += 1
                events.at(now + events.transit(), "refused", *facts, headers, max(1, math.ceil(refused)))
            continue
        if kind == "ok":
            limit.succeeded(facts[0], now, headers=facts[1])
            idle, done = idle + 1, done + 1
        elif kind == "refused":
            limit.overloaded(facts[0], now, facts[2], headers=facts[1])
            idle, todo = idle + 1, todo + 1
        if done >= items:
            break
        while idle and todo:
            if (wait := limit.wait(now, cost)) > 0:
                events.wake(now + wait)
                break
            idle, todo = idle - 1, todo - 1
            events.at(now + events.transit(), "arrive", limit.take(now, cost))
    return result


def adapted(adaptive, server, seed=0, *, warm=20.0, seconds=140.0, call=0.2, spread=0.0, change=None):
    """Endless work under an Adaptive: refused calls come back after 1 s and a jitter, and hold no slot meanwhile."""
    events, result, in_flight = Events(seed, 0.0004), Result(), 0
    events.wake(0.0)
    for now, kind, facts in events:
        if now >= seconds:
            break
        if kind == "arrive":
            if change:
                change(server, now)
            refused = server.ask(now) is not None
            result.refused += refused and now >= warm
            result.let_in += not refused and now >= warm
            took = 0.0 if refused else call * (1 + spread * events.random.uniform(-1, 1))
            events.at(now + took + events.transit(), "refused" if refused else "ok", *facts)
            continue
        if kind in ("ok", "refused"):
            (adaptive.succeeded if kind == "ok" else adaptive.overloaded)(now, now - facts[0], in_flight)
            in_flight -= 1
        while in_flight < adaptive.limit:
            if (wait := adaptive.wait(now)) > 0:
                events.wake(now + wait)
                break
            adaptive.started(now)
            in_flight += 1
            events.at(now + events.transit(), "arrive", now)
    return result
