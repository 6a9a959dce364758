"""What a graph refuses before any call is made, and what its errors say."""

import inspect
import re
from functools import partial, wraps

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threadfan import Fan
from threadfan._core.base.static import describe
from threadfan._core.graph.node import UNSET, Signature


@pytest.fixture
def fan():
    """No test here makes a call."""
    with Fan(1) as fan:
        yield fan
        assert fan.snapshot()["done"] == 0


def weather(query):
    """A task."""


def briefing(weather, tone="calm"):
    """Another one, which depends on it."""


class Unreadable:
    """As some functions that are written in C are."""

    __signature__ = "none"

    def __call__(self):
        """Never called."""


def stranger():
    """No task."""


def test_functions_are_given_at_once_or_added_one_by_one(fan):
    """As arguments, by `add`, or as a decorator, which gives the function back."""
    graph = fan.graph(weather, name="morning")
    assert graph.add(briefing) is briefing
    assert graph.task(name="again")(briefing) is briefing

    @graph.task
    def last(again):
        pass

    assert repr(graph) == "<Graph morning: weather, briefing, again, last>"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "the input 'query' is missing, which weather takes"),
        ({"query": 1, "tonne": 2}, "'tonne' is no input of the graph; did you mean 'tone'?"),
        ({"querry": 1}, "'querry' is no input of the graph; did you mean 'query'?; the input 'query' is missing"),
        ({"query": 1, "weather": 2}, "'weather' is a task of the graph and no input"),
    ],
)
def test_inputs_must_be_there_and_known(fan, given, said):
    """Missing and superfluous ones are named, with what was probably meant; those with a default may be left out."""
    graph = fan.graph(weather, briefing)
    with pytest.raises(TypeError) as error:
        graph.run(given)
    assert said in str(error.value)
    assert str(error.value).endswith("Its inputs are: 'query', 'tone'")


def test_a_missing_input_may_be_a_mistyped_task(fan):
    """A parameter that is nearly a task's name."""
    graph = fan.graph(weather)
    graph.add(lambda wether: None, name="last")
    with pytest.raises(TypeError, match=r"'wether' is missing, which last takes; or is it the task 'weather'\?"):
        graph.run(query=1)


def test_a_circle_is_refused_by_the_add_that_closes_it(fan):
    """The message shows the way round, and the graph is as it was."""
    graph = fan.graph()
    graph.add(lambda c: None, name="a")
    graph.add(lambda a: None, name="b")
    with pytest.raises(ValueError, match="these tasks wait for each other: a → b → c → a; "):
        graph.add(lambda b: None, name="c")
    assert repr(graph) == "<Graph graph: a, b>"
    graph.add(lambda d: None, name="c")


@pytest.mark.parametrize(
    "options",
    [{"depends_on": ["x"]}, {"outcomes": {"x": "x"}}, {"each": {"x": "x"}}, {"when": lambda x: True}, {}],
    ids=["depends_on", "outcomes", "each", "when", "parameter"],
)
def test_no_task_waits_for_itself(fan, options):
    """In whatever way it names itself."""
    with pytest.raises(ValueError, match="x waits for itself: x → x"):
        fan.graph().add(lambda x=None: None, name="x", **options)


def test_names_are_unique_and_can_be_called_by(fan):
    """Two of a name, none at all, and names that elements of a fan-out have."""
    graph = fan.graph(weather)
    with pytest.raises(ValueError, match="there is a task named 'weather' already"):
        graph.add(weather)
    with pytest.raises(ValueError, match=r"has no name of its own: graph.add\(fn, name='…'\)"):
        graph.add(lambda: None)
    for wrong in ("", "a[0]", 5):
        with pytest.raises(ValueError, match=r"must be a text without '\[', not "):
            graph.add(briefing, name=wrong)
    graph.add(partial(weather, 5), name="fixed")
    assert [graph.add(partial(briefing, 5)).func, repr(graph)] == [briefing, "<Graph graph: weather, fixed, briefing>"]


@pytest.mark.parametrize("options", [{"depends_on": ["wether"]}, {"outcomes": {"tone": "wether"}}], ids=str)
def test_an_unknown_task_is_named_when_all_are_known(fan, options):
    """It may be added later; if it is not, the run says so, with what was probably meant."""
    graph = fan.graph(weather)
    graph.add(briefing, **options)
    with pytest.raises(ValueError, match=r"briefing depends on 'wether', which is no task; did you mean 'weather'\?"):
        graph.run(query=1)
    with pytest.raises(ValueError, match="which is no task"):
        graph.mermaid()
    graph.add(lambda: None, name="wether")
    assert "wether" in graph.mermaid()


def test_a_function_stands_for_its_task(fan):
    """If it is one, and only one."""
    graph = fan.graph(weather)
    graph.add(briefing, depends_on=weather)
    with pytest.raises(ValueError, match="stranger is no task of this graph; add it first"):
        graph.add(lambda: None, name="x", depends_on=[stranger])
    graph.add(weather, name="later")
    with pytest.raises(ValueError, match="weather is the function of several tasks, weather and later: name one"):
        graph.add(lambda: None, name="x", depends_on=[weather])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"each": {"wether": "plan"}}, "each of briefing names 'wether', but briefing has no such parameter; it has: "),
        ({"outcomes": ["plan"]}, "outcomes of briefing names 'plan', but briefing has no such parameter"),
        ({"depends_on": {"plan": "plan"}}, "depends_on of briefing names 'plan', but briefing has no such parameter"),
        (
            {"each": {"tone": "plan"}, "outcomes": {"tone": "plan"}},
            "'tone' is named by several of depends_on, each and",
        ),
        ({"depth": 2}, "depth is for tasks with each"),
        ({"reduce": max}, "reduce is for tasks with each"),
        ({"each": {"tone": "plan"}, "depth": 0}, "depth must be greater than 0, not 0"),
        ({"each": {"tone": "plan"}, "initial": 0}, "initial is what reduce begins with, and there is no reduce"),
        (
            {"each": {"tone": "plan"}, "when": lambda tone: 1},
            "when decides for the whole task, so it cannot take 'tone'",
        ),
    ],
)
def test_options_must_fit_the_function(fan, options, said):
    """A parameter that is not there, or is claimed twice, or options that mean nothing without another."""
    with pytest.raises(ValueError, match=re.escape(said)):
        fan.graph().add(briefing, **options)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda graph: graph.add(5), "a task must be a function, not 5"),
        (
            lambda graph: graph.add(briefing, depends_on=5),
            "depends_on must be names or functions of tasks, or a mapping",
        ),
        (lambda graph: graph.add(briefing, when=5), "when needs a function to call, not 5"),
        (lambda graph: graph.add(briefing, each={"tone": "a"}, reduce=5), "reduce must be a function of two results"),
        (lambda graph: graph.add(briefing, timeout="5"), "timeout must be a number of seconds or None, not '5'"),
        (lambda graph: graph.add(Unreadable(), name="x"), "the parameters of x cannot be read: wrap it in a function"),
        (lambda graph: graph.run(deadline="soon"), "deadline must be a number of seconds or None"),
    ],
)
def test_wrong_types_are_named(fan, call, said):
    """With what would be right."""
    with pytest.raises(TypeError) as error:
        call(fan.graph())
    assert said in str(error.value)


def test_the_short_form_of_each_needs_one_parameter_that_is_left(fan):
    """Those that name tasks, and those with defaults, are not; one named like the source may be."""
    graph = fan.graph(weather)
    graph.add(lambda weather: None, name="same", each="weather")
    graph.add(lambda word=None: None, name="default", each="weather")
    graph.add(lambda word, same, tone="calm": None, name="left", each="weather")
    assert graph.mermaid().count("t0 ==>|each| ") == 3
    for fn in (lambda word, other: None, lambda weather, word: None, lambda: None):
        doubtful = fan.graph(weather)
        doubtful.add(fn, name="open", each="weather")
        with pytest.raises(ValueError, match="open: each='weather' does not say which parameter takes the elements"):
            doubtful.run(query=1)


async def coroutine():
    """Not for threads."""


def test_coroutine_functions_are_for_arun(fan):
    """The usual error."""
    with pytest.raises(TypeError, match=r"graph\.run runs blocking functions in threads, but coroutine is a coroutine"):
        fan.graph(coroutine).run()


def test_what_is_given_to_the_graph_is_functions(fan):
    """A name alone is none."""
    with pytest.raises(TypeError, match="the name of a graph must be a text, not 5"):
        fan.graph(name=5)
    with pytest.raises(TypeError, match="a task must be a function, not 'weather'"):
        fan.graph("weather")


@given(
    mentions=st.dictionaries(st.sampled_from("abcdefg"), st.sets(st.sampled_from("abcdefg"), max_size=3)),
    order=st.permutations("abcdefg"),
)
def test_exactly_the_adds_that_close_a_circle_are_refused(mentions, order):
    """In whatever order tasks come that are named before they are there; those refused leave no trace."""
    kept = {}

    def closes(name):
        here, seen = [*mentions[name]], set()
        while here:
            one = here.pop()
            if one == name:
                return True
            if one not in seen:
                seen.add(one)
                here += kept.get(one, ())
        return False

    with Fan(1) as fan:
        graph = fan.graph()
        for name in order:
            if name not in mentions:
                continue
            if closes(name):
                with pytest.raises(ValueError, match=r"waits? for (itself|each other)"):
                    graph.add(lambda: None, name=name, depends_on=sorted(mentions[name]))
            else:
                graph.add(lambda: None, name=name, depends_on=sorted(mentions[name]))
                kept[name] = mentions[name]
        assert repr(graph) == f"<Graph graph: {', '.join(kept) or 'no tasks'}>"


def by_place(first, second=2, /, third=3, *rest, fourth, fifth=5, **more):
    """All kinds of parameters."""


def plain(first, *, second=None):
    """Two kinds."""


@wraps(plain)
def wrapped(*args, **kwargs):
    """Its parameters are those of another function."""


def signed():
    """It says something else of its parameters than its code does."""


signed.__signature__ = inspect.signature(plain)


@pytest.mark.parametrize("fn", [by_place, plain, wrapped, signed, stranger, lambda *, only: None], ids=describe)
def test_parameters_are_those_that_inspect_finds(fn):
    """However they are found."""
    found = inspect.signature(fn).parameters.values()
    named = [one for one in found if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    read = Signature(fn, "it")
    defaults = {one.name: UNSET if one.default is one.empty else one.default for one in named}
    assert list(read.parameters.items()) == list(defaults.items())
    assert read.positional == tuple(one.name for one in named if one.kind is one.POSITIONAL_ONLY)
    assert read.open == any(one.kind is one.VAR_KEYWORD for one in found)


class Unhashable:
    """A task that no dict can have for a key."""

    __hash__ = None

    def __eq__(self, other):
        return type(other) is Unhashable

    def __call__(self):
        """Never called."""


def test_a_function_that_cannot_be_hashed_stands_for_its_task_too(fan):
    """It is found by what it equals, as all others are."""
    graph = fan.graph()
    graph.add(Unhashable(), name="odd")
    graph.add(briefing, depends_on={"weather": Unhashable()})
    assert "t0 --> t1" in graph.mermaid()


def test_tasks_can_be_added_after_a_run():
    """The next run has them too."""
    with Fan(1) as fan:
        graph = fan.graph(one)
        assert graph.run().values() == [1]
        graph.add(lambda one: one + 1, name="two")
        assert graph.run().values() == [1, 2]


def one():
    """A task."""
    return 1
