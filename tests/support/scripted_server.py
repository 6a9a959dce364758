"""A server that answers as it is told, whatever the protocol says: for a real client that meets what is no answer."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class ScriptedServer:
    """Answers requests one after another: with a message, with events, or with a text as it is.

    Args:
        answers: pairs of a kind, ``"message"``, ``"events"`` or a content type, and what it says; or a pair of a status
            and the type of an error.  An error may have headers as well.
    """

    def __init__(self, *answers):
        self.asked = []
        self._answers = list(answers)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self):
        """Where it is."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def client(self, **options):
        """A real client of it."""
        import anthropic

        aside = anthropic.DefaultHttpxClient(mounts={"all://127.0.0.1": None})
        return anthropic.Anthropic(api_key="test", base_url=self.url, max_retries=0, http_client=aside, **options)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc_info):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self):
        script = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                script.asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                kind, said, *headers = script._answers.pop(0)
                status, content, body = script._answer(kind, said)
                self.send_response(status)
                for name, value in {"content-type": content, "content-length": len(body), **dict(*headers)}.items():
                    self.send_header(name, str(value))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        return Handler

    def _answer(self, kind, said):
        if isinstance(kind, int):
            error = {"type": "error", "error": {"type": said, "message": "no"}}
            return kind, "application/json", json.dumps(error).encode()
        if kind == "message":
            return 200, "application/json", json.dumps(said).encode()
        if kind == "events":
            lines = (f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in said)
            return 200, "text/event-stream", "".join(lines).encode()
        return 200, kind, said if isinstance(said, bytes) else said.encode()


def text(said):
    """A block of text."""
    return {"type": "text", "text": said}


def call(name, **given):
    """A block that asks for a tool."""
    return {"type": "tool_use", "id": f"toolu_{name}", "name": name, "input": given}


THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}


def message(*blocks, stop="end_turn"):
    """A message as the API sends it."""
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": list(blocks),
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {"input_tokens": 10, "output_tokens": 5},
    }


def events(*pieces, stop="end_turn"):
    """The events of a message of one text."""
    start = {**message(), "stop_reason": None}
    yield {"type": "message_start", "message": start}
    yield {"type": "content_block_start", "index": 0, "content_block": text("")}
    for piece in pieces:
        yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}
    yield {"type": "content_block_stop", "index": 0}
    yield {
        "type": "message_delta",
        "delta": {"stop_reason": stop, "stop_sequence": None},
        "usage": {"output_tokens": 7},
    }
    yield {"type": "message_stop"}


def overloaded():
    """The event with which a stream ends that is not gone on with."""
    return {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
