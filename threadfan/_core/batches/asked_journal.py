"""What the user has said of a journal: checked, and what it means."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from ..base import checks
from ..base.static import describe
from ..base.texts import brief, text_of
from ..journal.digests import Digests, content
from ..journal.journal import Journal
from ..journal.journal_file import JournalFile
from ..journal.values import Values, returned_by

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..journal.values import Codec, Key


class Asked(NamedTuple):
    """What the user has said of the journal."""

    journal: str | os.PathLike[str] | None
    key: Key | None
    version: str | int | None
    codec: Codec | None
    unique: bool

    def text_of_version(self) -> str | None:
        """The version as it is stored."""
        return None if self.version is None else str(self.version)


def journal_of(fn: Callable[..., object], asked: Asked, late: str | None = None) -> Journal:
    """The journal of a function that the user has given, not yet opened.

    Raises:
        TypeError, ValueError: what was asked for cannot be.
    """
    path, version = path_of(asked, late), asked.text_of_version()
    digests = Digests(_name_of(fn, version), version, asked.key)
    values = Values(asked.codec, returned_by(fn), f"the annotation of {describe(fn)}")
    return Journal(JournalFile(path), fn, digests, values)


def path_of(asked: Asked, late: str | None = None) -> str:
    """Where the journal is.

    Raises:
        TypeError, ValueError: what was asked for cannot be.
    """
    _check(asked, late)
    return os.fspath(asked.journal or "")


def _check(asked: Asked, late: str | None) -> None:
    if asked.journal is None:
        name = (
            "unique"
            if asked[1:4] == (None,) * 3
            else next(name for name in ("key", "version", "codec") if getattr(asked, name) is not None)
        )
        raise TypeError(f"{name}= says how a journal is kept, and there is none: give journal='run.db' too")
    if not isinstance(asked.journal, (str, os.PathLike)) or not os.fspath(asked.journal):
        raise TypeError(f"journal must be the path of a file, such as 'run.db', not {brief(asked.journal)}")
    if asked.key is not None and not callable(asked.key):
        raise TypeError(f"key must be a function that says what an input is known by, not {brief(asked.key)}")
    if isinstance(asked.version, bool) or not isinstance(asked.version, (str, int, type(None))):
        raise TypeError(f"version must be a text or a number, not {brief(asked.version)}")
    checks.flag("unique", asked.unique)
    if late is not None:
        raise ValueError(
            "late= goes on with what is unfinished at the deadline, and with a journal the next run does: leave it out"
        )


def _name_of(fn: object, version: str | None) -> str:
    """By what a function is known in the journal: its name, and what a partial has of it already."""
    bound = ""
    inner: Any = fn
    while isinstance(inner, partial):
        try:
            bound += content([list(inner.args), inner.keywords]).decode()
        except TypeError as error:
            if version is None:
                raise TypeError(
                    f"a journal knows results by the function too, and what the partial of {describe(fn)} holds cannot "
                    f"be told ({text_of(error)}): give version=, by which it is known then"
                ) from error
        inner = inner.func
    name = describe(inner)
    if name.endswith("<lambda>") and version is None:
        raise TypeError(
            "a journal knows results by the function's name, and a lambda has none: define a function, or give "
            "version=, by which it is known then"
        )
    return f"{name}{bound}"
