"""A wrong argument is answered with what was wrong and what would be right."""

import asyncio
import functools

import pytest

from threadfan import Fan, task


async def fetch(_=None):
    """A coroutine function, which a thread cannot call to any purpose."""


class Fetcher:
    """An object that is called with `await`."""

    async def __call__(self, _):
        """Do nothing."""


WORKERS = "max_workers must be a whole number of calls at once, or Adaptive()"


@pytest.mark.parametrize(
    ("arguments", "error", "told"),
    [
        ({"max_workers": 0}, ValueError, "max_workers must be greater than 0, not 0"),
        ({"max_workers": -3}, ValueError, "max_workers must be greater than 0, not -3"),
        ({"max_workers": "8"}, TypeError, f"{WORKERS}, not '8'"),
        ({"max_workers": 2.5}, TypeError, f"{WORKERS}, not 2.5"),
        ({"max_workers": True}, TypeError, f"{WORKERS}, not True"),
        ({"timeout": -1}, ValueError, "timeout must be greater than 0 seconds, or None for no limit, not -1"),
        ({"timeout": 0}, ValueError, "timeout must be greater than 0 seconds, or None for no limit, not 0"),
        (
            {"timeout": float("nan")},
            ValueError,
            "timeout must be greater than 0 seconds, or None for no limit, not nan",
        ),
        ({"timeout": "5"}, TypeError, "timeout must be a number of seconds or None, not '5'"),
        ({"max_abandoned": "9"}, TypeError, "max_abandoned must be a whole number, not '9'"),
        ({"initializer": 5}, TypeError, "initializer must be a callable"),
    ],
)
def test_a_fan_refuses(arguments, error, told):
    """The message names the parameter, what would be right, and the value."""
    with pytest.raises(error) as caught:
        Fan(**arguments)
    assert str(caught.value) == told


@pytest.mark.parametrize(
    ("wrong", "error", "told"),
    [
        (lambda fan: fan.run(5, [1]), TypeError, "fan.run needs a function to call, not 5"),
        (lambda fan: fan.stream("f", [1]), TypeError, "fan.stream needs a function to call, not 'f'"),
        (lambda fan: fan.gather(5), TypeError, "fan.gather needs a function to call, not 5"),
        (lambda fan: fan.asyncify(5), TypeError, "fan.asyncify needs a function to call, not 5"),
        (lambda _: task(5), TypeError, "task needs a function to call, not 5"),
        (lambda fan: fan.map(5, [1]), TypeError, "map needs a function to call, not 5"),
        (lambda fan: fan.run(str), TypeError, "fan.run needs at least one iterable of inputs: fan.run(fn, items)"),
        (lambda fan: fan.run(str, 5), TypeError, "argument 2 of fan.run must be an iterable of inputs, not 5"),
        (
            lambda fan: fan.run(str, [1], None),
            TypeError,
            "argument 3 of fan.run must be an iterable of inputs, not None",
        ),
        (lambda fan: fan.stream(str, 5), TypeError, "argument 2 of fan.stream must be an iterable of inputs, not 5"),
        (lambda fan: fan.run(str, [1], deadline=-1), ValueError, "deadline must be greater than 0 seconds"),
        (
            lambda fan: fan.run(str, [1], deadline="1"),
            TypeError,
            "deadline must be a number of seconds or None, not '1'",
        ),
        (lambda fan: fan.stream(str, [1], window=0), ValueError, "window must be greater than 0, not 0"),
        (lambda fan: fan.with_options(max_concurrent=0), ValueError, "max_concurrent must be greater than 0, not 0"),
        (lambda fan: fan.with_options(max_concurrent=1.5), TypeError, "max_concurrent must be a whole number, not 1.5"),
        (lambda fan: fan.with_options(timeout=-1), ValueError, "timeout must be greater than 0 seconds"),
        (
            lambda _: task(str).with_options(timeout="x"),
            TypeError,
            "timeout must be a number of seconds or None, not 'x'",
        ),
        (lambda fan: asyncio.run(fan.arun(str, 5)), TypeError, "argument 2 of fan.arun must be an iterable of inputs"),
        (lambda fan: asyncio.run(fan.arun(5, [1])), TypeError, "fan.arun needs a function to call, not 5"),
        (lambda fan: fan.astream(str, 5), TypeError, "argument 2 of fan.astream must be an iterable of inputs"),
    ],
)
def test_a_method_refuses(wrong, error, told):
    """The message begins with what was wrong; nothing has run, and the fan goes on."""
    with Fan(1) as fan:
        with pytest.raises(error) as caught:
            wrong(fan)
        assert str(caught.value).startswith(told)
        assert fan.submit(int).result() == 0


def test_a_single_value_points_to_submit():
    """Who gives one input where many are due is shown the way."""
    with Fan(1) as fan, pytest.raises(TypeError, match=r"for a single call use submit\(fn, 5\)"):
        fan.run(str, 5)


@pytest.mark.parametrize("fn", [fetch, functools.partial(fetch), Fetcher(), Fetcher().__call__])
@pytest.mark.parametrize(
    "wrong",
    [
        lambda fan, fn: fan.run(fn, [1]),
        lambda fan, fn: fan.stream(fn, [1]),
        lambda fan, fn: fan.gather(fn),
        lambda fan, fn: fan.gather(task(fn)),
        lambda fan, fn: fan.asyncify(fn),
    ],
)
def test_a_coroutine_function_is_refused_with_the_way_out(wrong, fn):
    """In whatever form it comes, it is recognised, and `await` or `asyncio.run` are named."""
    with Fan(1) as fan, pytest.raises(TypeError, match=r"is a coroutine function: await it.*asyncio\.run"):
        wrong(fan, fn)


@pytest.mark.parametrize(
    "use",
    [
        lambda fan: fan.submit(int),
        lambda fan: fan.run(str, [1]),
        lambda fan: fan.run(str, iter([1])),
        lambda fan: fan.map(str, [1]),
        lambda fan: fan.stream(str, [1]),
        lambda fan: fan.gather(int),
        lambda fan: fan.with_options(timeout=5).submit(int),
        lambda fan: asyncio.run(fan.arun(str, [1])),
    ],
)
def test_a_closed_fan_refuses(use):
    """Every way to hand in calls says that the fan is closed and what to do."""
    with Fan(1) as fan:
        pass
    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown: make a new Fan"):
        use(fan)


def test_a_value_that_cannot_be_shown_is_still_refused():
    """An error message gets out although the value's `repr` fails."""

    class Unspeakable:
        def __repr__(self):
            raise KeyError

    with Fan(1) as fan, pytest.raises(TypeError, match="not <Unspeakable whose repr fails>"):
        fan.run(str, Unspeakable())


def test_options_are_given_by_name():
    """The standard library's four arguments come first; the rest has to be named."""
    with pytest.raises(TypeError, match="positional"):
        Fan(1, "prefix", None, (), 30)
    with Fan(1) as fan, pytest.raises(TypeError, match="positional"):
        fan.with_options(5)
