"""What a model is told of a function, and what the function gets of what the model sends."""

import datetime
import enum
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal, Optional

import pydantic
import pytest
from anthropic import beta_async_tool, beta_tool

from support.staged_agents import double, fail
from threadfan import Fan
from threadfan.agents import Tool, tool
from threadfan.agents.errors import WrongArguments

if TYPE_CHECKING:
    from decimal import Decimal


def schema(fn, **options):
    """The input schema of a function."""
    return tool(fn, **{"name": "it", **options}).definition["input_schema"]


def of_type(annotation):
    """The schema of one parameter of a type."""

    def fn(it):
        pass

    fn.__annotations__ = {"it": annotation}
    return schema(fn)["properties"]["it"]


class Colour(enum.Enum):
    """Two colours."""

    RED = "red"
    BLUE = "blue"


class Place(pydantic.BaseModel):
    """Somewhere."""

    name: str
    title: str = "none"


def test_a_definition():
    """Name, description and parameters come from the function, its docstring and its signature."""

    def search(query: str, limit: int = 10, *, deep: Annotated[bool, "look twice"] = False) -> list[str]:
        """Search the archive.

        It is large.

        Args:
            query: words to look for,
                in any order
            limit: at most so many
        """

    assert tool(search).definition == {
        "name": "search",
        "description": "Search the archive.\n\nIt is large.",
        "input_schema": {
            "type": "object",
            "properties": {
                "query": {"type": "string", "description": "words to look for, in any order"},
                "limit": {"type": "integer", "default": 10, "description": "at most so many"},
                "deep": {"type": "boolean", "default": False, "description": "look twice"},
            },
            "required": ["query"],
            "additionalProperties": False,
        },
    }


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (str, {"type": "string"}),
        (int, {"type": "integer"}),
        (float, {"type": "number"}),
        (bool, {"type": "boolean"}),
        (list[int], {"type": "array", "items": {"type": "integer"}}),
        (dict[str, float], {"type": "object", "additionalProperties": {"type": "number"}}),
        (Optional[int], {"anyOf": [{"type": "integer"}, {"type": "null"}]}),  # noqa: UP045 -- the old way too
        (int | str, {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
        (datetime.date, {"type": "string", "format": "date"}),
        (Annotated[int, pydantic.Field(ge=1, description="a count")],
         {"type": "integer", "minimum": 1, "description": "a count"}),
        (Any, {}),
    ],
)  # fmt: skip
def test_types(annotation, expected):
    """Each type has its schema, without titles."""
    assert of_type(annotation) == expected


def test_classes_as_types():
    """Enums and models are described where they are defined; fields of any name stay as they are."""

    def fn(colour: Colour, place: Place):
        pass

    made = schema(fn)
    assert made["$defs"]["Colour"]["enum"] == ["red", "blue"]
    assert set(made["$defs"]["Place"]["properties"]) == {"name", "title"}


def test_no_parameters():
    """A function that takes nothing has an object without properties."""
    assert schema(lambda: None) == {"type": "object", "properties": {}, "additionalProperties": False}


def test_parameters_without_a_type():
    """What is not annotated may be anything."""
    assert schema(lambda it: None)["properties"] == {"it": {}}


def test_types_that_are_written_as_text():
    """Names in quotes are looked up where the function was defined; what it returns need not be known at run time."""

    def fn(day: "datetime.date", number: "int | None" = None) -> "Decimal":
        pass

    assert schema(fn)["properties"]["day"] == {"type": "string", "format": "date"}


def test_partial_functions_methods_and_objects():
    """What is set already is no longer asked for; methods and objects that can be called are tools too."""

    class Shop:
        def buy(self, what: str):
            """Buy something."""

        def __call__(self, what: str):
            """Buy it here."""

    def add(left: int, right: int) -> int:
        """Add."""
        return left + right

    assert tool(partial(add, right=2), name="add_two")({"left": 1}) == 3
    assert tool(Shop().buy).definition["description"] == "Buy something."
    made = tool(Shop(), name="shop").definition
    assert (made["description"], list(made["input_schema"]["properties"])) == ("Buy it here.", ["what"])


def test_what_the_function_gets():
    """Values are made what the types ask for; what the model leaves out is left to the defaults, as they are."""
    default = object()

    def fn(day: datetime.date, number: int, colour: Colour, place: Place, json: list[int] = (), other: Any = default):
        return day, number, colour, place, json, other

    given = {"day": "2026-01-31", "number": "7", "colour": "red", "place": {"name": "Oslo"}}
    assert tool(fn)(given) == (datetime.date(2026, 1, 31), 7, Colour.RED, Place(name="Oslo"), (), default)
    assert tool(fn)({**given, "json": [1]})[4] == [1]


@pytest.mark.parametrize("given", [None, [], "text", {"number": None}, {"number": 1, "more": 2}, {}])
def test_what_does_not_fit_is_not_called(given):
    """Whatever a model sends, the function gets what it asks for or is not called."""
    with pytest.raises(WrongArguments, match=r"^wrong arguments for double: .+\. Right is: \{.*\}$"):
        tool(double)(given)


def test_a_check_that_fails_inside_the_tool_is_the_tools_own():
    """Only the model's own arguments are called wrong."""

    def fn():
        Place.model_validate({})

    with pytest.raises(pydantic.ValidationError):
        tool(fn)({})


async def coroutine():
    """No function for a thread."""


@beta_async_tool
async def async_tool() -> str:
    """No tool for a thread either."""
    return ""


@pytest.mark.parametrize(
    ("given", "error", "complaint"),
    [
        (coroutine, TypeError, "is a coroutine function"),
        (async_tool, TypeError, "is a coroutine function"),
        (5, TypeError, "needs a function to call, not 5"),
        (lambda *texts: None, TypeError, r"parameter \*texts; right are parameters that can be given by name"),
        (lambda it, /: None, TypeError, "parameter it; right are"),
    ],
)
def test_what_is_no_tool(given, error, complaint):
    """The error says what is wrong."""
    with pytest.raises(error, match=complaint):
        tool(given, name="it")


def test_a_type_that_no_model_can_send():
    """It is named, with the tool."""

    class Strange:
        pass

    def fn(it: Strange):
        pass

    with pytest.raises(TypeError, match=r"the tool fn has a parameter whose type has no JSON schema: .*Strange"):
        tool(fn)
    fn.__annotations__ = {"it": "Nowhere"}
    with pytest.raises(TypeError, match="parameters of the tool fn cannot be read: name 'Nowhere' is not defined"):
        tool(fn)


@pytest.mark.parametrize("name", ["<lambda>", "", "two words", "x" * 65])
def test_names_that_the_api_refuses(name):
    """They are refused here."""

    def fn():
        pass

    fn.__name__ = name
    with pytest.raises(ValueError, match="right are 1 to 64 letters"):
        tool(fn)


def test_a_tool_of_a_tool():
    """Name and description can be changed, once more too; options add up."""
    made = tool(tool(double, timeout=3), name="twice", description="Two times.", retry=1)
    assert isinstance(made, Tool)
    assert (made.name, made.definition["description"]) == ("twice", "Two times.")
    assert (made.options["timeout"], made.options["retry"]) == (3, 1)
    assert repr(made) == "<tool twice>"


def test_two_tools_of_one_name(make):
    """The second needs another one."""
    with Fan(1) as fan, pytest.raises(ValueError, match="two tools are called 'double'; right is"):
        make(fan, double, fail, tool(fail, name="double"))


@pytest.mark.parametrize("of_sdk", [False, True])
def test_a_list_or_an_object_as_a_text(of_sdk):
    """Models write them so at times: what fits is read, at any depth, and a text that is asked for stays one."""

    def note(place: Place, words: list[str], more: dict[str, list[int]] | None = None, said: str = "") -> list:
        """Note it."""
        return [place.title if isinstance(place, Place) else place["title"], words, more, said]

    given = {"place": '{"name": "a", "title": "b"}', "words": '["c", "d"]', "more": {"e": "[1, 2]"}, "said": "[3]"}
    seen = []

    def keep(place: Place, words: list[str], more: dict[str, list[int]] | None = None, said: str = "") -> str:
        """Note it."""
        seen.extend(note(place, words, more, said))
        return "kept"

    made = tool(beta_tool(keep)) if of_sdk else tool(keep)
    assert made(given) == "kept"
    assert seen == ["b", ["c", "d"], {"e": [1, 2]}, "[3]"]


@pytest.mark.parametrize("of_sdk", [False, True])
@pytest.mark.parametrize("words", ["c", '"c"', "{", "{}", "[" * 100_000])
def test_a_text_that_is_no_list_is_refused(of_sdk, words):
    """What the model is told is what was wrong with what it has sent."""

    def note(words: list[str]) -> str:
        """Note it."""
        raise AssertionError(words)

    made = tool(beta_tool(note)) if of_sdk else tool(note)
    with pytest.raises(WrongArguments, match="wrong arguments for note: words: Input should be a valid list"):
        made({"words": words})
