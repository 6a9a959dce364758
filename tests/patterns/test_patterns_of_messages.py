"""Patterns over the real client: the server sees the connections of those go who are not needed."""

import pytest

from support.losers import both
from threadfan import Fan, task
from threadfan.clients.anthropic import attach
from threadfan.patterns import GuardFailed, aguard, arace, avote, guard, race, vote

pytest.importorskip("anthropic", exc_type=ImportError)


@pytest.fixture
def ask(messages_server):
    """One blocking call of the client, whose requests the fan can end."""
    with messages_server.client() as plain, attach(plain) as client:

        def ask(prompt):
            messages = [{"role": "user", "content": prompt}]
            return client.messages.create(model="test-model", max_tokens=50, messages=messages).content[0].text

        yield ask


@both(vote=vote, avote=avote)
def test_a_vote_hangs_up_on_those_it_does_not_need(vote, ask, messages_server):
    """Five of nine agree while four hang: four connections are closed, and nothing is open any more."""
    messages_server.configure(replies={"Which?": "the first"})

    def agree():
        messages_server.wait_for(requests=4)
        return ask("Which?")

    with Fan(9) as fan:
        result = vote(fan, *[task(ask, "Which? [fault:hang]")] * 4, *[agree] * 5)
        assert (result.winner, result.votes) == ("the first", 5)
        seen = messages_server.wait_for(disconnects=4, open=0)
    assert (seen.requests, seen.disconnects) == (9, 4)


@both(race=race, arace=arace)
def test_a_race_hangs_up_on_the_losers(race, ask, messages_server):
    """Both losers hang when the third answers."""
    messages_server.configure(replies={"Who?": "me"})

    def win():
        messages_server.wait_for(requests=2)
        return ask("Who?")

    with Fan(3) as fan:
        won = race(fan, a=task(ask, "Who? [fault:hang]"), b=win, c=task(ask, "Who? [fault:hang]"))
        assert (won.name, won.value) == ("b", "me")
        assert messages_server.wait_for(disconnects=2, open=0).requests == 3


@both(guard=guard, aguard=aguard)
def test_a_guard_hangs_up_on_the_work(guard, ask, messages_server):
    """The answer that nobody may see is not written to its end."""
    messages_server.configure(replies={"Is it safe?": "no"})

    def safe():
        messages_server.wait_for(requests=1)
        return ask("Is it safe?") == "yes"

    with Fan(2) as fan:
        with pytest.raises(GuardFailed, match="it returned False"):
            guard(fan, task(ask, "Write. [fault:hang]"), safe)
        messages_server.wait_for(disconnects=1, open=0)
