"""What `import threadfan` offers, and what it costs."""

import inspect
import pydoc
import re
from pathlib import Path

import pytest

import threadfan
from support.controlled import run_program

OWN = [getattr(threadfan, name) for name in threadfan.__all__]
OWN_CLASSES = [thing for thing in OWN if inspect.isclass(thing) and thing.__module__.startswith("threadfan")]
COSTLY = {"anthropic", "asyncio", "dataclasses", "inspect", "requests", "rich", "structlog", "typer", "typing"}


def groups():
    """The names in `__all__`, by the comments that divide it."""
    text = Path(threadfan.__file__).read_text(encoding="utf-8")
    listing = re.search(r"__all__ = \[\n(.*?)\n\]", text, re.DOTALL)[1]
    return [re.findall(r'"(\w+)"', part) for part in re.split(r"\s*# .*\n", listing) if part]


def isort_order(name):
    """Constants, then classes, then functions, each by the alphabet."""
    return not name.isupper(), name[0].islower(), name


def test_each_group_is_sorted():
    """Names stand in one order within their group, and each stands once."""
    assert groups() == [sorted(group, key=isort_order) for group in groups()]
    assert sorted(name for group in groups() for name in group) == sorted(set(threadfan.__all__))


def test_everything_public_is_listed():
    """`__all__` names exactly what the module offers, so that `import *` and documentation miss nothing."""
    offered = {
        name
        for name, value in vars(threadfan).items()
        if not name.startswith("_") and not inspect.ismodule(value) and name not in {"annotations", "TYPE_CHECKING"}
    }
    assert offered == set(threadfan.__all__)


@pytest.mark.parametrize("name", threadfan.__all__)
def test_each_name_can_be_imported(name):
    """Every listed name can be imported by a `from` statement."""
    namespace = {}
    exec(f"from threadfan import {name}", namespace)  # noqa: S102
    assert namespace[name] is getattr(threadfan, name)


@pytest.mark.parametrize("thing", [thing for thing in OWN if callable(thing)], ids=lambda thing: thing.__name__)
def test_every_public_callable_is_documented(thing):
    """Whatever can be called or raised says what it does."""
    assert inspect.getdoc(thing)


@pytest.mark.parametrize("cls", OWN_CLASSES, ids=lambda cls: cls.__name__)
def test_every_public_method_is_documented(cls):
    """Each public method and property of the library's own classes says what it does."""
    own = [one for one in cls.__mro__ if one.__module__.startswith("threadfan")]
    found = {name: member for one in reversed(own) for name, member in vars(one).items()}
    members = {name: member for name, member in found.items() if callable(member) or isinstance(member, property)}
    assert [name for name, member in members.items() if not name.startswith("_") and not inspect.getdoc(member)] == []


@pytest.mark.parametrize("thing", [*OWN_CLASSES, threadfan.stage, threadfan.task], ids=lambda thing: thing.__name__)
def test_help_shows_what_defaults_mean(thing):
    """An option that is not given is left `unchanged`, or is `not given`; no default is shown as a nameless object."""
    shown = pydoc.plain(pydoc.render_doc(thing))
    assert "<object object" not in shown
    assert thing is not threadfan.Fan or "= unchanged" in shown


def test_a_name_of_which_nothing_was_used_yet_is_suggested():
    """Python finds what a wrong name may mean, and editors what a module has, by `dir`."""
    program = "import threadfan\nprint('RateLimit' in dir(threadfan), 'RateLimit' in vars(threadfan))"
    assert run_program(program)[0].split() == ["True", "False"]
    assert set(threadfan.__all__) <= set(dir(threadfan))


def test_the_fan_goes_by_its_name():
    """Messages, logs and tools that name a class name the one that users know, in the place where they have it from."""
    assert (threadfan.Fan.__name__, threadfan.Fan.__qualname__, threadfan.Fan.__module__) == ("Fan", "Fan", "threadfan")
    with threadfan.Fan(1) as fan:
        assert type(fan.with_options(timeout=5)).__name__ == "View"


def test_import_is_cheap():
    """Importing threadfan imports nothing costly beyond what `concurrent.futures` does itself."""
    script = (
        "import sys, concurrent.futures.thread; before = set(sys.modules); import threadfan; "
        "print(*set(sys.modules) - before)"
    )
    imported = run_program(script, "-S")[0].split()  # -S: the site-packages' .pth files import what they like
    assert set(imported) & COSTLY == set()
    assert "threadfan._core.fan.executor" in imported


def test_the_standard_names_are_the_standard_ones():
    """What a legacy script imports besides the executor is the very same object, so both modules can be mixed.

    Only `as_completed` is another, and behaves as the standard one: see `calls/test_as_completed.py`.
    """
    from concurrent import futures

    shared = set(futures.__all__) & set(threadfan.__all__) - {"ThreadPoolExecutor"}
    assert {"ALL_COMPLETED", "CancelledError", "Future", "TimeoutError", "as_completed", "wait"} <= shared
    assert all(getattr(threadfan, name) is getattr(futures, name) for name in shared - {"as_completed"})


def test_the_drop_in_name_is_the_fan():
    """`ThreadPoolExecutor` is `Fan`, a subclass of the standard one."""
    from concurrent import futures

    assert threadfan.ThreadPoolExecutor is threadfan.Fan
    assert issubclass(threadfan.Fan, futures.ThreadPoolExecutor)


@pytest.mark.parametrize("options", ["", "retry=1, rate=RateLimit(60_000, burst=9), hedge=Hedge(after=5.0)"])
def test_calls_import_nothing(options):
    """What they need is imported with the first fan: an import swallows a Ctrl-C, and holds up a fork."""
    script = f"""
import sys
from threadfan import Fan, Hedge, RateLimit, as_completed, wait
fan = Fan(2, {options})
before = set(sys.modules)
fan.submit(int).result()
fan.submit(lambda: fan.submit(int).result()).result()
fan.run(int, [1], deadline=9), list(fan.map(int, [1])), list(fan.stream(int, [1])), fan.gather(int)
list(as_completed([fan.submit(int)])), wait([fan.submit(int)])
fan.with_options(timeout=9).run(int, [1]).unwrap()
print(*set(sys.modules) - before)
fan.shutdown()
"""
    assert run_program(script)[0] == "\n"
