"""Calls that hang in attached clients end at their timeout, and their threads are free again.

A fan's timeout is punctual with any client, but the thread that waits in a plain client is stuck until that gives up.
An attached client ends the wait: the server sees the connection close, and no warning names a stuck thread.
"""

from queue import SimpleQueue

import requests

from threadfan import CallCancelled, Fan, TaskTimeout, fail_after, task
from threadfan.clients import anthropic as anthropic_seam
from threadfan.clients import requests as requests_seam
from threadfan.testing import MessagesServer

ended = SimpleQueue()  # the names of calls whose threads have left the client


def ask(name, question):
    """One message of the model's."""
    prompt = [{"role": "user", "content": question}]
    try:
        return client.messages.create(model="claude-haiku-4-5", max_tokens=200, messages=prompt).content[0].text
    except CallCancelled:  # a BaseException, so `except Exception` lets it pass
        ended.put(name)
        raise


def fetch(name, url):
    """One page."""
    try:
        return session.get(url).text
    except CallCancelled:
        ended.put(name)
        raise


with MessagesServer() as server, requests_seam.attach(requests.Session()) as session:
    session.trust_env = False  # the server is on this machine, past any proxy
    client = anthropic_seam.attach(server.client())
    with Fan(4, timeout=0.5) as fan:
        report = fan.gather(
            answer=task(ask, "answer", "Who is there?"),
            silence=task(ask, "silence", "Who is there? [fault:hang]"),
            page=task(fetch, "page", f"{server.url}/hang"),
        )
        for outcome in report:
            print(f"{outcome.name}: {outcome.status}")
        print(f"free again: {', '.join(sorted(ended.get(timeout=10) for _ in report.failed))}")
        print(f"clients that the server has seen go: {server.wait_for(disconnects=2).disconnects}")
        print(f"tokens written for the answer: {report['answer'].usage.output_tokens}")
        try:
            with fail_after(0.2):  # a deadline without a fan
                session.get(f"{server.url}/drip?bytes=100")
        except TaskTimeout as error:
            print(f"raised: {error}")
