"""What pages promise is held by tests: each row names some, and all of them exist."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
PAGES = [page for page in (DOCS / "security.md", DOCS / "promises.md") if page.exists()]
TEXTS = {page.stem: page.read_text(encoding="utf-8") for page in PAGES}
ROWS = [
    (page, row)
    for page, text in TEXTS.items()
    for row in re.findall(r"^\| (.+) \|$", text, re.MULTILINE)
    if not row.endswith("shown by")
]
LINKED = re.compile(r"\[(test_\w+)\]\(\.\./(tests/[\w/]+\.py)\)")


@pytest.mark.parametrize(("page", "row"), ROWS, ids=lambda text: text.partition(" | ")[0][:40])
def test_every_row_is_shown_by_a_test(page, row):
    """Its last cell links to tests."""
    assert LINKED.search(row.rpartition(" | ")[2])


@pytest.mark.parametrize("page", TEXTS)
def test_every_test_exists(page):
    """Wherever a page links to one."""
    missing = [
        f"{file}::{name}"
        for name, file in LINKED.findall(TEXTS[page])
        if not re.search(rf"^\s*(async )?def {name}\(", (DOCS.parent / file).read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert missing == []
