"""Where no thread can be started once the main thread has come to its end, calls that were handed in are made still."""

import pytest

from support.controlled import run_program

# As CPython 3.12 does it, on every version.  Registered after the library's own exit handler, so it is called before.
HEAD = """
import threading, time
from threadfan import Fan, RateLimit, sleep
def refuse(*_, **__):
    raise RuntimeError("can't create new thread at interpreter shutdown")
def end():
    threading._start_new_thread = threading._start_joinable_thread = refuse
    ending.set()
ending = threading.Event()
threading._register_atexit(end)
def say(item):
    assert ending.wait(20)
    print(f"made {item}\\n", end="", flush=True)  # in one piece, for two threads may print at once
    return item
"""

PROGRAMS = {
    "a rate limit": """
fan = Fan(2, rate=RateLimit(requests_per_minute=6000, burst=1))
for item in range(4):
    fan.submit(say, item)
""",
    "a timeout of the only thread": """
fan = Fan(1, timeout=0.2)
fan.submit(time.sleep, 60)
for item in range(4):
    fan.with_options(timeout=None).submit(say, item)
""",
    "retries": """
seen = []
def flaky(item):
    assert ending.wait(20)
    seen.append(item)
    if seen.count(item) == 1:
        raise TimeoutError
    return say(item)
fan = Fan(2, retry=2)
for item in range(4):
    fan.submit(flaky, item)
""",
    "calls that wait for calls": """
fan = Fan(1)
inner = []
def outer():
    assert ending.wait(20)
    for future in inner:
        future.result()
fan.submit(outer)
inner += [fan.submit(say, item) for item in range(4)]
""",
}


@pytest.mark.parametrize("way", PROGRAMS)
def test_nothing_that_was_handed_in_is_dropped(way):
    """The main thread does what other threads would have been started for."""
    out, err = run_program(HEAD + PROGRAMS[way])
    assert sorted(out.splitlines()) == [f"made {item}" for item in range(4)], err
    assert "no thread" not in err
