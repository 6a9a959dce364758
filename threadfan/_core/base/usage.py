"""Tokens that calls have used, in whatever form their provider tells them."""

from __future__ import annotations

from operator import attrgetter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

FIELDS = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")

# Names by which providers call the same, as attributes or as keys.
_HOLDERS = ("usage", "usage_metadata", "usageMetadata")
_INPUT_ALONE = ("input_tokens", "inputTokens")  # Anthropic, Bedrock; of OpenAI's Responses if there are details
_INPUT = ("prompt_tokens", "prompt_token_count", "promptTokenCount")  # OpenAI, Gemini: with what came from a cache
_OUTPUT = (
    "output_tokens",
    "outputTokens",
    "completion_tokens",  # with the tokens of reasoning, as are those above
    "candidates_token_count",
    "candidatesTokenCount",
)
_THOUGHTS = ("thoughts_token_count", "thoughtsTokenCount")  # Gemini's, beside those of the candidates
_RESULTS = ("tool_use_prompt_token_count", "toolUsePromptTokenCount")  # the same, beside those of the prompt
_WRITTEN = ("cache_creation_input_tokens", "cacheWriteInputTokens")
_READ = ("cache_read_input_tokens", "cacheReadInputTokens")
_CACHED = ("cached_content_token_count", "cachedContentTokenCount")
_DETAILS = ("input_tokens_details", "prompt_tokens_details", "input_token_details")  # the last one is LangChain's
_TOTAL = ("total_tokens", "totalTokenCount")


class Usage:
    """The tokens of one or more requests, named as in Anthropic's Messages API, and ``requests``, their number.

    ``input_tokens`` are those that were neither read from nor written to a cache, whatever the provider.  Immutable;
    two are added with ``+``.
    """

    __slots__ = (*FIELDS, "_counted", "requests")

    input_tokens: int
    output_tokens: int
    cache_creation_input_tokens: int
    cache_read_input_tokens: int
    requests: int
    _counted: int

    def __init__(self, *counts: int, requests: int = 1) -> None:
        _fill(self, (*counts, 0, 0, 0, 0)[: len(FIELDS)], requests, 0)

    @classmethod
    def of(cls, usage: object) -> Usage:
        """From the ``usage`` of a response; what it lacks counts as 0."""
        return _read(usage) or cls()

    @property
    def total_tokens(self) -> int:
        """The sum of the four kinds of tokens."""
        return sum(getattr(self, field) for field in FIELDS)

    @property
    def limited_input_tokens(self) -> int:
        """The tokens that count against a limit of input tokens.

        Tokens read from a cache do not count with Anthropic, whose documentation marks the exceptions; they do with
        OpenAI and Google.  Tokens written to it count.
        """
        return self.input_tokens + self.cache_creation_input_tokens + self._counted

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Usage does not change, so {name} cannot be set; add two with +")

    def __add__(self, other: Usage) -> Usage:
        if not isinstance(other, Usage):
            return NotImplemented
        return _restored(*(mine + theirs for mine, theirs in zip(self._key(), other._key(), strict=True)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Usage) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __reduce__(self) -> tuple[Callable[..., Usage], tuple[int, ...]]:
        return _restored, self._key()

    def to_dict(self) -> dict[str, int]:
        """All numbers by name."""
        return {name: getattr(self, name) for name in Usage.__slots__}

    def _key(self) -> tuple[int, ...]:
        found: tuple[int, ...] = _counts_of(self)
        return found

    def __repr__(self) -> str:
        parts = [f"{field}={number}" for field in FIELDS if (number := getattr(self, field))]
        return f"Usage({', '.join([*parts, f'requests={self.requests}'])})"


class ModelUsage(Usage):
    """That of one request, with the name of the model that has answered it."""

    __slots__ = ("model",)

    model: str | None


class SharedUsage(ModelUsage):
    """The same, on its way to several who count it."""

    __slots__ = ("again", "charged")

    again: bool
    """Whether the fan has counted it already."""
    charged: tuple[object, ...]
    """The budgets that it has been taken from."""


_set_model = vars(ModelUsage)["model"].__set__
_set_again, _set_charged = vars(SharedUsage)["again"].__set__, vars(SharedUsage)["charged"].__set__


def of_model(usage: Usage, model: object) -> Usage:
    """The same usage, which knows its model if that is told."""
    if not isinstance(model, str):
        return usage
    known: ModelUsage = object.__new__(ModelUsage)
    *tokens, requests, counted = _counts_of(usage)
    _fill(known, tuple(tokens), requests, counted)
    _set_model(known, model)
    return known


def shared(usage: Usage, charged: tuple[object, ...], *, again: bool) -> Usage:
    """The same usage for one more who counts it.

    Args:
        charged: the budgets that it has been taken from.
        again: whether the fan has counted it already.
    """
    known: SharedUsage = object.__new__(SharedUsage)
    *tokens, requests, counted = _counts_of(usage)
    _fill(known, tuple(tokens), requests, counted)
    _set_model(known, model_of(usage))
    _set_again(known, again)
    _set_charged(known, charged)
    return known


def is_again(usage: Usage) -> bool:
    """Whether the fan has counted it already."""
    return isinstance(usage, SharedUsage) and usage.again


def charged_to(usage: Usage) -> tuple[object, ...]:
    """The budgets that it has been taken from."""
    return usage.charged if isinstance(usage, SharedUsage) else ()


def model_of(usage: Usage) -> str | None:
    """The model that a usage is of, if it is known; sums know none."""
    return usage.model if isinstance(usage, ModelUsage) else None


def at_least(one: Usage, other: Usage) -> Usage:
    """What two usages say of one request: of each number the larger."""
    return _restored(*map(max, _counts_of(one), _counts_of(other)))


def beyond(now: Usage, before: Usage) -> Usage:
    """What is said of a request in addition to what was said of it before; no further request."""
    *tokens, _, counted = (mine - theirs for mine, theirs in zip(_counts_of(now), _counts_of(before), strict=True))
    return _restored(*tokens, 0, counted)


_counts_of = attrgetter(*FIELDS, "requests", "_counted")
_setters = [vars(Usage)[name].__set__ for name in (*FIELDS, "requests", "_counted")]  # past ``__setattr__``


def _fill(usage: Usage, tokens: tuple[int, ...], requests: int, counted: int) -> None:
    for fill, number in zip(_setters, (*tokens, requests, counted), strict=True):
        fill(usage, number)


def _restored(*counts: int) -> Usage:
    *tokens, requests, counted = counts
    usage: Usage = object.__new__(Usage)
    _fill(usage, tuple(tokens), requests, counted)
    return usage


def added(usages: Iterable[Usage | None]) -> Usage | None:
    """The sum of those there are; None if there is none."""
    known = [usage for usage in usages if usage is not None]
    return sum(known[1:], start=known[0]) if known else None


def usage_of(value: object) -> Usage | None:
    """What a returned value, such as a message, says of its tokens; None if nothing.  Never fails."""
    try:
        for name in _HOLDERS:
            usage = _get(value, name)
            if usage is not None and (found := usage if isinstance(usage, Usage) else _read(usage)) is not None:
                return found
    except Exception:  # the value is the user's, and so may be what it does when asked
        return None
    return None


def priced_usage_of(value: object) -> Usage | None:
    """The same, with the model that the value names."""
    usage = usage_of(value)
    if usage is None:
        return None
    try:
        return of_model(usage, _get(value, "model"))
    except Exception:  # as above
        return usage


def _read(usage: object) -> Usage | None:
    """From an object or a dict; None if no tokens are in it."""
    alone, whole, output = _number(usage, _INPUT_ALONE), _number(usage, _INPUT), _number(usage, _OUTPUT)
    if alone is None and whole is None and output is None:
        total = _number(usage, _TOTAL)  # as of embeddings
        return None if total is None else Usage(total)
    output = (output or 0) + (_number(usage, _THOUGHTS) or 0)
    details = next((found for name in _DETAILS if (found := _get(usage, name)) is not None), None)
    if whole is None and details is None:
        return Usage(alone or 0, output, _number(usage, _WRITTEN) or 0, _number(usage, _READ) or 0)
    read = _number(details, ("cached_tokens", "cache_read")) or _number(usage, _CACHED) or 0
    written = _number(details, ("cache_creation",)) or 0
    entered = (alone if whole is None else whole) or 0
    entered += _number(usage, _RESULTS) or 0
    return _restored(max(0, entered - read - written), output, written, read, 1, read)


def _get(thing: object, name: str) -> object:
    return thing.get(name) if isinstance(thing, dict) else getattr(thing, name, None)


def _number(thing: object, names: tuple[str, ...]) -> int | None:
    """The first of these that is a number."""
    for name in names:
        number = _get(thing, name)
        if isinstance(number, int) and not isinstance(number, bool) and number >= 0:
            return number
    return None
