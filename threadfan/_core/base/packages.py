"""What to install for the parts of the library that need more than it asks for by itself."""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType


def install(extra: str) -> str:
    """The command that installs what an extra in ``setup.cfg`` names."""
    return f'pip install "threadfan[{extra}]"'


def plotly(module: str, where: str, instead: str) -> ModuleType:
    """A module of plotly's.

    Args:
        where: the method that needs it.
        instead: the one that needs nothing.

    Raises:
        ImportError: plotly is not installed; says how it would be.
    """
    try:
        return import_module(f"plotly.{module}")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "plotly":
            raise
        raise ImportError(
            f"{where} needs plotly, which cannot be imported; right is: {install('draw')}.  {instead} needs nothing",
            name="plotly",
        ) from error
