"""Help for testing programs that call the Messages API or plain HTTP services from many threads.

Every name is imported on first use, so `import threadfan.testing` costs nothing and needs no optional package.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadfan.testing.clock import ManualClock
    from threadfan.testing.latency import Fixed, LogNormal
    from threadfan.testing.leaks import no_leaks
    from threadfan.testing.limits import Limits
    from threadfan.testing.probe import Probe
    from threadfan.testing.server import MessagesServer
    from threadfan.testing.threads import refused_threads

__all__ = ["Fixed", "Limits", "LogNormal", "ManualClock", "MessagesServer", "Probe", "no_leaks", "refused_threads"]

_HOMES = {
    "Fixed": "threadfan.testing.latency",
    "Limits": "threadfan.testing.limits",
    "LogNormal": "threadfan.testing.latency",
    "ManualClock": "threadfan.testing.clock",
    "MessagesServer": "threadfan.testing.server",
    "Probe": "threadfan.testing.probe",
    "no_leaks": "threadfan.testing.leaks",
    "refused_threads": "threadfan.testing.threads",
}


if not TYPE_CHECKING:  # type checkers, who read the imports above, would take any name for one of the module

    def __getattr__(name):
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(sorted(_HOMES))}")
        value = globals()[name] = getattr(import_module(_HOMES[name]), name)  # the next access no longer comes here
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
