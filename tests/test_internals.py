"""What `docs/internals.md` says of files, names, floors and locks is so."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.checked.call_states import MOVES
from test_floors import BELOW, FILES, FLOORS, ROOT, folder, imports

TESTS = Path(__file__).parent
DOCS = TESTS.parent / "docs"
PAGE = (DOCS / "internals.md").read_text(encoding="utf-8")


def section(title):
    """The text under a heading."""
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def rows(title):
    """The cells of the table under a heading."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def defined():
    """The names that each class of the package has: its methods, its slots, and what is set on `self`."""
    found = {}
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, set()).update(_names(node))
    return found


def _names(node):
    for inner in ast.walk(node):
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
            yield inner.name
        elif isinstance(inner, ast.Attribute) and isinstance(inner.value, ast.Name) and inner.value.id == "self":
            yield inner.attr
        elif isinstance(inner, ast.AnnAssign) and isinstance(inner.target, ast.Name):
            yield inner.target.id
        elif isinstance(inner, ast.Constant) and isinstance(inner.value, str):
            yield inner.value


@pytest.mark.parametrize("page", ["internals", "design-notes"])
def test_every_file_exists(page):
    """Whatever is named as a path is a file of the package, of its private floors, or of the project."""
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w/]+/[\w/]*\.py)`", text))
    assert named
    assert [
        path for path in named if not any((base / path).exists() for base in (ROOT / "_core", ROOT, TESTS.parent))
    ] == []


def test_every_name_exists():
    """What is written as a class, or as a class with a name of its own, is one of the package's."""
    classes = defined()
    named = set(re.findall(r"`([A-Z]\w+)(?:\.(\w+))?`", PAGE))
    assert len(named) > 50
    known = set(classes) | {"SimpleQueue"}
    constants = {name for name, attribute in named if name.isupper() and not attribute}
    assert [name for name, _ in named if name not in known | constants] == []
    assert [f"{name}.{part}" for name, part in named if part and part not in classes[name]] == []


def test_the_picture_of_the_floors():
    """The floors stand in the picture from the ground up, and what stands beside them on what it imports from."""
    (picture,) = re.findall(r"```text\n(.*?)```", section("The floors"), re.DOTALL)
    above, core, beside = picture.split("\n\n")
    assert tuple(reversed([line.split()[0] for line in core.splitlines()[1:]])) == FLOORS
    shown = {line.split()[0]: line.partition(" on ")[2].split(", ") for line in beside.splitlines()[1:]}
    for name, floors in shown.items():
        assert {f"_core/{floor}" for floor in floors} == standing_on(name)
    names = {line.split()[0] for line in above.splitlines()} | set(shown)
    assert names == {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()} - {"_core"} | {
        "threadfan"
    }
    assert set(shown) | {"_core"} <= set(BELOW)


def standing_on(name):
    """The floors of which any file of a folder imports something."""
    found = set()
    for path in (ROOT / name).rglob("*.py"):
        package = ".".join(("threadfan", *path.relative_to(ROOT).parent.parts))
        found.update(folder(module) for module in imports(package, path.read_text(encoding="utf-8")))
    return found - {name}


def test_locks_are_taken_in_the_order_of_the_table():
    """Whoever waits for a lock holds none that stands below it, and each that is held meanwhile is in the table."""
    order = [re.fullmatch(r"`(.+)`", file)[1] for _, file, _ in rows("Locks")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(TESTS.parent), str(TESTS)))}
    command = [sys.executable, "-m", "support.nested_locks"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    pairs = [tuple(line.split()) for line in done.stdout.splitlines()]
    assert {("calls/lazy_future.py", "pool/scheduler.py"), ("limits/waitlist.py", "scope/alarms.py")} <= set(pairs)
    assert [pair for pair in pairs if order.index(pair[0]) > order.index(pair[1])] == []


def test_the_words_stand_in_order_and_once():
    """The glossary is sorted, and no word has two meanings in it."""
    words = [word.replace("`", "").lower() for word, _ in rows("Words")]
    assert words == sorted(set(words))


def test_every_state_has_a_way_out():
    """What a call goes on to is a state of the table too, and only what is over goes on to nothing."""
    ways = moves()
    assert set().union(*ways.values()) <= set(ways)
    assert [name for name, following in ways.items() if not following] == ["over"]


def test_the_moves_that_tests_allow_are_those_of_the_table():
    """What watches the engine in tests refuses each move that the page does not have, and no other."""
    assert moves() == MOVES


def moves():
    """What each state goes on to; a state is called by its whole name."""
    state, ways = "", {}
    for first, _, following, _ in rows("States of a call"):
        state = first or state
        ways.setdefault(state, set()).update(part for part in following.split(", ") if part)
    short = {"held back": "held back by a limit"}
    return {name: {short.get(part, part) for part in following} for name, following in ways.items()}
