"""Attached clients of boto3 and botocore: requests that end with their scope."""

import contextlib
import threading

import pytest

import threadfan
from support.controlled import PATIENCE
from support.faulty_server import FaultyServer
from support.scope_ends import WAYS
from support.scripted_server import ScriptedServer
from threadfan import CallCancelled, Fan, RateLimit, fail_after

botocore_session = pytest.importorskip("botocore.session")

from botocore.config import Config  # noqa: E402 -- when it is there

SESSION = botocore_session.Session()
SESSION.set_credentials("key", "secret")


@contextlib.contextmanager
def attached(url, service="s3", **options):
    """An attached client that asks a server here."""
    config = Config(s3={"addressing_style": "path"}, proxies={}, **{"retries": {"max_attempts": 0}, **options})
    client = SESSION.create_client(service, region_name="us-east-1", endpoint_url=url, config=config)
    assert threadfan.attach(client) is client
    with contextlib.closing(client):
        yield client


def get(client):
    """Read an object."""
    return client.get_object(Bucket="bucket", Key="key")["Body"].read()


@pytest.mark.parametrize("end", WAYS)
@pytest.mark.parametrize("path", ["/hang", "/drip"])
def test_a_request_ends_with_its_scope(path, end):
    """While it waits for the answer, or for the rest of it; the server sees it go."""
    with FaultyServer() as server, attached(server.url(path)) as client:
        end(lambda: get(client), lambda: server.wait_for_requests(1))
        server.wait_until_closed()


@pytest.mark.parametrize("mode", ["legacy", "standard"])
@pytest.mark.parametrize("end", WAYS)
def test_the_wait_before_another_attempt_ends_with_the_scope(end, mode):
    """Though botocore would sleep; it makes no attempt after that."""
    waiting = threading.Event()

    def wait_long(**_):
        waiting.set()
        return 600

    with FaultyServer() as server, attached(server.url("/status/503"), retries={"mode": mode}) as client:
        client.meta.events.register_first("needs-retry", wait_long)
        end(lambda: get(client), lambda: waiting.wait(PATIENCE))
        assert server.requests == 1


def test_its_own_attempts_are_made():
    """As many as are set; outside of a scope it waits as ever."""
    for block in (contextlib.nullcontext(), fail_after(PATIENCE)):
        answers = (500, "busy"), (500, "busy"), ("text/plain", "here")
        with block, ScriptedServer(*answers) as server, attached(server.url, "lambda", retries={}) as client:
            client.meta.events.register_first("needs-retry", lambda response, **_: None if _ok(response) else 0)
            assert client.invoke(FunctionName="f", Payload=b"{}")["Payload"].read() == b"here"
            assert len(server.asked) == 3


def _ok(response):
    return response is not None and response[0].status_code < 500


def test_requests_are_under_the_limit_of_their_call():
    """Each is counted: a call of three makes three."""
    limit = RateLimit(60_000, burst=100)
    with FaultyServer() as server, attached(server.url("/status/200")) as client, Fan(2, rate=limit) as fan:
        assert fan.run(lambda _: [get(client) for _ in range(3)], [0]).ok
        assert server.requests == 3


def test_nothing_works_after_the_end():
    """A scope that has ended lets no request through."""
    with FaultyServer() as server, attached(server.url("/status/200")) as client, fail_after(60) as scope:
        get(client)
        scope.cancel()
        with pytest.raises(CallCancelled):
            get(client)
        assert server.requests == 1


def test_attaching_twice_is_harmless_and_other_things_are_refused():
    """The second time nothing changes."""
    with FaultyServer() as server, attached(server.url("/status/200")) as client:
        session = client._endpoint.http_session
        before = session.send, session._manager.pool_classes_by_scheme
        assert threadfan.attach(client) is client
        assert (session.send, session._manager.pool_classes_by_scheme) == before
        get(client)
    from threadfan.clients import boto3

    with pytest.raises(TypeError, match="right is a client or a resource of boto3"):
        boto3.attach(SESSION)


def test_resources():
    """Of a resource of boto3's the client is attached."""
    boto3 = pytest.importorskip("boto3")
    with FaultyServer() as server:
        options = {"aws_access_key_id": "k", "aws_secret_access_key": "s", "region_name": "us-east-1"}
        config = Config(s3={"addressing_style": "path"}, proxies={}, retries={"max_attempts": 0})
        made = boto3.resource("s3", endpoint_url=server.url("/hang"), config=config, **options)
        resource = threadfan.attach(made)
        with contextlib.closing(resource.meta.client), pytest.raises(threadfan.TaskTimeout), fail_after(0.1):
            resource.Object("bucket", "key").get()
