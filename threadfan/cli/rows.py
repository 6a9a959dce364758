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


def free_name(name: str, row: Row) -> str:
    """A name for a column, or that with a number if the row has such a column."""
    number, found = 1, name
    while found in row:
        number += 1
        found = f"{name}_{number}"
    return found


def columns_of(value: Result, row: Row) -> Row:
    """A result as columns: those of a dict, a dataclass or a model, else one, ``result``.

    Args:
        row: beside whose columns they stand; those that the result names itself take the place of the row's.
    """
    names = getattr(type(value), "__pydantic_fields__", None)
    if names is None and is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in fields(value)]
    if names is not None:
        value = {name: getattr(value, name) for name in names}
    plain = to_jsonable_python(value, bytes_mode="base64")
    return plain if isinstance(plain, dict) else {free_name(RESULT, row): plain}


def text_of_value(value: object) -> str:
    """A text as it is, nothing for None, and JSON for all else."""
    return value if isinstance(value, str) else "" if value is None else to_json(value, serialize_unknown=True).decode()


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is called.

    Args:
        fn: is called with each input.
        version: of what it does, by which the journal tells it from others.
        known_by: what makes the version, in words.
        retry: what is tried again, as for ``Fan``, if not transient errors as often as the user says.
        columns: of a result, where the output is a table; beside a row.
        text: of a result, where the output is lines.
        model: which it asks, if that is known.
        hopeless: says of an error why all other calls would fail too, if that is so.
        more_of: says more of an error, if there is something to say.
    """

    fn: Callable[[Item], Result]
    version: str | None = None
    known_by: str = ""
    retry: Mapping[tuple[type[Exception], ...], int] | None = None
    columns: Callable[[Result, Row], Row] = columns_of
    text: Callable[[Result], object] = lambda value: value
    model: str | None = None
    hopeless: Callable[[BaseException], str | None] = lambda error: None  # noqa: ARG005
    more_of: Callable[[BaseException], str | None] = lambda error: None  # noqa: ARG005
