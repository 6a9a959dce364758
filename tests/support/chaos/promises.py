"""What must hold of each input when all is over, whatever was done to it."""

import threadfan
from support.chaos.ways import OF_BATCHES

SLACK = 20.0
"""Seconds that a busy machine may be late to end a call whose time is up; what hangs does so for longer."""

OF_THE_LIBRARY = (
    threadfan.BreakerOpen,
    threadfan.LimitExhausted,
    threadfan.ThreadsExhausted,
    threadfan.BrokenThreadPool,
    threadfan.FanClosed,
)
"""What a call may fail with that its function did not raise."""


def check_use(world, use):
    """Each input has exactly one outcome, in its place, that is one it can have."""
    found = list(use.found)
    if use.raised is not None and use.carried is not None:
        known = {index for index, *_ in found}
        more = [(one.index, one.status, one.value, one.error, one.attempts, one.history) for one in use.carried]
        assert len({index for index, *_ in more}) == len(more), _said(world, use, "a report has an input twice")
        found += [one for one in more if one[0] not in known]
    indices = [index for index, *_ in found]
    assert len(set(indices)) == len(indices), _said(world, use, f"outcomes of {sorted(indices)}")
    if use.raised is None and use.whole:
        # Inputs that come one by one are taken as there is room, and none any more once the batch has ended.
        cut_short = use.may_cancel and use.way in (*OF_BATCHES, "pipeline")
        taken = len(indices) if cut_short else len(use.items)
        assert sorted(indices) == list(range(taken)), _said(world, use, f"outcomes of {sorted(indices)}")
    if use.raised is not None:
        _check_raised(world, use)
    for index, status, value, error, attempts, history in found:
        _check(world, use, use.items[index], status, value, error, attempts, history)
    for item in use.items:
        if not use.may_repeat:
            assert len(item.began) <= 1, _said(world, use, f"{item} was called {len(item.began)} times")
        if item.deed == "ask":
            asked = world.proxy.seen[f"/echo?x={item.token}"]
            assert asked <= len(item.began), _said(world, use, f"{item} was asked {asked} times")
    for item, _ in zip(use.items, use.told, strict=False):
        assert len(item.told) == 1, _said(world, use, f"{item} was told {len(item.told)} times")


def _check(world, use, item, status, value, error, attempts, history):
    def holds(condition, what):
        if not condition:
            raise AssertionError(
                _said(world, use, f"{item}: {what}; {status}, {value}, {type(error)}, {attempts}, {history}")
            )

    own = any(error is one for one in item.raised)
    if use.way == "texts" and type(error) is RuntimeError:  # what a generator makes of the end of another
        own = own or any(error.__cause__ is one for one in item.raised)
    if not own and use.raised is not None:  # in the report that an error carries stands one just like it
        own = type(error) is type(use.raised) and any(type(one) is type(error) for one in item.raised)
    if status == "succeeded":
        holds(value in item.returned, f"it has returned {item.returned}")
    elif status == "failed":
        holds(own or issubclass(type(error), OF_THE_LIBRARY), "it has not raised that")
    elif status == "timed_out":
        holds(own or use.may_time_out, "nobody said how long it may take")
        holds(own or issubclass(type(error), threadfan.TaskTimeout), "its error is another")
    elif status == "cancelled":
        holds(own or use.may_cancel or use.raised is not None or world.fails_at, "nobody cancels")
    else:
        holds(status == "any", "there is no such status")
    if attempts is not None:
        holds(len(item.began) <= attempts, f"it began {len(item.began)} times")
        holds(use.may_repeat or attempts <= 1, "it was started again")
        holds(status != "succeeded" or item.began, "it never began")
    for attempt in history:
        if use.timeout is not None:
            holds(attempt.duration <= use.timeout + SLACK, f"an attempt took {attempt.duration} s")


def _check_raised(world, use):
    """What ended a way was somebody's doing."""
    error = use.raised
    if any(error is one for item in use.items for one in item.raised):
        return
    ours = (*OF_THE_LIBRARY, threadfan.TaskTimeout, threadfan.TaskCancelled)
    mine = issubclass(type(error), ours) or "shutdown" in str(error) or "closed" in str(error)
    allowed = mine and (use.may_cancel or world.fails_at or world.refusing or use.may_time_out or use.way == "mapped")
    if use.arguments.get("fail_fast") or (world.refusing and "start new thread" in str(error)):
        allowed = True
    if not allowed:
        raise AssertionError(_said(world, use, f"{error!r} was raised")) from error


def _said(world, use, what):
    return f"{use.way}, use {use.number}: {what}\n{world.describe()}"
