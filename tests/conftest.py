"""What holds for every test: it leaves nothing behind, and a hang is a failure."""

import asyncio
import inspect
import os
import signal
import sys
import threading
from itertools import cycle
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from support import checked
from support.collector import look_again, pass_over
from support.delays import held_at
from threadfan.testing import ManualClock
from threadfan.testing.leaks import no_leaks

# How long an example takes is the machine's affair, and what else it does.
settings.register_profile("threadfan", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("threadfan")

# Shells start programs in the background without a Ctrl-C, and what these start has none either.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

if os.environ.get("THREADFAN_CHECKED") == "1":
    checked.install()


# What takes most of the time: a plain `pytest` passes it over.  `pytest --all` runs it, and so does naming it.
LONG = [
    Path(__file__).parent / name
    for name in (
        *("cli", "clients", "dropin", "memory", "pages", "properties", "security", "testing", "typing"),
        *("fan/test_forked_children.py", "fan/test_over_dask.py", "fan/test_signals_anywhere.py"),
        *("journal/test_kills.py", "test_schedule_harness.py"),
        *("test_benchmarks.py", "test_delays.py", "test_docs.py", "test_dropin.py", "test_examples.py"),
    )
]


def pytest_addoption(parser):
    """`--all`."""
    parser.addoption("--all", action="store_true", help="run the long tests too, where no files are named")


def _quick(config):
    return not config.getoption("all") and config.args_source is config.ArgsSource.TESTPATHS


def pytest_configure(config):
    """Quick runs have short hammers; files read their length when they are imported."""
    if _quick(config):
        os.environ.setdefault("THREADFAN_HAMMER", "0.1")


def pytest_ignore_collect(collection_path, config):
    """Whether a file or folder is left out; None leaves it to pytest."""
    return True if _quick(config) and collection_path in LONG else None


def pytest_terminal_summary(terminalreporter, config):
    """Say what was left out."""
    if _quick(config):
        terminalreporter.write_line(f"left out, and run with --all: {', '.join(path.stem for path in LONG)}")


@pytest.fixture(scope="session", autouse=True)
def _held():
    """``THREADFAN_DELAYS=leaving,waking``: races on purpose, see ``support.delays``."""
    with held_at(*filter(None, os.environ.get("THREADFAN_DELAYS", "").split(","))):
        yield


# Their clients are shared by many tests and keep connections open from one test to the next.
SHARED = {"_running", "_client", "_messages_server_process"}


@pytest.fixture(autouse=True)
def _no_leaks(request):
    """Every test ends with as many threads, sockets and files as it began with."""
    shared = SHARED.intersection(request.fixturenames)
    with no_leaks(descriptors=not shared, spare=_belongs_to_the_process):
        yield


@pytest.fixture(autouse=True)
def _no_faults():
    """No lock that is demanded was missing, and no call has made an impossible move; see ``support.checked``."""
    yield
    found = checked.faults()
    if found:
        pytest.fail("\n".join(found[:5]), pytrace=False)


def _belongs_to_the_process(thread):
    """One that tqdm starts once and never ends."""
    return type(thread).__name__ == "TMonitor"


def pytest_collection_finish(session):
    """Modules and tests are loaded: the collector has no business with them any more."""
    pass_over()


@pytest.fixture(scope="module")
def passing_over():
    """For files whose tests pass over what there is: what they have left comes into sight again at their end."""
    yield
    look_again()


@pytest.fixture
def clock():
    """Time that only the test moves, for fans made in the test."""
    with ManualClock() as clock:
        yield clock


@pytest.fixture
def eager_switching():
    """Threads take turns five thousand times as often as usual, so that races that exist show.

    By and by, and in between as usual: where many processes want the processors each turn waits for one, and a dozen
    threads that take a turn after each bytecode would go on for hours.
    """
    usual, over = sys.getswitchinterval(), threading.Event()

    def alternate():
        for interval in cycle([1e-6, usual]):
            sys.setswitchinterval(interval)
            if over.wait(0.02):
                break

    alternating = threading.Thread(target=alternate, name="eager-switching", daemon=True)
    alternating.start()
    yield
    over.set()
    alternating.join()
    sys.setswitchinterval(usual)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Run a test that is a coroutine function in an event loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters}
    asyncio.run(pyfuncitem.obj(**arguments))
    return True
