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
LINKED = re.compile(r"\[([Tt]est\w+)\]\(\.\./(tests/[\w/]+\.py)\)")
README = (DOCS.parent / "README.md").read_text(encoding="utf-8")
SENTENCES = re.findall(r"^- (\*\*.+)", README.partition("\n## ")[0], re.MULTILINE)


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
        if not re.search(
            rf"^\s*(async )?def {name}\(|^{name} = ", (DOCS.parent / file).read_text(encoding="utf-8"), re.MULTILINE
        )
    ]
    assert missing == []


@pytest.mark.parametrize("sentence", SENTENCES, ids=lambda text: re.sub(r"\W+", " ", text)[:30])
def test_what_the_readme_promises_leads_to_its_tests(sentence):
    """Each of its points links to a part of the page of promises, which has rows."""
    parts = re.split(r"^## (.+)\n", TEXTS["promises"], flags=re.MULTILINE)
    found = {title.lower().replace(" ", "-"): text for title, text in zip(parts[1::2], parts[2::2], strict=True)}
    linked = re.findall(r"promises(?:\.md|/)#([\w-]+)\)", sentence)
    assert linked
    assert all(LINKED.search(found[part]) for part in linked)


def test_the_readme_has_promises():
    """Else the test above would look at nothing."""
    assert len(SENTENCES) >= 5
