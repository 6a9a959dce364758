"""The calls that wait under several limits: in order, each limit holding its own alone, at a constant cost."""

from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from support.controlled import PATIENCE, aside, until
from threadfan import Fan, FanClosed, RateLimit, task
from threadfan._core.calls.lanes import Lanes
from threadfan._core.calls.policies import Policies


class Call:
    """A call under a limit, which is a number; None for none."""

    def __init__(self, limit):
        self.limit = limit
        self.policies = None if limit is None else SimpleNamespace(waitlist=limit, pace=None, lane=limit)


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["append", "appendleft", "take", "refuse", "open", "remove", "limited", "free", "cut short"]),
        st.integers(0, 5),
    )
)


@given(OPERATIONS)
def test_it_is_a_list_of_which_some_calls_are_held(operations):
    """Whatever happens, the call to take next is the first whose limit has not refused one."""
    backlog, model, lanes = Lanes(SimpleNamespace(monotonic=float)), [], {}

    def held(call):
        lane = lanes.get(call.limit)
        return lane is not None and lane.shut

    for name, number in operations:
        if name in ("append", "appendleft"):
            call = Call([None, "a", "b"][number % 3])
            getattr(backlog, name)(call)
            model.insert(len(model) if name == "append" else 0, call)
            lanes[call.limit] = backlog.lane(call.policies)
        elif name in ("take", "refuse"):
            lane = backlog.next_lane()
            expected = next((call for call in model if not held(call)), None)
            assert (None if lane is None else lane.first) is expected
            if lane is not None and name == "take":
                assert backlog.take(lane) is expected
                model.remove(expected)
            elif lane is not None:
                backlog.shut(lane)
        elif name == "open" and lanes:
            backlog.open(list(lanes.values())[number % len(lanes)])
        elif name == "remove" and model:
            backlog.remove(model.pop(number % len(model)))
        elif name in ("limited", "free") and model:
            backlog.limited(lanes[model[number % len(model)].limit], name == "limited")
        elif name == "cut short":
            backlog.ready = backlog.held = backlog._length = 7
            backlog._open.clear()
            backlog.mend()
        assert list(backlog) == model
        assert len(backlog) == len(model)
        assert backlog.ready == sum(not held(call) for call in model)
        assert backlog.held == sum(lane.held_since is not None for lane in lanes.values())


def test_calls_of_a_limit_that_is_shut_are_not_asked_about_again(clock, monkeypatch):
    """However many wait for one limit, taking a call under another one asks no more questions than there are calls."""
    asked = []
    admit = Policies.admit
    monkeypatch.setattr(Policies, "admit", lambda self, *arguments: asked.append(1) or admit(self, *arguments))
    shut, wide = RateLimit(requests_per_minute=1), RateLimit(requests_per_minute=10**9, burst=10**6)
    with Fan(4) as fan:
        tasks = [task(int).with_options(rate=limit) for limit in [shut] * 300 + [wide] * 300]
        gathering = aside(fan.gather, *tasks)
        until(lambda: fan.snapshot()["done"] == 301)
        fan.shutdown(wait=False, cancel_futures=True)
        assert isinstance(gathering.exception(PATIENCE), FanClosed)
    assert len(asked) < 700
