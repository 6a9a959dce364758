"""``threadfan.attach``: the seam that a client needs is found by what the client is of.

Nothing is imported that the client's own library has not imported, but for the seam.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    C = TypeVar("C")

SEAMS = {
    "anthropic": "anthropic",
    "openai": "openai",
    "httpx": "httpx",
    "httpx2": "httpx",
    "_duckdb": "duckdb",
    "duckdb": "duckdb",
    "boto3": "boto3",
    "botocore": "boto3",
    "grpc": "grpc",
    "psycopg": "psycopg",
    "pymongo": "pymongo",
    "redis": "redis",
    "requests": "requests",
    "sqlite3": "sqlite3",
    "urllib3": "urllib3",
}
"""The module here that attaches clients of a library, by the library's name."""


def attach(client: C, **options: object) -> C:
    """Make a client's calls end with the scope that they run in, and note the tokens they use where it knows them.

    It calls the ``attach`` of the module in ``threadfan.clients`` that is for the client's library.  Most clients are
    changed in place; those of the Anthropic and OpenAI SDKs are copied, and those of DuckDB and gRPC are wrapped.

    Args:
        client: of one of the libraries that ``threadfan.clients`` has a module for.
        **options: for that ``attach``, such as ``max_retries=0`` for an SDK.

    Returns:
        The attached client: the client itself, or the copy or wrapper.

    Raises:
        TypeError: there is no module for it, or it is an async client, or an option is not taken.
    """
    for kind in type(client).__mro__:
        seam = SEAMS.get(kind.__module__.removeprefix(f"{__package__}.").partition(".")[0])  # or of a module here
        if seam is not None:
            made: Callable[..., C] = import_module(f".{seam}", __package__).attach
            if options:
                _check(f"{__package__}.{seam}.attach", made, options)
            return made(client, **options)
    if isinstance(client, ModuleType):
        seam = SEAMS.get(client.__name__)
        install = f", or {__package__}.{seam}.install() for all of its clients" if seam == "requests" else ""
        raise TypeError(f"attach got the module {client.__name__}: right is a client of a library{install}")
    *first, last = (library for library in SEAMS if not library.startswith("_"))
    raise TypeError(f"attach got {client!r}, which it does not know; right is a client of {', '.join(first)} or {last}")


def _check(where: str, made: Callable[..., object], options: dict[str, object]) -> None:
    """Refuse options that the ``attach`` of a seam does not take, with what is right."""
    from inspect import Parameter, signature

    parameters = signature(made).parameters
    taken = tuple(name for name, one in parameters.items() if one.kind is Parameter.KEYWORD_ONLY)
    unknown = {name: value for name, value in options.items() if name not in taken}
    if unknown:
        from .._core.base.misplaced import misplaced

        raise misplaced(where, unknown, taken)
