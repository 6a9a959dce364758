"""The user's handle on the loopback server, which runs in its own process and so shares no GIL with its clients."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack, closing
from dataclasses import replace
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Any, Self, Unpack
from urllib.parse import urlencode

from threadfan.testing.options import Options, Settings
from threadfan.testing.process import ServerProcess
from threadfan.testing.stats import Stats

if TYPE_CHECKING:
    from types import TracebackType

    import anthropic

_GRACE = 10.0  # seconds for an answer that takes the server microseconds


class MessagesServer:
    """A server on this machine that speaks the Messages API well enough for the real client, and plain HTTP besides.

        with MessagesServer(latency=0.05) as server, server.client() as client:
            client.messages.create(...)

    Equal prompts have equal answers, and a prompt may say what is to happen to it:

        use tool NAME with {"some": "json"}     calls a tool that the request offers; several phrases, several calls
        [fault:429]  [fault:hang x2]            fails always, or the first two times; the kinds are 429, 529, 500,
                                                hang, reset (of the connection), drip (byte by byte), broken (JSON)
        [delay:0.5]                             is answered after half a second, whatever the latency
        [stop:refusal]                          is answered with that stop reason; in a scripted reply too

    With `limits` it refuses what a provider would refuse, and `stats` and `permits` tell what it let pass.
    Beside `/v1/messages` there are `/slow?seconds=1`, `/hang`, `/drip?bytes=10`, `/echo?x=1` and `/status/503`, and
    `/limited?seconds=1`, the only other one to which the limits apply.
    `/v1/chat/completions` gives the same answers in OpenAI's format, whole or streamed, without faults and limits.
    Everything may be called from any thread, except that starting and stopping is one thread's business.

    Args:
        **settings: The options, see `threadfan.testing.options.Options`: `latency` (seconds, `Fixed` or `LogNormal`),
            `replies` (part of a prompt, or of what tools have returned, to answer or answers; the first one that occurs
            in the user's last message counts), `faults` (kind to probability), `seed`, `retry_after`
            (seconds), `drip_interval` (seconds), `reject_keys`, `limits` (see `Limits`).

    Raises:
        TypeError: There is no such option, or `limits` is something else.
        ValueError: An option's value is out of range.
    """

    def __init__(self, **settings: Unpack[Settings]) -> None:
        _check_names(settings)
        self._initial = self._options = Options(**settings)
        self._process: ServerProcess | None = None
        self._clients = ExitStack()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return (
            f"<MessagesServer {self._process.state()} at {self.url}>" if self._process else "<MessagesServer stopped>"
        )

    def start(self) -> Self:
        """Starts the server's process and returns once it accepts connections.

        Raises:
            ImportError: starlette or uvicorn is not installed.
            RuntimeError: The server runs already, or its process did not come up.
        """
        if self._process:
            raise RuntimeError(f"{self!r} runs already; call stop() before start(), or make another MessagesServer")
        self._options = self._initial
        self._process = ServerProcess(self._options.to_json())
        return self

    def stop(self) -> None:
        """Ends the server's process at once, open requests included, and closes the clients that `client` made.

        What the process wrote to its standard error is passed on to this one's.  A stopped server may be started again.
        """
        process, self._process = self._process, None
        # First the process: that ends calls in flight, which closing a client from this thread would not.
        errors = process.stop() if process else ""
        self._clients.close()
        if errors:
            sys.stderr.write(errors)

    @property
    def url(self) -> str:
        """The base URL, such as `http://127.0.0.1:49152`.

        Raises:
            RuntimeError: The server is not running.
        """
        return f"http://127.0.0.1:{self._port()}"

    def client(self, **arguments: Any) -> anthropic.Anthropic:
        """Returns a real client of this server, which `stop` closes.

        Args:
            **arguments: For `anthropic.Anthropic`; without them the key is "test", nothing is retried and the
                environment's proxies are left aside.
        """
        import anthropic

        if "http_client" not in arguments:
            arguments["http_client"] = anthropic.DefaultHttpxClient(mounts={"all://127.0.0.1": None})  # past proxies
        client = anthropic.Anthropic(**{"base_url": self.url, "api_key": "test", "max_retries": 0, **arguments})
        self._clients.callback(client.close)
        return client

    def stats(self) -> Stats:
        """Returns the counts of this moment."""
        return Stats.from_json(self._control("stats")[1])

    def permits(self) -> list[tuple[float, bool]]:
        """Returns the arrivals that met the limits, in order: seconds since start or last reset, and whether accepted.

        What any span of it may hold is told by `Limits.allowed`.  The server keeps 8 bytes for each.
        """
        return [(seconds, accepted) for seconds, accepted in json.loads(self._control("permits")[1])]

    def wait_for(
        self,
        *,
        requests: int | None = None,
        open: int | None = None,  # noqa: A002 -- the name of the count in Stats
        disconnects: int | None = None,
        timeout: float = 10.0,
    ) -> Stats:
        """Waits until the server has seen something, without polling, and returns the counts of that moment.

        Args:
            requests: At least so many requests have arrived.
            open: Exactly so many requests are open, if only for a moment.
            disconnects: At least so many clients have left before the end of their answer.
            timeout: The longest wait, in seconds.

        Raises:
            TimeoutError: The server has not seen it in time.
        """
        wanted = {"requests": requests, "open": open, "disconnects": disconnects}
        goal = {name: count for name, count in wanted.items() if count is not None}
        status, body = self._control(f"wait?{urlencode({**goal, 'timeout': timeout})}", timeout=timeout + _GRACE)
        seen = Stats.from_json(body)
        if status == HTTPStatus.OK:
            return seen
        raise TimeoutError(f"the server has not seen {goal} within {timeout:g} s; it has seen {seen}")

    def configure(self, **settings: Unpack[Settings]) -> None:
        """Changes some options for the requests that arrive from now on.

        Every seeded series starts anew, except when nothing but `limits` is given.
        Limits that are changed go on from where they are: no bucket is refilled by it.

        Args:
            **settings: The options to change, as for the constructor.

        Raises:
            TypeError: There is no such option.
            ValueError: An option's value is out of range.
        """
        _check_names(settings)
        options = replace(self._options, **settings)
        self._control("configure?series=on" if settings.keys() == {"limits"} else "configure", options)
        self._options = options

    def reset(self) -> None:
        """Sets counts to zero and options to those of the constructor, and cuts the connections of open requests."""
        self._control("reset", self._initial)
        self._options = self._initial

    def _port(self) -> int:
        if not self._process:
            raise RuntimeError("messages server is stopped; call start(), or use it in a `with` statement")
        return self._process.port

    def _control(self, action: str, options: Options | None = None, timeout: float = _GRACE) -> tuple[int, bytes]:
        port = self._port()
        # Not urllib: its opener spends 18 ms on certificates that a loopback connection never needs.
        with closing(HTTPConnection("127.0.0.1", port, timeout=timeout)) as connection:
            try:
                method, body = ("GET", None) if options is None else ("POST", options.to_json())
                connection.request(method, f"/_control/{action}", body)
                answer = connection.getresponse()
                return answer.status, answer.read()
            except (OSError, HTTPException) as error:
                raise ConnectionError(f"{self!r} does not answer: {error!r}") from error


def _check_names(settings: Settings) -> None:
    """Refuse an option that there is not."""
    names = list(Settings.__annotations__)
    for name in settings:
        if name not in names:
            raise TypeError(f"MessagesServer has no option {name!r}; its options are {', '.join(names)}")
