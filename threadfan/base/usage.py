"""Tokens that calls have used."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FIELDS = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


class Usage:
    """Tokens of one or more requests, named as in the Messages API, and how many requests they were.

    Immutable; two are added with ``+``.
    """

    __slots__ = (*FIELDS, "requests")

    input_tokens: int
    output_tokens: int
    cache_creation_input_tokens: int
    cache_read_input_tokens: int
    requests: int

    def __init__(self, *counts: int, requests: int = 1) -> None:
        for field, number in zip(FIELDS, (*counts, 0, 0, 0, 0), strict=False):
            object.__setattr__(self, field, number)
        object.__setattr__(self, "requests", requests)

    @classmethod
    def of(cls, usage: Any) -> Usage:
        """From the ``usage`` of a response; what it lacks counts as 0."""
        return cls(*(getattr(usage, field, 0) or 0 for field in FIELDS))

    @property
    def total_tokens(self) -> int:
        """All of them."""
        return sum(getattr(self, field) for field in FIELDS)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Usage does not change, so {name} cannot be set; add two with +")

    def __add__(self, other: Usage) -> Usage:
        if not isinstance(other, Usage):
            return NotImplemented
        sums = (getattr(self, field) + getattr(other, field) for field in FIELDS)
        return Usage(*sums, requests=self.requests + other.requests)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Usage) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, self._key()

    def to_dict(self) -> dict[str, int]:
        """All numbers by name."""
        return {name: getattr(self, name) for name in Usage.__slots__}

    def _key(self) -> tuple[int, ...]:
        return (*(getattr(self, field) for field in FIELDS), self.requests)

    def __repr__(self) -> str:
        parts = [f"{field}={number}" for field in FIELDS if (number := getattr(self, field))]
        return f"Usage({', '.join([*parts, f'requests={self.requests}'])})"


def _restored(*counts: int) -> Usage:
    return Usage(*counts[:-1], requests=counts[-1])
