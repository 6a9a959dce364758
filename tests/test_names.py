"""A private name, one that begins with `_`, is used in the file that defines it, and nowhere else."""

import ast
from pathlib import Path

import pytest

import threadfan

ROOT = Path(threadfan.__file__).parent

OF_OTHERS = """
_core/base/helpers.py _is_owned
_core/base/last.py _shutdown
_core/base/locks.py _RLock
_core/base/locks.py _active
_core/base/locks.py _is_owned
_core/base/locks.py _recursion_count
_core/base/places.py _current_frames
_core/base/static.py _getframe
_core/batches/mapping.py _getframe
_core/batches/reading.py _getframe
_core/calls/future.py _lock
_core/calls/lazy_future.py _STATE_TO_DESCRIPTION_MAP
_core/fan/executor.py _register_atexit
clients/condition.py _recursion_count
clients/pools.py _at_fork_reinit
clients/pools.py _container
clients/pools.py _maxsize
clients/sdk.py _calculate_retry_timeout
clients/sdk.py _client
clients/sdk.py _process_response_data
testing/leaks.py _current_frames
testing/messages_app.py _exit
"""
"""Private names of the interpreter's and of libraries' that are used for want of a public one: file and name."""


def own_names(tree):
    """What a file defines itself: its functions and methods, attributes that it sets, and annotated names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


def is_private(name):
    """Whether a name is private, and no special one such as `__dict__`."""
    return name.startswith("_") and not name.startswith("__")


def foreign_names(source):
    """The private names that a file uses, or imports, and does not define."""
    tree = ast.parse(source)
    own = set(own_names(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr) and node.attr not in own:
            if not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")):
                yield node.attr
        elif isinstance(node, ast.ImportFrom):
            yield from (alias.name for alias in node.names if is_private(alias.name))


def test_private_names_stay_in_their_file():
    """Nobody uses another file's private names; of others' those that are listed are used, and each of them is."""
    found = {
        f"{path.relative_to(ROOT).as_posix()} {name}"
        for path in ROOT.rglob("*.py")
        for name in foreign_names(path.read_text(encoding="utf-8"))
    }
    assert sorted(found) == OF_OTHERS.strip().splitlines()


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("def f(fan): return fan._options", ["_options"]),
        ("from .aio import _wait", ["_wait"]),
        ("class A:\n    def _go(self): ...\n    def go(self, other): other._go()", []),
        ("class A(B):\n    def go(self): return self._inherited", []),
        ("def f(thing): return thing.__dict__, thing.public", []),
    ],
)
def test_the_check_notices(source, names):
    """A private name of another's is found where it is used and where it is imported; one's own are let pass."""
    assert list(foreign_names(source)) == names
