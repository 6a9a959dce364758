"""An input of a call: what it is to do, and what it has done."""

import random
import threading
import time


class Item:
    """What one call does, drawn in advance, and a record of what became of it.

    Args:
        token: what it is known by.
        deed: the name of what it does, see ``support.chaos.deeds``.
        seed: of further draws.
    """

    def __init__(self, token, deed, seed):
        self.token, self.deed, self.seed = token, deed, seed
        self.key = token % 3
        self.began = []  # moments
        self.returned = []
        self.raised = []
        self.told = []  # of done-callbacks
        self._lock = threading.Lock()

    def __repr__(self):
        return f"<{self.token}: {self.deed}>"

    def begin(self):
        """Its function has begun; gives the number of this time, and a source of draws."""
        with self._lock:
            self.began.append(time.monotonic())
            return len(self.began), random.Random(f"{self.seed}-{len(self.began)}")


class Use:
    """One way in which a user calls the function on some items, with what he has asked for.

    ``may_repeat``: a call may be made more than once.  ``may_cancel``: somebody may cancel.  ``timeout``: of each
    attempt, or None.
    """

    def __init__(self, number, way, items):
        self.number, self.way, self.items = number, way, items
        self.options, self.arguments = {}, {}
        self.may_repeat = self.may_cancel = self.may_time_out = False
        self.timeout = None
        self.gauges = []  # of all its calls
        self.keyed = {}  # key -> gauge
        self.found = []  # (index, status, value, error, attempts or None)
        self.whole = True  # each input is to have an outcome
        self.journaled = False
        self.raised = self.carried = None  # what ended the way, and the report that it has
        self.told = []  # futures whose callbacks are counted

    def __repr__(self):
        deeds = sorted({item.deed for item in self.items})
        return f"use {self.number}: {self.way} of {len(self.items)} {deeds}, {self.options} {self.arguments}"

    def gauges_of(self, item):
        """Those that count a call of this item."""
        keyed = self.keyed.get(item.key)
        return self.gauges if keyed is None else [*self.gauges, keyed]

    def forget(self):
        """Let go of what it has: errors hold frames, and those connections."""
        self.found, self.raised, self.carried, self.told = [], None, None, []
        for item in self.items:
            item.returned, item.raised = [], []
