"""What an error says, read once, is what each question by itself answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threadfan import Fan, RateLimit
from threadfan._core.policies.reading import Reading
from threadfan._core.policies.responses import is_overload
from threadfan._core.policies.retry_after import LONGEST, headers_of, retry_after_of
from threadfan._core.policies.retryable import worth_retrying
from threadfan._core.policies.statuses import status_of
from threadfan._core.policies.words import account_word, final_word

WALL = 1_000_000_000.0


class Refused(Exception):
    """As clients raise it."""

    def __init__(self, status, headers, body):
        super().__init__("refused")
        self.status_code, self.headers, self.body = status, headers, body


plain = st.sampled_from([ValueError("bug"), ConnectionError("gone"), TimeoutError(), KeyboardInterrupt()])
told = st.builds(
    Refused,
    st.sampled_from([None, 200, 400, 408, 429, 500, 503, 529]),
    st.sampled_from([
        {}, {"retry-after": "3"}, {"retry-after": "86400"}, {"retry-after": "Sun, 09 Sep 2001 01:47:40 GMT"},
        {"x-should-retry": "false"},
    ]),
    st.sampled_from([None, {"error": {"type": "insufficient_quota"}}, {"error": {"code": "unimplemented"}}]),
)  # fmt: skip


@st.composite
def errors(draw):
    """One by itself, one raised from another, or a group."""
    first, second = draw(st.one_of(plain, told)), draw(st.one_of(plain, told))
    kind = draw(st.sampled_from(["alone", "from", "group"]))
    if kind == "from" and first is not second:
        first.__cause__ = second
    if kind == "group" and isinstance(first, Exception) and isinstance(second, Exception):
        return ExceptionGroup("both", [first, second])
    return first


@given(errors())
def test_it_is_what_the_questions_answer(error):
    """Each of its parts."""
    said = Reading(error, WALL)
    assert (said.status, said.headers) == (status_of(error), headers_of(error))
    assert (said.final_word, said.account_word) == (final_word(error), account_word(error))
    assert said.overload == is_overload(error)
    assert said.worth_retrying() == worth_retrying(error)
    assert said.asked_in_all == retry_after_of(error, WALL, float("inf"))
    assert said.asked == retry_after_of(error, WALL, LONGEST)


class Counted(dict):
    """Headers that count how often one is asked for the time to wait."""

    asked = 0

    def get(self, name, default=None):
        """A header."""
        self.asked += name == "retry-after"
        return super().get(name, default)


@pytest.mark.parametrize("options", [{}, {"retry": 3}, {"retry": {429: 3}}], ids=["limit", "number", "entries"])
def test_an_answer_is_read_once(options):
    """For the limit, the retry and the figures together."""
    headers = [Counted({"retry-after": "0"}) for _ in range(2)]
    left = iter(headers)

    def one(_):
        for found in left:
            raise Refused(429, found, None)
        return "done"

    with Fan(1, rate=RateLimit(600_000), **options) as fan:
        (outcome,) = fan.run(one, [0])
    assert (outcome.value, outcome.attempts) == ("done", 3)
    assert [found.asked for found in headers] == [1, 1]
