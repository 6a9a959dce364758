"""What the documentation says is true: its programs print what it shows, and its reference lists what there is."""

import importlib
import inspect
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import threadfan
from threadfan._core.base.times import Timed
from threadfan._core.base.unset import Unset
from threadfan._core.batches.handle import Handle
from threadfan._core.batches.looking_back import LookingBack
from threadfan._core.fan.front import Front

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
README, CONTRIBUTING = ROOT / "README.md", ROOT / "CONTRIBUTING.md"
# Pages whose Python blocks are run.
WITH_PROGRAMS = (
    *("guide", "limits", "graphs", "pipelines", "patterns", "agents", "journal"),
    *("tutorial", "hangs", "choosing-numbers", "web-servers", "joblib-and-tqdm", "resume", "testing"),
    "processes-and-clusters",
)
WITH_COMMANDS = ("command-line", "drop-in")  # whose blocks tests/cli/test_command_line_page.py runs
GUIDES = {name: (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8") for name in WITH_PROGRAMS}
REFERENCE = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")

# What the first line of a block may say.  Only `python` is run as a program; `python pytest` is a file of tests.
KINDS = {"diff", "python", "python pytest", "text"}

_BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(text, kind):
    """The contents of all fenced blocks of a kind."""
    return [content for found, content in _BLOCK.findall(text) if found == kind]


def parts(text, mark):
    """The text under each heading of the level of `mark`, by heading."""
    pieces = re.split(
        rf"^{mark} (.+)\n", _BLOCK.sub(lambda block: block[0].replace("\n#", "\n #"), text), flags=re.MULTILINE
    )
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


SECTIONS = {
    f"{name}: {title}": text
    for name, guide in GUIDES.items()
    for title, text in parts(guide, "##").items()
    if blocks(text, "python")
}


def run(*arguments, cwd=None):
    """Run Python with warnings as errors, but for two.

    The guide tells of the one about stuck threads, and the other is Dask's, of a machine with much to do.
    """
    command = [
        sys.executable, "-W", "error", "-W", "ignore:ThreadPoolExecutor-:RuntimeWarning",
        "-W", "ignore:Creating scratch directories:UserWarning", *arguments,
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    environment["NO_PROXY"] = "127.0.0.1"  # what listens there is the program's own
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # the package may be installed, and bring its plugin by itself
    return subprocess.run(
        command, check=False, cwd=cwd, env=environment, capture_output=True, encoding="utf-8", timeout=240
    )


def skip_without_packages(text):
    """Skip what needs the loopback server where its packages are missing."""
    if any(name in text for name in ("MessagesServer", "messages_server", "threadfan.agents")):  # which needs pydantic
        pytest.importorskip("anthropic", exc_type=ImportError)
        pytest.importorskip("uvicorn")
    for name in re.findall(r"^from (fastapi|joblib|tqdm)\b", text, re.MULTILINE):  # which the extra `adapters` brings
        pytest.importorskip(name)
    if "from distributed" in text and find_spec("distributed") is None:  # to import it changes how errors are pickled
        pytest.skip("could not import 'distributed': it is not installed")


# -- the guides -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("title", SECTIONS)
def test_a_section_prints_what_it_shows(title, tmp_path):
    """The Python blocks of a section, run one after another, print exactly the section's text blocks."""
    section = SECTIONS[title]
    skip_without_packages(section)
    program = tmp_path / "section.py"
    program.write_text("\n".join(blocks(section, "python")), encoding="utf-8")
    done = run(str(program), cwd=tmp_path)  # where files may be left
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert done.stdout == "".join(blocks(section, "text"))


@pytest.mark.parametrize("content", blocks("\n".join(GUIDES.values()), "python pytest"), ids=len)
def test_the_tests_in_the_guides_pass(content, tmp_path):
    """A block of tests passes as a file of its own, with the package's plugin."""
    skip_without_packages(content)
    (tmp_path / "test_block.py").write_text(content, encoding="utf-8")
    done = run("-m", "pytest", "-p", "threadfan.testing.plugin", "-p", "no:cacheprovider", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_readmes_example_runs(tmp_path):
    """What a stranger reads first works as it stands, for three addresses of a server on this machine."""
    pytest.importorskip("uvicorn")
    example = blocks(README.read_text(encoding="utf-8"), "python")[0]
    urls = '[f"{server.url}/echo?number={number}" for number in range(3)]'
    lines = ["from threadfan.testing import MessagesServer", "with MessagesServer() as server:", f"    urls = {urls}"]
    lines += [f"    {line}" for line in example.splitlines()] + ["    assert len(pages) == 3 and None not in pages"]
    (tmp_path / "example.py").write_text("\n".join(lines), encoding="utf-8")
    done = run(str(tmp_path / "example.py"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("<Report of 3 calls: 3 succeeded")
    assert (tmp_path / "fetched.db").exists()


# -- all pages --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_is_of_a_known_kind(page):
    """No block escapes the tests by a misspelt first line, and only the guides have programs."""
    kinds = {kind for kind, _ in _BLOCK.findall(page.read_text(encoding="utf-8"))}
    if page.stem in WITH_COMMANDS:  # and files: `python work.py` is one of that name
        assert {"python", "sh", "text"} <= {kind.partition(" ")[0] for kind in kinds} <= {"csv", "python", "sh", "text"}
        return
    assert kinds <= (KINDS if page.stem in WITH_PROGRAMS else {"text"})


@pytest.mark.parametrize("page", [*PAGES, README, CONTRIBUTING], ids=lambda page: page.stem)
def test_every_link_leads_somewhere(page):
    """Each relative link names a file that exists and, after a hash, one of its headings."""
    for target in re.findall(r"\]\(((?!https?:)[^)]+)\)", page.read_text(encoding="utf-8")):
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file.read_text(encoding="utf-8")), target


def anchors(text):
    """The names by which GitHub links to a page's headings; the second of one name ends in `-1`."""
    names = []
    for heading in re.findall(r"^#+ (.+)$", _BLOCK.sub("", text), re.MULTILINE):
        name = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        earlier = names.count(name)
        names += [name, f"{name}-{earlier}"] if earlier else [name]
    return set(names)


@pytest.mark.parametrize("page", [*PAGES, CONTRIBUTING], ids=lambda page: page.stem)
def test_one_sentence_per_line(page):
    """Prose is kept one sentence per line, so that a change shows as what it is."""
    prose = re.sub(r"`[^`]*`", "", _BLOCK.sub("", page.read_text(encoding="utf-8")))
    assert [line for line in prose.splitlines() if line[:1] != "|" and re.search(r"\D[.?!] [A-Z]", line)] == []


def test_every_example_is_on_the_map():
    """The index lists each script in `examples/`."""
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\]\(\.\./examples/(\w+)\.py\)", index)) == {
        script.stem for script in (ROOT / "examples").glob("*.py")
    }


# -- what ends --------------------------------------------------------------------------------------------------------

ENDS = (ROOT / "docs" / "ends.md").read_text(encoding="utf-8")
ROWS = [row for row in re.findall(r"^\| (.+) \|$", ENDS, re.MULTILINE) if not row.endswith("shown by")]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.partition(" | ")[0])
def test_every_row_is_shown_by_a_test(row):
    """Each row names one test or more, and all of them exist."""
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row.rpartition(" | ")[2])
    assert named
    for file, function in named:
        assert re.search(rf"^(async )?def {function}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE), (
            f"{file} has no {function}"
        )


def test_every_kind_of_end_has_rows():
    """The tables use the words that the page explains, and each of them."""
    kinds = ("ends ", "left behind", "cannot be timed out")
    found = [next(kind for kind in kinds if row.split(" | ")[1].startswith(kind)) for row in ROWS]
    assert set(found) == set(kinds)


# -- the reference ----------------------------------------------------------------------------------------------------

ENTRIES = parts(REFERENCE, "###")
OWN = [
    name for name in threadfan.__all__ if getattr(getattr(threadfan, name), "__module__", "").startswith("threadfan")
]


# Classes that users call, by the names under which the reference has them; all others are made by the library.
MADE_BY_USERS = {
    getattr(threadfan, name): name for name in ("Adaptive", "Breaker", "Budget", "Fan", "Hedge", "RateLimit")
}


class Unchanged:
    """The default of an option that is left as it is."""

    def __repr__(self):
        return "…"


def signature(name, function):
    """A signature as the reference writes it: what can be given, no types, and `…` for what stays as it is."""
    found = inspect.signature(function)
    plain = [
        parameter.replace(
            annotation=inspect.Parameter.empty,
            default=Unchanged() if isinstance(parameter.default, Unset) else parameter.default,
        )
        for parameter in found.parameters.values()
        if parameter.name not in ("self", "misplaced")  # the second: what is not taken, and is told where it belongs
    ]
    return name + str(found.replace(parameters=plain, return_annotation=inspect.Signature.empty)).replace("'", '"')


def offered_by(thing):
    """The signatures of a function, or of what a class offers; exceptions offer nothing of their own."""
    if not inspect.isclass(thing):
        return [signature(thing.__name__, thing)]
    if issubclass(thing, BaseException):
        return []
    faces = reversed(Front.__mro__[:-1]) if thing is threadfan.Fan else ()
    faces = {
        threadfan.Report: (LookingBack,),
        threadfan.Outcome: (Timed,),
        threadfan.Run: (Handle,),
    }.get(thing, faces)
    found = {name: member for face in (*faces, thing) for name, member in vars(face).items()}
    public = {name: member for name, member in found.items() if not name.startswith("_")}
    made = [signature(MADE_BY_USERS[thing], thing)] if thing in MADE_BY_USERS else []
    properties = [name for name, member in public.items() if isinstance(member, property)]
    return (
        made + properties + [signature(name, member) for name, member in public.items() if inspect.isfunction(member)]
    )


def test_the_reference_lists_every_public_name():
    """The reference has an entry for each name in `__all__`, and for nothing else."""
    assert sorted(ENTRIES) == sorted(threadfan.__all__)


@pytest.mark.parametrize("name", [name for name in OWN if name != "ThreadPoolExecutor"])
def test_the_reference_has_the_real_signatures(name):
    """Own functions, and all methods and properties of own classes, stand there with the signatures that they have.

    What only fans ask and tell stands in a table, and under no headings.
    """
    plain, _, between = ENTRIES[name].partition("\n| asked and told by a fan | meaning |\n")
    listed = re.findall(r"^#### `(.+)`$", plain, re.MULTILINE) + re.findall(r"^\| `(.+?)` \|", between, re.MULTILINE)
    assert sorted(listed) == sorted(offered_by(getattr(threadfan, name)))


def test_the_reference_names_every_figure():
    """Each figure of `Report.stats` and of `snapshot` is explained."""
    with threadfan.Fan(1) as fan:
        assert [name for name in fan.snapshot() if f"`{name}`" not in ENTRIES["Fan"]] == []
    assert [name for name in threadfan.Report([]).stats.to_dict() if f"`{name}`" not in ENTRIES["Stats"]] == []


@pytest.mark.parametrize(
    "name",
    [
        "anthropic",
        "boto3",
        "duckdb",
        "grpc",
        "httpx",
        "openai",
        "psycopg",
        "pymongo",
        "redis",
        "requests",
        "sqlite3",
        "subprocess",
        "threading",
        "urllib3",
    ],
)
def test_the_reference_names_what_clients_offer(name):
    """Each public function and class of a client's module is in that module's table."""
    try:
        module = importlib.import_module(f"threadfan.clients.{name}")
    except ImportError:
        pytest.skip(f"{name} is not installed")
    offered = getattr(module, "__all__", None) or ["attach", *(["Transport"] if name == "httpx" else [])]
    (table,) = re.findall(rf"^\| name in `threadfan\.clients\.{name}`.*\n((?:\|.*\n)+)", REFERENCE, re.MULTILINE)
    assert [one for one in offered if not re.search(rf"`{one}\b", table)] == []


@pytest.mark.parametrize("name", ["joblib", "multiprocessing", "starlette", "tqdm", "twisted"])
def test_the_reference_names_what_adapters_offer(name):
    """Each public name of an adapter is in that module's table."""
    try:
        offered = importlib.import_module(f"threadfan.adapters.{name}").__all__
    except ImportError:
        pytest.skip(f"{name} is not installed")
    (table,) = re.findall(rf"^\| name in `threadfan\.adapters\.{name}`.*\n((?:\|.*\n)+)", REFERENCE, re.MULTILINE)
    assert [one for one in offered if not re.search(rf"`{one}\b", table)] == []


@pytest.mark.parametrize("name", ["agents", "patterns"])
def test_the_reference_names_what_upper_floors_offer(name):
    """Each public name of a module that is imported by itself is in that module's table."""
    offered = importlib.import_module(f"threadfan.{name}").__all__
    (table,) = re.findall(rf"^\| name in `threadfan\.{name}`.*\n((?:\|.*\n)+)", REFERENCE, re.MULTILINE)
    assert [one for one in offered if not re.search(rf"`{one}\b", table)] == []


# -- how to contribute ------------------------------------------------------------------------------------------------


def test_every_folder_has_its_tests():
    """Tests stand in a folder of the same name as what they test, and the page names no other folder."""
    package = Path(threadfan.__file__).parent
    folders = {path.parent.name for path in (*package.glob("*/__init__.py"), *package.glob("_core/*/__init__.py"))}
    tested = {path.parent.name for path in (ROOT / "tests").glob("*/test_*.py")}
    assert folders - {"_core"} <= tested
    for folder in re.findall(r"^\| `(\w+(?:/\w+)*)/` \|", CONTRIBUTING.read_text(encoding="utf-8"), re.MULTILINE):
        assert any((place / folder).is_dir() for place in (ROOT, package.parent)), folder
