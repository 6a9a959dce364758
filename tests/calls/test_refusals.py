"""Refusals and what looks like them: answers that are returned, that can never pass, that ask for a long wait."""

import logging
import random
import threading
from types import SimpleNamespace

import pytest
import tenacity

from support.controlled import PATIENCE, aside, until
from support.scripted import Overload, Script, backing_off, opened
from threadfan import Adaptive, Fan, Hedge, LimitExhausted, RateLimit, Usage
from threadfan._core.policies.returned import ErrorAnswer


class Response:
    """An answer as requests and httpx return it."""

    def __init__(self, status, **headers):
        self.status_code = status
        self.headers = {name.replace("_", "-"): text for name, text in headers.items()}
        self.closed = False

    def raise_for_status(self):
        """What its shape is known by."""
        raise AssertionError("asked of a response that is the user's")

    def close(self):
        """Free its connection."""
        self.closed = True


def broke(status=429, word="insufficient_quota"):
    """A refusal for want of money."""
    error = Overload(status=status)
    error.body = {"error": {"type": word}}
    return error


def run_out(clock, *waits):
    """Let time pass until all of them are done."""
    while not all(wait.done() for wait in waits):
        until(lambda: all(wait.done() for wait in waits) or clock._asleep(clock.monotonic() + 4000))
        clock.advance(4000)


class TestReturnedAnswers:
    """`fan.run(session.get, urls)`."""

    @pytest.mark.parametrize(
        "options", [{"retry": 3}, {"rate": RateLimit()}, {"retry": {429: 3}}, {"retry": {"transient": 3}}], ids=str
    )
    def test_a_refusal_is_made_again(self, clock, options):
        """Under a policy or a limit; the attempts say what they had, and what was refused frees its connection."""
        refused, good = Response(429, retry_after="7"), Response(200)
        call = Script(refused, good)
        with opened(1, **options) as fan:
            report = aside(fan.run, call, [0])
            run_out(clock, report)
            outcome = report.result(PATIENCE)[0]
        assert (outcome.status, outcome.value, outcome.attempts) == ("succeeded", good, 2)
        assert call.moments()[1] - call.moments()[0] >= 7
        first, last = outcome.history
        assert (first.status, type(first.error), first.error.status_code) == ("failed", ErrorAnswer, 429)
        assert (last.status, last.error) == ("succeeded", None)
        assert (refused.closed, good.closed, first.error.response) == (True, False, None)

    @pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 529])
    def test_the_last_one_is_the_value(self, clock, monkeypatch, status):
        """When the retries are used up, as if there were none."""
        monkeypatch.setattr(random, "random", lambda: 0.0)
        answers = [Response(status) for _ in range(3)]
        call = Script(*answers)
        with opened(1, retry=2) as fan:
            outcome = aside(fan.run, call, [0]).result(PATIENCE)[0]
            figures = fan.snapshot()
        assert (outcome.status, outcome.value, outcome.attempts) == ("succeeded", answers[2], 3)
        assert [attempt.status for attempt in outcome.history] == ["failed", "failed", "succeeded"]
        assert [answer.closed for answer in answers] == [True, True, False]
        assert (figures["done"], figures["failed"]) == (1, 0)

    @pytest.mark.parametrize("status", [200, 304, 400, 401, 404, 422])
    def test_what_would_be_the_same_again_is_the_value(self, status):
        """Other statuses are the caller's affair."""
        call = Script(Response(status))
        with opened(1, retry=2, rate=RateLimit()) as fan:
            assert fan.submit(call).result(PATIENCE).status_code == status
        assert call.attempts() == 1

    @pytest.mark.parametrize("options", [{}, {"hedge": Hedge(after=60)}, {"timeout": 60}], ids=str)
    def test_without_either_nothing_is_looked_at(self, options):
        """A fan that tries nothing again hands out what it got."""
        call = Script(Response(429))
        with opened(1, **options) as fan:
            assert fan.submit(call).result(PATIENCE).status_code == 429
        assert call.attempts() == 1

    def test_under_a_limit_without_retries_only_refusals_are_made_again(self, clock):
        """A 500 says nothing about the limit."""
        del clock
        call = Script(Response(500))
        with opened(1, rate=RateLimit()) as fan:
            assert fan.submit(call).result(PATIENCE).status_code == 500

    def test_a_hopeless_limit_returns_the_last_answer(self, clock):
        """As the value of the call that was made."""
        call = Script(Response(429, retry_after="5"))
        with opened(1, rate=RateLimit()) as fan:
            future = fan.submit(call)
            run_out(clock, future)
            assert future.result(PATIENCE).status_code == 429
        assert call.attempts() == 11

    def test_an_adaptive_fan(self, clock):
        """It learns from returned refusals as from raised ones."""
        call = Script(Response(429), Response(200))
        with opened(Adaptive(4), retry=None) as fan:
            future = fan.submit(call)
            run_out(clock, future)
            assert future.result(PATIENCE).status_code == 200

    def test_a_policy_of_tenacitys_sees_what_was_returned(self, clock):
        """Its results are the user's answers, not errors in their place."""
        seen = []
        policy = tenacity.Retrying(
            retry=tenacity.retry_if_result(lambda answer: answer.status_code == 429),
            stop=tenacity.stop_after_attempt(4),
            after=lambda state: seen.append(state.outcome.result().status_code),
            retry_error_callback=lambda state: state.outcome.result(),
        )
        for last, expected in [(200, [429, 429]), (503, [429, 429]), (429, [429, 429, 429, 429])]:
            seen.clear()
            call = Script(Response(429), Response(429), Response(last))
            with opened(1, retry=policy) as fan:
                future = fan.submit(call)
                run_out(clock, future)
                assert future.result(PATIENCE).status_code == last
            assert seen == expected

    def test_values_that_are_no_answers(self):
        """A class of one's own with a status, an answer whose parts fail, a stand-in of a test."""

        class Sly(Response):
            status_code = property(lambda self: 1 / 0, lambda self, _: None)

        for value in (SimpleNamespace(status_code=429, headers={}), Sly(429), Response("429"), {"status": 429}):
            with opened(1, retry=2) as fan:
                assert fan.submit(Script(value)).result(PATIENCE) is value


class TestWhatCanNeverPass:
    """No money, no account."""

    @pytest.mark.parametrize("options", [{"rate": RateLimit(60_000)}, {"rate": RateLimit(60_000), "retry": 3}], ids=str)
    def test_under_a_limit_it_fails_at_once(self, clock, options):
        """Without a pause; those that wait with it are not made, and say why."""
        call = Script(broke())
        with opened(2, **options) as fan:
            report = aside(fan.run, call, range(20))
            run_out(clock, report)
            outcomes = report.result(PATIENCE)
        assert clock.monotonic() < 8001  # it was not even looked at twice
        assert len(call.starts) <= 2 + 2
        assert {type(one.error) for one in outcomes} == {Overload, LimitExhausted}
        unmade = next(one.error for one in outcomes if isinstance(one.error, LimitExhausted))
        assert str(unmade).startswith("this call was not made: the provider refuses all calls of <RateLimit")
        assert str(unmade).endswith(": insufficient_quota")
        assert isinstance(unmade.__cause__, Overload)
        assert options["rate"].overloads == 0

    @pytest.mark.parametrize("retry", [3, {429: 3}, {"transient": 3}], ids=str)
    def test_under_a_policy_it_is_not_tried_again(self, retry):
        """Each call is made once."""
        call = Script(broke())
        with opened(2, retry=retry) as fan:
            report = fan.run(call, range(20))
        assert len(call.starts) == 20
        assert {one.attempts for one in report} == {1}

    def test_what_is_wrong_with_one_call_alone(self, clock):
        """It does not stop the others."""
        error = Overload(status=409)
        error.body = {"error": {"status": "ALREADY_EXISTS"}}

        def work(item):
            if item == 0:
                raise error
            return item

        with opened(1, rate=RateLimit(60_000), retry=3) as fan:
            report = aside(fan.run, work, range(5))
            run_out(clock, report)
            assert [one.status for one in report.result(PATIENCE)] == ["failed"] + ["succeeded"] * 4


class TestLongWaits:
    """A `Retry-After` of a day."""

    @pytest.mark.parametrize(
        "options", [{"retry": 2}, {"rate": RateLimit()}, {"rate": RateLimit(), "retry": 1}], ids=str
    )
    def test_it_is_said_when_it_comes(self, clock, caplog, options):
        """Before anybody has waited; and again when it was asked again."""
        call = Script(Overload(86400), Overload(86400), "done")
        with opened(2, **options) as fan, caplog.at_level(logging.WARNING, "threadfan"):
            report = aside(fan.run, call, [0])
            until(lambda: caplog.records)
            assert clock.monotonic() == 0
            run_out(clock, report)
            outcomes = report.result(PATIENCE)
        assert [record.getMessage() for record in caplog.records] == [
            "an answer to Script asks to wait for 86400 s; it is asked again after 3600 s"
        ] * 2
        assert outcomes.ok
        assert "asked to wait for 86400 s" in outcomes.stats.advice

    def test_several_answers_say_it_once(self, clock, caplog):
        """Those that come together ask for the same."""
        call = Script(Overload(86400), "done")
        with opened(4, retry=1) as fan, caplog.at_level(logging.WARNING, "threadfan"):
            report = aside(fan.run, call, range(4))
            backing_off(fan, clock, count=4, due=4000)
            run_out(clock, report)
        assert len(caplog.records) == 1

    def test_a_short_one_is_not(self, clock, caplog):
        """What limits per minute ask for is usual."""
        call = Script(Overload(30), "done")
        with opened(1, retry=1) as fan, caplog.at_level(logging.WARNING, "threadfan"):
            report = aside(fan.run, call, [0])
            backing_off(fan, clock, due=40)
            run_out(clock, report)
        assert not caplog.records


class TestTokensThatNothingTells:
    """A limit of tokens before calls that return text."""

    def test_one_warning_and_no_guess(self, caplog):
        """The limit is 60,000 a minute and would have taken a second for each call."""
        done = threading.Event()
        limit = RateLimit(input_tokens_per_minute=60_000)
        with Fan(4, rate=limit) as fan, caplog.at_level(logging.WARNING, "threadfan"):
            fan.submit(str, 0).result(PATIENCE)
            report = aside(fan.run, str, range(500))
            report.add_done_callback(lambda _: done.set())
            assert done.wait(PATIENCE)
        (record,) = caplog.records
        assert "nothing tells how many tokens the calls under <RateLimit" in record.getMessage()

    def test_what_a_response_tells(self, clock):
        """In whatever form: it corrects the guess."""
        del clock
        limit = RateLimit(input_tokens_per_minute=60_000)
        told = {"usage": {"prompt_tokens": 500, "completion_tokens": 5, "total_tokens": 505}}
        with opened(1, rate=limit) as fan:
            outcome = fan.run(Script(told), [0])[0]
        assert outcome.usage == Usage(500, 5)
        assert limit.cost().input == 500
