"""What errors say is to be installed."""

import re
from configparser import ConfigParser
from pathlib import Path

import pytest

import threadfan
from threadfan._core.base.packages import install

DECLARED = ConfigParser()
DECLARED.read(Path(__file__).parents[2] / "setup.cfg", encoding="utf-8")
NAMED = {
    extra
    for file in Path(threadfan.__file__).parent.rglob("*.py")
    for extra in re.findall(r"""(?:install|command_to_install)\(["'](\w+)["']\)""", file.read_text(encoding="utf-8"))
}


@pytest.mark.parametrize("extra", sorted(NAMED))
def test_what_errors_name_is_an_extra(extra):
    """One that installs something."""
    assert DECLARED["options.extras_require"][extra].split()


def test_the_command():
    """It is one for a shell, to which brackets mean something."""
    assert {"cli", "draw", "parquet", "prices", "shared"} <= NAMED
    assert install("draw") == 'pip install "threadfan[draw]"'
