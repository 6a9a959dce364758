"""The endpoints for plain HTTP."""

import pytest
import requests


def test_echo(server):
    """The echo returns the query."""
    assert requests.get(f"{server.url}/echo", {"x": "1", "y": "ü"}, timeout=30).json() == {"x": "1", "y": "ü"}


def test_slow(server):
    """The slow endpoint answers after its time and tells how long that was."""
    assert requests.get(f"{server.url}/slow?seconds=0.01", timeout=30).json() == {"seconds": 0.01}
    with pytest.raises(requests.ReadTimeout):
        requests.get(f"{server.url}/slow?seconds=60", timeout=0.05)
    server.wait_for(disconnects=1)


def test_hang(server):
    """The hanging endpoint ends with the client's timeout."""
    with pytest.raises(requests.ReadTimeout):
        requests.get(f"{server.url}/hang", timeout=0.05)
    server.wait_for(disconnects=1)


def test_drip(server):
    """The drip sends single bytes."""
    with requests.get(f"{server.url}/drip?bytes=3&interval=0.001", stream=True, timeout=30) as answer:
        assert list(answer.iter_content(1)) == [b".", b".", b"."]


@pytest.mark.parametrize("code", [200, 204, 304, 404, 429, 503, 599])
def test_status(server, code):
    """Any status can be asked for; those that ask for patience say how much."""
    answer = requests.get(f"{server.url}/status/{code}", timeout=30)
    assert answer.status_code == code
    assert answer.headers.get("retry-after") == ("1" if code in {429, 503} else None)
    assert server.stats().statuses == {code: 1}


@pytest.mark.parametrize("path", ["slow?seconds=soon", "slow?seconds=-1", "drip?bytes=nan", "status/99", "status/600"])
def test_wrong_query(server, path):
    """A query that makes no sense gets a 400 that says what would."""
    answer = requests.get(f"{server.url}/{path}", timeout=30)
    assert answer.status_code == 400
    assert "right is a number" in answer.text
