"""The map of patterns is true: its examples exist and are run, and its lines are counted."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "patterns.md").read_text(encoding="utf-8")
EXPECTED = (ROOT / "tests" / "test_examples.py").read_text(encoding="utf-8")
ROWS = [row.split(" | ") for row in re.findall(r"^\| (\[.+) \|$", PAGE, re.MULTILINE)]


DASH = "\N{EN DASH}"
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef


def named(tree, name):
    """The function, or the assignment, of that name."""
    for node in ast.walk(tree):
        if isinstance(node, FUNCTIONS) and node.name == name:
            return node
        if isinstance(node, ast.Assign) and ast.unparse(node.targets) == name:
            return node
    raise LookupError(f"there is no {name}")


def code_lines(node, text):
    """How many lines of a statement are code: neither blank, nor comment, nor docstring."""
    docstrings = [one.body[0] for one in ast.walk(node) if isinstance(one, FUNCTIONS) and ast.get_docstring(one)]
    left_out = {line for one in docstrings for line in range(one.lineno, one.end_lineno + 1)}
    first = min(one.lineno for one in [node, *getattr(node, "decorator_list", [])])
    lines = enumerate(text.splitlines()[first - 1 : node.end_lineno], start=first)
    return sum(number not in left_out and line.strip()[:1] not in ("", "#") for number, line in lines)


def lines_of(script, names):
    """The lines of code of the named parts of an example."""
    text = (ROOT / "examples" / f"{script}.py").read_text(encoding="utf-8")
    return sum(code_lines(named(ast.parse(text), name), text) for name in names)


def test_lines_are_counted_as_the_page_says():
    """Blank lines, comments and docstrings are not counted."""
    text = '@g\ndef f(x):\n    """A.\n\n    B.\n    """\n    # why\n\n    y = [\n        x\n    ]\n    return y\n'
    assert code_lines(named(ast.parse(text), "f"), text) == 6
    assert code_lines(named(ast.parse(text), "y"), text) == 3


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_every_row_has_an_example_that_is_run(row):
    """Each row links to its section and names scripts that are there, and that the tests of the examples run."""
    pattern, _, examples, *_ = row
    assert re.match(r"\[.+\]\(#.+\)", pattern)
    scripts = re.findall(r"\]\(\.\./examples/(\w+)\.py\)", examples)
    assert scripts
    assert [script for script in scripts if not (ROOT / "examples" / f"{script}.py").exists()] == []
    assert [script for script in scripts if f'    "{script}": [' not in EXPECTED] == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_the_lines_on_the_page_are_the_true_ones(row):
    """The last column is the number of lines of what the row names in the example, or a dash where it names none."""
    found = re.match(r"(`.+`) in \[(\w+)\.py\]", row[2])
    assert row[4] == (str(lines_of(found[2], re.findall(r"`(\w+)`", found[1]))) if found else DASH)


def test_every_section_is_on_the_map():
    """Each pattern that has a section has a row, and the sections stand in the order of the rows."""
    linked = [re.match(r"\[(.+?)\]", row[0])[1] for row in ROWS]
    assert re.findall(r"^## (.+)$", PAGE, re.MULTILINE) == list(dict.fromkeys(linked))
