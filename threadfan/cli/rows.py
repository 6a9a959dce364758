"""What goes in and comes out, and what is called between."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from pydantic_core import to_json, to_jsonable_python

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Item: TypeAlias = Any
"""An input: a dict for a row of a table, a text for a line, whatever JSON a line of JSON holds."""
Result: TypeAlias = Any
"""What the user's function returns."""
Row: TypeAlias = dict[str, Any]
"""A line of a table."""

RESULT, INPUT = "result", "input"
"""The columns of results, and of inputs, that have none of their own."""


def columns_of(value: Result) -> Row:
    """A result as columns: those of a dict, a dataclass or a model, else one, ``result``."""
    names = getattr(type(value), "__pydantic_fields__", None)
    if names is None and is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in fields(value)]
    if names is not None:
        value = {name: getattr(value, name) for name in names}
    plain = to_jsonable_python(value, bytes_mode="base64")
    return plain if isinstance(plain, dict) else {RESULT: plain}


def text_of_value(value: object) -> str:
    """A text as it is, nothing for None, and JSON for all else."""
    return value if isinstance(value, str) else "" if value is None else to_json(value, serialize_unknown=True).decode()


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is called.

    Args:
        fn: is called with each input.
        version: of what it does, by which the journal tells it from others.
        retry: what is tried again, as for ``Fan``, if not transient errors as often as the user says.
        columns: of a result, where the output is a table.
        text: of a result, where the output is lines.
        model: which it asks, if that is known.
        hopeless: says of an error why all other calls would fail too, if that is so.
    """

    fn: Callable[[Item], Result]
    version: str | None = None
    retry: Mapping[tuple[type[Exception], ...], int] | None = None
    columns: Callable[[Result], Row] = columns_of
    text: Callable[[Result], object] = lambda value: value
    model: str | None = None
    hopeless: Callable[[BaseException], str | None] = lambda error: None  # noqa: ARG005
