"""What tokens cost: by what the user says, or by the library genai-prices."""

from __future__ import annotations

from functools import partial

from ..base.given import real
from ..base.packages import install
from ..base.texts import brief

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import TypeAlias

    from ..base.usage import Usage

    Given: TypeAlias = Mapping[str, Sequence[float]] | Sequence[float]
    """As users write them."""
    Prices = tuple[float, float, float, float]
    """USD per million tokens: of input, of output, written to a cache, read from one."""

MILLION = 1_000_000
_RIGHT = 'right is {"claude-haiku-4-5": (1, 5)}, in USD per million tokens of input and output, or one such pair'

_NO_MODEL = (
    "nothing tells which model the calls have used; right is an attached client, calls that return the response, or "
    "prices=(input, output) for whatever model"
)


class Unpriced(ValueError):
    """What tokens cost is not known."""


def prices_of(given: Given | None) -> Callable[[str | None, Usage], float]:
    """What answers with the USD that tokens of a model cost; ``Unpriced`` if that is not known.

    Raises:
        TypeError, ValueError: they are no prices.
        ImportError: none are given, and genai-prices is not installed.
    """
    if given is None:
        return _by_library()
    if not hasattr(type(given), "keys"):
        return partial(_cost_of_any, _numbers("", given))
    by_name = {name: _numbers(f"[{brief(name)}]", numbers) for name, numbers in given.items()}  # type: ignore[union-attr]
    if not by_name or not all(isinstance(name, str) for name in by_name):
        raise TypeError(f"prices got {brief(given)}; {_RIGHT}")
    return partial(_cost_by_name, by_name)


def _numbers(where: str, given: object) -> Prices:
    found = [real(number) for number in given] if isinstance(given, (tuple, list)) else []
    if len(found) not in (2, 4) or None in found:
        raise TypeError(f"prices{where} got {brief(given)}; {_RIGHT}")
    numbers = [number or 0.0 for number in found]
    if not all(0 <= number < float("inf") for number in numbers):
        raise ValueError(f"prices{where} must be at least 0 and finite, not {brief(given)}")
    if len(numbers) == 2:  # rather too much than too little
        numbers += [numbers[0] * 1.25, numbers[0]]
    return numbers[0], numbers[1], numbers[2], numbers[3]


def _cost_of_any(prices: Prices, _model: str | None, usage: Usage) -> float:
    used = usage.input_tokens, usage.output_tokens, usage.cache_creation_input_tokens, usage.cache_read_input_tokens
    return sum(price * number for price, number in zip(prices, used, strict=True)) / MILLION


def _cost_by_name(by_name: dict[str, Prices], model: str | None, usage: Usage) -> float:
    if model is None:
        raise Unpriced(_NO_MODEL)
    names = [name for name in by_name if model.startswith(name)]
    if not names:
        raise Unpriced(f"no price of the model {brief(model)} is known; right is prices={{{brief(model)}: (…, …)}}")
    return _cost_of_any(by_name[max(names, key=len)], model, usage)


def _by_library() -> Callable[[str | None, Usage], float]:
    try:
        import genai_prices
    except ImportError as error:
        raise ImportError(
            f"Budget(usd=…) needs prices: {_RIGHT}, or the library genai-prices, which is not installed: "
            f"{install('prices')}"
        ) from error

    def cost(model: str | None, usage: Usage) -> float:
        if model is None:
            raise Unpriced(_NO_MODEL)
        written, read = usage.cache_creation_input_tokens, usage.cache_read_input_tokens
        used = genai_prices.Usage(
            input_tokens=usage.input_tokens + written + read,
            cache_write_tokens=written,
            cache_read_tokens=read,
            output_tokens=usage.output_tokens,
        )
        try:
            return float(genai_prices.calc_price(used, model).total_price)
        except LookupError as error:
            known = f"no price of the model {brief(model)} is known to genai-prices"
            raise Unpriced(f"{known}; right is prices={{{brief(model)}: (…, …)}}") from error

    return cost
