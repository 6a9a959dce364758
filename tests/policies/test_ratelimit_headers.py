"""Providers' headers as numbers."""

import pytest

from threadfan._core.policies.headers import read, span


def numbers(headers, wall=None):
    """Plain tuples by unit."""
    return {unit: (said.limit, said.remaining, said.reset) for unit, said in read(headers, wall).items()}


def test_anthropic_by_the_date_of_the_response():
    """The reset counts from the server's own clock."""
    headers = {
        "Date": "Sun, 06 Nov 1994 08:49:37 GMT",
        "anthropic-ratelimit-requests-limit": "50",
        "anthropic-ratelimit-requests-remaining": "49",
        "anthropic-ratelimit-requests-reset": "1994-11-06T08:49:38Z",
        "anthropic-ratelimit-input-tokens-limit": "30000",
    }
    assert numbers(headers, wall=5.0) == {"requests": (50, 49, 1), "input_tokens": (30000, None, None)}


def test_anthropic_by_the_time_of_day():
    """Without a date the caller's clock has to do; a reset in the past is now; without either none is known."""
    headers = {
        "anthropic-ratelimit-output-tokens-remaining": "0",
        "anthropic-ratelimit-output-tokens-reset": "1970-01-01T00:01:00.5+00:00",
    }
    assert numbers(headers, wall=50.0) == {"output_tokens": (None, 0, 10.5)}
    assert numbers(headers, wall=99.0) == {"output_tokens": (None, 0, 0)}
    assert numbers(headers) == {"output_tokens": (None, 0, None)}


def test_openai():
    """Limit, remaining and a span of time."""
    headers = {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-limit-tokens": "150000",
        "x-ratelimit-reset-tokens": "6m0s",
    }
    assert numbers(headers) == {"requests": (60, 59, 1), "tokens": (150000, None, 360)}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("6m0s", 360), ("20ms", 0.02), ("1h2m3.5s", 3723.5), ("1d", 86400), ("7", 7), ("", None), ("soon", None),
     ("5x", None), ("m", None), ("1..2s", None), (None, None)],
)  # fmt: skip
def test_spans(text, seconds):
    """Go's notation of durations; what is none counts as absent."""
    assert span(text) == (None if seconds is None else pytest.approx(seconds))


def test_nonsense_counts_as_absent():
    """No call fails over a header."""
    headers = {
        "date": "yesterday",
        "anthropic-ratelimit-requests-limit": "many",
        "anthropic-ratelimit-requests-remaining": "nan",
        "anthropic-ratelimit-requests-reset": "later",
        "x-ratelimit-limit-tokens": "-5",
    }
    assert numbers(headers) == {"requests": (None, None, None), "tokens": (None, None, None)}
    assert numbers({}) == {}
