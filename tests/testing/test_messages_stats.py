"""What the server counts, and how it is changed while it runs."""

import anthropic
import pytest
import requests


def test_counts(server, ask, pool):
    """Requests, the most open at once and answers by status are counted exactly."""
    calls = [pool.submit(ask, f"{number} [delay:60]") for number in range(5)]
    assert server.wait_for(open=5).max_open == 5
    ask("hello")
    with pytest.raises(anthropic.RateLimitError):
        ask("[fault:429]")
    stats = server.stats()
    assert (stats.requests, stats.open, stats.max_open, stats.disconnects) == (7, 5, 6, 0)
    assert (stats.statuses, stats.faults) == ({200: 1, 429: 1}, {"429": 1})
    server.reset()
    assert all(isinstance(call.exception(), anthropic.APIConnectionError) for call in calls)
    assert (server.stats().requests, server.stats().open, server.stats().disconnects) == (0, 0, 0)


def test_disconnects(server, hang):
    """A client that leaves before its answer is counted as a disconnect, and no longer as open."""
    connections = hang(3)
    server.wait_for(open=3)
    for connection in connections:
        connection.close()
    assert server.wait_for(disconnects=3, open=0).requests == 3


def test_wait_times_out(server):
    """A wait for what does not happen ends with an error that tells what did."""
    with pytest.raises(TimeoutError, match=r"not seen \{'requests': 1\} within 0.01 s; it has seen Stats\(requests=0"):
        server.wait_for(requests=1, timeout=0.01)


def test_reset_keeps_idle_connections(server, ask):
    """A pooled connection that is idle survives a reset."""
    before = ask("hello")
    server.reset()
    assert ask.text("hello") == before.content[0].text


def test_reset_restores_options(server, ask):
    """A reset brings back the options of the constructor."""
    before = ask.text("hello")
    server.configure(replies={"hello": "scripted"})
    assert ask.text("hello") == "scripted"
    server.reset()
    assert ask.text("hello") == before


def test_configure_adds(server, ask):
    """Configuring one option leaves the others as they are."""
    server.configure(replies={"hello": "scripted"})
    server.configure(latency=0.001)
    assert ask.text("hello") == "scripted"


def test_many_at_once(server, hang):
    """Hundreds of requests hang side by side without holding up the next one."""
    connections = hang(300)
    assert server.wait_for(open=300).max_open == 300
    assert requests.get(f"{server.url}/echo?x=1", timeout=30).json() == {"x": "1"}
    for connection in connections:
        connection.close()
    server.wait_for(open=0, disconnects=300)
