"""What the loopback server has counted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Stats:
    """What a server has seen since its start or its last reset.

    Prompts are told apart by all that a request says to the model: system prompt, messages and tools.

    Args:
        requests: Requests that have arrived.
        open: Requests that are not finished.
        max_open: The most that were open at once.
        disconnects: Requests whose client closed the connection before the end of the answer.
        statuses: Answers by HTTP status.
        faults: Faults by kind.
        accepted: Requests that the limits let pass; none are counted while there are no limits.
        refused: Requests that would have exceeded a limit, and got a 429 for that.
        answered: Prompts that have had a whole answer.
        answered_again: Those of them that have had more than one.
        asked_again: Requests for a prompt that arrived after its whole answer had been sent.
    """

    requests: int
    open: int
    max_open: int
    disconnects: int
    statuses: dict[int, int]
    faults: dict[str, int]
    accepted: int
    refused: int
    answered: int
    answered_again: int
    asked_again: int

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Builds the counts from the server's answer."""
        fields = json.loads(text)
        statuses = {int(status): count for status, count in fields.pop("statuses").items()}
        return cls(statuses=statuses, **fields)
