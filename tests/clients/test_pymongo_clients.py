"""The attached client of PyMongo, at the server that MongoDB tests its drivers with: what ends with its scope."""

import pytest

import threadfan
from support.controlled import PATIENCE, aside, until
from support.scope_ends import WAYS
from support.scoped import call
from threadfan import CallCancelled, Fan, Scope, TaskTimeout

pymongo = pytest.importorskip("pymongo")
mockupdb = pytest.importorskip("mockupdb")

from threadfan.clients.pymongo import attach, places_of  # noqa: E402 -- when it is there

VERSIONS = {"minWireVersion": 0, "maxWireVersion": 21, "isWritablePrimary": True, "helloOk": True}
FOUND = {"cursor": {"id": 0, "ns": "shop.orders", "firstBatch": [{"number": 1}]}}


@pytest.fixture
def server():
    """One that answers what the test has it answer."""
    server = mockupdb.MockupDB(auto_ismaster=VERSIONS)
    server.run()
    yield server
    server.stop()


@pytest.fixture
def client(server):
    """An attached client, whose server is known."""
    with pymongo.MongoClient(server.uri, retryReads=True, maxPoolSize=2, serverSelectionTimeoutMS=20_000) as client:
        assert threadfan.attach(client) is client
        assert threadfan.attach(client) is client
        yield client


def answered(server, act):
    """What comes of an operation that is answered at once."""
    future = aside(act)
    server.receives(timeout=PATIENCE).ok(FOUND)
    return future.result(PATIENCE)


OPERATIONS = {
    "find": lambda client: list(client.shop.orders.find()),
    "insert": lambda client: client.shop.orders.insert_one({"number": 2}),
    "command": lambda client: client.shop.command("count", "orders"),
}


@pytest.mark.parametrize("end", WAYS)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_ends_with_its_scope(server, client, operation, end):
    """At once, and it is not tried again; the connection of another goes on, and the next operation has one too."""
    other = aside(OPERATIONS["find"], client)
    waits = server.receives(timeout=PATIENCE)
    end(lambda: OPERATIONS[operation](client), lambda: server.receives(timeout=PATIENCE))
    waits.ok(FOUND)
    assert other.result(PATIENCE)[0]["number"] == 1
    assert answered(server, client.shop.orders.find_one)["number"] == 1


@pytest.mark.parametrize("end", WAYS)
def test_a_cursor_ends_with_the_scope_that_reads(server, client, end):
    """In the midst of what it has to fetch."""
    cursor = client.shop.orders.find(batch_size=1)
    future = aside(next, cursor)
    more = {"cursor": {"id": 7, "ns": "shop.orders", "firstBatch": [{"number": 1}]}}
    server.receives(timeout=PATIENCE).ok(more)
    assert future.result(PATIENCE)["number"] == 1
    end(lambda: next(cursor), lambda: server.receives(timeout=PATIENCE))


@pytest.mark.parametrize("end", WAYS)
def test_the_wait_for_a_connection_ends_with_the_scope(server, client, end):
    """Both are in use, and PyMongo would wait for ever."""
    others = [aside(OPERATIONS["find"], client) for _ in range(2)]
    waits = [server.receives(timeout=PATIENCE) for _ in range(2)]
    pool = next(iter(client._topology._servers.values())).pool
    places = places_of(pool)
    end(client.shop.orders.find_one, lambda: until(lambda: places._waiting))
    for request in waits:
        request.ok(FOUND)
    assert [len(other.result(PATIENCE)) for other in others] == [1, 1]
    assert answered(server, client.shop.orders.find_one)["number"] == 1


def test_a_wait_for_a_connection_that_takes_too_long(server):
    """PyMongo's own error, as without a seam."""
    with pymongo.MongoClient(server.uri, maxPoolSize=1, waitQueueTimeoutMS=50) as client:
        threadfan.attach(client)
        other = aside(OPERATIONS["find"], client)
        waits = server.receives(timeout=PATIENCE)
        with pytest.raises(pymongo.errors.WaitQueueTimeoutError, match=r"0\.05 s .* are in use"):
            client.shop.orders.find_one()
        waits.ok(FOUND)
        assert len(other.result(PATIENCE)) == 1


def test_nothing_begins_after_the_end(server, client):
    """An operation of a scope that has ended asks the server for nothing."""
    assert answered(server, client.shop.orders.find_one)["number"] == 1
    scope = Scope()
    scope.cancel()
    assert isinstance(call(scope, client.shop.orders.find_one).exception(PATIENCE), CallCancelled)
    assert answered(server, client.shop.orders.find_one)["number"] == 1


def test_a_failure_that_is_none_of_a_scopes(server, client):
    """Is PyMongo's to try again, in a call too."""
    future = call(Scope(), client.shop.orders.find_one)
    server.receives(timeout=PATIENCE).hangup()
    server.receives(timeout=PATIENCE).ok(FOUND)
    assert future.result(PATIENCE)["number"] == 1


def test_the_wait_for_a_server_is_left_behind():
    """The outcome is final at the timeout; PyMongo waits in pieces of half a second, and sees no scope."""
    with Fan(1, timeout=0.05) as fan, pymongo.MongoClient("127.0.0.1", 1, serverSelectionTimeoutMS=300) as client:
        report = fan.run(threadfan.attach(client).shop.orders.find_one, [{}])
        assert isinstance(report[0].error, TaskTimeout)
        until(lambda: fan.snapshot()["abandoned"] == 0)


@pytest.mark.parametrize("wrong", [object(), "mongodb://here"], ids=str)
def test_what_cannot_be_attached(wrong):
    """It is named, and so is what can."""
    with pytest.raises(TypeError, match=r"right is a pymongo\.MongoClient"):
        attach(wrong)


def test_an_async_client():
    """Has calls that nobody waits for in a thread."""
    if not hasattr(pymongo, "AsyncMongoClient"):
        pytest.skip("this version of PyMongo has none")
    with pytest.raises(TypeError, match="from a fan's threads"):
        threadfan.attach(pymongo.AsyncMongoClient(connect=False))
