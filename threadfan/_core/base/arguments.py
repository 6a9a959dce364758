"""Checks of what users give: every message names the argument, shows the value and ends with what would be right."""

from __future__ import annotations

from . import given
from .texts import brief, masked_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

SHARED = ("sqlite:///", "redis://", "rediss://")


def per_minute(name: str, value: float | None) -> float | None:
    """A number of something per minute, greater than 0, or None."""
    if value is None:
        return None
    found = given.real(value)
    if found is None:
        read = read_rate(value) if isinstance(value, str) else None
        right = f"; right is {name}={read[1]:g}" if read is not None and read[1] else ""
        raise TypeError(f"{name} must be a number per minute or None, not {brief(value)}{right}")
    if not 0 < found < float("inf"):
        raise ValueError(f"{name} must be greater than 0 and finite, or None for no limit, not {value!r}")
    return found


def whole(name: str, value: int) -> int:
    """A whole number, at least 1."""
    found = given.whole(value)
    if found is None:
        raise TypeError(f"{name} must be a whole number, not {brief(value)}")
    if found < 1:
        raise ValueError(f"{name} must be at least 1, not {value!r}")
    return found


PER_MINUTE = {
    "second": 60.0, "sec": 60.0, "s": 60.0, "minute": 1.0, "min": 1.0, "hour": 1 / 60, "h": 1 / 60, "day": 1 / 1440,
}  # fmt: skip
"""How many in a minute one in such a time is."""


def read_rate(text: str) -> tuple[str, float | None] | None:
    """A rate such as ``10/s``: its number as it is written, and what that is per minute.

    Returns:
        None in the second place if it has no unit; None if it is no rate.
    """
    number, slash, unit = "".join(text.split()).partition("/")
    before, point, after = number.partition(".")
    if not before.isdecimal() or (point and not after.isdecimal()) or (slash and unit not in PER_MINUTE):
        return None
    return number, float(number) * PER_MINUTE[unit] if slash else None


def unknown(where: str, misplaced: Mapping[str, object], per_minute: tuple[str, ...]) -> TypeError:
    """What to raise about options that there are not, most likely limits in another unit."""
    name, value = next(iter(misplaced.items()))
    unit, _, time = f"_{name}".rpartition("_per_")
    right, factor = f"{unit[1:] or 'requests'}_per_minute", PER_MINUTE.get(time)
    if right in per_minute and factor is not None and isinstance(value, (int, float)):
        instead = f"right is {right}={value * factor:g}"
    else:
        instead = ", ".join(per_minute)
    return TypeError(f"{where} takes no {name}={brief(value)}: limits are numbers per minute, {instead}")


def location(shared: str | None) -> str | None:
    """Where something is kept for several processes, or None."""
    if shared is None or (isinstance(shared, str) and shared.startswith(SHARED)):
        return shared
    wrong = ValueError if isinstance(shared, str) else TypeError
    shown = masked_url(shared) if isinstance(shared, str) else shared  # a place may have a password in it
    raise wrong(f'shared must be "sqlite:///path", "redis://host…" or "rediss://host…", not {brief(shown)}')
