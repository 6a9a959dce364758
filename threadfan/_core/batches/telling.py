"""Functions whose text comes piece by piece, as calls of a stream of texts.

Such a function is one of three kinds: a generator function, which yields pieces; a function that returns what pieces
can be had from (a generator, or the stream of an SDK's); or one with a parameter ``on_text``, which it calls with each
piece, as an agent does.  Pieces are texts, or the events of the Anthropic and OpenAI SDKs, of which the text is taken.

What the call returns in the end is what its outcome has as its value: of a generator that returns nothing all of its
text, of an SDK's stream the whole message where it has one.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial, wraps

from ..base import checks
from ..base.fitting import parameters_of
from ..base.static import describe
from ..base.texts import brief
from . import intake

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .intake import Given

    Tell = Callable[[str | None], object]

BY_NAME = "on_text"
"""The parameter by which a function asks for what it is to call with each piece."""

_WHOLE = ("get_final_message", "get_final_completion", "get_final_response")  # of streams of SDKs
_DELTAS = ("response.output_text.delta", "content.delta")  # OpenAI's events that bring text as `delta`


def asks_for_on_text(fn: object) -> bool:
    """Whether a function has a parameter of that name; of an object that can be called, its class is asked."""
    while isinstance(fn, partial):
        if BY_NAME in fn.keywords:
            return False
        fn = fn.func
    found = parameters_of(fn) or parameters_of(getattr(type(fn), "__call__", None))  # noqa: B004 -- for its parameters
    return found is not None and BY_NAME in (*found.names[found.only :], *found.keywords)


def check(where: str, fn: Callable[..., object], given: Given, *, star: bool) -> None:
    """Check that something is a function whose text can be had in pieces, and that it can be called with the inputs."""
    if checks.is_coroutine_function(fn) or not checks.is_generator_function(fn):
        checks.function(where, fn)
    intake.check(where, fn, given, star=star, by_name=(BY_NAME,) if asks_for_on_text(fn) else ())


def telling(
    fn: Callable[..., object], teller: Callable[[], Tell], *, by_name: bool | None = None
) -> Callable[..., object]:
    """``fn`` as it is called, with its pieces handed in.

    Args:
        teller: makes what the call that runs here hands its pieces in with.
        by_name: whether the function takes that as ``on_text``, if it is known.
    """
    by_name = asks_for_on_text(fn) if by_name is None else by_name

    @wraps(fn, assigned=(), updated=())
    def told(*args: object) -> object:
        tell = teller()
        try:
            if by_name:
                return fn(*args, **{BY_NAME: tell})
            return _told(fn(*args), tell, fn)
        finally:
            del tell, args  # an error's traceback holds this frame: leave no cycle

    return told


def _told(made: object, tell: Tell, fn: object) -> object:
    """All that can be had from what a function has returned."""
    if isinstance(made, str):
        tell(made)
        return made
    with ExitStack() as stack:
        source = made
        enter = getattr(type(made), "__enter__", None)
        if enter is not None:
            source = stack.enter_context(made)  # type: ignore[arg-type]  # it has ``__exit__`` too
        elif callable(getattr(made, "close", None)):
            stack.callback(made.close)  # type: ignore[attr-defined]
        if not hasattr(type(source), "__iter__"):
            raise TypeError(
                f"the pieces of a text cannot be had from {brief(made)}, which {describe(fn)} has returned: right is "
                f"a generator function, the stream of an SDK, or a function that takes on_text"
            )
        parts: list[str] = []
        value = _drained(iter(source), tell, parts)  # type: ignore[call-overload]
        for name in _WHOLE:
            whole = getattr(source, name, None)
            if value is None and callable(whole):
                value = whole()
    return "".join(parts) if value is None else value


def _drained(source: Iterator[object], tell: Tell, parts: list[str]) -> object:
    """Hand all pieces in; what a generator returns."""
    try:
        while True:
            try:
                piece = next(source)
            except StopIteration as end:
                return end.value
            text = text_of(piece)
            if text:
                parts.append(text)
                tell(text)
    finally:
        del source, tell, parts  # an error's traceback holds this frame: leave no cycle


def text_of(piece: object) -> str | None:
    """The text that a piece is, or that an event of an SDK's stream brings.

    Raises:
        TypeError: it is neither.
    """
    if piece is None or isinstance(piece, str):
        return piece
    kind, choices = getattr(piece, "type", None), getattr(piece, "choices", None)
    if isinstance(kind, str):
        delta = getattr(piece, "delta", None)
        text = delta if kind in _DELTAS else None
        if kind == "content_block_delta" and getattr(delta, "type", None) == "text_delta":
            text = getattr(delta, "text", None)
    elif isinstance(choices, list):  # a part of a chat completion
        text = getattr(getattr(choices[0], "delta", None), "content", None) if choices else None
    else:
        raise TypeError(f"a piece of text must be a str, or an event of an SDK's stream, not {brief(piece)}")
    return text if isinstance(text, str) else None
