"""A program that does not use structlog hears nothing and pays nothing."""

import pytest

from support.controlled import run_program

USE = """
import asyncio
from threadfan import Fan, task

def tool(item):
    if item == 1:
        raise ValueError(item)

with Fan(2, timeout=60) as fan:
    fan.run(tool, range(3))
    fan.gather(task(tool, 1))
    list(fan.stream(tool, range(3)))
    fan.submit(tool, 1).exception()
    asyncio.run(fan.arun(tool, range(3)))
"""


def test_structlog_is_not_imported():
    """A program that never imported structlog does not import it by using a fan."""
    assert run_program(USE + "import sys; print('structlog' in sys.modules)") == ("False\n", "")


def test_unconfigured_structlog_prints_nothing():
    """While the program has not configured structlog, the library does not print through its defaults."""
    pytest.importorskip("structlog")
    assert run_program("import structlog\n" + USE) == ("", "")


HALF_IMPORTED = """
import sys, threading
from threadfan import Fan

halfway, go_on, running = threading.Event(), threading.Event(), threading.Event()

class Slow:
    def find_spec(self, name, path, target=None):
        if name == "structlog._config":
            halfway.set()
            go_on.wait(2)

def imports():
    running.wait(20)
    import structlog

def fails(_):
    running.set()
    halfway.wait(20)
    raise KeyError

sys.meta_path.insert(0, Slow())
with Fan(2) as fan:
    importing = fan.submit(imports)
    try:
        print(fan.run(fails, [0])[0].status)
    finally:
        go_on.set()
    importing.result()
"""


def test_a_call_that_imports_structlog_does_not_disturb_the_others():
    """While one call is importing structlog, another's failure is reported as ever."""
    pytest.importorskip("structlog")
    assert run_program(HALF_IMPORTED) == ("failed\n", "")
