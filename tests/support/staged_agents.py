"""What tests of agents have in common: prompts that call tools, tools that wait, and waits that end in a failure."""

import json
import threading

from support.controlled import PATIENCE, until


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
