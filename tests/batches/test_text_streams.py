"""`stream_text`: texts that many calls make at once, piece by piece."""

import gc
import itertools
import threading
from functools import partial

import pytest

from support.controlled import PATIENCE, aside, until, within_patience
from threadfan import Fan, FanClosed, Hedge, RateLimit, TaskTimeout, TextStream, current_scope, sleep
from threadfan.agents import Agent
from threadfan.clients.anthropic import attach

pytestmark = pytest.mark.filterwarnings("ignore:.*is still stuck in:RuntimeWarning")


def words(number):
    """So many pieces of text, each of which says which it is."""
    for place in range(number):
        yield f"{place} "


def endless(made):
    """Pieces without an end; each is noted."""
    for place in itertools.count():
        made.append(place)
        yield str(place)


def texts_of(pieces, number):
    """The pieces of each of so many calls."""
    found = [[] for _ in range(number)]
    for index, piece in pieces:
        found[index].append(piece)
    return found


def test_pieces_come_in_the_order_in_which_they_are_made():
    """One call after the other says something, and each is heard before the next speaks."""
    heard = [threading.Semaphore(0) for _ in range(2)]

    def speak(index):
        for place in range(3):
            assert heard[index].acquire(timeout=PATIENCE)
            yield f"{index}{place}"

    with Fan(2) as fan:
        stream, seen = fan.stream_text(speak, [0, 1]), []
        heard[1].release()
        for index, piece in stream:
            assert piece == f"{index}{len(seen) // 2}"
            seen.append(index)
            heard[1 - index].release()
    assert seen == [1, 0, 1, 0, 1, 0]
    assert stream.report().unwrap() == ["000102", "101112"]


@pytest.mark.parametrize("buffer", [1, 7, None])
@pytest.mark.parametrize("workers", [1, 8])
def test_nothing_is_lost_or_reordered(workers, buffer, eager_switching):
    """However many calls and however little room: the pieces of each come whole and in order, and are its value."""
    numbers = [0, 1, 250, 3, 250, 250, 40, 250, 1, 100, 250, 2]
    with Fan(workers) as fan:
        stream = fan.stream_text(words, numbers, buffer=buffer)
        found = texts_of(stream, len(numbers))
    assert found == [list(words(number)) for number in numbers]
    assert stream.report().unwrap() == ["".join(words(number)) for number in numbers]
    assert stream.done()


@pytest.mark.parametrize("buffer", [1, 10])
def test_calls_wait_for_a_slow_reader(buffer):
    """No more is made than was read, has room, and two pieces for each call: one too many there, and one in its hand.

    Nor are more inputs taken than twice the slots.
    """
    made, taken = [], []
    inputs = (taken.append(number) or made for number in itertools.count())
    with Fan(3) as fan, fan.stream_text(endless, inputs, buffer=buffer) as stream:
        for read, _ in enumerate(stream, 1):
            until(lambda least=read + buffer: len(made) >= least)
            assert len(made) <= read + buffer + 2 * (2 * 3)
            assert len(taken) <= 2 * 3
            if read == 40:
                break


def test_a_call_that_waits_for_the_reader_has_no_slot():
    """A reader that does something else holds up nothing else in the fan."""
    with Fan(1) as fan, fan.stream_text(endless, [[]], buffer=1) as stream:
        assert next(stream) == (0, "0")
        assert within_patience(fan.submit(int).result) == 0
        assert next(stream) == (0, "1")


def test_a_reader_may_be_a_call_of_the_fan():
    """With one slot for both it comes to read while the others write."""

    def read():
        with fan.stream_text(endless, [[], []]) as stream:
            return list(itertools.islice(stream, 5))

    with Fan(1) as fan:
        assert within_patience(fan.submit(read).result) == [(0, str(place)) for place in range(5)]


@pytest.mark.parametrize("how", ["close", "break", "drop"])
def test_who_leaves_ends_the_calls(how):
    """Closing the iterator or dropping it cancels what runs, and what waits for the reader; generators are closed."""
    closed = threading.Semaphore(0)

    def speak(_):
        try:
            yield from endless([])
        finally:
            assert current_scope().cancelled
            closed.release()

    with Fan(2) as fan:
        if how == "break":
            for _ in fan.stream_text(speak, range(100), buffer=4):
                break
        else:
            stream = fan.stream_text(speak, range(100), buffer=4)
            next(stream)
            if how == "close":
                stream.close()
                assert {outcome.status for outcome in stream.report()} == {"cancelled"}
            del stream
        assert closed.acquire(timeout=PATIENCE)


def test_what_fails_is_an_outcome():
    """A failure ends one call; what it has said until then was heard."""

    def speak(what):
        if what == "nothing":
            return None
        if what == "number":
            return 5
        return words(2) if what == "text" else pieces(what)

    def pieces(what):
        yield "begun"
        if what == "error":
            raise LookupError(what)
        yield object()

    inputs = ["text", "error", "strange", "nothing", "number"]
    with Fan(2) as fan:
        stream = fan.stream_text(speak, inputs)
        assert texts_of(stream, 5) == [["0 ", "1 "], ["begun"], ["begun"], [], []]
        report = stream.report()
        assert [outcome.status for outcome in report] == ["succeeded", *["failed"] * 4]
        assert isinstance(report[1].error, LookupError)
        assert "a piece of text must be a str, or an event of an SDK's stream, not" in str(report[2].error)
        for outcome in report[3:]:
            assert "the pieces of a text cannot be had from" in str(outcome.error)
        assert [outcome.item for outcome in report] == inputs


def test_a_timeout_ends_one_call(clock):
    """What hangs between two pieces has an outcome that says so, and the stream ends."""

    def speak(seconds):
        yield "begun"
        sleep(seconds)
        yield "ended"

    with Fan(2, timeout=5) as fan:
        stream = fan.stream_text(speak, [100, 0])
        heard = sorted(itertools.islice(stream, 3))
        assert heard == [(0, "begun"), (1, "begun"), (1, "ended")]
        until(lambda: fan.snapshot()["running"] == 1)
        clock.advance(5)
        assert list(stream) == []
        first, second = stream.report()
    assert isinstance(first.error, TaskTimeout)
    assert second.value == "begunended"


def test_a_call_that_tells_something_is_not_idle(clock):
    """Each piece is a sign that it goes on."""
    said, heard = threading.Semaphore(0), []

    def speak(_):
        for place in range(4):
            assert said.acquire(timeout=PATIENCE)
            yield str(place)

    with Fan(1, idle_timeout=5) as fan:
        stream = fan.stream_text(speak, [0])

        def read():
            for _, piece in stream:
                heard.append(piece)

        reading = aside(read)
        for place in range(4):
            until(lambda: fan.snapshot()["running"])
            clock.advance(4)
            said.release()
            until(lambda number=place: len(heard) > number)
        reading.result(PATIENCE)
        assert stream.report().unwrap() == ["0123"]


@pytest.mark.parametrize("rate", [None, RateLimit(60_000, burst=9)])
def test_a_call_is_made_again_while_nothing_was_told(rate):
    """After the first piece it is not, for nobody can take that back."""
    attempts = []

    def speak(early):
        attempts.append(early)
        if early and attempts.count(early) == 1:
            raise ConnectionError
        yield "begun"
        if not early:
            raise ConnectionError

    with Fan(2, retry=3, rate=rate) as fan:
        stream = fan.stream_text(speak, [True, False])
        assert sorted(stream) == [(0, "begun"), (1, "begun")]
    assert sorted(attempts) == [False, True, True]
    assert [outcome.status for outcome in stream.report()] == ["succeeded", "failed"]


def test_another_function_may_speak_in_place_of_one_that_has_failed():
    """The text of a fallback comes piece by piece, too; but not after the first function has told something."""

    def speak(early):
        if not early:
            yield "begun"
        raise LookupError

    def instead(early):
        return iter(["in", "stead"])

    with Fan(2) as fan:
        stream = fan.with_options(fallback=instead).stream_text(speak, [True, False])
        assert texts_of(stream, 2) == [["in", "stead"], ["begun"]]
        first, second = stream.report()
    assert first.value == "instead"
    assert isinstance(second.error, LookupError)


def test_no_call_is_made_twice_at_once(clock):
    """Two attempts would both speak."""
    begun, go = [], threading.Event()

    def speak(_):
        begun.append(None)
        assert go.wait(PATIENCE)
        yield "once"

    with Fan(2, hedge=Hedge(after=1.0)) as fan:
        stream = fan.stream_text(speak, [0])
        reading = aside(list, stream)
        until(lambda: begun)
        clock.advance(10)
        assert within_patience(fan.submit(int).result) == 0  # by whoever would have made it a second time
        go.set()
        assert reading.result(PATIENCE) == [(0, "once")]
    assert len(begun) == 1


def by_name(item, on_text):
    """A function that is handed what to call."""
    on_text(f"{item}!")
    on_text(None)
    return item


class Speaker:
    """An object that is one."""

    def __call__(self, item, *, on_text=None):
        """Say it."""
        return by_name(item, on_text)

    def speak(self, item, on_text):
        """Say it."""
        return by_name(item, on_text)


@pytest.mark.parametrize(
    "fn", [by_name, partial(by_name), Speaker(), Speaker().speak], ids=["function", "partial", "object", "method"]
)
def test_functions_that_take_on_text(fn):
    """They call it with each piece, and what they return is the value."""
    with Fan(2) as fan:
        stream = fan.stream_text(fn, ["a", "b"])
        assert sorted(stream) == [(0, "a!"), (1, "b!")]
        assert stream.report().unwrap() == ["a", "b"]


def test_what_a_generator_returns_is_the_value():
    """Of one that returns nothing it is all of its text; of a text that is returned at once it is that."""

    def speak(item):
        yield item
        yield ""
        return item.upper()

    with Fan(2) as fan:
        stream = fan.stream_text(speak, ["a", "b"])
        assert sorted(stream) == [(0, "a"), (1, "b")]
        assert stream.report().unwrap() == ["A", "B"]
        stream = fan.stream_text(str.upper, ["a", "b"])
        assert sorted(stream) == [(0, "A"), (1, "B")]
        assert list(fan.stream_text(pow, [(2, 5)], star=True)) == []


def ask(client, prompt, way):
    """A message that is streamed, by each of the SDK's ways."""
    messages = [{"role": "user", "content": prompt}]
    arguments = {"model": "m", "max_tokens": 100, "messages": messages}
    return client.messages.stream(**arguments) if way == "stream" else client.messages.create(stream=True, **arguments)


@pytest.mark.parametrize("attached", [True, False])
@pytest.mark.parametrize("way", ["stream", "create"])
def test_streams_of_the_sdk(messages_server, way, attached):
    """What a function returns of the SDK's is read for its text; the outcome has the message and its tokens."""
    messages_server.configure(replies={"cats": "They purr. " * 9, "dogs": "They bark. " * 9})
    with messages_server.client() as plain, Fan(4) as fan:
        client = attach(plain) if attached else plain
        stream = fan.stream_text(lambda prompt: ask(client, prompt, way), ["cats", "dogs", "cats [fault:529]"])
        cats, dogs, none = map("".join, texts_of(stream, 3))
        assert (cats, dogs, none) == ("They purr. " * 9, "They bark. " * 9, "")
        first, _, refused = stream.report()
        assert first.value == cats if way == "create" else first.value.content[0].text == cats
        assert refused.error.status_code == 529
        if attached or way == "stream":
            assert first.usage.output_tokens == 25


def test_agents_side_by_side(messages_server):
    """Each run's text bears its index, over all of its turns; the agent's own listener hears it too."""
    asks = 'I look. use tool look with {"at": "it"}'
    messages_server.configure(replies={"cats": asks, "dogs": asks, "seen it": "Here it is."})

    def look(at: str) -> str:
        """Look at something."""
        return f"seen {at}"

    heard = []
    with messages_server.client() as client, Fan(4) as fan:
        agent = Agent(client, model="m", fan=fan, tools=[look], on_text=heard.append)
        stream = fan.stream_text(agent, ["cats", "dogs"])
        assert ["".join(one) for one in texts_of(stream, 2)] == ["I look.Here it is."] * 2
        assert [outcome.value.text for outcome in stream.report()] == ["Here it is."] * 2
        assert "".join(sorted(heard)) == "".join(sorted(["I look.", "Here it is."] * 2))
        mine = []
        agent("cats", on_text=mine.append)
        assert mine == ["I look.", "Here it is."]


def test_a_stream_can_be_steered():
    """One call is cancelled, the others go on; a report says at any time what there is."""
    with Fan(2) as fan:
        stream = fan.stream_text(endless, [[], []], buffer=2)
        next(stream)
        assert isinstance(stream, TextStream)
        assert len(stream.report()) == 0
        assert stream.cancel(0)
        assert next(piece for piece in stream if piece[0] == 1)
        until(lambda: len(stream.report()) == 1)
        assert stream.report()[0].status == "cancelled"
        assert stream.cancel()
        list(stream)
        assert stream.report().stopped == "the stream was cancelled"


def test_a_fan_that_is_closed_ends_it():
    """Its reader gets `FanClosed`, with the report."""
    with Fan(1) as fan:
        stream = fan.stream_text(endless, [[]], buffer=2)
        next(stream)
    with pytest.raises(FanClosed) as caught:
        list(stream)
    assert [outcome.status for outcome in caught.value.report] == ["cancelled"]


def test_failed_texts_are_had_again():
    """`report.retry` calls the function again, and the value is the whole text."""
    failing = [True]

    def speak(number):
        yield from words(number)
        if number == 2 and failing.pop():
            raise LookupError

    with Fan(2) as fan:
        stream = fan.stream_text(speak, [1, 2])
        list(stream)
        failing.append(False)
        assert stream.report().retry(fan).unwrap() == ["0 ", "0 1 "]


def test_pieces_die_with_their_reader():
    """Nothing keeps the fan, the function or what it was given once the stream is gone."""

    class Item:
        """Something that can be looked for."""

    def speak(_):
        yield "x"

    with Fan(1) as fan:
        list(fan.stream_text(speak, [Item()]))
    assert not [one for one in gc.get_objects() if type(one) is Item]


@pytest.mark.parametrize(
    ("fn", "options", "said"),
    [
        (5, {}, "needs a function to call, not 5"),
        (lambda: "", {}, "with 1 argument, but it takes none"),
        (lambda *, on_text: "", {}, "with 1 argument, but it takes none"),
        (words, {"buffer": 0}, "buffer must be greater than 0, not 0"),
        (words, {"window": 3}, "window"),
    ],
    ids=str,
)
def test_wrong_arguments_are_told_at_the_call(fn, options, said):
    """Before anything is called."""
    with Fan(1) as fan, pytest.raises((TypeError, ValueError), match=said):
        fan.stream_text(fn, [1], **options)


def test_coroutine_functions_are_refused():
    """The message says what would be right."""

    async def speak(_):
        yield "x"

    with Fan(1) as fan, pytest.raises(TypeError, match="asynchronous generator function"):
        fan.stream_text(speak, [1])
