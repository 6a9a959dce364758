"""Answers that come as a stream of events."""

import itertools


def test_text(client):
    """A streamed text puts itself together to what is answered at once."""
    arguments = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "rivers"}]}
    with client.messages.stream(**arguments) as stream:
        pieces = list(stream.text_stream)
        final = stream.get_final_message()
    whole = client.messages.create(**arguments)
    assert "".join(pieces) == final.content[0].text == whole.content[0].text
    assert len(pieces) > 1
    assert (final.stop_reason, final.usage) == (whole.stop_reason, whole.usage)


def test_event_order(ask):
    """The events come in the order of the API."""
    with ask("rivers", stream=True) as stream:
        kinds = [kind for kind, _ in itertools.groupby(event.type for event in stream)]
    block = ["content_block_start", "content_block_delta", "content_block_stop"]
    assert kinds == ["message_start", *block, "message_delta", "message_stop"]


def test_ping(post):
    """A stream holds a ping, which a reader of raw events must skip."""
    body = {"model": "m", "max_tokens": 9, "stream": True, "messages": [{"role": "user", "content": "x"}]}
    answer = post(body)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert 'event: ping\ndata: {"type": "ping"}\n\n' in answer.text
