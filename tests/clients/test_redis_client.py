"""The attached client of redis-py: commands that end with their scope."""

import threading

import pytest

import threadfan
from support.controlled import PATIENCE, until
from support.scope_ends import WAYS
from support.shared_limits import redis_server
from threadfan import CallCancelled, fail_after

redis = pytest.importorskip("redis")

from redis.backoff import ConstantBackoff  # noqa: E402 -- when it is there
from redis.retry import Retry  # noqa: E402


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """That of a server of this file's own."""
    with redis_server(tmp_path_factory.mktemp("redis")) as (url, _):
        yield url


@pytest.fixture
def plain(url):
    """A client that nothing is attached to, which sees what the server sees."""
    with redis.Redis.from_url(url) as client:
        client.flushall()
        yield client


@pytest.fixture
def client(url):
    """An attached client."""
    with redis.Redis.from_url(url) as client:
        assert threadfan.attach(client) is client
        yield client


def blocked(plain):
    """Wait until somebody waits at the server."""
    return lambda: until(lambda: plain.info("clients")["blocked_clients"] == 1)


WAITS = {
    "command": lambda client: client.blpop("nothing"),
    "pipeline": lambda client: client.pipeline(transaction=False).set("a", 1).blpop("nothing").execute(),
    "script": lambda client: client.execute_command("BRPOP", "nothing", 0),
}


@pytest.mark.parametrize("end", WAYS)
@pytest.mark.parametrize("wait", WAITS)
def test_a_command_ends_with_its_scope(client, plain, wait, end):
    """At once; the server sees its connection go, and the next command has another one."""
    end(lambda: WAITS[wait](client), blocked(plain))
    until(lambda: plain.info("clients")["blocked_clients"] == 0)
    assert client.set("b", 2)
    assert client.get("b") == b"2"


@pytest.mark.parametrize("end", WAYS)
@pytest.mark.parametrize("way", ["listen", "get_message"])
def test_a_subscription_ends_with_its_scope(client, plain, way, end):
    """While it waits for the next message."""

    def wait():
        with client.pubsub() as subscription:
            subscription.subscribe("news")
            while True:
                next(subscription.listen()) if way == "listen" else subscription.get_message(timeout=PATIENCE)

    end(wait, lambda: until(lambda: plain.pubsub_numsub("news")[0][1] == 1))
    until(lambda: plain.pubsub_numsub("news")[0][1] == 0)


def test_a_lock_ends_with_its_scope(client, plain):
    """Whoever waits for one that another has."""
    plain.set("lock", "another's")
    with pytest.raises(threadfan.TaskTimeout), fail_after(0.05):
        client.lock("lock", sleep=0.01).acquire()


@pytest.mark.parametrize("end", WAYS)
def test_the_wait_before_another_attempt_ends_with_the_scope(url, plain, end):
    """Though redis-py would sleep for long after the server has closed a connection."""
    waiting = threading.Event()

    class Noting(ConstantBackoff):
        """One that says when it is asked."""

        def compute(self, failures):
            waiting.set()
            return super().compute(failures)

    def close_and_wait():
        blocked(plain)()
        plain.client_kill_filter(_type="normal", skipme=True)
        assert waiting.wait(PATIENCE)

    with redis.Redis.from_url(url, retry=Retry(Noting(600), 5)) as client:
        threadfan.attach(client)
        end(lambda: client.blpop("nothing"), close_and_wait)


def test_nothing_begins_after_the_end(client):
    """A connection whose answer nobody has read is not used again."""
    client.set("a", 1)
    with fail_after(60) as scope:
        client.get("a")
        scope.cancel()
        with pytest.raises(CallCancelled):
            client.set("a", 2)
    assert client.get("a") == b"1"


def test_everything_else_is_as_ever(client, plain):
    """In a scope and outside of any: answers, errors, pipelines; connections are kept."""
    with fail_after(60):
        assert client.pipeline().incr("n").incr("n").execute() == [1, 2]
        with pytest.raises(redis.ResponseError):
            client.lpop("n")
    assert client.incr("n") == 3
    assert len({client.client_id() for _ in range(5)}) == 1
    before = client.client_id()
    threadfan.attach(client)
    assert client.client_id() == before


def test_what_cannot_be_attached_says_so(url):
    """Async clients, and such as have a connection of their own."""
    with pytest.raises(TypeError, match=r"an async client; right is redis\.Redis, called from a fan's threads"):
        threadfan.attach(redis.asyncio.Redis())
    with (
        redis.Redis.from_url(url, single_connection_client=True) as client,
        pytest.raises(TypeError, match="right is one without single_connection_client"),
    ):
        threadfan.attach(client)
    with pytest.raises(TypeError, match=r"right is a redis\.Redis"):
        threadfan.attach(redis.ConnectionPool())
