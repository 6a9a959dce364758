"""How many calls run at once, as they see it themselves."""

import threading
from contextlib import contextmanager

from threadfan import current_scope


class Gauge:
    """Counts calls that are in it and not over, and notes when there are more than may be.

    A call that is over has lost its slot and may be in it for long; but its scope is cancelled before its slot is
    another's.  So all that are found with their scopes alive had slots when the counting began.

    Args:
        name: of what is limited.
        most: how many may be in it.
    """

    def __init__(self, name, most):
        self.name, self.most = name, most
        self.overdrawn = None  # how, if it was
        self._lock = threading.Lock()
        self._inside = []

    def enter(self):
        """A call begins, or has its slot again; gives what `leave` takes."""
        scope = current_scope()
        with self._lock:
            self._inside.append(scope)
            alive = sum(not one.cancelled for one in self._inside)
            if alive > self.most:
                self.overdrawn = f"{alive} calls at once in {self.name}, where {self.most} may be"
        return scope

    def leave(self, scope):
        """It ends, or is about to lend its slot."""
        with self._lock:
            for at, one in enumerate(self._inside):
                if one is scope:
                    del self._inside[at]
                    return


@contextmanager
def inside(gauges):
    """Be counted by these."""
    entered = []
    try:
        for gauge in gauges:  # one by one: each that was entered is left
            entered += [(gauge, gauge.enter())]
        yield
    finally:
        for gauge, scope in entered:
            gauge.leave(scope)


@contextmanager
def outside(gauges):
    """Not be counted for a while, for the call lends its slot."""
    scope = current_scope() if gauges else None
    for gauge in gauges:
        gauge.leave(scope)
    try:
        yield
    finally:
        for gauge in gauges:
            gauge.enter()
