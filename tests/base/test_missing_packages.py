"""What errors say is to be installed."""

from configparser import ConfigParser
from pathlib import Path

import pytest

from threadfan._core.base.packages import EXTRAS, install

DECLARED = ConfigParser()
DECLARED.read(Path(__file__).parents[2] / "setup.cfg", encoding="utf-8")


@pytest.mark.parametrize("extra", EXTRAS)
def test_the_packages_are_those_of_the_extra(extra):
    """What an error names and what the extra installs are the same."""
    lines = DECLARED["options.extras_require"][extra].split()
    assert [line.partition(">=")[0] for line in lines] == list(EXTRAS[extra])


def test_what_is_missing_comes_first_and_once():
    """A package that the library itself needs may be missing too."""
    assert install("draw") == install("draw", "plotly") == "pip install plotly"
    assert install("draw", "anthropic") == "pip install anthropic plotly"
