"""Channels of gRPC, attached: their calls end with their scope, and a real server sees it."""

import contextlib
import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import pytest

import threadfan
from support.controlled import PATIENCE, run_program, until
from support.scope_ends import WAYS
from support.scoped import call as in_scope
from threadfan import CallCancelled, Fan, Scope, TaskTimeout, fail_after

grpc = pytest.importorskip("grpc")

from threadfan.clients import grpc as seam  # noqa: E402 -- when it is there

ROUNDED = 5  # seconds by which what a server is told may be too long: gRPC has few digits for it


class Service:
    """What a server does for calls of four kinds, and what it has seen of them."""

    def __init__(self):
        self.begun = threading.Semaphore(0)
        self.ended = SimpleQueue()
        self.left = SimpleQueue()  # seconds that its calls have, as it was told

    def service(self, asked):
        """The handler of a method: as gRPC asks for it."""
        answers = asked.method.rpartition("/")[2]
        kinds = {
            "unary_unary": grpc.unary_unary_rpc_method_handler,
            "stream_unary": grpc.stream_unary_rpc_method_handler,
            "unary_stream": grpc.unary_stream_rpc_method_handler,
            "stream_stream": grpc.stream_stream_rpc_method_handler,
        }
        return kinds[answers](self._many if answers.endswith("stream") else self._one)

    def _one(self, requests, context):
        return self._answer(requests if isinstance(requests, bytes) else b"".join(requests), context)

    def _many(self, requests, context):
        for request in [requests] if isinstance(requests, bytes) else requests:
            yield b"first"
            yield self._answer(request, context)

    def _answer(self, request, context):
        if request == b"fail":
            context.abort(grpc.StatusCode.UNAVAILABLE, "not now")
        self.left.put(context.time_remaining())
        over = threading.Event()
        if not context.add_callback(over.set):  # it is over already
            over.set()
        self.begun.release()
        if request == b"hang":
            assert over.wait(PATIENCE)
            self.ended.put(None)
        return request

    def wait(self):
        """Until a call is at work."""
        assert self.begun.acquire(timeout=PATIENCE)


@contextlib.contextmanager
def serving(service):
    """A server, and the address it has."""
    with ThreadPoolExecutor(4) as pool:
        server = grpc.server(pool)
        server.add_generic_rpc_handlers([type("Handlers", (grpc.GenericRpcHandler,), {"service": service.service})()])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.stop(0).wait(PATIENCE)


@pytest.fixture
def service():
    """What the server does."""
    return Service()


@pytest.fixture
def plain(service):
    """A channel to it."""
    options = [("grpc.enable_http_proxy", 0)]
    with serving(service) as address, grpc.insecure_channel(address, options) as channel:
        yield channel


@pytest.fixture
def channel(plain):
    """The same, attached."""
    return threadfan.attach(plain)


def ask(channel, kind, request, **options):
    """A call of a kind, and what is got of it."""
    method = getattr(channel, kind)(f"/service/{kind}")
    found = method(iter([request]) if kind.startswith("stream") else request, **options)
    return list(found) if kind.endswith("stream") else found


KINDS = ["unary_unary", "stream_unary", "unary_stream", "stream_stream"]


@pytest.mark.parametrize("end", WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_call_ends_with_its_scope(channel, service, kind, end):
    """Of whatever kind; the server sees it go."""
    end(lambda: ask(channel, kind, b"hang"), service.wait)
    service.ended.get(timeout=PATIENCE)


@pytest.mark.parametrize("end", WAYS)
def test_a_future_ends_with_its_scope(channel, service, end):
    """Whoever waits for it."""
    method = channel.unary_unary("/service/unary_unary")
    end(lambda: method.future(b"hang").result(), service.wait)
    service.ended.get(timeout=PATIENCE)


def test_a_call_that_nobody_waits_for_ends_with_its_scope(channel, service):
    """A stream that is not read, and a future."""
    scope, held = Scope(), []

    def begin():
        held.append(channel.unary_stream("/service/unary_stream")(b"hang"))
        next(held[0])
        held.append(channel.unary_unary("/service/unary_unary").future(b"hang"))

    in_scope(scope, begin).result(PATIENCE)
    service.wait()
    service.wait()
    scope.cancel()
    service.ended.get(timeout=PATIENCE)
    service.ended.get(timeout=PATIENCE)
    with pytest.raises(CallCancelled):
        next(held[0])
    with pytest.raises(CallCancelled):
        held[1].exception()
    assert held[1].code() is grpc.StatusCode.CANCELLED


def test_a_stream_of_elsewhere_ends_with_the_block_that_reads_it(channel, service):
    """Though it has begun outside."""
    stream = channel.unary_stream("/service/unary_stream")(b"hang")
    with fail_after(PATIENCE) as scope:
        assert next(stream) == b"first"
        service.wait()
        scope.cancel()
        with pytest.raises(CallCancelled):
            next(stream)
    stream.cancel()
    service.ended.get(timeout=PATIENCE)


def test_a_call_that_waits_for_a_connection_ends_with_its_scope():
    """Nobody listens there, and gRPC would try again and again."""
    begun = threading.Event()

    def wait():
        begun.set()
        return ask(channel, "unary_unary", b"x", wait_for_ready=True)

    scope = Scope()
    with threadfan.attach(grpc.insecure_channel("127.0.0.1:1", [("grpc.enable_http_proxy", 0)])) as channel:
        future = in_scope(scope, wait)
        assert begun.wait(PATIENCE)
        scope.cancel()
        assert isinstance(future.exception(PATIENCE), CallCancelled)


def test_the_server_is_told_how_much_time_is_left(channel, service):
    """The scope's, or the call's own, whichever is less; outside of a scope only that."""
    with fail_after(100):
        ask(channel, "unary_unary", b"x")
        assert service.left.get(timeout=PATIENCE) <= 100 + ROUNDED
        ask(channel, "unary_stream", b"x", timeout=50)
        assert service.left.get(timeout=PATIENCE) <= 50 + ROUNDED
        ask(channel, "stream_unary", b"x", timeout=500)
        assert service.left.get(timeout=PATIENCE) <= 100 + ROUNDED
    ask(channel, "stream_stream", b"x", timeout=500)
    assert 100 + ROUNDED < service.left.get(timeout=PATIENCE) <= 500 + ROUNDED


@pytest.mark.parametrize("kind", KINDS)
def test_answers_and_errors_are_grpcs(channel, kind):
    """In a scope and outside, by each way to ask."""
    for block in (contextlib.nullcontext(), fail_after(PATIENCE)):
        with block:
            assert ask(channel, kind, b"x") == ([b"first", b"x"] if kind.endswith("stream") else b"x")
            with pytest.raises(grpc.RpcError, match="not now") as caught:
                ask(channel, kind, b"fail")
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            with pytest.raises(grpc.RpcError) as caught:
                ask(channel, kind, b"hang", timeout=0.05)
            assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_calls_are_what_grpc_says_that_they_are(channel):
    """They have the methods of its interfaces, and more that gRPC's own have."""
    method = channel.unary_unary("/service/unary_unary")
    with fail_after(PATIENCE):
        answer, call = method.with_call(b"x")
        future = method.future(b"x", metadata=(("key", "value"),))
        told = SimpleQueue()
        future.add_done_callback(told.put)
        assert told.get(timeout=PATIENCE) is future
        assert future.result(timeout=PATIENCE) == answer == b"x"
    for one in (call, future):
        assert isinstance(one, grpc.Call)
        assert isinstance(one, grpc.Future)
        assert (one.code(), one.done(), one.running(), one.cancelled()) == (grpc.StatusCode.OK, True, False, False)
        assert one.exception() is None
        assert one.traceback(timeout=PATIENCE) is None
        assert not one.is_active()
        assert not one.cancel()
        assert one.debug_error_string() is not None
    assert method.with_call(b"x")[0] == b"x"  # outside


@pytest.mark.parametrize("kind", KINDS)
def test_methods_are_what_grpc_says_that_they_are(channel, service, kind):
    """By that others tell streams apart; and they take their arguments by gRPC's names, or by their places."""
    assert isinstance(getattr(channel, kind)("/x"), getattr(grpc, f"{kind.title().replace('_', '')}MultiCallable"))
    method = getattr(channel, kind)(f"/service/{kind}")
    name = "request_iterator" if kind.startswith("stream") else "request"

    def requests():
        return iter([b"x"]) if kind.startswith("stream") else b"x"

    with fail_after(100):
        for found in (method(requests(), 50, (("key", "value"),)), method(**{name: requests(), "timeout": 50})):
            assert (list(found)[1:] if kind.endswith("stream") else [found]) == [b"x"]
            assert service.left.get(timeout=PATIENCE) <= 50 + ROUNDED
        found = method(requests(), 500, (("key", "value"),))
        assert (list(found)[1:] if kind.endswith("stream") else [found]) == [b"x"]
        assert service.left.get(timeout=PATIENCE) <= 100 + ROUNDED


def test_a_failure_is_told_after_the_end_of_the_scope_too(channel):
    """What has failed before was not ended by it; nor is an answer lost."""
    method = channel.unary_unary("/service/unary_unary")
    with fail_after(PATIENCE) as scope:
        failed, answered = method.future(b"fail"), method.future(b"x")
        assert failed.exception().code() is grpc.StatusCode.UNAVAILABLE
        assert answered.result() == b"x"
        scope.cancel()
    with pytest.raises(grpc.RpcError, match="not now"):
        failed.result()
    assert answered.result() == b"x"


def test_a_call_that_was_cancelled_by_its_own(channel, service):
    """It says so as gRPC's do, whether waited for or not."""
    with fail_after(PATIENCE):
        future = channel.unary_unary("/service/unary_unary").future(b"hang")
        service.wait()
        future.cancel()
        with pytest.raises(grpc.FutureCancelledError):
            future.result()
        service.ended.get(timeout=PATIENCE)


def test_a_channel_that_is_closed_meanwhile(channel, service):
    """Its calls fail as gRPC's do."""
    future = in_scope(Scope(), ask, channel, "unary_unary", b"hang")
    service.wait()
    channel.close()
    error = future.exception(PATIENCE)
    assert isinstance(error, grpc.RpcError)
    assert error.code() is grpc.StatusCode.CANCELLED


class Counting(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """An interceptor."""

    def __init__(self):
        self.seen = []

    def intercept_unary_unary(self, continuation, details, request):
        """Note the timeout."""
        self.seen.append(details.timeout)
        return continuation(details, request)

    intercept_unary_stream = intercept_unary_unary


@pytest.mark.parametrize("outside", [True, False])
def test_interceptors_work_on_either_side(plain, service, outside):
    """And their calls end with their scope."""
    counting = Counting()
    channel = (
        grpc.intercept_channel(threadfan.attach(plain), counting)
        if outside
        else threadfan.attach(grpc.intercept_channel(plain, counting))
    )
    with fail_after(100):
        assert ask(channel, "unary_unary", b"x") == b"x"
        assert ask(channel, "unary_stream", b"x") == [b"first", b"x"]
    assert len(counting.seen) == 2
    service.wait()
    service.wait()
    for kind in ("unary_unary", "unary_stream"):
        scope = Scope()
        future = in_scope(scope, ask, channel, kind, b"hang")
        service.wait()
        scope.cancel()
        assert isinstance(future.exception(PATIENCE), CallCancelled)


class Generating(grpc.UnaryStreamClientInterceptor):
    """One that makes generators of streams."""

    def intercept_unary_stream(self, continuation, details, request):
        """What there is to read."""
        yield from continuation(details, request)


@pytest.mark.parametrize("outside", [True, False])
def test_interceptors_that_make_generators(plain, outside):
    """They are read in scopes; below the channel they end at the deadline alone."""
    channel = (
        grpc.intercept_channel(threadfan.attach(plain), Generating())
        if outside
        else threadfan.attach(grpc.intercept_channel(plain, Generating()))
    )
    with fail_after(PATIENCE):
        assert ask(channel, "unary_stream", b"x") == [b"first", b"x"]
    with pytest.raises(TaskTimeout), fail_after(0.2):
        ask(channel, "unary_stream", b"hang")


def test_nothing_works_after_the_end(channel, service):
    """A scope that has ended lets no call begin, and no answer be read."""
    with fail_after(PATIENCE) as scope:
        stream = channel.unary_stream("/service/unary_stream")(b"x")
        assert next(stream) == b"first"
        scope.cancel()
        for kind in KINDS:
            with pytest.raises(CallCancelled):
                ask(channel, kind, b"x")
        with pytest.raises(CallCancelled):
            next(stream)


def test_what_is_dropped_is_gone(channel, service):
    """Streams, which are cancelled then, and errors, without the collector; the scope holds no call that is over."""
    gc.disable()
    try:
        with fail_after(PATIENCE) as scope:
            stream = channel.unary_stream("/service/unary_stream")(b"hang")
            assert next(stream) == b"first"
            service.wait()
            del stream
            service.ended.get(timeout=PATIENCE)
            for kind in ("unary_unary", "stream_unary"):  # an error of a stream is the stream
                try:
                    ask(channel, kind, b"fail")
                except grpc.RpcError as error:
                    gone = weakref.ref(error)
                until(lambda gone=gone: gone() is None)
            until(lambda: not scope.acts)
    finally:
        gc.enable()


def test_many_at_once(channel):
    """As a fan asks."""
    method = channel.unary_unary("/service/unary_unary")
    with Fan(8, timeout=PATIENCE) as fan:
        assert fan.run(method, [b"%d" % number for number in range(50)]).unwrap() == [b"%d" % n for n in range(50)]


def test_attaching_twice_is_harmless_and_other_things_are_refused(channel, plain):
    """What is wrong is said."""
    assert threadfan.attach(channel) is channel
    assert isinstance(channel, grpc.Channel)
    states = SimpleQueue()
    channel.subscribe(states.put)
    assert states.get(timeout=PATIENCE) in grpc.ChannelConnectivity
    channel.unsubscribe(states.put)
    with pytest.raises(TypeError, match="right is a channel"):
        seam.attach(object())


COROUTINES = """
import asyncio, grpc, threadfan

async def refused():
    async with grpc.aio.insecure_channel("127.0.0.1:1") as channel:
        try:
            threadfan.attach(channel)
        except TypeError as error:
            print(error)

asyncio.run(refused())
"""


def test_channels_for_coroutines_are_refused():
    """They belong to an event loop.  In a process of its own, since gRPC leaves a thread behind."""
    assert "which is for coroutines; right is grpc.insecure_channel(…)" in run_program(COROUTINES)[0]
