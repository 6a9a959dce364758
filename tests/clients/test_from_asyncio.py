"""A coroutine that stops waiting ends the call in the thread, and with it the connection."""

import asyncio

import pytest

from support.faulty_server import FaultyServer
from threadfan import Fan
from threadfan.clients.requests import Session


@pytest.mark.parametrize("path", ["/hang", "/drip", "/stall"])
def test_a_timeout_of_asyncio_closes_the_connection(path):
    """``asyncio.timeout`` around ``fan.call``: the server sees the connection go, and the session can be used on."""

    async def main(server, session):
        async with Fan(2) as fan:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await fan.call(session.get, server.url(path))
            await asyncio.to_thread(server.wait_until_closed)
            return (await fan.call(session.get, server.url("/ok"))).status_code

    with FaultyServer() as server, Session() as session:
        assert asyncio.run(main(server, session)) == 200


def test_a_thousand_calls_go_on_after_it():
    """The next thousand calls of the same session all succeed."""

    async def main(server, session):
        async with Fan(4) as fan:
            for _ in range(3):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await fan.call(session.get, server.url("/hang"))
            report = await fan.arun(lambda _: session.get(server.url("/ok")).status_code, range(1000))
            return set(report.unwrap())

    with FaultyServer() as server, Session() as session:
        assert asyncio.run(main(server, session)) == {200}
