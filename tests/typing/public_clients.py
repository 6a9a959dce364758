"""Types of what the modules of `threadfan.clients` have of their own and of what passes through them."""

import queue as standard_queue
import subprocess as standard_subprocess
import threading as standard_threading
from typing import Any, assert_type

import anthropic as sdk
import httpx as plain_httpx
import requests as plain_requests

from threadfan.clients import anthropic, httpx, queue, requests, subprocess, threading

# What a module has of its own goes before what passes through it.
session: requests.Session = requests.Session(pool_size=3)
assert_type(requests.attach(plain_requests.Session()), plain_requests.Session)
lock: threading.Lock = threading.Lock()
assert_type(lock.acquire(), bool)
assert_type(subprocess.run(["true"], text=True, grace=1.0), standard_subprocess.CompletedProcess[str])
items: queue.Queue[int] = queue.Queue()
assert_type(items.get(), int)
assert_type(httpx.attach(plain_httpx.Client()), plain_httpx.Client)
assert_type(anthropic.attach(sdk.Anthropic()), sdk.Anthropic)

# What passes through has the type that it has in its library.
assert_type(requests.get("https://example.com"), plain_requests.Response)
assert_type(requests.exceptions.HTTPError(), plain_requests.exceptions.HTTPError)
assert_type(subprocess.Popen(["true"], text=True), standard_subprocess.Popen[str])
assert_type(subprocess.getoutput("true"), str)
assert_type(threading.current_thread(), standard_threading.Thread)
urgent: queue.PriorityQueue[int] = queue.PriorityQueue()
assert_type(urgent, standard_queue.PriorityQueue[int])
assert_type(httpx.Client(), plain_httpx.Client)
assert_type(anthropic.Anthropic(), sdk.Anthropic)


class Mine(threading.Thread):
    """What passes through can be derived from."""


def caught(error: anthropic.APIStatusError) -> Any:
    """And stand in annotations."""
    return error.response


# What is nowhere is an error.
requests.gte  # type: ignore[attr-defined]  # noqa: B018
subprocess.Open  # type: ignore[attr-defined]  # noqa: B018
