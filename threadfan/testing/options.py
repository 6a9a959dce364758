"""What a user may set on the loopback server, checked in the user's process and sent to the server's as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, TypedDict

from threadfan.testing.faults import check_kinds
from threadfan.testing.latency import Fixed, LogNormal
from threadfan.testing.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

Latency = Fixed | LogNormal

_ROUNDING = 1e-9  # more than what adding a handful of probabilities can be off by


class Settings(TypedDict, total=False):
    """The keyword arguments of `MessagesServer` and of `MessagesServer.configure`; see `Options` for their meaning."""

    latency: float | Latency
    replies: Mapping[str, str | Sequence[str]]
    faults: Mapping[str, float]
    seed: int
    retry_after: float
    drip_interval: float
    reject_keys: Collection[str]
    limits: Limits | None


@dataclass(frozen=True, kw_only=True)
class Options:
    """One complete set of options.

    Args:
        latency: Time before an answer, in seconds or as a distribution.
        replies: Exact answers by a part of the prompt; the first that matches wins, a sequence is cycled through.
        faults: Probability of each kind of fault for a prompt without a fault marker.
        seed: Decides which requests meet those faults.
        retry_after: What a 429 asks for in its `retry-after` header, in seconds.
        drip_interval: Time between two pieces of a dripping answer, in seconds.
        reject_keys: API keys that get a 401, besides "invalid".
        limits: What each API key may use, on `/v1/messages` and `/limited`.

    Raises:
        TypeError: `limits` is something else.
        ValueError: A number is out of range, a kind of fault is unknown, or a reply is an empty sequence.
    """

    latency: float | Latency = 0.0
    replies: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    faults: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0
    retry_after: float = 1.0
    drip_interval: float = 1.0
    reject_keys: Collection[str] = ()
    limits: Limits | None = None

    def __post_init__(self) -> None:
        check_kinds(self.faults)
        if min(self.faults.values(), default=0) < 0 or sum(self.faults.values()) > 1 + _ROUNDING:
            raise ValueError(f"faults is {self.faults!r}; right are probabilities from 0 that sum to at most 1")
        for name, seconds in (("retry_after", self.retry_after), ("drip_interval", self.drip_interval)):
            if seconds < 0:
                raise ValueError(f"{name} is {seconds!r}; right is a number of seconds, 0 or more")
        for part, reply in self.replies.items():
            if not isinstance(reply, str) and not reply:
                raise ValueError(f"the reply for {part!r} is {reply!r}; right is a text or a sequence of texts")
        if not isinstance(self.limits, Limits | None):
            raise TypeError(f"limits is {self.limits!r}; right is threadfan.testing.Limits(...), or None for no limits")
        self.distribution()

    def distribution(self) -> Latency:
        """Returns the latency as a distribution: a number means `Fixed`."""
        return self.latency if isinstance(self.latency, Fixed | LogNormal) else Fixed(self.latency)

    def to_json(self) -> str:
        """Returns one line of ASCII that `from_json` turns into equal options."""
        fields = {
            **vars(self),
            "latency": asdict(self.distribution()),
            "replies": dict(self.replies),
            "faults": dict(self.faults),
            "reject_keys": list(self.reject_keys),
            "limits": self.limits and asdict(self.limits),
        }
        return json.dumps(fields)

    @classmethod
    def from_json(cls, line: str | bytes) -> Options:
        """Builds options from what `to_json` wrote."""
        fields = json.loads(line)
        kind = Fixed if "seconds" in fields["latency"] else LogNormal
        limits = fields["limits"] and Limits(**fields["limits"])
        return cls(**{**fields, "latency": kind(**fields["latency"]), "limits": limits})
