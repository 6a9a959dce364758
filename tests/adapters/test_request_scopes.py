"""Requests of Starlette and FastAPI: what they have begun ends with their client, or when their time is up."""

import asyncio
import contextlib
import json
import re
import socket
import threading
from inspect import signature
from operator import itemgetter
from typing import Annotated

import pytest

from support.controlled import PATIENCE, until
from threadfan import CallCancelled, Fan, Scope, current_scope, sleep

uvicorn = pytest.importorskip("uvicorn")
pytest.importorskip("starlette")

from starlette.applications import Starlette  # noqa: E402 -- after it is known to be there
from starlette.exceptions import HTTPException  # noqa: E402
from starlette.requests import Request  # noqa: E402
from starlette.responses import JSONResponse, StreamingResponse  # noqa: E402
from starlette.routing import Route  # noqa: E402

from threadfan.adapters.starlette import ends_with_client, request_scope  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:.*is still stuck in:RuntimeWarning")


class Served:
    """An application that is served, in a thread."""

    def __init__(self, app):
        config = uvicorn.Config(
            app, log_config=None, lifespan="off", loop="asyncio", ws="none", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._server.run, args=([self._listener],))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc_info):
        self._server.should_exit = True
        self._thread.join()
        self._listener.close()

    @contextlib.contextmanager
    def request(self, path, method="GET", body=b""):
        """The connection of a request that was sent."""
        with socket.create_connection(self._listener.getsockname()) as connection:
            head = f"{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {len(body)}\r\n"
            connection.settimeout(PATIENCE)
            connection.sendall(head.encode() + b"content-type: application/json\r\n\r\n" + body)
            yield connection

    def answer(self, path, **options):
        """The status and the body of the answer to a request."""
        with self.request(path, **options) as connection, connection.makefile("rb") as stream:
            head, _, body = stream.read().partition(b"\r\n\r\n")
        return int(head.split()[1]), body


class Work:
    """What blocks until its scope ends, and says how that was."""

    def __init__(self):
        self.begun, self.ended = threading.Event(), threading.Event()

    def __call__(self):
        """Wait."""
        self.begun.set()
        try:
            sleep(10 * PATIENCE)  # more than anybody waits for its end
        except CallCancelled:
            self.ended.set()
            raise

    def again(self):
        """Be as new."""
        self.begun.clear()
        self.ended.clear()

    def wait_for_client_to_leave(self, served, path):
        """Ask for it, leave, and wait until it has ended."""
        with served.request(path):
            assert self.begun.wait(PATIENCE)
            assert not self.ended.is_set()
        assert self.ended.wait(PATIENCE)


@pytest.fixture
def work():
    """Something that blocks."""
    return Work()


@pytest.fixture
def fan():
    """A fan."""
    with Fan(4) as fan:
        yield fan


def starlette_app(fan, work):
    """An application without FastAPI."""

    async def wait(request):
        timeout = request.query_params.get("timeout")
        async with request_scope(request, None if timeout is None else float(timeout)):
            await fan.call(work)
        return JSONResponse("done")

    async def echo(request):
        async with request_scope(request) as scope:
            assert current_scope() is scope
            sent = await request.json()
            value = await fan.call(lambda: sent["x"] + 1)
        return JSONResponse(value)

    async def broken(request):
        async with request_scope(request, 60):
            raise LookupError

    async def short(request):
        async with request_scope(request):
            await fan.with_options(timeout=0.05).call(work)
        return JSONResponse("done")

    async def several(request):
        async with request_scope(request):
            view = fan.with_options(timeout=0.05 if "short" in request.query_params else None)
            tasks = [work, *([abs] if "wrong" in request.query_params else [])]
            deadline = float(request.query_params.get("deadline", PATIENCE))
            return JSONResponse((await view.arun(lambda fn: fn(), tasks, deadline=deadline)).values())

    async def halted(request):
        async with request_scope(request):
            report = await fan.arun(lambda fn: fn(), [int, work], halt="now,success=1")
            return JSONResponse(report.values())

    async def stream(request):
        async with request_scope(request):
            parts = [part async for part in fan.astream_text(str.upper, ["a", "b"])]
        return StreamingResponse(iter([text for _, text in sorted(parts)]))

    routes = [
        Route("/several", several),
        Route("/halted", halted),
        Route("/wait", wait),
        Route("/echo", echo, methods=["POST"]),
        Route("/broken", broken),
    ]
    return Starlette(routes=[*routes, Route("/short", short), Route("/stream", stream)])


def test_a_call_ends_when_the_client_leaves(fan, work):
    """Though it has no timeout; its thread is free."""
    with Served(starlette_app(fan, work)) as served:
        work.wait_for_client_to_leave(served, "/wait")


@pytest.mark.parametrize("path", ["/wait?timeout=0.05", "/short"])
def test_a_timeout_is_a_504(fan, work, path):
    """That of the request, or that of the call."""
    with Served(starlette_app(fan, work)) as served:
        assert served.answer(path)[0] == 504
        assert not work.begun.is_set() or work.ended.wait(PATIENCE)


@pytest.mark.parametrize(
    ("path", "status"),
    [("/several?short", 504), ("/several?deadline={}", 504), ("/several?wrong&deadline={}", 500), ("/halted", 500)],
)
def test_a_group_of_timeouts_is_a_504(fan, work, path, status):
    """What a report raises if all that is missing has run out of time, by itself or at the batch's deadline."""
    with Served(starlette_app(fan, work)) as served:
        assert answer(served, path, lambda seen: seen[0] == status)[0] == status


def answer(served, path, holds):
    """What is answered when the time is up; with more time if what is to come before has not."""
    for seconds in (0.1, 0.5, 2, 10):
        seen = served.answer(path.format(seconds))
        if holds(seen):
            break
    return seen


def test_what_ends_in_time_is_answered(fan, work):
    """The body is there, the scope is that of the block, and errors are what they are."""
    with Served(starlette_app(fan, work)) as served:
        assert served.answer("/echo", method="POST", body=json.dumps({"x": 4}).encode()) == (200, b"5")
        assert served.answer("/broken")[0] == 500
        status, body = served.answer("/stream")
        assert status == 200
        assert b"A" in body
        assert b"B" in body


def streaming_app(fan, work):
    """The endpoints that stream on the page on web servers."""

    def write(about):
        if about == "silence":
            work()
        yield "first"
        if about != "short":
            work()

    async def pieces(texts, first):
        try:
            yield first[1]
            async for _, piece in texts:
                yield piece
        except CallCancelled:
            pass
        if not texts.report().ok:
            yield " broke off"

    async def story(request):
        async with request_scope(request, float(request.query_params["timeout"])):
            texts = fan.astream_text(write, [request.query_params["about"]])
            first = await anext(texts, None)
            if first is None:
                texts.report().values()
        return StreamingResponse(pieces(texts, first))

    def summarise(text):
        if text == "wrong":
            raise ValueError
        if text == "late":
            sleep(10 * PATIENCE)
        return work() if text == "long" else text

    async def lines(outcomes):
        try:
            async for outcome in outcomes:
                line = {"index": outcome.index, "status": outcome.status, "value": outcome.value}
                yield json.dumps(line) + "\n"
        except CallCancelled:
            pass

    async def summaries(request):
        async with request_scope(request, float(request.query_params["timeout"])):
            outcomes = fan.astream(summarise, request.query_params.getlist("texts"))
        return StreamingResponse(lines(outcomes))

    return Starlette(routes=[Route("/story", story), Route("/summaries", summaries)])


def test_a_stream_ends_with_its_request(fan, work, caplog):
    """When the time is up, before the first piece and after it, and when the client leaves; nothing is logged."""

    def has_begun(seen):
        if seen[0] == 200:
            return True
        until(lambda: fan.snapshot()["running"] == 0)
        return work.again()

    with Served(streaming_app(fan, work)) as served:
        assert answer(served, "/story?about=silence&timeout={}", lambda _: work.begun.is_set())[0] == 504
        assert work.ended.wait(PATIENCE)
        work.again()
        status, body = answer(served, "/story?about=long&timeout={}", has_begun)
        assert (status, b"first" in body, b" broke off" in body) == (200, True, True)
        assert work.ended.wait(PATIENCE)
        work.again()
        with served.request(f"/story?about=long&timeout={PATIENCE}") as connection:
            while b"first" not in connection.recv(10_000):
                pass
            assert work.begun.wait(PATIENCE)
            assert not work.ended.is_set()
        assert work.ended.wait(PATIENCE)
        assert b"broke off" not in served.answer(f"/story?about=short&timeout={PATIENCE}")[1]
    assert [record for record in caplog.records if record.exc_info] == []


def test_a_stream_of_outcomes_ends_with_its_request(fan, work, caplog):
    """When the time is up, with a line for each input, and when the client leaves; nothing is logged."""
    path = "/summaries?texts=late&texts=short&texts=wrong&timeout={}"
    with Served(streaming_app(fan, work)) as served:
        status, body = answer(served, path, lambda seen: b"succeeded" in seen[1] and b"failed" in seen[1])
        found = re.findall(rb'{"index": .*}', body)
        assert status == 200
        assert sorted(map(json.loads, found), key=itemgetter("index")) == [
            {"index": 0, "status": "cancelled", "value": None},
            {"index": 1, "status": "succeeded", "value": "short"},
            {"index": 2, "status": "failed", "value": None},
        ]
        until(lambda: fan.snapshot()["running"] == 0 == fan.snapshot()["abandoned"])
        work.wait_for_client_to_leave(served, f"/summaries?texts=long&timeout={PATIENCE}")
    assert [record for record in caplog.records if record.exc_info] == []


def fastapi_app(fan, work):
    """An application whose endpoints depend on their client."""
    fastapi = pytest.importorskip("fastapi")
    alone = {"scope": "function"} if "scope" in signature(fastapi.Depends).parameters else {}
    app, ending = fastapi.FastAPI(), fastapi.Depends(ends_with_client(), **alone)
    late = fastapi.Depends(ends_with_client(timeout=0.05), **alone)

    @app.get("/async", dependencies=[ending])
    async def asynchronous() -> str:
        return await fan.call(work)

    @app.get("/sync")
    def synchronous(scope: Annotated[Scope, ending]) -> str:
        assert current_scope() is scope
        return work()

    @app.get("/late", dependencies=[late])
    def too_late() -> str:
        return work()

    @app.post("/echo")
    def echo(sent: Annotated[dict[str, int], fastapi.Body()], scope: Annotated[Scope, ending]) -> int:
        return sent["x"] + 1

    return app


@pytest.mark.parametrize("kind", ["async", "sync"])
def test_a_dependency_ends_the_endpoint(fan, work, kind):
    """Of either kind, when the client leaves."""
    with Served(fastapi_app(fan, work)) as served:
        work.wait_for_client_to_leave(served, f"/{kind}")


def test_a_dependency_bounds_the_endpoint(fan, work):
    """The time is up: 504; what ends before is answered."""
    with Served(fastapi_app(fan, work)) as served:
        status, body = served.answer("/late")
        assert (status, json.loads(body)) == (504, {"detail": "the request took too long"})
        assert served.answer("/echo", method="POST", body=b'{"x": 4}')[1] == b"5"


def test_every_request_ends_its_thread(work):
    """However the loop and the thread that works take turns: the endpoint may leave its block before or after."""

    async def ask(arrives, gone):
        async with request_scope(Request({"type": "http"}, arrives.get), gone):
            await asyncio.to_thread(work)

    async def one_request(timeout):
        arrives = asyncio.Queue()
        arrives.put_nowait({"type": "http.request"})
        asked = asyncio.create_task(ask(arrives, timeout))
        if timeout is None:
            await asyncio.to_thread(work.begun.wait, PATIENCE)
            arrives.put_nowait({"type": "http.disconnect"})
        with pytest.raises(HTTPException):
            await asked
        assert not work.begun.is_set() or await asyncio.to_thread(work.ended.wait, PATIENCE)
        work.again()

    async def requests():
        for number in range(100):
            await one_request(None if number % 2 else 0.005)

    asyncio.run(requests())


def test_wrong_timeouts_are_told():
    """When the dependency is made."""
    with pytest.raises(ValueError, match="timeout must be greater than 0"):
        ends_with_client(timeout=0)


def test_a_maker_in_the_place_of_its_dependency_is_refused():
    """When the endpoint is defined; it would end nothing, and take a public parameter ``timeout``."""
    fastapi = pytest.importorskip("fastapi")
    with pytest.raises(TypeError, match=r"right is: Depends\(ends_with_client\(\), scope=\"function\"\)"):
        fastapi.FastAPI().get("/", dependencies=[fastapi.Depends(ends_with_client)])(lambda: "done")
