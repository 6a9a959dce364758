"""Tokens in whatever form a provider tells them, as they are counted."""

import copy
import pickle
from types import SimpleNamespace

import pytest

from threadfan import Usage
from threadfan._core.base.usage import usage_of
from threadfan._core.policies.cost import Cost


def holding(**numbers):
    """An object with these attributes."""
    return SimpleNamespace(**numbers)


ANTHROPIC = {"input_tokens": 10, "output_tokens": 5, "cache_creation_input_tokens": 3, "cache_read_input_tokens": 90}
CHAT = {"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105}
GEMINI = {"prompt_token_count": 100, "candidates_token_count": 5, "total_token_count": 105}


@pytest.mark.parametrize(
    ("told", "counts", "limited"),
    [
        (ANTHROPIC, (10, 5, 3, 90), (13, 5)),
        (CHAT, (100, 5, 0, 0), (100, 5)),
        (CHAT | {"prompt_tokens_details": None}, (100, 5, 0, 0), (100, 5)),
        (CHAT | {"prompt_tokens_details": holding(cached_tokens=90)}, (10, 5, 0, 90), (100, 5)),
        (CHAT | {"completion_tokens_details": holding(reasoning_tokens=4)}, (100, 5, 0, 0), (100, 5)),
        (
            {"input_tokens": 1000, "input_tokens_details": {"cached_tokens": 900}, "output_tokens": 5},
            (100, 5, 0, 900),
            (1000, 5),
        ),
        (GEMINI, (100, 5, 0, 0), (100, 5)),
        (
            GEMINI | {"cached_content_token_count": 60, "thoughts_token_count": 7, "tool_use_prompt_token_count": 2},
            (42, 12, 0, 60),
            (102, 12),
        ),
        ({"promptTokenCount": 8, "candidatesTokenCount": 2}, (8, 2, 0, 0), (8, 2)),
        ({"inputTokens": 10, "outputTokens": 2, "cacheReadInputTokens": 4}, (10, 2, 0, 4), (10, 2)),
        (
            {"input_tokens": 50, "output_tokens": 5, "input_token_details": {"cache_read": 30, "cache_creation": 5}},
            (15, 5, 5, 30),
            (50, 5),
        ),
        ({"total_tokens": 12}, (12, 0, 0, 0), (12, 0)),
        ({"input_tokens": 7, "output_tokens": None}, (7, 0, 0, 0), (7, 0)),
        ({"prompt_tokens": 7}, (7, 0, 0, 0), (7, 0)),
    ],
)
@pytest.mark.parametrize("made", [dict, lambda numbers: holding(**numbers)])
@pytest.mark.parametrize("name", ["usage", "usage_metadata"])
def test_what_providers_tell(told, counts, limited, made, name):
    """As attributes and as keys; what came from a cache is told apart, and counts where the provider counts it."""
    for value in ({name: made(told)}, holding(**{name: made(told)})):
        usage = usage_of(value)
        assert usage == Usage.of(made(told))
        found = (usage.input_tokens, usage.output_tokens)
        assert (*found, usage.cache_creation_input_tokens, usage.cache_read_input_tokens) == counts
        assert (Cost.of(usage).input, Cost.of(usage).output) == limited


@pytest.mark.parametrize(
    "value",
    [
        None, 7, "text", holding(), {}, holding(usage=None), holding(usage=len), {"usage": {"input_tokens": "many"}},
        {"usage": {"input_tokens": True}}, {"usage": {"input_tokens": -1}}, holding(usage=holding(disk=3)),
        type("Sly", (), {"usage": property(lambda self: 1 / 0)})(),
    ],
)  # fmt: skip
def test_what_says_nothing(value):
    """A method, a word, something else of that name: no usage."""
    assert usage_of(value) is None


def test_usages_add_up_and_travel():
    """Sums, copies and pickles keep what counts against a limit."""
    first, second = Usage.of({"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 4}}), Usage(1, 2, 3, 4)
    total = first + second
    assert (total.requests, total.limited_input_tokens, total.total_tokens) == (2, 9 + 4, 9 + 10)
    for twin in (copy.copy(total), copy.deepcopy(total), pickle.loads(pickle.dumps(total))):  # noqa: S301 -- our own
        assert (twin, twin.limited_input_tokens) == (total, 13)
    assert usage_of(holding(usage=total)) is total
