"""The listing of `threadfan/` is its architecture: a folder imports only from the floors below it."""

import ast
from importlib.util import resolve_name
from pathlib import Path

import pytest

import threadfan

ROOT = Path(threadfan.__file__).parent
FLOORS = ("base", "control", "events", "executor", "flow", "fan", "patterns", "agents")
FACADE = ""  # threadfan/__init__.py, above all floors
BELOW = {floor: {floor, *FLOORS[:height]} for height, floor in enumerate(FLOORS)}
BELOW[FACADE] = set(FLOORS)
BELOW["__main__"] = {"cli"}  # threadfan/__main__.py
BELOW["clients"] = {"clients", "base", "control", "events", "executor"}
BELOW["testing"] = {"testing", "base"}
BELOW["cli"] = {"cli", "testing", FACADE, *FLOORS}


def folder(module):
    """The folder of `threadfan` that a module stands in, or the facade."""
    head = module.split(".")[1] if "." in module else FACADE
    return head if (ROOT / head).is_dir() else FACADE


def imports(package, source):
    """The modules of `threadfan` that a file of `package` imports: anywhere in it, for type checkers too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            origin = resolve_name("." * node.level + (node.module or ""), package)
            # `from threadfan import base` names a folder, `from threadfan import Fan` the facade
            names = [f"{origin}.{alias.name}" for alias in node.names] if origin == "threadfan" else [origin]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] == "threadfan")


def violations(package, source, floor=None):
    """The imports of a file that point upwards or sideways."""
    allowed = BELOW.get(folder(package) if floor is None else floor, set())
    return [module for module in imports(package, source) if folder(module) not in allowed]


FILES = sorted(ROOT.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(ROOT)) for path in FILES])
def test_a_folder_imports_only_from_below(path):
    """No file imports from a floor above its own, inside functions and for type checkers included."""
    package = ".".join(("threadfan", *path.relative_to(ROOT).parent.parts))
    floor = path.stem if path.stem in BELOW and path.parent == ROOT else None
    assert violations(package, path.read_text(encoding="utf-8"), floor) == []


def test_every_folder_has_its_place():
    """A new folder has to be given a floor before it can be used."""
    assert {path.parent.relative_to(ROOT).parts[0] for path in FILES if path.parent != ROOT} <= set(BELOW)


@pytest.mark.parametrize(
    ("package", "source", "named"),
    [
        ("threadfan._core.base", "from ..flow import run", "threadfan.flow"),
        ("threadfan._core.base", "from ..control.scope import Scope", "threadfan._core.scope.scope"),
        ("threadfan._core.base", "import threadfan._core.fan.front", "threadfan._core.fan.front"),
        ("threadfan.control", "def late():\n    from .. import executor", "threadfan.executor"),
        ("threadfan.events", "from threadfan import Fan", "threadfan.Fan"),
        ("threadfan.flow", "if TYPE_CHECKING:\n    from ..fan.front import Front", "threadfan._core.fan.front"),
        ("threadfan.testing.loopback", "from ...executor import hub", "threadfan.executor"),
        ("threadfan._core.fan", "from ..testing import MessagesServer", "threadfan.testing"),
    ],
)
def test_the_check_notices(package, source, named):
    """An import that points upwards is found in each of its forms."""
    assert violations(package, source) == [named]


@pytest.mark.parametrize(
    ("package", "source"),
    [
        ("threadfan._core.fan", "from ..base import clock\nfrom . import aio\nfrom .front import View"),
        ("threadfan.flow", "from .. import base\nfrom ..executor.batch import Batch"),
        ("threadfan", "from .fan.executor import Fan\nimport threading"),
        ("threadfan.cli", "from threadfan import Fan\nfrom ..testing import MessagesServer"),
    ],
)
def test_the_check_lets_pass(package, source):
    """An import that points downwards is no violation."""
    assert violations(package, source) == []
