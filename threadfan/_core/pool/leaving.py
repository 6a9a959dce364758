"""A program that is told to end by a signal: what runs ends by itself, and nothing else is begun."""

from __future__ import annotations

from ..base.errors import Terminated


class Leaving(str):
    """What a scheduler is said to be broken by when the program is to end; calls that run may hand in others.

    Args:
        name: of the signal.
        number: of the signal.
    """

    __slots__ = ("number",)

    number: int

    def __new__(cls, name: str, number: int) -> Leaving:
        found = super().__new__(cls, f"{name} had told the program to end")
        found.number = number
        return found

    def error(self) -> Terminated:
        """What ends those who wait for calls; for each of them another."""
        return Terminated(self, self.number)


def refuses(broken: str | bool, depth: int) -> bool:
    """Whether nothing more is begun at a depth.

    Args:
        broken: why a scheduler begins nothing, if it does not; calls that run are given what they need if it leaves.
    """
    return bool(broken) and not (depth and isinstance(broken, Leaving))
