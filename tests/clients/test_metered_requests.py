"""Requests that calls under a rate limit make through attached clients: each has a permit, none is tried twice over."""

import contextlib
import contextvars
import importlib.util
import threading
from concurrent.futures import wait
from importlib import import_module
from queue import SimpleQueue

import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from support.controlled import PATIENCE, aside, until
from support.scope_ends import LIBRARIES
from support.scripted import at_once
from threadfan import Adaptive, Fan, Hedge, RateLimit, TaskCancelled, TaskTimeout, fail_after
from threadfan._core.scope import alarms
from threadfan.clients import anthropic as anthropic_seam
from threadfan.clients import httpx as httpx_seam
from threadfan.clients.requests import Session, attach
from threadfan.testing import Limits, Probe

needs_sdk = pytest.mark.skipif(not importlib.util.find_spec("anthropic"), reason="anthropic is not installed")
needs_httpx = pytest.mark.skipif(not LIBRARIES, reason="neither httpx nor httpx2 is installed")

INTERVAL = 1.025  # seconds between two requests of 60 a minute, with the margin


class Client:
    """One client that makes a request at a time, whatever it is; ``path`` is of a `FaultyServer`."""

    def __init__(self, kind, stack):
        self._kind = kind
        if kind == "requests":
            self._client = stack.enter_context(Session())
        elif kind in LIBRARIES:
            self._client = stack.enter_context(httpx_seam.attach(import_module(kind).Client(trust_env=False)))

    def get(self, url):
        """One request; raises for a status from 400 on."""
        response = self._client.get(url)
        response.raise_for_status()
        return response.status_code


KINDS = ["requests", *LIBRARIES]


@pytest.fixture(params=KINDS)
def client(request):
    """Each of the plain HTTP clients."""
    with contextlib.ExitStack() as stack:
        yield Client(request.param, stack)


@pytest.fixture
def plain():
    """One of them, where it does not matter which."""
    with contextlib.ExitStack() as stack:
        yield Client("requests", stack)


@contextlib.contextmanager
def sdk(server, **options):
    """An attached client of the SDK."""
    with server.client(**options) as client, anthropic_seam.attach(client) as attached:
        yield attached


def ask(client, prompt="hello there"):
    """One message."""
    return client.messages.create(model="test-model", max_tokens=50, messages=[{"role": "user", "content": prompt}])


def streamed(client):
    """One message, by the SDK's stream helper."""
    messages = [{"role": "user", "content": "hello there"}]
    with client.messages.stream(model="test-model", max_tokens=50, messages=messages) as stream:
        return stream.get_final_message()


def asleep(clock, due):
    """Wait until a call sleeps on the clock until then or earlier."""
    clock.wait_for_sleepers(until=due)


# -- each request draws a permit ---------------------------------------------------------------------------------------


def in_its_time(clock, made, permits):
    """What comes of it, while time passes: as many permits of 60 a minute as there are requests."""
    while not made.done():
        clock.advance(0.25)
        wait([made], 0.005)
    assert clock.monotonic() >= (permits - 1) * INTERVAL
    return made.result()


@needs_sdk
def test_three_requests_of_a_call_are_three_permits(clock, messages_server, client):
    """However many calls make them."""
    limit = RateLimit(60)

    def call(_):
        return [client.get(f"{messages_server.url}/limited?seconds=0") for _ in range(3)]

    with Fan(4, rate=limit) as fan:
        made = aside(fan.run, call, range(2))
        assert in_its_time(clock, made, 6).unwrap() == [[200] * 3] * 2
    assert (messages_server.stats().requests, limit.overloads, limit.in_flight) == (6, 0, 0)


@needs_sdk
@pytest.mark.parametrize("way", [ask, streamed])
def test_the_sdk_draws_them_too_and_its_tokens_settle(clock, messages_server, way):
    """Plain or streamed; what all requests of the call have used is what the limit has learned of it."""
    limit = RateLimit(60)
    with sdk(messages_server) as client, Fan(4, rate=limit) as fan:
        made = aside(fan.run, lambda _: [way(client).usage for _ in range(3)], range(2))
        outcomes = list(in_its_time(clock, made, 6))
    assert (messages_server.stats().requests, limit.overloads, limit.in_flight) == (6, 0, 0)
    for outcome in outcomes:
        used = outcome.unwrap()
        assert outcome.usage.input_tokens == sum(usage.input_tokens for usage in used)
        assert outcome.usage.requests == 3
    assert limit._costs.mean.input == outcomes[0].usage.input_tokens


@needs_sdk
@pytest.mark.parametrize("kind", ["input", "output"])
def test_a_limit_of_one_kind_of_tokens_is_none_of_both(messages_server, kind):
    """The headers say nothing of both together where one alone is limited, so nothing else holds calls up."""
    figures = {f"{kind}_tokens_per_minute": 90_000}
    messages_server.configure(limits=Limits(**figures))
    limit = RateLimit(**figures)
    with sdk(messages_server) as client, Fan(2, rate=limit) as fan:
        assert fan.run(lambda _: ask(client), range(2)).ok
    assert [unit for unit in limit.buckets.rates() if unit.endswith("tokens")] == [f"{kind}_tokens"]


def test_a_call_without_a_request_is_one_permit(clock):
    """Nothing tells a limit of it but its start and its end."""
    limit = RateLimit(60)
    with Fan(2, rate=limit) as fan:
        first, second = fan.submit(abs, -1), fan.submit(abs, -2)
        assert first.result(PATIENCE) == 1
        until(lambda: fan.snapshot()["waiting"] == 1)
        asleep(clock, INTERVAL)
        clock.advance(INTERVAL)
        assert second.result(PATIENCE) == 2
    assert limit.in_flight == 0


def test_redirects_are_requests(clock, server, plain):
    """Each step of them waits for its permit."""
    limit = RateLimit(60)
    with Fan(1, rate=limit) as fan:
        future = fan.submit(plain.get, server.url("/redirect/2"))
        for step in (1, 2):
            server.wait_for_requests(step)
            waits_inside(clock, limit, step * INTERVAL)
            clock.advance(INTERVAL)
        assert future.result(PATIENCE) == 200
    assert (server.requests, limit.in_flight) == (3, 0)


# -- the wait inside ---------------------------------------------------------------------------------------------------


def twice(client, server):
    """A call that makes two requests."""

    def call(_=None):
        return [client.get(server.url()) for _ in range(2)]

    return call


def waits_inside(clock, limit, due=INTERVAL):
    """Wait until a call waits for the permit of a further request, and would be woken then."""

    def waits():
        sleepers = list(clock._sleepers)
        gates = [waiter.gate for waiter in list(limit.waitlist._waiting) if hasattr(waiter, "gate")]
        keeper = alarms._keepers.get(clock)
        alarm = limit.waitlist._due <= due + 0.001 and any(
            keeper is not None and sleeper.gate is keeper.helper._gate and sleeper.deadline <= due + 0.001
            for sleeper in sleepers
        )
        return alarm and any(sleeper.gate in gates for sleeper in sleepers)

    until(waits)


def test_the_wait_does_not_count_against_the_timeout(clock, server, client):
    """A call of half a second that waits a second for its second permit succeeds; the outcome says what it waited."""
    limit = RateLimit(60)
    with Fan(1, timeout=0.5, rate=limit) as fan:
        report = SimpleQueue()
        thread = threading.Thread(target=lambda: report.put(fan.run(twice(client, server), [None])))
        thread.start()
        waits_inside(clock, limit)
        clock.advance(INTERVAL)
        (outcome,) = report.get(timeout=PATIENCE)
        thread.join()
    assert outcome.unwrap() == [200, 200]
    assert outcome.waited_limit == pytest.approx(INTERVAL)


@pytest.mark.parametrize(
    "made",
    [lambda fan, call: fan.submit(call, None).exception(PATIENCE), lambda fan, call: fan.run(call, [None])[0].error],
    ids=["submit", "run"],
)
def test_the_timeout_counts_on_after_the_wait(clock, server, plain, made):
    """What is left of it when the wait begins is left when it ends, and no more; the error tells what was given."""
    held = threading.Event()

    def call(_):
        twice(plain, server)()
        held.set()
        plain.get(server.url("/hang"))

    limit = RateLimit(60, burst=1)
    with Fan(1, timeout=0.5, rate=limit) as fan:
        error = aside(made, fan, call)
        waits_inside(clock, limit)
        clock.advance(INTERVAL)
        assert held.wait(PATIENCE)
        waits_inside(clock, limit, 2 * INTERVAL)
        clock.advance(INTERVAL)
        server.wait_for_requests(3)
        asleep(clock, 2 * INTERVAL + 0.5)
        clock.advance(0.5)
        assert isinstance(error.result(PATIENCE), TaskTimeout)
        assert str(error.result()).endswith("call did not return within 0.5 s")
        until(lambda: not Probe(fan).stuck)
    assert limit.in_flight == 0


def cancelled(fan, future):
    """``Future.cancel``."""
    assert not future.cancel()


def interrupted(fan, future):
    """Ctrl-C."""
    Probe(fan).interrupt()


@pytest.mark.parametrize("end", [cancelled, interrupted])
def test_what_ends_the_wait(clock, server, client, end):
    """The call is over at once, and its permit goes to others."""
    limit = RateLimit(60)
    with Fan(1, timeout=0.5, rate=limit) as fan:
        future = fan.submit(twice(client, server))
        waits_inside(clock, limit)
        end(fan, future)
        assert isinstance(future.exception(PATIENCE), TaskCancelled)
        until(lambda: not Probe(fan).stuck)
        until(lambda: limit.in_flight == 0)
        until(lambda: not limit.waitlist._waiting)
    assert server.requests == 1


def test_the_deadline_of_the_batch_ends_the_wait(clock, server, client):
    """It is for everything, waiting included."""
    limit, report = RateLimit(20), SimpleQueue()
    with Fan(1, timeout=0.5, rate=limit) as fan:
        call = twice(client, server)
        thread = threading.Thread(target=lambda: report.put(fan.run(call, [None], deadline=1)))
        thread.start()
        waits_inside(clock, limit, 3.1)
        asleep(clock, 1)
        clock.advance(1)
        (outcome,) = report.get(timeout=PATIENCE)
        thread.join()
        assert outcome.status == "cancelled"
        until(lambda: limit.in_flight == 0)
        until(lambda: not limit.waitlist._waiting)
    assert server.requests == 1


def test_a_block_around_the_requests(clock, server, client):
    """One that has more time than the call is put off with it; its own time counts the wait."""

    def call(seconds):
        with fail_after(seconds), fail_after(50):
            return twice(client, server)()

    limit = RateLimit(60)
    with Fan(1, timeout=0.5, rate=limit) as fan:
        future = fan.submit(call, 10)
        waits_inside(clock, limit)
        clock.advance(INTERVAL)
        assert future.result(PATIENCE) == [200, 200]
    limit, start = RateLimit(60), clock.monotonic()
    with Fan(1, timeout=0.5, rate=limit) as fan:
        future = fan.submit(call, 0.75)
        waits_inside(clock, limit, start + INTERVAL)
        asleep(clock, start + 0.75)
        clock.advance(0.75)
        error = future.exception(PATIENCE)
        assert isinstance(error, TaskTimeout)
        assert "fail_after(0.75)" in str(error)
    assert server.requests == 3


def test_threads_of_the_tool_are_not_metered(clock, server, plain):
    """A copied context does not carry the call's scope into another thread; that of a block it does, with its limit."""

    def aside():
        done = SimpleQueue()
        context = contextvars.copy_context()
        thread = threading.Thread(target=lambda: done.put(context.run(twice(plain, server))))
        thread.start()
        result = done.get(timeout=PATIENCE)
        thread.join()
        return result

    def in_block():
        with fail_after(20):
            return aside()

    limit = RateLimit(60)
    with Fan(1, rate=limit) as fan:
        assert fan.submit(aside).result(PATIENCE) == [200, 200]
        future = fan.submit(in_block)
        until(lambda: fan.snapshot()["waiting"] == 1)
        asleep(clock, INTERVAL)
        clock.advance(INTERVAL)
        waits_inside(clock, limit, 2 * INTERVAL)
        clock.advance(INTERVAL)
        assert future.result(PATIENCE) == [200, 200]
    assert limit.in_flight == 0


# -- who tries again ---------------------------------------------------------------------------------------------------


@needs_sdk
def test_retries_do_not_multiply(messages_server):
    """Five attempts by the fan are five requests, whatever the SDK would do by itself."""
    with sdk(messages_server, max_retries=4) as client, Fan(2, retry=at_once(5)) as fan:
        (outcome,) = fan.run(lambda _: ask(client, "[fault:500]"), [None])
    assert (outcome.attempts, messages_server.stats().requests) == (5, 5)
    assert type(outcome.error).__name__ == "InternalServerError"


@needs_sdk
@pytest.mark.parametrize("how", ["rate", "adaptive"])
def test_refusals_are_the_fans_affair(messages_server, how):
    """Without ``retry=`` too: the fan makes each further attempt, and the SDK none."""
    messages_server.configure(retry_after=0.0)
    fan_options = {"rate": RateLimit()} if how == "rate" else {"max_workers": Adaptive()}
    with sdk(messages_server, max_retries=4) as client, Fan(**fan_options) as fan:
        (outcome,) = fan.run(lambda _: ask(client, "[fault:429 x2] anything"), [None])
    assert outcome.ok
    assert (outcome.attempts, messages_server.stats().requests) == (3, 3)


@pytest.mark.parametrize(
    "options", [{}, {"hedge": Hedge(after=60.0)}, {"timeout": 60}], ids=["plain", "hedge", "timeout"]
)
@needs_sdk
def test_without_rules_for_that_the_sdk_tries_again_itself(messages_server, options):
    """Its own retries work as ever; a hedge alone tries nothing again."""
    messages_server.configure(retry_after=0.01)
    with sdk(messages_server, max_retries=2) as client, Fan(2, **options) as fan:
        (outcome,) = fan.run(lambda _: ask(client, "[fault:429 x2] anything"), [None])
    assert outcome.ok
    assert (outcome.attempts, messages_server.stats().requests) == (1, 3)


@needs_sdk
def test_other_errors_under_a_rate_alone_are_the_sdks(messages_server):
    """A 500 is no matter of the limit, and nobody else would try again; each request has its permit."""
    limit = RateLimit(6000)
    with sdk(messages_server, max_retries=1) as client, Fan(2, rate=limit) as fan:
        (outcome,) = fan.run(lambda _: ask(client, "[fault:500 x1] anything"), [None])
    assert outcome.ok
    assert (outcome.attempts, messages_server.stats().requests, limit.in_flight) == (1, 2, 0)


def test_a_refusal_inside_a_call_reaches_the_limitat_once(clock, server, client):
    """Others pause while the call that was refused, and minds it not, goes on."""
    told, go_on = threading.Event(), threading.Event()

    def call():
        with contextlib.suppress(Exception):
            client.get(server.url("/status/429?retry-after=60"))
        told.set()
        assert go_on.wait(PATIENCE)
        return "went on"

    limit = RateLimit(6000)
    with Fan(2, rate=limit) as fan:
        future = fan.submit(call)
        assert told.wait(PATIENCE)
        assert (limit.overloads, limit.in_flight) == (1, 0)
        other = fan.submit(abs, -1)
        until(lambda: fan.snapshot()["waiting"] == 1)
        go_on.set()
        assert future.result(PATIENCE) == "went on"
        asleep(clock, 61)
        clock.advance(61)
        assert other.result(PATIENCE) == 1
    assert limit.in_flight == 0


@needs_sdk
def test_the_request_after_a_refused_one_takes_its_place(clock, messages_server):
    """The tokens of a call whose first request was refused are settled with its second one's permit."""
    limit = RateLimit(6000, input_tokens_per_minute=60_000)
    messages_server.configure(retry_after=1.0)
    with sdk(messages_server) as client, Fan(1, rate=limit) as fan:

        def call():
            with contextlib.suppress(Exception):
                ask(client, "[fault:429 x1] anything")
            return ask(client, "[fault:429 x1] anything").usage

        future = fan.submit(call)
        messages_server.wait_for(requests=1)
        asleep(clock, 3)
        clock.advance(3)
        usage = future.result(PATIENCE)
    assert limit.in_flight == 0
    assert limit._costs.mean.input == usage.input_tokens


def test_the_retries_of_urllib3_have_permits(clock, server):
    """Its own retries are a session's own affair, and each of their requests waits for its turn."""
    with requests.Session() as session:
        retries = Retry(total=2, status_forcelist=[503], raise_on_status=False)
        session.mount("http://", HTTPAdapter(max_retries=retries))
        attach(session)
        limit = RateLimit(60)
        with Fan(1, timeout=0.5, rate=limit) as fan:
            future = fan.submit(lambda: session.get(server.url("/status/503")).status_code)
            for step in (1, 2):
                server.wait_for_requests(step)
                waits_inside(clock, limit, step * INTERVAL)
                clock.advance(INTERVAL)
            assert future.result(PATIENCE) == 503
    assert (server.requests, limit.in_flight) == (3, 0)


@pytest.mark.parametrize("path", ["/cut", "/hang", "/stall"])
def test_requests_without_an_answer_leave_no_permit(clock, server, client, path):
    """Cut off, timed out, or in the middle of a body: each permit is accounted for."""
    limit = RateLimit(60)

    def call():
        client.get(server.url())
        client.get(server.url(path))

    with Fan(1, timeout=0.5, rate=limit) as fan:
        future = fan.submit(call)
        waits_inside(clock, limit)
        clock.advance(INTERVAL)
        server.wait_for_requests(2)
        if path != "/cut":
            asleep(clock, INTERVAL + 0.5)
            clock.advance(0.5)
        assert isinstance(future.exception(PATIENCE), Exception)
        until(lambda: not Probe(fan).stuck)
        until(lambda: limit.in_flight == 0)


@needs_httpx
def test_who_waits_for_a_permit_takes_no_connection_from_others(clock, server):
    """A pool of one connection serves the call that may go while the other waits."""
    library = import_module(LIBRARIES[0])
    limit = RateLimit(60)
    pool = library.Limits(max_connections=1)
    with httpx_seam.attach(library.Client(trust_env=False, limits=pool)) as client:

        def call():
            return [client.get(server.url()).status_code for _ in range(2)]

        with Fan(2, rate=limit) as fan:
            future = fan.submit(call)
            waits_inside(clock, limit)
            assert fan.with_options(rate=None).submit(lambda: client.get(server.url()).status_code).result(PATIENCE)
            clock.advance(INTERVAL)
            assert future.result(PATIENCE) == [200, 200]


def test_a_hedged_call_meters_both_attempts(clock, server, plain):
    """Each attempt's first request has the permit that it was started with, and both are accounted for."""
    limit, hedge = RateLimit(60), Hedge(after=2.0, budget=1.0)
    numbers = iter(range(2))

    def call():
        return plain.get(server.url("/hang" if next(numbers) == 0 else "/ok"))

    with Fan(2, rate=limit, hedge=hedge) as fan:
        future = fan.submit(call)
        server.wait_for_requests(1)
        asleep(clock, 2)
        clock.advance(2)
        # The first may be noted as sent only now, and then the second keeps its distance from that.
        until(lambda: future.done() or clock.advance(0.01))
        assert future.result() == 200
        until(lambda: not Probe(fan).stuck)
    assert (server.requests, limit.in_flight, hedge.extra) == (2, 0, 1)
