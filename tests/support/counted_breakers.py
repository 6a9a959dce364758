"""A breaker that keeps count of what it lets through and what it is told."""

import threading

from threadfan import Breaker


class CountedBreaker(Breaker):
    """Sees to it that each pass ends once, and that no attempt starts while it is open but trials."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.given = self.told = 0
        self.trials = []  # when they began
        self.violations = []
        self._counting = threading.RLock()

    def take(self, now, around=None):
        """Let one start, or not."""
        with self._counting:
            shut = now < self.shut_until()
            passed = super().take(now, around)
            if passed is not None:
                self.given += 1
                if passed[1]:
                    self.trials.append(now)
                if shut and around is None:
                    self.violations.append("one has slipped through")
            return passed

    def tell(self, passed, now, heard, error=None):
        """It has ended."""
        with self._counting:
            self.told += 1
            if self.told > self.given:
                self.violations.append("one pass has ended twice")
            return super().tell(passed, now, heard, error)
