"""What the demo is to do, checked before anything is started."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from threadfan._core.base.texts import masked_url

COMPANIES = (
    "Airbus", "Infosys", "Maersk", "Nestlé", "Novo Nordisk", "Petrobras", "Safaricom", "Samsung", "Shopify", "Siemens",
    "Toyota", "Unilever",
)  # fmt: skip
MODEL = "claude-haiku-4-5"
LATENCY = 0.5  # seconds
MOST_WORKERS = 1000  # as many connections as the anthropic client keeps
LONGEST = 86400.0  # seconds; a day is more than any call takes, and less than what clocks and sockets refuse


class DemoError(Exception):
    """Why the job could not begin, in one line."""


@dataclass(frozen=True, kw_only=True)
class DemoSettings:
    """What to do.

    Args:
        companies: their names.
        workers: how many companies the fan may be busy with at once.
        timeout: seconds for each call.
        model: the model to ask.
        sequential: whether to make the calls one after another first.
        latency: seconds that the loopback server takes for an answer.
        base_url: the server to ask; None for the loopback server, or with a key for the real API.
        key: the API key; None where it does not matter.

    Raises:
        ValueError: a number or the URL is out of range.
    """

    companies: tuple[str, ...] = COMPANIES
    workers: int = 12
    timeout: float = 30.0
    model: str = MODEL
    sequential: bool = True
    latency: float = LATENCY
    base_url: str | None = field(default=None, repr=False)
    key: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not self.companies:
            raise ValueError("--companies names none; right are names separated by commas: 'Airbus, Toyota'")
        if not 1 <= self.workers <= MOST_WORKERS:
            raise ValueError(f"--workers is {self.workers}; right are 1 to {MOST_WORKERS}")
        if not 0 < self.timeout <= LONGEST:
            raise ValueError(f"--timeout is {self.timeout:g}; right is more than 0 seconds, at most {LONGEST:g}")
        if not 0 <= self.latency <= LONGEST:
            raise ValueError(f"--latency is {self.latency:g}; right are 0 to {LONGEST:g} seconds")
        if self.base_url is not None and not _is_url(self.base_url):
            shown = masked_url(self.base_url)  # it may have a password in it
            raise ValueError(f"--base-url is {shown!r}; right is a URL such as http://127.0.0.1:8000")

    @property
    def loopback(self) -> bool:
        """Whether the server on this machine is asked."""
        return self.key is None and self.base_url is None

    def server(self, url: str) -> str:
        """What to call the server whose URL this is; without the secrets in it."""
        return f"the loopback server ({self.latency:g} s an answer)" if self.loopback else masked_url(url).rstrip("/")


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, or too large
        return False
