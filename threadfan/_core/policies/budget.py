"""``Budget``: how many tokens may be used, or how much money spent, and whether that is so.

It counts what calls have used, which is known when they have; so calls that run as it is used up are paid for besides.

Guarantee: nothing is left out for want of a price.  A model whose price is not known uses the budget up at once.
"""

from __future__ import annotations

import weakref

from ..base import forks
from ..base.arguments import whole
from ..base.given import real
from ..base.locks import Lock
from ..base.texts import brief, text_of
from ..base.usage import Usage
from .prices import prices_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from .prices import Given

    class Spender(Protocol):
        """What is to stop when nothing is left."""

        def stop(self) -> None:
            """Start no further call."""


class Budget:
    """An upper bound of tokens or money, for the batches that are given this object.

    When it is used up no further call starts, and those that run finish.

    Args:
        tokens: of input and output together, those of caches too.
        usd: what they cost.
        prices: in USD per million tokens: a mapping from the beginnings of model names to prices, such as
            ``{"claude-haiku-4-5": (1, 5)}``, or one price for all models.  A price is a pair for input and output, or
            four numbers for input, output, writing to a cache and reading from it; with a pair, tokens read from a
            cache cost as much as input, and tokens written to it a quarter more.  Without ``prices``, those of the
            library genai-prices hold.

    Raises:
        TypeError, ValueError: an argument is wrong; the message says what would be right.
        ImportError: there are no prices, and genai-prices is not installed.
    """

    __slots__ = (
        "__weakref__", "_lock", "_price", "_spenders", "spent_tokens", "spent_usd", "tokens", "unpriced", "usd",
    )  # fmt: skip

    def __init__(self, tokens: int | None = None, *, usd: float | None = None, prices: Given | None = None) -> None:
        if tokens is None and usd is None:
            raise TypeError("Budget needs tokens=…, usd=…, or both")
        self.tokens: int | None = None if tokens is None else whole("tokens", tokens)
        self.usd: float | None = None if usd is None else _money(usd)
        if usd is None and prices is not None:
            raise TypeError(f"prices are for a budget of money: Budget(usd=…, prices={brief(prices)})")
        self._price: Callable[[str | None, Usage], float] | None = None if usd is None else prices_of(prices)
        self.spent_tokens: int = 0
        self.spent_usd: float = 0.0
        self.unpriced: str | None = None
        """What has kept it from counting money; None if nothing has."""
        self._spenders: list[weakref.ref[Spender]] = []
        self._lock: Lock = Lock()
        forks.renew(self, type(self)._forked)

    def _forked(self) -> None:
        """In the child of a fork: batches are the parent's."""
        self._lock = Lock()
        self._spenders = []

    def used_up(self) -> str | None:
        """A text that says why no further call is to start; None if some of the budget is left."""
        if self.unpriced is not None:
            return self.unpriced
        if self.tokens is not None and self.spent_tokens >= self.tokens:
            return f"the budget of {self.tokens:,} tokens was used up: {self.spent_tokens:,} were spent"
        if self.usd is not None and self.spent_usd >= self.usd:
            return f"the budget of {self.usd:g} USD was used up: {self.spent_usd:.4g} were spent"
        return None

    def cost(self, usage: Usage, model: str | None = None) -> float:
        """What tokens of a model cost by the budget's prices, in USD; nothing is counted.

        Raises:
            TypeError: ``usage`` is no ``Usage``, or the budget is one of tokens, which has no prices.
            ValueError: no price of the model is known; the message says what would be right.
        """
        if not isinstance(usage, Usage):
            raise TypeError(f"usage must be a Usage, such as result.usage, not {brief(usage)}")
        if self._price is None:
            raise TypeError("a budget of tokens has no prices; right is Budget(usd=…, prices=…)")
        return self._price(model, usage)

    def add(self, usage: Usage, model: str | None = None) -> None:
        """Count the tokens of a call outside of the batches; it never raises."""
        cost, unpriced = 0.0, None
        if self.usd is not None:
            try:
                cost = self.cost(usage, model)
            except Exception as error:  # of the library's, or that there is none
                unpriced = text_of(error)
        with self._lock:
            self.spent_tokens += usage.total_tokens
            self.spent_usd += cost
            self.unpriced = self.unpriced or unpriced
            spenders = [] if self.used_up() is None else self._spenders
        for spender in [found for known in spenders if (found := known()) is not None]:
            spender.stop()

    def spent_by(self, spender: Spender) -> None:
        """Have it stop when the budget is used up; it is held weakly."""
        with self._lock:
            self._spenders = [known for known in self._spenders if known() is not None]
            self._spenders.append(weakref.ref(spender))
        if self.used_up() is not None:
            spender.stop()

    def __repr__(self) -> str:
        tokens = "" if self.tokens is None else f" {self.spent_tokens:,} of {self.tokens:,} tokens"
        money = "" if self.usd is None else f" {self.spent_usd:.4g} of {self.usd:g} USD"
        return f"<Budget:{tokens}{',' if tokens and money else ''}{money}>"


def _money(usd: float) -> float:
    found = real(usd)
    if found is None:
        raise TypeError(f"usd must be a number, not {brief(usd)}; right is Budget(usd=5)")
    if not 0 < found < float("inf"):
        raise ValueError(f"usd must be greater than 0 and finite, not {usd!r}; right is Budget(usd=5)")
    return found
