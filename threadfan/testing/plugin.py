"""The pytest plugin: a loopback server for every test that asks for one.

pytest imports this file in every run of every project that has threadfan installed, so it imports nothing else here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from threadfan.testing.server import MessagesServer


@pytest.fixture(scope="session")
def _messages_server_process() -> Iterator[MessagesServer]:
    from threadfan.testing.server import MessagesServer

    with MessagesServer() as server:
        yield server


@pytest.fixture
def messages_server(_messages_server_process: MessagesServer) -> Iterator[MessagesServer]:
    """A running `threadfan.testing.MessagesServer` without latency or faults; `configure` changes that for one test.

    One process serves the whole run.  Around each test its counts and options are reset and open requests are cut.
    """
    _messages_server_process.reset()
    yield _messages_server_process
    _messages_server_process.reset()
