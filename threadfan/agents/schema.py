"""From a typed function to a tool: a name, a description, a JSON schema, and a check of what a model sends.

Types are pydantic's business, which comes with the Anthropic SDK and is imported on first use: whatever it can read
from JSON can be a parameter.  Descriptions are taken from the docstring, in the style of Google, Sphinx or NumPy, or
from a text in ``Annotated[int, "in days"]``.
"""

from __future__ import annotations

import inspect
import json
import sys
from copy import deepcopy
from functools import cache, partial

from .errors import WrongArguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from inspect import Parameter
    from typing import Any

    from pydantic import BaseModel, ValidationError
    from pydantic.json_schema import GenerateJsonSchema

    from .shapes import Json

_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class Arguments:
    """What a function takes.

    Args:
        name: of the tool, for messages.
        fn: the function.

    Raises:
        TypeError: a parameter cannot be given by its name, or its type has no JSON schema.
    """

    def __init__(self, name: str, fn: Callable[..., object]) -> None:
        self._name = name
        self.description: str
        self.description, hints = _read(inspect.getdoc(fn if inspect.isroutine(fn) else _function(fn)) or "")
        self._parameters = _parameters(name, fn)
        self._model = _model(name, self._parameters, hints)
        self.schema: Json = _schema(name, self._model)

    def read(self, given: object) -> dict[str, object]:
        """What the model has sent, as arguments of the function; what it left out is left to the function's defaults.

        Models write a list or an object inside of the arguments as a text that holds its JSON, now and then: it is read
        where it fits and the text does not.

        Raises:
            WrongArguments: it does not fit; the text says what is wrong and what would be right.
        """
        from pydantic import ValidationError

        try:
            read = self._model.model_validate(given)
        except ValidationError as error:
            try:
                read = self._model.model_validate(unpacked(given, error))
            except ValidationError:
                raise wrong(self._name, error, self.schema) from error
        fields = zip(_fields(self._parameters), self._parameters, strict=True)
        return {parameter.name: getattr(read, field) for field, parameter in fields if field in read.model_fields_set}


def unpacked(given: object, error: ValidationError) -> object:
    """A copy of arguments in which texts that were refused are replaced by the lists and objects that they encode."""
    root = {"": deepcopy(given)}
    places: list[tuple[Any, ...]] = [("", *one["loc"]) for one in error.errors(include_url=False)]
    for place in places:
        holder: Any = root
        for step, name in enumerate(place):
            if not isinstance(holder, dict | list) or not _has(holder, name):
                break  # the rest of the place names a kind of value, as in a union
            found = holder[name]
            if isinstance(found, str) and step:
                holder[name] = _packed(found)
            holder = holder[name]
    return root[""]


def _has(holder: dict[str, object] | list[object], name: object) -> bool:
    return name in holder if isinstance(holder, dict) else isinstance(name, int) and name < len(holder)


def _packed(text: str) -> object:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, dict | list) else text


def wrong(name: str, error: ValidationError, schema: Json) -> WrongArguments:
    """The error for arguments that a ``ValidationError`` of pydantic has refused."""
    found = [(".".join(map(str, one["loc"])), one["msg"]) for one in error.errors(include_url=False)]
    text = "; ".join(f"{place}: {message}" if place else message for place, message in found)
    return WrongArguments(f"wrong arguments for {name}: {text}. Right is: {json.dumps(schema, ensure_ascii=False)}")


def _function(fn: Any) -> Any:
    """The function that says what ``fn`` is about: of a partial one, or of an object that can be called."""
    while isinstance(fn, partial):
        fn = fn.func
    return fn if inspect.isroutine(fn) or isinstance(fn, type) else type(fn).__call__


def _parameters(name: str, fn: Callable[..., object]) -> list[Parameter]:
    known = getattr(inspect.unwrap(_function(fn)), "__globals__", {})
    try:
        # What it returns need not be known where it runs: only the parameters' annotations are evaluated.
        found = [_evaluated(one, known) for one in _signature(fn).parameters.values()]
    except (NameError, ValueError) as error:
        raise TypeError(f"the parameters of the tool {name} cannot be read: {error}") from error
    for parameter in found:
        if parameter.kind not in _BY_NAME:
            raise TypeError(
                f"the tool {name} has the parameter {parameter}; right are parameters that can be given by name, for a "
                f"model has no other way"
            )
    return found


def _signature(fn: Callable[..., object]) -> inspect.Signature:
    if sys.version_info >= (3, 14):
        from annotationlib import Format

        return inspect.signature(fn, annotation_format=Format.FORWARDREF)
    return inspect.signature(fn)


def _evaluated(parameter: Parameter, known: dict[str, object]) -> Parameter:
    if not isinstance(parameter.annotation, str):
        return parameter
    return parameter.replace(annotation=eval(parameter.annotation, known))  # noqa: S307 -- as `typing` does it


def _model(name: str, parameters: list[Parameter], hints: dict[str, str]) -> type[BaseModel]:
    """A pydantic model of the arguments, whose fields have names of their own: others could clash with its methods."""
    from pydantic import ConfigDict, Field, create_model
    from pydantic.errors import PydanticUserError

    fields: Json = {}
    for field, parameter in zip(_fields(parameters), parameters, strict=True):
        required = parameter.default is parameter.empty
        default = ... if required else parameter.default
        described = _noted(parameter.annotation) or hints.get(parameter.name)
        about: Json = {"description": described} if described else {}
        kind = object if parameter.annotation is parameter.empty else parameter.annotation
        fields[field] = (kind, Field(default, alias=parameter.name, **about))
    try:
        return create_model("Arguments", __config__=ConfigDict(extra="forbid"), **fields)
    except PydanticUserError as error:
        raise TypeError(f"the tool {name} has a parameter whose type has no JSON schema: {error.message}") from error


def _fields(parameters: list[Parameter]) -> list[str]:
    return [f"argument_{place}" for place in range(len(parameters))]


def _noted(annotation: object) -> str | None:
    """The first text in ``Annotated[…, "text"]``."""
    return next((note for note in getattr(annotation, "__metadata__", ()) if isinstance(note, str)), None)


@cache
def _generator() -> type[GenerateJsonSchema]:
    """The class of what writes schemas, made once: a class is in cycles with itself."""
    from pydantic.json_schema import GenerateJsonSchema

    class Plain(GenerateJsonSchema):
        """Without titles, which repeat the names, and silent about a default that JSON does not have."""

        ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012 -- pydantic's own form

        def field_title_should_be_set(self, schema: object) -> bool:
            return False

    return Plain


def _schema(name: str, model: type[BaseModel]) -> Json:
    from pydantic.errors import PydanticUserError

    try:
        schema: Json = model.model_json_schema(schema_generator=_generator())
    except PydanticUserError as error:
        raise TypeError(f"the tool {name} has a parameter whose type has no JSON schema: {error.message}") from error
    schema.pop("title", None)
    schema.setdefault("properties", {})
    return schema


def _read(docstring: str) -> tuple[str, dict[str, str]]:
    """What a docstring says of the whole, and of each parameter."""
    try:
        from docstring_parser import parse
    except ImportError:  # it comes with the SDK, but not with every version of it
        return docstring, {}
    found = parse(docstring)
    whole = (found.short_description, found.long_description)
    hints = {one.arg_name: " ".join(one.description.split()) for one in found.params if one.description}
    return "\n\n".join(filter(None, whole)), hints
