"""What the package says of itself agrees, wherever it says it."""

import configparser
import re
import tomllib
from pathlib import Path

import pytest

import threadfan

ROOT = Path(__file__).parents[1]
SETUP = configparser.ConfigParser()
SETUP.read(ROOT / "setup.cfg", encoding="utf-8")
ADDRESSES = dict(line.split(" = ") for line in SETUP["metadata"]["project_urls"].strip().splitlines())


def read(name):
    """A file of the repository's root."""
    return (ROOT / name).read_text(encoding="utf-8")


def test_one_version_everywhere():
    """The changelog has a heading and a link for the version that the package has, and the citation names it."""
    version = threadfan.__version__
    assert re.search(rf"^## \[{re.escape(version)}\] - ", read("CHANGELOG.md"), re.MULTILINE)
    assert f"\n[{version}]: {ADDRESSES['Source']}/releases/tag/v{version}\n" in read("CHANGELOG.md")
    assert f"\nversion: {version}\n" in read("CITATION.cff")


def test_every_python_that_is_promised_is_classified():
    """Each version that the tests run on has its classifier."""
    tested = re.search(r"for version in ([\d. ]+); do", read(".ci/run"))[1].split()
    classified = re.findall(r"Python :: (3\.\d+)$", SETUP["metadata"]["classifiers"], re.MULTILINE)
    assert classified == tested


@pytest.mark.parametrize("name", ["README.md", "SECURITY.md", "CITATION.cff", "CHANGELOG.md"])
def test_addresses_are_those_of_the_package(name):
    """What a file links to of the project's own is at the addresses in setup.cfg, and a file linked to there exists."""
    source, site = ADDRESSES["Source"], ADDRESSES["Documentation"]
    for address in re.findall(r"https://[^\s)\"'>]+", read(name)):
        if "threadfan" not in address:
            continue
        raw = source.replace("https://github.com", "https://raw.githubusercontent.com")
        assert address.startswith((source, site, raw)), address
        path = re.match(rf"(?:{source}/(?:blob|tree)|{raw})/main/([^#]+)", address)
        assert path is None or (ROOT / path[1]).exists(), address
        page = re.match(rf"{site}([\w-]+)/", address)
        assert page is None or page[1] == "changelog" or (ROOT / "docs" / f"{page[1]}.md").exists(), address


def test_the_readme_fits_a_package_page():
    """Nothing in it is relative to the repository, which a package page has not, and it is short."""
    text = read("README.md")
    assert re.findall(r"\]\((?!https:)[^)]*\)", text) == []
    assert len(text.splitlines()) < 120


def test_what_quick_runs_leave_out_exists(pytestconfig):
    """A plain `pytest` passes over files and folders that there are."""
    conftest = pytestconfig.pluginmanager.get_plugin(str(ROOT / "tests" / "conftest.py"))
    assert [path for path in conftest.LONG if not path.exists()] == []


def test_groups_name_extras_that_there_are():
    """A group for development names its extras rightly, so that nothing is listed twice."""
    groups = tomllib.loads(read("pyproject.toml"))["dependency-groups"]
    wanted = re.findall(r"threadfan\[([\w,]+)\]", str(groups))
    assert wanted
    assert {extra for names in wanted for extra in names.split(",")} <= set(SETUP["options.extras_require"])
