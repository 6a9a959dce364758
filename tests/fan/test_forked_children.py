"""Children of forks: whatever the parent was about in that moment, everything works there."""

import os

import pytest

from support.forking import run_forking

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

OWNERS = {
    *(
        "AbortableAdapter",
        "Condition",
        "Hedge",
        "Helper",
        "Scheduler",
        "Ledger",
        "RateWaitlist",
        "ScopedSemaphore",
        "RecentlyUsedContainer",
    ),
    *(
        "SharedWaitlist",
        "StoreLink",
        "ThreadLock",
        "_Idle",
        "threadfan.clients.requests",
        "threadfan._core.scope.alarms",
    ),
    *("threadfan._core.limits.waitlists", "threadfan._core.base.transactions"),
}
"""Some of those that have locks, by class or module: that the test finds what there is."""

WHERE = {
    "main": "found = [child_of_a_fork(work)]",
    "call": "found = [fan.submit(child_of_a_fork, work).result()]",
    "call of a batch": "found = fan.run(child_of_a_fork, [work]).unwrap()",
    "call under a limit": "found = limited.run(child_of_a_fork, [work]).unwrap()",
    "call that is hedged": "found = hedged.run(child_of_a_fork, [work]).unwrap()",
    "nested call": "found = fan.run(lambda act: fan.submit(child_of_a_fork, act).result(), [work]).unwrap()",
    "block in a call": """
def in_block():
    with fail_after(PATIENCE):
        return child_of_a_fork(work)
found = [fan.submit(in_block).result()]
""",
    "callback": """
results = queue.SimpleQueue()
fan.submit(double, 1).add_done_callback(lambda _: results.put(child_of_a_fork(work)))
found = [results.get()]
""",
    "callback of a call that timed out": """
results = queue.SimpleQueue()
late = fan.with_options(timeout=0.01).submit(sleep, PATIENCE)
late.add_done_callback(lambda _: results.put(child_of_a_fork(work)))
found = [results.get()]
""",
    "callback of a cancel": """
results = queue.SimpleQueue()
def cancelled():
    current_scope().on_cancel(lambda: results.put(child_of_a_fork(work)))
    sleep(PATIENCE)
fan.with_options(timeout=0.01).submit(cancelled)
found = [results.get()]
""",
    "callback of a block": """
results = queue.SimpleQueue()
with move_on_after(0.01) as block:
    block.on_cancel(lambda: results.put(child_of_a_fork(work)))
    found = [results.get()]
""",
    "initializer": """
results = queue.SimpleQueue()
with Fan(1, initializer=lambda: results.put(child_of_a_fork(work))) as other:
    other.submit(int).result()
found = [results.get()]
""",
    "coroutine": """
async def main():
    return await fan.call(child_of_a_fork, work), (await fan.arun(forking, [work])).unwrap()[0]
async def forking(act):
    return child_of_a_fork(lambda: threading.Thread(target=act).run())
found = [fan.submit(lambda: asyncio.run(main())).result()[0]]
""",
}


@pytest.mark.parametrize("where", WHERE)
def test_everything_works_in_the_child(where):
    """Fans that the parent had and new ones, scopes, timers, limits and waits, wherever it was forked."""
    assert run_forking(f"work()\n{WHERE[where]}\nprint(found)\nwork()\nclose()") == "['']\n"


@pytest.mark.parametrize("how", ["submit(start).result()", "run(lambda _: start(), [0]).unwrap()[0]"])
def test_a_process_of_multiprocessing_works_in_a_call(how):
    """Its default on Linux up to 3.13 is to fork, in the thread of the call."""
    program = f"""
import multiprocessing
context = multiprocessing.get_context("fork")
def target(results):
    work()
    results.put("worked")
def start():
    results = context.SimpleQueue()
    process = context.Process(target=target, args=(results,))
    process.start()
    process.join(60)
    return process.exitcode, results.empty() or results.get()
print(fan.{how})
close()
"""
    assert run_forking(program) == "(0, 'worked')\n"


HOLDING = """
LOCKS = type(threading.Lock()), type(threading.RLock())
OURS = {"threadfan"}
THROUGH = OURS | {"requests", "urllib3", "httpx", "httpx2", "httpcore", "httpcore2", "queue", "threading"}

def package(kind):
    return str(getattr(kind, "__module__", None)).partition(".")[0]

def locks():
    # Every lock that a module, a class or an object of the package holds, with who holds it.
    todo = [(vars(module), name) for name, module in sys.modules.items() if name.partition(".")[0] in OURS]
    classes = {value for names, _ in todo for value in names.values() if isinstance(value, type)}
    for thing in [*gc.get_objects(), *classes]:  # without a GIL the collector does not list classes
        if isinstance(thing, threading.Thread):
            continue
        if package(type(thing)) in OURS or (isinstance(thing, type) and package(thing) in OURS):
            todo.append((thing, (thing if isinstance(thing, type) else type(thing)).__name__))
    found, seen = {}, set()
    while todo:
        thing, owner = todo.pop()
        if id(thing) not in seen:
            seen.add(id(thing))
            for inner in gc.get_referents(thing):
                if isinstance(inner, LOCKS):
                    found.setdefault(id(inner), (inner, owner))
                elif type(inner) in (dict, list, tuple, set):
                    todo.append((inner, owner))
                elif package(type(inner)) in THROUGH and not isinstance(inner, threading.Thread):
                    todo.append((inner, type(inner).__name__))
    return list(found.values())

def with_held(lock, act):
    held, release = threading.Event(), threading.Event()
    def hold():
        with lock:
            held.set()
            release.wait()
    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(PATIENCE), "somebody else holds it"
    try:
        return child_of_a_fork(act)
    finally:
        release.set()
        holder.join()
"""
"""Holds a lock in another thread while the process forks."""


@pytest.mark.parametrize("where", ["main", "call"])
def test_no_lock_that_another_thread_held_stops_the_child(where):
    """Every lock in the package is held in turn while the process forks; whoever adds one is found by this."""
    act = "all_held()" if where == "main" else "fan.with_options(timeout=600).submit(all_held).result()"
    program = f"""
{HOLDING}
def all_held():
    with fail_after(600):
        current_scope().on_cancel(print)  # so that there is an alarm
        for lock, owner in locks():
            said = with_held(lock, work)
            if said:
                print(owner, said)
            owners.add(owner)

owners = set()
work()
{act}
print({OWNERS} - owners)
close()
"""
    assert run_forking(program) == "set()\n"


UNDER_WAY = """
import collections, contextlib, itertools
from threadfan import Breaker, Budget
go, begun, numbers, others = threading.Event(), threading.Semaphore(0), itertools.count(), []

def wait(item=0):
    begun.release()
    go.wait()
    return item

def texts(item):
    yield "one"
    wait()

def journal():
    return {"journal": f"{folder.name}/{next(numbers)}.journal", "version": "1"}

def ways(each):  # every one in which a call can be under way
    stops = {"halt": "soon,done=9", "max_errors": 9, "budget": Budget(tokens=10**9)}
    for more in ({}, stops, journal(), {"by": int, "max_concurrent": 1}, {"deadline": 500}):
        yield lambda: each.run(wait, [0], **more)
        yield lambda: each.start(wait, iter([0]), **more).result()
        if "deadline" not in more:
            yield lambda: list(each.stream(wait, [0], keep=True, **more))
            yield lambda: list(each.stream(wait, iter([0]), **more))
    yield lambda: each.run(wait, [0], deadline=500, late="keep")
    yield lambda: each.submit(wait).result()
    yield lambda: list(each.map(wait, [0]))
    yield lambda: each.gather(wait)
    yield lambda: each.pipeline(wait, wait).run([0], **stops)
    yield lambda: list(each.pipeline(wait, wait).stream([0]))
    yield lambda: each.graph(wait).run(**stops)
    yield lambda: each.with_options(unique=True, max_concurrent=1).submit(wait).result()
    yield lambda: list(each.stream_text(texts, [0]))
    yield lambda: asyncio.run(each.arun(wait, [0]))

def begin_all():  # a fan for each: two calls of one would be one after the other
    limited = {"retry": 1, "rate": RateLimit(600_000, burst=999), "breaker": Breaker()}
    for options in ({}, {"hedge": Hedge(after=500.0)}, limited):
        for place in range(len(list(ways(None)))):
            each = Fan(2, **options)
            others.append(each)
            thread = threading.Thread(target=next(itertools.islice(ways(each), place, None)), daemon=True)
            thread.start()
            assert begun.acquire(timeout=PATIENCE), (options, place)
"""
"""A program in which there is a batch, or a call, of every kind under way."""


def test_no_lock_that_another_thread_held_stops_the_child_of_what_is_under_way():
    """The same while there are calls of every kind, which the child learns to be the parent's."""
    program = f"""
{HOLDING}
{UNDER_WAY}

def light():
    assert fan.run(double, [1]).unwrap() == [2]

class All(contextlib.ExitStack):  # the locks of one kind of owner
    def __init__(self, all):
        super().__init__()
        self._all = all

    def __enter__(self):
        for lock in self._all:
            self.enter_context(lock)

begin_all()
by_owner = collections.defaultdict(list)
for lock, owner in locks():
    by_owner[owner].append(lock)
for owner, all in by_owner.items():
    said = with_held(All(all), light)
    if said:
        print(owner, said)
go.set()
for each in others:
    each.shutdown()
close()
"""
    assert run_forking(program) == ""


RETURNS = """
def fork(item):
    child = os.fork()  # and returns twice
    if not child:
        signal.alarm(PATIENCE)
    return child

def ended(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""


@pytest.mark.parametrize(
    "calls",
    [
        "fan.run(fork, range(5)).unwrap()",
        "limited.run(fork, range(5)).unwrap()",
        "[future.result() for future in [fan.submit(fork, item) for item in range(5)]]",
        "[future.result() for future in [limited.submit(fork, item) for item in range(5)]]",
        "[outcome.value for outcome in fan.stream(fork, iter(range(5)))]",
        "fan.gather(*[task(fork, item) for item in range(5)]).unwrap()",
        "fan.pipeline(fork, int).run(range(5)).unwrap()",
        "[outcome.value for outcome in fan.stream(fork, iter(range(5)), halt='soon,done=9', max_errors=1)]",
        "fan.pipeline(fork, int).run(range(5), halt='soon,done=9', max_errors=1).unwrap()",
    ],
)
def test_a_child_that_returns_from_its_call_ends_there(calls):
    """The rest is the parent's: it makes no further call, and it does not wait for any."""
    program = f"{RETURNS}\nprint([ended(child) for child in {calls}])\nwork()\nclose()"
    assert run_forking(program) == "[0, 0, 0, 0, 0]\n"


@pytest.mark.parametrize("late", [False, True])
def test_a_child_that_returns_from_its_callback_ends_there(late):
    """In the thread of the call, and in that which runs callbacks of calls that were ended."""
    call = "one.with_options(timeout=0.01).submit(sleep, PATIENCE)" if late else "one.submit(double, 1)"
    program = f"""{RETURNS}
one, forked = Fan(1), queue.SimpleQueue()
for _ in range(3):
    go = threading.Event()
    one.submit(go.wait, PATIENCE)
    {call}.add_done_callback(lambda _: forked.put(fork(0)))
    go.set()
    print(ended(forked.get(timeout=PATIENCE)))
work()
close()
"""
    assert run_forking(program) == "0\n0\n0\n"


def test_blocks_and_their_timers_go_on_in_the_child():
    """Each has the time that it has left, on both sides; what the parent registered is not called in the child."""
    program = """
def act():
    said = LATE
    for seconds in (1, 4, 16):  # a busy machine may take longer than a second for the fork
        called.clear()
        with move_on_after(seconds) as inner:
            current_scope().on_cancel(lambda: called.append(1))
            said = child_of_a_fork(lambda: in_child(inner, seconds))
        if LATE not in said:
            break
    return said

def in_child(inner, seconds):
    left = current_scope().remaining()
    assert left > 0, LATE
    assert left <= seconds and not called
    try:
        sleep(PATIENCE)
    except BaseException as error:
        assert type(error) is threadfan.CallCancelled
    else:
        assert False
    assert inner.cancelled and not called

LATE = "over before the fork"
called = []
print([act()])
print([fan.submit(act).result()])
close()
"""
    assert run_forking(program) == "['']\n['']\n"


def test_a_limit_does_not_wait_for_what_the_parent_asked():
    """A probe that is under way after a refusal is the parent's; in the child another one opens the limit."""
    program = """
class Refused(Exception):
    status_code = 429

probing, answer = threading.Event(), threading.Event()
def ask(item):
    if item == 0:
        item = 1
        answers.append(item)
        if len(answers) == 1:
            raise Refused
        probing.set()
        answer.wait(PATIENCE)
    return item

answers = []
probe = limited.submit(ask, 0)
assert probing.wait(PATIENCE)
assert limit.in_flight == 1
def act():
    assert limit.in_flight == 0
    assert limited.run(ask, [1, 2]).unwrap() == [1, 2]
print([child_of_a_fork(act)])
answer.set()
print(probe.result(), limit.in_flight)
close()
"""
    assert run_forking(program) == "['']\n1 0\n"


def test_futures_of_views_and_of_queues_that_are_gone():
    """Whoever looks in the child learns that the call is the parent's, however it was handed in."""
    program = """
go = threading.Event()
done = [fan.with_options(max_concurrent=1).submit(double, 1) for _ in range(3)]
assert [future.result() for future in done] == [2, 2, 2]
ways = fan, view, limited, hedged, fan.with_options(max_concurrent=1)
waiting = [handed.submit(go.wait, PATIENCE) for handed in ways]
def act():
    for future in waiting:
        assert "was forked" in str(future.exception(PATIENCE)), future
    assert [future.result(PATIENCE) for future in as_completed(done, PATIENCE)] == [2, 2, 2]
print([child_of_a_fork(act)])
go.set()
print({future.result(PATIENCE) for future in waiting})
close()
"""
    assert run_forking(program) == "['']\n{True}\n"
