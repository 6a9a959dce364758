"""A machine that lets attempts start and end at random, and knows by another way when a breaker must be open.

The model keeps no count: it looks through all that has been told so far.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from threadfan import Breaker
from threadfan._core.policies.breaker import Heard


class Attempt:
    """One that runs."""

    def __init__(self, given, era):
        self.given, self.era = given, era


class Machine(RuleBasedStateMachine):
    """See the module."""

    @initialize(failures=st.integers(1, 4), recovery=st.sampled_from([1, 5]))
    def make(self, failures, recovery):
        """A new one."""
        self.breaker = Breaker(failures, recovery)
        self.now = 0.0
        self.running = []
        self.history = []  # what was heard in this era: the time since it has last opened or closed
        self.era = 0
        self.open = False
        self.not_before, self.latest = 0.0, None  # for the next trial, and the one that no end is known of

    @rule(nested=st.integers(0, 5))
    def start(self, nested):
        """An attempt asks, maybe one that another makes."""
        around = self.running[nested] if nested < len(self.running) else None
        given = self.breaker.take(self.now, None if around is None else around.given)
        if not self.open:
            assert given is not None
            self.running.append(Attempt(given, self.era))
        elif self.now >= self.not_before:
            assert given is not None
            self.not_before = self.now + self.breaker.recovery
            self.latest = Attempt(given, self.era)
            self.running.append(self.latest)
        elif around is not None and around is self.latest:
            assert given is not None
            self.running.append(Attempt(given, self.era))
        else:
            assert given is None

    @precondition(lambda self: self.running)
    @rule(number=st.integers(0, 20), heard=st.sampled_from(list(Heard)))
    def end(self, number, heard):
        """One ends."""
        attempt = self.running.pop(number % len(self.running))
        news = self.breaker.tell(attempt.given, self.now, heard, ConnectionError(len(self.history)))
        if attempt.era != self.era:
            assert news is None
            return
        self.history.append(heard)
        said = [one for one in self.history if one is not Heard.NOTHING]
        last = said[-self.breaker.failures :]
        if not self.open and len(last) == self.breaker.failures and set(last) == {Heard.DOWN}:
            assert news == "opened"
            self._change(True)
            self.not_before, self.latest = self.now + self.breaker.recovery, None
        elif self.open and heard is Heard.ANSWER:
            assert news == "closed"
            self._change(False)
        else:
            assert news is None
            if self.open and heard is Heard.DOWN:
                self.not_before, self.latest = self.now + self.breaker.recovery, None
            elif self.open and attempt is self.latest:
                self.not_before, self.latest = self.now, None

    def _change(self, is_open):
        self.open, self.history = is_open, []
        self.era += 1

    @rule(seconds=st.sampled_from([0.5, 1, 5]))
    def advance(self, seconds):
        """Time passes."""
        self.now += seconds

    @invariant()
    def shows(self):
        """It says of itself what the model knows."""
        if hasattr(self, "breaker"):
            assert self.breaker.state == ("open" if self.open else "closed")
            assert self.breaker.shut_until() == (self.not_before if self.open else float("-inf"))

    def teardown(self):
        """However it is then, a recovery and one answer later it is closed."""
        if hasattr(self, "breaker"):
            self.now += self.breaker.recovery
            given = self.breaker.take(self.now)
            assert given is not None
            self.breaker.tell(given, self.now, Heard.ANSWER)
            assert self.breaker.state == "closed"


Machine.TestCase.settings = settings(max_examples=300, stateful_step_count=50)
TestBreakerOfMachine = Machine.TestCase
