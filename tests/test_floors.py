"""The listing of `threadfan/` is its architecture: a folder imports only from the floors below it, no file from itself.

An import counts wherever it stands: inside functions and for type checkers too.  Followed from file to file, no such
way leads back to where it began.
"""

import ast
from importlib.util import resolve_name
from pathlib import Path

import pytest

import threadfan

ROOT = Path(threadfan.__file__).parent
FLOORS = (
    "base",
    "pages",
    "events",
    "journal",
    "scope",
    "policies",
    "limits",
    "pool",
    "calls",
    "batches",
    "graph",
    "pipeline",
    "fan",
)
CORE = tuple(f"_core/{floor}" for floor in FLOORS)
FACADE = ""  # threadfan/__init__.py, above all floors
BELOW = {floor: {floor, *CORE[:height]} for height, floor in enumerate(CORE)}
BELOW["patterns"] = {"patterns", *CORE}
BELOW["adapters"] = {"adapters", *CORE}
BELOW["agents"] = {"agents", "patterns", *CORE}
BELOW[FACADE] = {"clients", "dropin", *CORE}
BELOW["dropin"] = {"dropin", "adapters", "clients", *CORE}
BELOW["__main__"] = {"cli"}  # threadfan/__main__.py
BELOW["_core"] = set()
BELOW["clients"] = {"clients", "_core/base", "_core/scope"}
BELOW["testing"] = {"testing", "_core/base"}
BELOW["cli"] = {"cli", "clients", "dropin", "testing", FACADE, *CORE}


def folder(module):
    """The folder of `threadfan` that a module stands in, such as `clients` or `_core/pool`; or the facade."""
    path = "/".join(
        module.split(".")[1:3] if ".".join(module.split(".")[:2]) == "threadfan._core" else module.split(".")[1:2]
    )
    return path if path and (ROOT / path).is_dir() else FACADE


def imports(package, source):
    """The modules of `threadfan` that a file of `package` imports: anywhere in it, for type checkers too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            origin = resolve_name("." * node.level + (node.module or ""), package)
            # `from threadfan import clients` names a folder, `from threadfan import Fan` the facade
            whole = origin in ("threadfan", "threadfan._core")
            names = [f"{origin}.{alias.name}" for alias in node.names] if whole else [origin]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] == "threadfan")


def violations(package, source, floor=None):
    """The imports of a file that point upwards or sideways."""
    allowed = BELOW.get(folder(package) if floor is None else floor, set())
    return [module for module in imports(package, source) if folder(module) not in allowed]


FILES = sorted(ROOT.rglob("*.py"))


def _id(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", FILES, ids=_id)
def test_a_folder_imports_only_from_below(path):
    """No file imports from a floor above its own, inside functions and for type checkers included."""
    package = ".".join(("threadfan", *path.relative_to(ROOT).parent.parts))
    floor = path.stem if path.stem in BELOW and path.parent == ROOT else None
    assert violations(package, path.read_text(encoding="utf-8"), floor) == []


def test_every_folder_has_its_place():
    """A new folder has to be given a floor before it can be used."""
    packages = {folder(".".join(("threadfan", *path.relative_to(ROOT).parent.parts))) for path in FILES}
    assert packages <= set(BELOW)


@pytest.mark.parametrize(
    ("package", "source", "named"),
    [
        ("threadfan._core.base", "from ..batches import run", "threadfan._core.batches"),
        ("threadfan._core.base", "from ..scope.scope import Scope", "threadfan._core.scope.scope"),
        ("threadfan._core.base", "import threadfan._core.fan.front", "threadfan._core.fan.front"),
        ("threadfan._core.scope", "def late():\n    from .. import pool", "threadfan._core.pool"),
        ("threadfan._core.events", "from threadfan import Fan", "threadfan.Fan"),
        (
            "threadfan._core.batches",
            "if TYPE_CHECKING:\n    from ..fan.front import Front",
            "threadfan._core.fan.front",
        ),
        ("threadfan.testing.loopback", "from ..._core.pool import scheduler", "threadfan._core.pool"),
        ("threadfan._core.fan", "from ...testing import MessagesServer", "threadfan.testing"),
    ],
)
def test_the_check_notices(package, source, named):
    """An import that points upwards is found in each of its forms."""
    assert violations(package, source) == [named]


@pytest.mark.parametrize(
    ("package", "source"),
    [
        ("threadfan._core.fan", "from ..base import clock\nfrom . import aio\nfrom .front import View"),
        ("threadfan._core.batches", "from .. import base\nfrom ..calls.batch import Batch"),
        ("threadfan", "from ._core.fan.executor import Fan\nimport threading"),
        ("threadfan.cli", "from threadfan import Fan\nfrom ..testing import MessagesServer"),
    ],
)
def test_the_check_lets_pass(package, source):
    """An import that points downwards is no violation."""
    assert violations(package, source) == []


# -- circles between files ---------------------------------------------------------------------------------------------


def module(path, root=ROOT):
    """The name of the module that a file is."""
    parts = ("threadfan", *path.relative_to(root).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def files_imported(name, source, modules, *, is_package=False):
    """The modules, out of `modules`, whose files a file imports; of a package, that is its `__init__.py`."""
    package = name if is_package else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            origin = resolve_name("." * node.level + (node.module or ""), package)
            names = [full if (full := f"{origin}.{alias.name}") in modules else origin for alias in node.names]
        else:
            continue
        yield from (one for one in names if one in modules and one != name)


def reached(graph, start):
    """All that can be reached from `start`, itself only if a way leads back."""
    found, ahead = set(), list(graph[start])
    while ahead:
        one = ahead.pop()
        if one not in found:
            found.add(one)
            ahead += graph[one]
    return found


def in_circles(graph):
    """The members of `graph` from which a way leads back to themselves."""
    return {one for one in graph if one in reached(graph, one)}


def test_no_circle_of_files():
    """No file imports itself by way of others."""
    files = {module(path): path for path in FILES}
    graph = {
        name: set(files_imported(name, path.read_text(encoding="utf-8"), files, is_package=path.stem == "__init__"))
        for name, path in files.items()
    }
    assert in_circles(graph) == set()


def test_the_check_notices_a_circle():
    """It is found whatever the form of the imports, and those who only lead to it are not part of it."""
    sources = {
        "threadfan.a": "from . import b",
        "threadfan.b": "def late():\n    from .c import thing",
        "threadfan.c": "if TYPE_CHECKING:\n    import threadfan.a",
        "threadfan.d": "from threadfan.a import thing",
    }
    graph = {name: set(files_imported(name, source, sources)) for name, source in sources.items()}
    assert in_circles(graph) == {"threadfan.a", "threadfan.b", "threadfan.c"}
