"""What tests of agents have in common: prompts that call tools, tools that wait, and waits that end in a failure."""

import json
import threading
import time
from concurrent.futures import Future

PATIENCE = 10.0  # real seconds after which a wait counts as a hang; nothing healthy comes near it


def ask_for(*calls):
    """A prompt for which the loopback server calls tools: names, or pairs of a name and an input."""
    pairs = [(call, {}) if isinstance(call, str) else call for call in calls]
    return "Please " + " ".join(f"use tool {name} with {json.dumps(given)}" for name, given in pairs)


def results(result):
    """The texts that went back to the model, each with whether it was an error, in the order of the transcript."""
    blocks = [
        block
        for message in result.messages
        if message["role"] == "user" and isinstance(message["content"], list)
        for block in message["content"]
        if block["type"] == "tool_result"
    ]
    return [(block["content"], block.get("is_error", False)) for block in blocks]


def aside(fn, *args):
    """Run a function in a plain thread of its own; gives a future of its result."""
    future = Future()

    def run():
        try:
            future.set_result(fn(*args))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="aside", daemon=True).start()
    return future


def until(condition):
    """Wait for something that tells nobody when it comes true."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"{condition} did not come true"
        time.sleep(0)


class Held:
    """A tool that tells when it runs, and returns when it is let go."""

    def __init__(self):
        self.begun = threading.Event()
        self.free = threading.Event()

    def wait(self):
        """Wait, as a tool does that hangs."""
        self.begun.set()
        assert self.free.wait(PATIENCE)
        return "free"

    def let_go(self, fan):
        """Let it return, and wait until the fan, for which its call is over, has its thread back."""
        self.free.set()
        until(lambda: fan.snapshot()["abandoned"] == 0)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.free.set()


def double(number: int) -> int:
    """Double a number."""
    return 2 * number


def fail(reason: str = "no reason") -> None:
    """Fail."""
    raise ValueError(reason)
