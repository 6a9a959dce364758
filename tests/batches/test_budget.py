"""A batch with a budget: when it is used up no call starts, those that run finish, and the report says so."""

import asyncio
import gc
import logging
import pickle
import weakref

import pytest

from support.controlled import PATIENCE, Gate, aside, until
from threadfan import Budget, Fan, Hedge, RateLimit, Usage, current_scope
from threadfan.clients.anthropic import attach
from threadfan.testing import MessagesServer

USED_UP = "the budget of 1,000 tokens was used up: 1,200 were spent"


class Answer:
    """A response with its usage, of a client that is not attached."""

    def __init__(self, tokens, model="m"):
        self.usage, self.model = {"input_tokens": tokens, "output_tokens": 0}, model


def returns(_):
    """The value tells."""
    return Answer(300)


def notes(_):
    """The call tells, as attached clients do, and its value has the same once more."""
    current_scope().add_usage(Usage(300))
    return Answer(300)


def fails(_):
    """What it has used is paid for."""
    current_scope().add_usage(Usage(300))
    raise ValueError


def _retried(made=[]):  # noqa: B006 -- of all items
    def call(item):
        current_scope().add_usage(Usage(150))
        made.append(item)
        if made.count(item) == 1:
            raise ConnectionError
        return item

    return call


async def returns_later(_):
    """The same in the loop."""
    await asyncio.sleep(0)
    return Answer(300)


WAYS = {
    "run": lambda fan, fn, budget, _: fan.run(fn, range(100), budget=budget),
    "fed": lambda fan, fn, budget, _: fan.run(fn, iter(range(100)), budget=budget),
    "star": lambda fan, fn, budget, _: fan.run(fn, [(number,) for number in range(100)], star=True, budget=budget),
    "arun": lambda fan, fn, budget, _: asyncio.run(fan.arun(fn, range(100), budget=budget)),
    "journal": lambda fan, fn, budget, path: fan.run(
        fn, range(100), budget=budget, journal=path / "run.db", codec=Pickled()
    ),
    "kept": lambda fan, fn, budget, _: fan.run(fn, range(100), budget=budget, deadline=60, late="keep"),
}


class Pickled:
    """Any value, as bytes."""

    encode, decode = staticmethod(pickle.dumps), staticmethod(pickle.loads)


@pytest.mark.parametrize("policies", [{}, {"retry": 1}, {"rate": RateLimit(60_000_000, burst=50)},
                                      {"hedge": Hedge(after=60)}])  # fmt: skip
@pytest.mark.parametrize("fn", [returns, notes, fails])
@pytest.mark.parametrize("way", WAYS)
def test_no_call_starts_when_it_is_used_up(way, fn, policies, tmp_path):
    """With one slot exactly four calls of 300 tokens are made of 1,000; whoever tells of them, they count once."""
    budget = Budget(1_000)
    with Fan(1, **policies) as fan:
        report = WAYS[way](fan, fn, budget, tmp_path)
    assert report.stopped == USED_UP
    assert f"stopped early: {USED_UP}" in repr(report)
    assert {status: number for status, number in report.stats.counts.items() if number} == {
        "failed" if fn is fails else "succeeded": 4, "cancelled": len(report) - 4
    }  # fmt: skip
    assert len(report) == 100 or way == "fed"  # which takes no more when it is over
    assert (report.usage.input_tokens, report[0].usage) == (1_200, Usage(300))


def test_coroutines_and_attempts_count():
    """What runs in the loop, and each time that a call is made."""
    with Fan(1) as fan:
        report = asyncio.run(fan.arun(returns_later, range(100), budget=Budget(1_000)))
        assert (report.stopped, report.stats.succeeded) == (USED_UP, 4)
    with Fan(1, retry={ConnectionError: 1}) as fan:
        report = fan.run(_retried(), range(100), budget=Budget(1_200))
        assert report.stopped == "the budget of 1,200 tokens was used up: 1,200 were spent"


def test_those_that_run_finish():
    """They are paid for anyway."""
    with Gate() as gate, Fan(3) as fan:

        def call(number):
            return returns(number) if number == 2 and gate.wait_for(2) is None else gate(number)

        running = aside(fan.run, call, range(100), budget=Budget(100))
        gate.wait_for(2)
        until(lambda: fan.snapshot()["queued"] == 0)
        gate.open()
        report = running.result(PATIENCE)
    assert [outcome.status for outcome in report][:4] == ["succeeded"] * 3 + ["cancelled"]
    assert report.stopped == "the budget of 100 tokens was used up: 300 were spent"


def test_batches_share_one():
    """It is used up by all of them together, at once or one after another, and stops all."""
    budget = Budget(1_000)
    with Gate() as gate, Fan(2) as fan:
        other = aside(fan.with_options(max_concurrent=1).run, gate, range(50), budget=budget)
        gate.wait_for(1)
        assert fan.run(returns, range(50), budget=budget).stopped == USED_UP
        until(lambda: fan.snapshot()["queued"] == 0)
        gate.open()
        assert other.result(PATIENCE).stopped == USED_UP
        report = fan.run(returns, range(50), budget=budget)
    assert (report.stopped, report.stats.counts["cancelled"]) == (USED_UP, 50)
    assert budget.spent_tokens == 1_200


def test_a_batch_that_has_enough():
    """Nothing has stopped it, even if its last call has used all up."""
    with Fan(1) as fan:
        assert fan.run(returns, range(3), budget=Budget(1_000)).stopped is None
        report = fan.run(returns, range(4), budget=Budget(1_000))
    assert (report.stopped, report.ok) == (None, True)


def test_other_conditions_beside_it():
    """Whichever comes first."""
    with Fan(1) as fan:
        report = fan.run(fails, range(100), budget=Budget(1_000), max_errors=2)
        assert report.stopped == "2 calls had failed (max_errors=2)"
        report = fan.run(fails, range(100), budget=Budget(300), halt="soon,fail=2")
        assert report.stopped == "the budget of 300 tokens was used up: 300 were spent"


def test_what_was_left_out_is_called_by_retry():
    """By the function that was given, without the budget."""
    with Fan(1) as fan:
        report = fan.run(returns, range(10), budget=Budget(600))
        assert report.stats.succeeded == 2
        assert report.retry(fan).ok
        assert report._fn is returns


def test_a_journal_goes_on_with_the_next_budget(tmp_path):
    """What is kept is not paid for again."""
    path, budget = tmp_path / "run.db", Budget(600)
    with Fan(1) as fan:
        first = fan.run(returns, range(10), journal=path, codec=Pickled(), budget=budget)
        assert first.stats.succeeded == 2
        second = fan.run(returns, range(10), journal=path, codec=Pickled(), budget=Budget(2_400))
    assert (second.stopped, second.ok) == (None, True)


@pytest.mark.parametrize("stream", [False, True])
def test_attached_clients_tell_tokens_and_models(stream):
    """What a call returns need not: prices go by the model that the answer names."""

    def ask(number):
        options = {
            "model": "claude-haiku-4-5",
            "max_tokens": 20,
            "messages": [{"role": "user", "content": f"{number}?"}],
        }
        if not stream:
            return client.messages.create(**options).content[0].text
        with client.messages.stream(**options) as answer:
            return answer.get_final_text()

    with MessagesServer() as server, attach(server.client()) as client, Fan(1) as fan:
        budget = Budget(usd=0.001, prices={"claude-haiku": (10, 50)})
        report = fan.run(ask, range(100), budget=budget)
        unpriced = fan.run(ask, range(100), budget=Budget(usd=1, prices={"gpt": (1, 1)}))
    used = report.usage
    assert budget.spent_usd == pytest.approx((10 * used.input_tokens + 50 * used.output_tokens) / 1_000_000)
    assert report.stopped.startswith("the budget of 0.001 USD was used up: ")
    assert 0 < report.stats.succeeded < 100
    assert unpriced.stats.succeeded == 1
    assert unpriced.stopped == (
        "no price of the model 'claude-haiku-4-5' is known; right is prices={'claude-haiku-4-5': (…, …)}"
    )


def test_calls_that_tell_nothing(caplog):
    """A warning says that it holds nothing back, once; none if any call has told."""
    with Fan(1) as fan, caplog.at_level(logging.WARNING, logger="threadfan"):
        assert fan.run(abs, range(9), budget=Budget(1)).ok
        (said,) = (one.getMessage() for one in caplog.records)
        assert said.startswith(
            "nothing tells how many tokens these calls use, so <Budget: 0 of 1 tokens> holds nothing"
        )
        caplog.clear()
        fan.run(lambda number: number or Answer(1), range(9), budget=Budget(100))
        assert not caplog.records


def test_it_keeps_nothing_of_batches():
    """A budget may live longer than they do."""

    class Item:
        """An input."""

    budget, item = Budget(1_000), Item()
    gone = weakref.ref(item)
    gc.disable()
    try:
        with Fan(1) as fan:
            report = fan.run(returns, [item], budget=budget)
        del report, item
        assert gone() is None
    finally:
        gc.enable()
