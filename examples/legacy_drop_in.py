"""A script written for `concurrent.futures` runs on threadfan: only the module's name in its import changes.

`answer_all` is the old script.  It gets the module as an argument here, so that both can be tried in one run.
"""

import concurrent.futures

import threadfan
from threadfan.testing import MessagesServer

TICKETS = [f"Ticket {number}: the invoice for month {number} is missing." for number in range(1, 21)]


def answer(client, ticket):
    """One blocking call."""
    prompt = [{"role": "user", "content": f"Draft a reply. {ticket}"}]
    return client.messages.create(model="claude-haiku-4-5", max_tokens=200, messages=prompt).content[0].text


def answer_all(module, client):
    """Hand in everything, collect in the order of completion, give back in the order of the tickets."""
    replies = [None] * len(TICKETS)
    places = {}
    with module.ThreadPoolExecutor(max_workers=10) as pool:
        for place, ticket in enumerate(TICKETS):
            places[pool.submit(answer, client, ticket)] = place
        for future in module.as_completed(places):
            replies[places[future]] = future.result()
    return replies


with MessagesServer(latency=0.02) as server:
    client = server.client()
    before = answer_all(concurrent.futures, client)
    after = answer_all(threadfan, client)

print(f"replies with concurrent.futures: {len(before)}")
print(f"replies with threadfan: {len(after)}")
print(f"the same replies in the same order: {before == after}")
