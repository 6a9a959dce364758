"""Budget: what is counted, what it costs, and when it is used up."""

import sys

import pytest

from threadfan import Budget, Usage
from threadfan._core.base.usage import model_of, of_model, priced_usage_of

MILLION = 1_000_000


def test_tokens_of_all_kinds_count():
    """It is used up by the one that reaches it."""
    budget = Budget(100)
    budget.add(Usage(30, 20, 10, 39))
    assert (budget.spent_tokens, budget.used_up()) == (99, None)
    budget.add(Usage(1))
    assert budget.used_up() == "the budget of 100 tokens was used up: 100 were spent"
    assert repr(budget) == "<Budget: 100 of 100 tokens>"


@pytest.mark.parametrize(
    ("prices", "cost"),
    [
        ((1, 5), 1 + 5 + 1.25 + 1),  # rather too much than too little
        ((1, 5, 1.25, 0.1), 1 + 5 + 1.25 + 0.1),
        ({"claude": (100, 100), "claude-haiku": (1, 5, 1.25, 0.1), "gpt": (9, 9)}, 1 + 5 + 1.25 + 0.1),
        ([2, 2, 2, 2], 8),
    ],
)
def test_what_tokens_cost(prices, cost):
    """By the longest name that the model's begins with."""
    budget = Budget(usd=100, prices=prices)
    budget.add(Usage(MILLION, MILLION, MILLION, MILLION), "claude-haiku-4-5-20251001")
    assert budget.spent_usd == pytest.approx(cost)
    assert budget.used_up() is None


def test_the_cost_of_one_answer():
    """It is told and not counted; without a price, or with tokens alone, the error says what is right."""
    budget = Budget(usd=5, prices={"claude-haiku-4-5": (1, 5, 1.25, 0.1)})
    assert budget.cost(Usage(2000, 300, 400, 1000), "claude-haiku-4-5") == pytest.approx(0.0041)
    assert (budget.spent_usd, budget.spent_tokens) == (0, 0)
    with pytest.raises(ValueError, match=r"no price of the model 'gpt-9' is known; right is prices=\{'gpt-9': "):
        budget.cost(Usage(1), "gpt-9")
    with pytest.raises(TypeError, match=r"a budget of tokens has no prices; right is Budget\(usd="):
        Budget(100).cost(Usage(1), "claude-haiku-4-5")
    with pytest.raises(TypeError, match=r"usage must be a Usage, such as result.usage, not 100"):
        budget.cost(100)
    assert budget.used_up() is None


def test_money_and_tokens():
    """Whichever is used up first."""
    for budget in (Budget(10, usd=1, prices=(1, 1)), Budget(10**9, usd=0.00001, prices=(1, 1))):
        budget.add(Usage(10))
        assert budget.used_up() is not None
    assert budget.used_up() == "the budget of 1e-05 USD was used up: 1e-05 were spent"
    assert repr(budget) == "<Budget: 10 of 1,000,000,000 tokens, 1e-05 of 1e-05 USD>"


def test_what_has_no_price_uses_it_up():
    """Money that cannot be counted cannot be bounded; the message says what to add."""
    budget = Budget(usd=5, prices={"claude": (1, 5)})
    budget.add(Usage(1), "gpt-9")
    assert budget.used_up() == "no price of the model 'gpt-9' is known; right is prices={'gpt-9': (…, …)}"
    budget = Budget(usd=5, prices={"claude": (1, 5)})
    budget.add(Usage(1), None)
    assert budget.used_up().startswith("nothing tells which model the calls have used; right is an attached client")


def test_prices_of_the_library():
    """Those of genai-prices, cached tokens among them."""
    pytest.importorskip("genai_prices")
    costs = []
    for usage in (Usage(MILLION), Usage(0, MILLION), Usage(0, 0, MILLION), Usage(0, 0, 0, MILLION)):
        budget = Budget(usd=100)
        budget.add(usage, "claude-haiku-4-5")
        costs.append(budget.spent_usd)
    assert costs == pytest.approx([1, 5, 1.25, 0.1])
    budget.add(Usage(1), "no such model")
    assert "is known to genai-prices; right is prices={'no such model': (…, …)}" in budget.used_up()


def test_without_the_library_prices_are_needed(monkeypatch):
    """The error says both ways."""
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    with pytest.raises(ImportError, match=r"needs prices: right is \{.*genai-prices.*pip install .threadfan\[prices\]"):
        Budget(usd=5)
    Budget(5)


def test_a_usage_may_know_its_model():
    """It is equal to one that does not, and sums know none."""
    known = of_model(Usage(1, 2, 3, 4, requests=0), "m")
    assert (known, repr(known), model_of(known)) == (
        Usage(1, 2, 3, 4, requests=0),
        repr(Usage(1, 2, 3, 4, requests=0)),
        "m",
    )
    assert model_of(known + known) is None
    assert type(of_model(Usage(1), 3)) is Usage
    assert model_of(priced_usage_of({"usage": {"input_tokens": 1}, "model": "m"})) == "m"
    assert model_of(priced_usage_of({"usage": {"input_tokens": 1}})) is None
    assert priced_usage_of("text") is None
