"""Calls of a batch in words: "0-4, 7, legal, …"."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MOST = 5  # parts of a list that are written; arbitrary: a line holds so many


def written(labels: Sequence[int | str], most: int = MOST) -> str:
    """Their names or indices, those that follow each other as a range; of many, the first."""
    parts: list[str] = []
    for first, last, count in _ranges(labels):
        if len(parts) == most:
            parts.append("…")
            break
        parts.append(str(first) if count == 1 else f"{first}, {last}" if count == 2 else f"{first}-{last}")
    return ", ".join(parts)


def _ranges(labels: Sequence[int | str]) -> Iterator[tuple[int | str, int | str, int]]:
    place = 0
    while place < len(labels):
        first = last = labels[place]
        count = 1
        while isinstance(last, int) and place + count < len(labels) and labels[place + count] == last + 1:
            last = labels[place + count]
            count += 1
        yield first, last, count
        place += count
