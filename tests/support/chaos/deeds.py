"""What calls do: work, wait, ask, start programs, hand in further calls, hang and fail."""

import contextvars
import gc
import os
import signal
import sqlite3
import sys
import time
import traceback
import warnings

from support.chaos.clients import NAMES, PATIENCE
from support.chaos.errors import ERRORS
from threadfan import CallCancelled, current_scope, fail_after, move_on_after, sleep
from threadfan.clients import subprocess
from threadfan.clients import threading as waits

user = contextvars.ContextVar("user")
"""Which use a call is of: a context variable, which calls have from their caller."""


def quick(world, use, item, draw):
    """Nothing that takes time."""


def work(world, use, item, draw):
    """Pure Python."""
    sum(range(draw.randint(1, 100_000)))


def look(world, use, item, draw):
    """Pure Python that looks at its scope, and garbage."""
    for _ in range(draw.randint(1, 50)):
        current_scope().check()
        list(range(100))
    if draw.random() < 0.02:
        gc.collect()


def doze(world, use, item, draw):
    """A wait that heeds the scope."""
    sleep(draw.uniform(0.0, 0.03))


def nap(world, use, item, draw):
    """One that does not."""
    time.sleep(draw.uniform(0.0, 0.03))


def block(world, use, item, draw):
    """A block with a time of its own, which may be up."""
    with (fail_after if draw.random() < 0.5 else move_on_after)(draw.uniform(0.0, 0.02)):
        sleep(draw.uniform(0.0, 0.02))


def fail(world, use, item, draw):
    """An error."""
    raise ERRORS[draw.choice(list(ERRORS))]()


def fail_first(world, use, item, draw):
    """An error that may pass, and does."""
    if len(item.began) == 1:
        raise ConnectionError("once")


def hang(world, use, item, draw):
    """A wait that only its scope ends."""
    sleep(world.long)


def deaf(world, use, item, draw):
    """A wait that nothing ends, the first time; its thread comes back when all is over."""
    if len(item.began) == 1:
        world.over.wait(world.long)


def file(world, use, item, draw):
    """Files."""
    path = os.path.join(world.folder, f"{item.token}-{len(item.began)}-{draw.random()}")
    with open(path, "w") as stream:
        stream.write(str(item.token))
    with open(path) as stream:
        assert stream.read() == str(item.token)
    os.remove(path)


def database(world, use, item, draw):
    """A database of its own."""
    connection = sqlite3.connect(":memory:")
    try:
        assert connection.execute("select ?", (item.token,)).fetchone() == (item.token,)
    finally:
        connection.close()


def program(world, use, item, draw):
    """A process that ends, fails, is killed or, if somebody ends the call, hangs."""
    ends = [["true"], ["false"], ["sh", "-c", "kill -9 $$"], ["sh", "-c", "exec 2>&-; echo hi; exit 3"], ["/none"]]
    if world.endless:
        ends += [["sleep", "60"], ["sh", "-c", "trap '' TERM; sleep 60 & sleep 60"]]
    subprocess.run(draw.choice(ends), capture_output=True, check=True, timeout=draw.choice([None, 0.05, 5]), grace=0.05)


def lock(world, use, item, draw):
    """A lock that calls share, and a queue of its own."""
    with world.lock:
        world.locked += 1
        assert world.locked == 1
        try:
            if draw.random() < 0.2:
                sleep(0.001)
        finally:
            world.locked -= 1
    own = waits.Queue(1)
    own.put(item.token, timeout=PATIENCE)
    assert own.get(timeout=PATIENCE) == item.token


def ask(world, use, item, draw):
    """A request by one of the clients, through the proxy."""
    name = draw.choice(NAMES)
    client = world.clients.get(name)
    where = draw.choices(["here", "refused", "nowhere", "secured"], [20, 1, 1, 1])[0]
    base = {
        "here": world.proxy.url(),
        "refused": f"http://127.0.0.1:{world.nobody}",
        "nowhere": "http://nothing.invalid",
        "secured": world.proxy.url(scheme="https"),
    }[where]
    if name.endswith("anthropic"):
        answer = client.messages.create(
            model="m", max_tokens=10, messages=[{"role": "user", "content": f"token {item.token}"}]
        )
        assert world.plainly_answered or answer.content[0].type == "text"
        return
    options = {"timeout": PATIENCE} if name.endswith("requests") else {}
    answer = client.get(f"{base}/echo?x={item.token}", **options)
    answer.raise_for_status()
    said = answer.json()
    assert said == {"x": str(item.token)}, f"{name} got {said} for {item.token}"


def nest(world, use, item, draw):
    """Calls of its own, for which it lends its slot."""
    with world.outside(use.gauges_of(item)):
        if draw.random() < 0.5:
            assert world.fan.run(abs, [-item.token, 1]).values(None)[1] in (1, None)
        else:
            futures = [world.fan.submit(abs, -item.token) for _ in range(2)]
            for future in futures:
                future.result()


def fork(world, use, item, draw):
    """A child that ends at once, or after calls of its own."""
    works = draw.random() < 0.5
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        child = os.fork()
    if not child:
        code = 1
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(20)
            code = 0 if not works or world.fan.with_options(**PLAIN).run(abs, [-1, -2]).unwrap() == [1, 2] else 2
        except BaseException:
            if not (world.closing or world.fails_at or world.refusing):
                os.write(2, traceback.format_exc().encode())
        finally:
            os._exit(code)
    status, long = None, time.monotonic() + 10
    try:
        while status is None:
            if time.monotonic() > long:
                os.kill(child, signal.SIGUSR2)  # it says where it is, before its alarm ends it
                long = float("inf")
            pid, found = os.waitpid(child, os.WNOHANG)
            status = found if pid else None
            if status is None:
                time.sleep(0.002)
    finally:
        if status is None:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    if status and not (world.closing or world.fails_at or world.refusing):
        world.faults.append(f"the child of a fork ended with {status}; 14 is a hang")


PLAIN = {
    "timeout": None,
    "retry": None,
    "rate": None,
    "hedge": None,
    "breaker": None,
    "total_timeout": None,
    "fallback": None,
    "idle_timeout": None,
}
"""Of a view under nothing."""

DEEDS = {
    deed.__name__: deed
    for deed in (quick, work, look, doze, nap, block, fail, fail_first, file, database, program, lock, ask, nest, fork)
}
if not getattr(sys, "_is_gil_enabled", lambda: True)() and "THREADFAN_CHAOS_FORKS" not in os.environ:
    del DEEDS["fork"]  # now and then a child hangs there, which threads' own locks of the interpreter's may explain
ENDLESS = {deed.__name__: deed for deed in (hang, deaf)}
"""Deeds that only end if somebody ends them."""


def perform(world, use, item):
    """The function that is called: what this item is to do; gives its token, and which time this is."""
    number, draw = item.begin()
    try:
        if user.get(None) != use.number:
            world.faults.append(f"a call of use {use.number} has the context of {user.get(None)}")
        with world.inside(use.gauges_of(item)):
            (DEEDS | ENDLESS)[item.deed](world, use, item, draw)
    except CallCancelled as error:
        if not current_scope().cancelled:
            world.faults.append(f"{item} was cancelled by {error!r}, and its scope was not")
        item.raised.append(error)
        raise
    except BaseException as error:
        item.raised.append(error)
        raise
    value = [item.token, number]
    item.returned.append(value)
    return value
