"""The real clients, attached and plain, made when a call first needs one."""

import importlib
import threading
import warnings
from contextlib import ExitStack

from support.scope_ends import LIBRARIES
from threadfan import attach

PATIENCE = 1.0  # seconds: what clients wait for by themselves, for a plain one is not ended otherwise


def load():
    """Import all that they need, as programs do before their threads begin."""
    import encodings.idna  # noqa: F401 - at the first request

    import anthropic  # noqa: F401
    import requests  # noqa: F401

    for name in (*LIBRARIES, "threadfan.clients.requests", "threadfan.clients.httpx", "threadfan.clients.anthropic"):
        importlib.import_module(name)


class Clients:
    """Clients of a proxy by name, closed at the end.

    Args:
        proxy: which they ask.
    """

    def __init__(self, proxy):
        self._proxy = proxy
        self._made, self._lock, self._stack = {}, threading.Lock(), ExitStack()

    def get(self, name):
        """The client of this name."""
        with self._lock:
            if name not in self._made:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    self._made[name] = self._make(*name.split(" "))
            return self._made[name]

    def _make(self, state, library):
        if library == "requests":
            import requests

            client = self._stack.enter_context(requests.Session())
            client.trust_env = client.verify = False
        elif library == "anthropic":
            from anthropic import Anthropic, DefaultHttpxClient

            http = DefaultHttpxClient(trust_env=False, verify=False)
            client = Anthropic(
                base_url=self._proxy.url(), api_key="test", max_retries=0, timeout=PATIENCE, http_client=http
            )
            self._stack.callback(client.close)
        else:
            httpx = __import__(library)
            client = self._stack.enter_context(httpx.Client(trust_env=False, verify=False, timeout=PATIENCE))
        return attach(client) if state == "attached" else client

    def close(self):
        """All of them."""
        self._stack.close()


NAMES = [f"{state} {library}" for state in ("attached", "plain") for library in ("requests", *LIBRARIES, "anthropic")]
