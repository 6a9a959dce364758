"""What to install for the parts of the library that need more than it asks for by itself."""

from __future__ import annotations

EXTRAS = {
    "cli": ("rich", "starlette", "typer", "uvicorn"),
    "draw": ("plotly",),
    "shared": ("redis",),
}
"""The packages of each extra in ``setup.cfg``, with which a test compares them."""


def install(extra: str, missing: str = "") -> str:
    """The command that installs them, and what else is missing.

    It names the packages, not the extra: that works for every way in which the library itself was installed.
    """
    return f"pip install {' '.join(dict.fromkeys([*filter(None, [missing]), *EXTRAS[extra]]))}"
