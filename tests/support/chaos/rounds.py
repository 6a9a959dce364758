"""One round of chaos: what is drawn, what is done, and what must hold afterwards."""

import faulthandler
import gc
import os
import random
import signal
import socket
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, nullcontext
from pathlib import Path
from unittest.mock import patch

from support.chaos.answers import draw_weights
from support.chaos.clients import Clients
from support.chaos.deeds import DEEDS, ENDLESS, PLAIN, user
from support.chaos.gauges import Gauge, inside, outside
from support.chaos.items import Item, Use
from support.chaos.promises import check_use
from support.chaos.proxy import ChaosProxy
from support.chaos.ways import OF_BATCHES, WAYS
from support.controlled import aside
from threadfan import Adaptive, Breaker, Fan, Hedge, RateLimit, report_of
from threadfan.clients import threading as waits
from threadfan.testing import refused_threads
from threadfan.testing.leaks import no_leaks

PATIENCE = float(os.environ.get("THREADFAN_CHAOS_PATIENCE", "90"))
"""Seconds after which something counts as hanging, on however busy a machine."""


class World:
    """What the calls of a round share.

    Args:
        seed: of all draws of the round.
        port: of the server.
    """

    def __init__(self, seed, port):
        self.seed, self.port = seed, port
        self.draw = random.Random(seed)
        self.endless = self.draw.random() < 0.4
        self.patience, self.long = PATIENCE, 4 * PATIENCE
        self.over = threading.Event()  # lets those go that nothing else does
        self.closing = self.draw.random() < 0.3  # somebody closes the fan
        self.lock, self.locked = waits.Lock(), 0
        self.faults, self.options, self.uses = [], {}, []
        self.plainly_answered = True
        self.tokens = iter(range(10**9))
        gauged = self.draw.random() < 0.5  # who looks at his scope takes another way through the engine
        self.inside, self.outside = (inside, outside) if gauged else (nullcontext, nullcontext)

    def describe(self):
        """What was drawn."""
        return "\n".join(
            [f"round {self.seed!r}, endless: {self.endless}", f"fan: {self.options}", *map(repr, self.uses)]
        )


def play(seed, port):
    """A round: raises AssertionError if a promise was broken; gives what there was, for figures."""
    world = World(seed, port)
    try:
        return _played(world)
    except BaseException as error:
        error.add_note(world.describe())
        raise


def _played(world):
    with no_leaks(patience=PATIENCE), ExitStack() as stack:
        world.folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="threadfan-chaos-"))
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))  # nobody listens there
        world.nobody = listener.getsockname()[1]
        weights = draw_weights(world.draw, endless=world.closing)
        world.proxy = stack.enter_context(ChaosProxy(world.port, weights, world.draw.random()))
        world.clients = Clients(world.proxy)
        stack.callback(world.clients.close)
        stack.callback(world.over.set)
        world.options, resized = _draw_fan(world)
        world.uses = [_draw_use(world, number) for number in range(world.draw.randint(1, 4))]
        for context in _draw_surroundings(world):
            stack.enter_context(context)
        _play(world, resized)
        world.over.set()
        for use in world.uses:
            use.forget()
    assert not children(), f"{children()} are left of\n{world.describe()}"
    return {"rounds": 1, "calls": sum(len(use.items) for use in world.uses), **world.proxy.met}


def _draw_fan(world):
    draw, options = world.draw, {}
    world.workers = slots = draw.randint(1, 8)
    if world.endless or draw.random() < 0.3:
        options["timeout"] = draw.choice([0.02, 0.1, 0.5])
    if draw.random() < 0.3:
        options["retry"] = draw.choice([1, 3])
    if draw.random() < 0.2:
        options["rate"] = RateLimit(requests_per_minute=draw.choice([6_000, 60_000]), burst=draw.choice([1, 5]))
    if draw.random() < 0.15:
        options["hedge"] = Hedge(after=draw.choice([0.005, "p95"]), budget=0.3)
    if draw.random() < 0.1:
        options["breaker"] = Breaker(failures=3, recovery=0.01)
    if draw.random() < 0.1:
        options["total_timeout"] = draw.choice([0.05, 1.0])
    if draw.random() < 0.1:
        options["idle_timeout"] = draw.choice([0.05, 1.0])
    if draw.random() < 0.1:
        options["max_queued"] = draw.choice([1, 5])
    if draw.random() < 0.1 and not world.endless:
        options["max_abandoned"] = draw.choice([1, 3])
    if draw.random() < 0.05:
        world.slots = Adaptive(start=min(2, slots), ceiling=slots)
    else:
        world.slots = slots
    world.most = slots
    world.fails_at = draw.randint(1, 4) if draw.random() < 0.05 else None
    resized = draw.random() < 0.15 and world.slots is slots
    if resized:
        world.most = 9
    return options, resized


def _draw_use(world, number):
    draw = world.draw
    way = draw.choice(list(WAYS))
    kinds = draw.sample(list(DEEDS), draw.randint(1, 5)) + draw.choices(list(ENDLESS), k=2 * world.endless)
    items = [
        Item(next(world.tokens), draw.choice(kinds), f"{world.seed}-{number}-{index}")
        for index in range(draw.choice([1, 3, 10, 30, 100]))
    ]
    for item in [item for item in items if item.deed == "deaf"][10:]:
        item.deed = "hang"  # more threads than these may not be stuck at once
    use = Use(number, way, items)
    use.may_cancel = world.closing or draw.random() < 0.3
    use.gauges = [Gauge(f"the fan, seen by use {number}", world.most)]
    if draw.random() < 0.4:
        _draw_options(world, use)
    if way in OF_BATCHES:
        _draw_arguments(world, use)
    under = {**world.options, **use.options}
    use.timeout = under.get("timeout")
    use.may_time_out = any(under.get(name) for name in ("timeout", "total_timeout", "idle_timeout"))
    repeating = any(under.get(name) for name in ("retry", "rate", "hedge")) or "rate" in use.arguments
    use.may_repeat = repeating or isinstance(world.slots, Adaptive)
    return use


def _draw_options(world, use):
    draw, options = world.draw, use.options
    if draw.random() < 0.3:
        options["timeout"] = draw.choice([0.05, 0.3]) if world.endless else draw.choice([None, 0.05])
    if draw.random() < 0.3:
        options["retry"] = draw.choice([None, 2])
    if draw.random() < 0.3:
        most = draw.randint(1, 3)
        options["max_concurrent"] = min(most, world.workers)
        use.gauges.append(Gauge("its view", options["max_concurrent"]))
    if draw.random() < 0.2:
        options["priority"] = draw.choice([-1, 5])
    if draw.random() < 0.1 and not {item.deed for item in use.items} - {"quick", "work", "look"}:
        options["interrupt"] = True


def _draw_arguments(world, use):
    draw, arguments = world.draw, use.arguments
    if draw.random() < 0.2:
        most = draw.randint(1, 2)
        arguments |= {"by": lambda item: item.key, "max_concurrent": most}
        use.keyed = {key: Gauge(f"key {key}", most) for key in range(3)}
    if draw.random() < 0.15:
        arguments["halt"] = draw.choice(["soon,fail=2", "now,fail=1", "now,success=1", "soon,done=5", "now,fail=50%"])
        use.may_cancel = True
    if draw.random() < 0.1:
        arguments["priority"] = 3
    if draw.random() < 0.15 and not use.keyed:
        arguments["journal"] = os.path.join(world.folder, f"{use.number}.journal")
        arguments |= {"key": lambda item: item.token, "version": "1"}
        use.journaled = True
    if use.way in ("run", "start", "arun"):
        if draw.random() < 0.1:
            arguments["deadline"] = draw.uniform(0.0, 0.3)
            use.may_cancel = True
        if draw.random() < 0.1:
            arguments["fail_fast"] = True
            use.may_cancel = True


def _draw_surroundings(world):
    draw = world.draw
    world.refusing = draw.random() < 0.1
    if world.refusing:
        yield refused_threads("^(chaos|threadfan)", share=draw.choice([0.1, 0.5]), seed=draw.randrange(1000))
    if draw.random() < 0.15:
        yield _switching(draw.choice([1e-6, 1e-4]))
    if draw.random() < 0.15:
        yield _jumping_clock(draw.random())


class _switching:  # noqa: N801 - a context manager
    """Threads take turns more often."""

    def __init__(self, interval):
        self._interval = interval

    def __enter__(self):
        self._usual = sys.getswitchinterval()
        sys.setswitchinterval(self._interval)

    def __exit__(self, *exc_info):
        sys.setswitchinterval(self._usual)


def _jumping_clock(seed):
    """The time of day goes back and forth, by an hour or a century."""
    draw, true = random.Random(seed), time.time
    return patch("time.time", lambda: true() + draw.choice([0, -3600, 3600, -1e8, 3e9]))


def _play(world, resized):
    draw = world.draw
    started = iter(range(1, 10**9))

    def initializer():
        if next(started) == world.fails_at:
            raise ZeroDivisionError("the initializer fails")

    options = dict(world.options)
    if world.fails_at is not None:
        options["initializer"] = initializer
    world.fan = fan = Fan(world.slots, "chaos", **options)
    world.began = time.monotonic()
    runs = [aside(_use, world, use, draw.random()) for use in world.uses]
    meddlers = [aside(_meddle, world, draw.random(), resized)]
    if world.closing:
        meddlers.append(aside(_close, world, draw.random()))
    try:
        for run in [*runs, *meddlers]:
            run.result(PATIENCE)
    except TimeoutError:
        faulthandler.dump_traceback(all_threads=True)
        for child in children():  # of forks, which have this handler too
            os.kill(int(child), signal.SIGUSR2)
        sys.stderr.write(f"{fan!r} {fan.snapshot()} {[str(call) for call in fan.running()]}\n")
        raise AssertionError(f"it hangs:\n{world.describe()}") from None
    finally:
        world.over.set()
    if not world.closing and world.fails_at is None and not world.refusing:
        _whole(world)
    world.closing = True  # calls that were given up may go on, and fork
    aside(fan.shutdown).result(PATIENCE)
    for thread in threading.enumerate():  # nobody else waits for those that were stuck, and they have clients in use
        if thread.name.startswith("chaos_"):
            thread.join(PATIENCE)
    left = {name: count for name, count in fan.snapshot().items() if name in ("queued", "running", "waiting") and count}
    assert not left, f"{left} when all is over:\n{world.describe()}"
    for use in world.uses:
        check_use(world, use)
    _check_limits(world)
    assert not world.faults, f"{world.faults[:5]}\n{world.describe()}"


def _use(world, use, seed):
    draw = random.Random(seed)
    user.set(use.number)
    view = world.fan.with_options(**use.options) if use.options else world.fan
    try:
        WAYS[use.way](world, use, view, draw)
    except AssertionError:
        raise
    except BaseException as error:
        use.raised = error
        use.carried = (
            report_of(error) if use.way not in ("graph", "pipeline", "texts") else None
        )  # others than of the items


def _meddle(world, seed, resized):
    """Look at the fan, and change it, while all goes on."""
    draw = random.Random(seed)
    for _ in range(draw.randint(0, 20)):
        world.fan.snapshot()
        [str(call) for call in world.fan.running()]
        repr(world.fan)
        if resized:
            world.fan.resize(draw.randint(1, 9))
        if draw.random() < 0.1:
            gc.collect()
        time.sleep(draw.uniform(0.0, 0.005))


def _close(world, seed):
    draw = random.Random(seed)
    time.sleep(draw.uniform(0.0, 0.1))
    match draw.choice(["at once", "soon", "cancel futures"]):
        case "at once":
            world.fan.shutdown(timeout=0)
        case "soon":
            world.fan.shutdown(wait=draw.random() < 0.5, timeout=draw.uniform(0.0, 0.1))
        case "cancel futures":
            world.fan.shutdown(wait=False, cancel_futures=True)


def _whole(world):
    """No slot was lost: as many calls as there are slots can run at the same moment."""
    view = world.fan.with_options(**PLAIN)
    slots = int(world.fan.snapshot()["slots"])
    barrier = threading.Barrier(slots)
    futures = [view.submit(barrier.wait, PATIENCE) for _ in range(slots)]
    try:
        met = sorted(future.result(PATIENCE) for future in futures)
    except (TimeoutError, threading.BrokenBarrierError):
        raise AssertionError(f"{world.fan.snapshot()}: slots are lost:\n{world.describe()}") from None
    assert met == list(range(slots))


def _check_limits(world):
    for use in world.uses:
        for gauge in [*use.gauges, *use.keyed.values()]:
            assert gauge.overdrawn is None, f"{gauge.overdrawn}:\n{world.describe()}"
    hedge = world.options.get("hedge")
    if hedge is not None:
        assert hedge.extra <= hedge.budget * hedge.calls, f"{hedge.extra} second attempts of {hedge.calls} calls"
    rate = world.options.get("rate")
    if rate is not None and all(use.options.get("rate", rate) is rate for use in world.uses):
        moments = sorted(moment for use in world.uses for item in use.items for moment in item.began)
        every, burst = rate.bucket
        for number, moment in enumerate(moments):
            allowed = burst + (moment - world.began) / every + 1
            assert number < allowed, f"{number + 1} starts, {allowed} were allowed:\n{world.describe()}"


def children():
    """Processes that this one has started, but for the server's."""
    found = set()
    for path in Path("/proc/self/task").glob("*/children"):
        try:
            found |= set(path.read_text().split())
        except OSError:
            continue
    return found - BASE


BASE = set()
faulthandler.register(signal.SIGUSR2, all_threads=True)
