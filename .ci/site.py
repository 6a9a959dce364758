"""Build the documentation site strictly: `python .ci/site.py` writes it into build/site/site.

Needs zensical and mkdocstrings-python (`pip install --group docs`).  The pages stand in docs/ as GitHub shows them;
what is different on a site is made here, in a copy: pages of the reference, from the docstrings of public names alone;
a page for each example; the changelog and its like; llms.txt; and links that lead out of docs/.
"""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[1]
BUILT = ROOT / "build" / "site"
DOCS = BUILT / "docs"
PAGES = {  # of the repository's root and its folders, by their names on the site
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "reporting.md",
    "benchmarks/README.md": "benchmark-suite.md",
}
MODULES = {
    "patterns": "Patterns",
    "agents": "Agents",
    "testing": "Testing",
    "clients": "Clients",
    "adapters": "Adapters",
}
# What the engine asks and tells these, and no user needs.
FOR_THE_ENGINE = {
    "RateLimit": {"members": False},
    "Hedge": {"members": False},
    "Adaptive": {"members": ["history", "limit"]},
    "Breaker": {"members": ["state"]},
    "Budget": {"members": ["add", "spent_tokens", "spent_usd", "used_up"]},
}


def listed(path: Path) -> dict[str, list[str]]:
    """The names in a module's `__all__`, by the comments that divide it; under "" if none does."""
    text = path.read_text(encoding="utf-8")
    found = re.search(r"^__all__ = \[(.*?)\]$", text, re.DOTALL | re.MULTILINE)
    groups: dict[str, list[str]] = {}
    for comment, name in re.findall(r"# ([^\n]+)|\"(\w+)\"", found[1] if found else ""):
        if comment:
            groups[comment] = []
        else:
            groups.setdefault(next(reversed(groups), ""), []).append(name)
    return groups


def entry(path: str) -> str:
    """What mkdocstrings makes a name's entry of."""
    options = FOR_THE_ENGINE.get(path.rpartition(".")[2], {})
    lines = [f"        {key}: {value}" for key, value in options.items()]
    return "\n".join([f"::: {path}", *(["    options:", *lines] if lines else [])]) + "\n"


def first_paragraph(path: Path) -> str:
    """How a module's docstring begins."""
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n\n")[0]


def reference() -> list[tuple[str, str]]:
    """Write the pages of the reference; their titles and paths."""
    (DOCS / "api").mkdir()
    pages = []

    def page(title: str, head: str, entries: list[str]) -> None:
        name = "api/" + re.sub(r"\W+", "-", title.lower().replace("'", "")) + ".md"
        (DOCS / name).write_text("\n".join([f"# {title}\n", head + "\n", *entries]), encoding="utf-8")
        pages.append((title, name))

    package = ROOT / "threadfan"
    for comment, names in listed(package / "__init__.py").items():
        title = comment.partition(",")[0]
        if title.startswith("the standard library's"):
            continue  # the page of all names has them; they are described in Python's own documentation
        if "Fan" in names:
            page("Fan", "`from threadfan import Fan`", [entry("threadfan.Fan")])
        own = [name for name in names if name not in ("Fan", "ThreadPoolExecutor")]
        head = f"`from threadfan import {own[0]}`, and so each of these."
        page(
            {"the pool": "Around a fan"}.get(title, title.capitalize()),
            head,
            [entry(f"threadfan.{one}") for one in own],
        )
    for name, title in MODULES.items():
        folder = package / name
        head = f"`from threadfan import {name}`.\n\n{first_paragraph(folder / '__init__.py')}"
        entries = [
            entry(f"threadfan.{name}.{one}") for names in listed(folder / "__init__.py").values() for one in names
        ]
        if name in ("clients", "adapters"):
            head = first_paragraph(folder / "__init__.py")
            documented = re.findall(
                rf"`threadfan\.{name}\.(\w+)` \| meaning", (DOCS / "reference.md").read_text("utf-8")
            )
            entries = [f"## threadfan.{name}.{one}\n\n{shown(folder / f'{one}.py')}\n" for one in documented]
        page(title, head, entries)
    return pages


def shown(path: Path) -> str:
    """A module's docstring, as Markdown: its examples are indented after a line that ends in `::`."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return re.sub(r"(?<!`)``(?!`)", "`", re.sub(r"::$", ":", text, flags=re.MULTILINE))


def examples() -> None:
    """Write a page for each example, and one that lists them as the index of docs/ does."""
    (DOCS / "examples").mkdir()
    for script in sorted((ROOT / "examples").glob("*.py")):
        code = script.read_text(encoding="utf-8")
        (DOCS / "examples" / f"{script.stem}.md").write_text(
            f"# {script.name}\n\n{first_paragraph(script)}\n\n```python\n{code}```\n", encoding="utf-8"
        )
    table = (DOCS / "index.md").read_text(encoding="utf-8").partition("## The examples")[2]
    (DOCS / "examples" / "index.md").write_text(f"# Examples\n{table}", encoding="utf-8")


def for_the_site(text: str, folder: str = "docs") -> str:
    """A page as the site needs it: links, anchors, and the first lines of blocks."""
    source = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]["repo_url"]

    def link(found: re.Match[str]) -> str:
        target, _, anchor = found[1].partition("#")
        path = (ROOT / folder / target).resolve().relative_to(ROOT).as_posix()
        if path.startswith("docs/"):
            path = path.removeprefix("docs/")
        elif path in PAGES:
            path = PAGES[path]
        elif re.fullmatch(r"examples(/\w+\.py)?", path):
            path = path.replace(".py", ".md") if path != "examples" else "examples/index.md"
        elif (ROOT / path).exists():
            return f"]({source}/blob/main/{path})"
        anchor = re.sub(r"-(\d)$", r"_\1", anchor)  # of headings that a page has more than once
        return f"]({path}{'#' * bool(anchor)}{anchor})"

    text = re.sub(r"\]\((?!https?:|#|mailto:)([^)\s]+)\)", link, text)
    text = re.sub(r"\]\(#([^)]+)-(\d)\)", r"](#\1_\2)", text)
    # A picture in two files is the one that goes with the page.
    text = re.sub(r"(!\[[^]]*\]\([\w/-]+)-light\.png\)", r"\1-light.png#only-light)\1-dark.png#only-dark)", text)
    text = re.sub(r"^```python pytest$", "```python", text, flags=re.MULTILINE)
    return re.sub(r"^```(\w+) ([\w.]+)$", r'```\1 title="\2"', text, flags=re.MULTILINE)


def llms(nav: list[dict[str, object]], address: str, title: str, about: str) -> None:
    """Write llms.txt, which lists the pages, and llms-full.txt, which has those that explain."""
    lines, whole = [f"# {title}", "", f"> {about}", ""], []

    def walk(entries: list[dict[str, object]]) -> None:
        for one in entries:
            for name, target in one.items():
                if isinstance(target, list):
                    lines.extend(["", f"## {name}", ""])
                    walk(target)
                else:
                    text = (DOCS / str(target)).read_text(encoding="utf-8")
                    told = re.search(r"^(?!#|`from|\||<|!)(\w[^\n]+)", text, re.MULTILINE)
                    url = address + re.sub(r"(^|/)index\.md$|\.md$", r"\1", str(target)).rstrip("/")
                    lines.append(f"- [{name}]({url}/): {told[1] if told else name}".replace("//)", "/)"))
                    if not str(target).startswith("api/"):
                        whole.append(text)

    walk(nav)
    (DOCS / "llms.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (DOCS / "llms-full.txt").write_text("\n\n".join(whole), encoding="utf-8")


def main() -> None:
    """Prepare, and build."""
    if find_spec("zensical") is None:
        raise SystemExit("the site needs zensical and mkdocstrings: pip install --group docs (pip 25.1 or newer)")
    shutil.rmtree(BUILT, ignore_errors=True)
    shutil.copytree(ROOT / "docs", DOCS)
    examples()
    for path, name in PAGES.items():
        (DOCS / name).write_text(
            for_the_site((ROOT / path).read_text("utf-8"), str(Path(path).parent)), encoding="utf-8"
        )
    for page in [*DOCS.glob("*.md"), DOCS / "examples" / "index.md"]:
        if page.name not in PAGES.values():
            text = for_the_site(page.read_text(encoding="utf-8"))
            page.write_text(
                text.replace("](examples/", "](") if page.parent.name == "examples" else text, encoding="utf-8"
            )
    entries = "".join(f'    {{ "{title}" = "{name}" }},\n' for title, name in reference())
    text = (ROOT / "zensical.toml").read_text(encoding="utf-8").replace("# reference\n", entries)
    lines = [
        line
        for line in text.splitlines()
        if not (found := re.search(r'= "(.+\.md)" }', line)) or (DOCS / found[1]).exists()
    ]
    (BUILT / "zensical.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    project = tomllib.loads("\n".join(lines))["project"]
    llms(project["nav"], project["site_url"], project["site_name"], project["site_description"])
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean", "-f", str(BUILT / "zensical.toml")]
    sys.exit(subprocess.run(command, check=False, cwd=BUILT).returncode)


if __name__ == "__main__":
    main()
