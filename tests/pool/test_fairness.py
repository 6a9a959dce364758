"""Who goes first when calls of many origins share the slots; proved by order, not by time."""

import threading
from itertools import pairwise
from time import perf_counter

from support.controlled import PATIENCE, Gate, aside, within_patience
from threadfan import Fan


def test_single_call_overtakes_a_long_batch():
    """A call that is submitted while a batch of a hundred thousand fills the slots is done long before the batch."""
    with Gate() as gate, Fan(2) as fan:
        done, done_before = [], []

        def item(number):
            if number < 2:
                gate(number)
            done.append(number)

        batch = aside(fan.run, item, range(100_000))
        gate.wait_for(2)
        single = fan.submit(lambda: done_before.append(len(done)))
        gate.open()
        single.result(PATIENCE)
        batch.result(PATIENCE)
    assert done_before[0] < 90_000  # within the quantum, which is far shorter than the batch


def test_batch_overtakes_a_long_queue_of_single_calls():
    """The other way round: a small batch does not wait for thousands of submitted calls."""
    with Gate() as gate, Fan(1) as fan:
        order = []
        fan.submit(gate)
        gate.wait_for(1)
        futures = [fan.submit(order.append, "single") for _ in range(5_000)]
        batch = aside(fan.run, order.append, ["batch"])
        while fan.snapshot()["queued"] < 5_001:
            threading.Event().wait(0)
        gate.open()
        batch.result(PATIENCE)
        assert [future.result(PATIENCE) for future in futures] == [None] * 5_000
    assert order.index("batch") < 4_500


def test_two_batches_advance_together():
    """On one slot, both of two batches have begun before either has ended."""

    def body():
        with Gate() as gate, Fan(1) as fan:
            order = []

            def item(which):
                order.append(which)
                waste(0.00005)

            fan.submit(gate)
            gate.wait_for(1)
            first, second = aside(fan.run, item, ["a"] * 1000), aside(fan.run, item, ["b"] * 1000)
            while fan.snapshot()["queued"] < 2000:
                threading.Event().wait(0)
            gate.open()
            first.result(PATIENCE)
            second.result(PATIENCE)
            return order

    order = within_patience(body)
    turns = sum(one != other for one, other in pairwise(order))
    assert turns > 10
    assert {"a", "b"} == set(order[: len(order) // 2])


def waste(seconds):
    """Keep a thread busy, as a real call would."""
    end = perf_counter() + seconds
    while perf_counter() < end:
        pass


def test_deeper_calls_go_first():
    """What a running call waits for starts before calls of the outside that were queued earlier."""
    with Gate() as gate, Fan(1) as fan:
        order = []

        def outer():
            gate()
            fan.run(order.append, ["inner"] * 3)
            order.append("outer")

        first = fan.submit(outer)
        gate.wait_for(1)
        others = [fan.submit(order.append, "queued earlier") for _ in range(5)]
        gate.open()
        first.result(PATIENCE)
        for other in others:
            other.result(PATIENCE)
    assert order == ["inner"] * 3 + ["outer"] + ["queued earlier"] * 5


def test_lender_is_first_to_take_a_slot_back():
    """A call whose own calls are done goes on before calls of the outside start."""
    with Gate() as gate, Fan(1) as fan:
        order = []

        def outer(number):
            if number == 0:
                gate()
            fan.submit(order.append, f"inner {number}").result()
            order.append(f"outer {number}")

        report = aside(fan.run, outer, range(5))
        gate.wait_for(1)
        gate.open()
        report.result(PATIENCE).unwrap()
    assert order == [line for number in range(5) for line in (f"inner {number}", f"outer {number}")]


def test_limit_leaves_the_other_slots_alone():
    """A view with a `max_concurrent` holds no more slots than that, and the rest serve others."""
    with Gate() as limited, Gate() as free, Fan(4) as fan:
        batch = aside(fan.with_options(max_concurrent=2).run, limited, range(10))
        limited.wait_for(2)
        others = aside(fan.run, free, range(2))
        free.wait_for(2)
        assert limited.running.total() == 2
        free.open()
        others.result(PATIENCE)
        limited.open()
        batch.result(PATIENCE).unwrap()
    assert limited.most == 2
