"""The caller's context variables are seen in every call, and a call's changes stay its own."""

import threading
from contextvars import ContextVar

import pytest

from threadfan import Fan

variable = ContextVar("variable", default="nobody's")


def look_and_change(*_):
    """What the call sees; then change it."""
    seen = variable.get()
    variable.set(f"changed in {threading.current_thread().name}")
    return seen


WAYS = {
    "submit": lambda fan: [fan.submit(look_and_change).result() for _ in range(5)],
    "map": lambda fan: list(fan.map(look_and_change, range(5))),
    "buffered map": lambda fan: list(fan.map(look_and_change, range(5), buffersize=2)),
    "run": lambda fan: fan.run(look_and_change, range(5)).unwrap(),
    "run of a generator": lambda fan: fan.run(look_and_change, iter(range(5))).unwrap(),
    "stream": lambda fan: [outcome.value for outcome in fan.stream(look_and_change, range(5))],
    "gather": lambda fan: fan.gather(*[look_and_change] * 5).unwrap(),
}


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("way", WAYS)
def test_calls_see_the_callers_context_and_not_each_others(way, workers):
    """Each call starts from the caller's variables; neither the next call nor the caller sees its changes."""
    token = variable.set("caller's")
    try:
        with Fan(workers) as fan:
            assert WAYS[way](fan) == ["caller's"] * 5
        assert variable.get() == "caller's"
    finally:
        variable.reset(token)


@pytest.mark.parametrize("way", WAYS)
def test_two_callers_do_not_see_each_other(way):
    """Threads that share a fan get each their own variables."""
    seen = {}
    barrier = threading.Barrier(2)

    def caller(name):
        variable.set(name)
        barrier.wait(20)
        seen[name] = WAYS[way](fan)

    with Fan(2) as fan:
        callers = [threading.Thread(target=caller, args=(name,)) for name in "ab"]
        for thread in callers:
            thread.start()
        for thread in callers:
            thread.join()
    assert seen == {"a": ["a"] * 5, "b": ["b"] * 5}
