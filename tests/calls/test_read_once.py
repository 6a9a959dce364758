"""What other threads may change at any moment is read once: each is changed here in the moment after the first look."""

from support.controlled import PATIENCE, aside
from threadfan import Fan, Hedge, current_scope
from threadfan._core.base.clock import REAL
from threadfan._core.calls import steering
from threadfan._core.calls.input_calls import InputCalls
from threadfan._core.calls.shared_calls import SharedFuture
from threadfan._core.scope.alarms import Alarm, Keeper


class Vanishing(dict):
    """Of which something is gone when somebody has seen that it is there."""

    def __contains__(self, key):
        found = super().__contains__(key)
        self.pop(key, None)
        return found


def current(item):
    """Have the input become a call."""
    current_scope()
    return item


def test_a_second_attempt_that_is_given_up_as_the_first_ends(monkeypatch):
    """The outcome of the first is that of the call."""
    is_more = InputCalls.is_more

    def given_up(batch, index):
        batch.made.pop(index)  # as if it had been made for a second attempt that is beyond the budget
        return is_more(batch, index)

    monkeypatch.setattr(InputCalls, "is_more", given_up)
    with Fan(1, hedge=Hedge(after=3600)) as fan:
        assert aside(fan.run, current, [1, 2]).result(PATIENCE).unwrap() == [1, 2]


def test_a_call_that_ends_as_it_is_cancelled():
    """It is found nowhere."""
    with Fan(1, hedge=Hedge(after=3600)) as fan:
        started = fan.start(current, [1])
        started.result(PATIENCE)
        batch = started._batch
        batch.made = Vanishing({7: None})
        with fan._scheduler.lock:
            assert not steering._drop_waiting(batch, 7, [])


def test_a_shared_call_that_ends_as_somebody_looks():
    """It stands in no queue any more."""

    class Ending(SharedFuture):
        looks = 0

        @property
        def shared(self):
            self.looks += 1
            return type("Shared", (), {"call": None})() if self.looks == 1 else None

    assert Ending.__new__(Ending).queue is None


def test_an_alarm_that_is_taken_out_as_it_is_taken_back():
    """The heap may be empty in the next moment."""

    class Emptied(list):
        def __len__(self):
            number = super().__len__()
            self.clear()
            return number

        def __bool__(self):
            return len(self) > 0

    keeper = Keeper(object(), REAL)
    alarm = Alarm(REAL.monotonic() + 3600, int, quick=True)
    keeper._heap = Emptied([alarm])
    keeper._take_back(alarm)
    assert not alarm.acts
