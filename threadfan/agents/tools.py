"""What an agent can call: functions, the SDK's decorated tools, other agents; and what only the provider can run."""

from __future__ import annotations

import re
from functools import partial

from .._core.base import checks, unset
from .._core.base.given import is_text
from .._core.base.static import describe
from .._core.base.texts import brief
from .._core.batches.tasks import Task
from .._core.calls.options import of_each_call
from .errors import UnknownTool, WrongArguments
from .schema import Arguments, unpacked, wrong

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, Never, Protocol

    from .._core.policies.rate_limit import RateLimit
    from .._core.policies.retry import Retry
    from .shapes import Json

    class SdkTool(Protocol):
        """What the Anthropic SDK's ``@beta_tool`` makes of a function."""

        def to_dict(self) -> Json:
            """What the model is told."""

        def call(self, sent: Any, /) -> object:
            """Call the function with what the model has sent."""


_UNSET = unset.UNSET

OF_TOOLS: Json = dict.fromkeys(("retry", "rate", "breaker", "hedge", "fallback", "pace"))
"""What a tool takes no part in, though its fan has it: that is for requests to a model.

A second call may do what must not be done twice, a permit is one that a request waits for, and what fails is not the
service that a breaker or an ``Adaptive`` watches.  The fan's time holds, and how many run at once.
"""

OF_AGENTS: Json = dict.fromkeys(("hedge", "fallback"))
"""The same of an agent that is a tool: its requests are made under the rest, each by itself."""

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")  # https://docs.anthropic.com/en/docs/agents-and-tools/tool-use


class Tool:
    """A tool that runs here, made by ``tool``.

    Args:
        definition: what the model is told: ``name``, ``description``, ``input_schema``.
        call: takes what the model has sent.
        options: of its calls on the fan, where they differ from the fan's.
        alone: whether none of the other calls of its turn runs beside it.
    """

    def __init__(self, definition: Json, call: Callable[[Any], object], options: Json, *, alone: bool = False) -> None:
        self.definition: Json = definition
        self.name: str = _checked(definition["name"])
        self.__qualname__ = self.name  # how messages and logs call it
        self.options: Json = options
        self.alone: bool = alone
        self._call = call

    def __call__(self, given: object) -> object:
        """Call it with what the model has sent.

        Raises:
            WrongArguments: that does not fit.
        """
        return self._call(given)

    def __repr__(self) -> str:
        return f"<tool {self.name}>"


def tool(
    given: object = _UNSET,
    *,
    name: str | None = None,
    description: str | None = None,
    timeout: float | None = _UNSET,
    retry: Retry = _UNSET,
    rate: RateLimit | None = _UNSET,
    alone: bool = _UNSET,
    **misplaced: Never,
) -> Tool:
    """A tool with a name, a description or options of its own: ``tools=[tool(search, timeout=5), weather]``.

    Args:
        given: a typed function, a tool of the SDK's (``@beta_tool``), or an ``Agent``.
        name: what the model calls it; by default the function's.
        description: what the model reads about it; by default from the docstring.
        timeout: seconds for each attempt of its calls; by default the agent's ``tool_timeout``.
        retry: as for ``Fan``; by default each call is made once, whatever the fan's ``retry``, since a tool may do what
            must not be done twice.  Of an agent, that of its requests; by default the fan's.
        rate: as for ``Fan``; by default none, whatever the fan's ``rate``: give one to a tool that asks a service with
            a limit, such as a model.  Of an agent, that of its requests; by default the fan's.
        alone: let none of its calls run at the same time as another call of the turn, of any tool: for tools that write
            files which others read, say.  Calls before it have ended then, and calls after it begin when it has ended.

    Raises:
        TypeError: it is something else, async, or its parameters cannot be described to a model.
        ValueError: the name is none that the Messages API takes.
    """
    if misplaced:
        checks.refuse_misplaced("tool", misplaced)
    if given is _UNSET:
        raise TypeError(
            "tool(…) needs what it makes a tool of, and is no decorator with options: write tools=[tool(search, …)]"
        )
    made = _made(given, name, description)
    options = made.options | of_each_call(timeout=timeout, retry=retry, rate=rate)
    alone = made.alone if alone is _UNSET else checks.flag("alone", alone)
    return Tool(made.definition, made._call, options, alone=alone)


def of_agent(delegate: Callable[[str], object], name: str, description: str | None) -> Tool:
    """A tool of a function that runs an agent."""
    made = _of_function(delegate, name, description)
    return Tool(made.definition, made._call, OF_AGENTS)


def _made(given: Any, name: str | None, description: str | None) -> Tool:
    if callable(getattr(given, "as_tool", None)):  # an agent
        given = given.as_tool(name, description)
    if isinstance(given, Tool):
        return Tool(given.definition | _given(name, description), given._call, given.options, alone=given.alone)
    if hasattr(given, "to_dict") and callable(getattr(given, "call", None)):
        return _of_sdk(given, _given(name, description))
    return _of_function(given, name, description)


def _given(name: str | None, description: str | None) -> Json:
    return {key: text for key, text in (("name", name), ("description", description)) if text is not None}


def _of_function(fn: Callable[..., object], name: str | None, description: str | None) -> Tool:
    checks.function("a tool", fn)
    name = name or getattr(fn, "__name__", None) or ""
    arguments = Arguments(_checked(name, fn), fn)
    description = arguments.description if description is None else description
    definition = {"name": name, "description": description, "input_schema": arguments.schema}
    return Tool(definition, lambda given: fn(**arguments.read(given)), OF_TOOLS)


def _of_sdk(given: SdkTool, changes: Json) -> Tool:
    """Of an object that the SDK's ``@beta_tool`` has made, or of one of its built-in tools."""
    checks.function("a tool", given.call)
    definition = {**given.to_dict(), **changes}
    return Tool(definition, partial(_call_sdk, given, definition), OF_TOOLS)


def _call_sdk(given: SdkTool, definition: Json, sent: object) -> object:
    try:
        return _call_checked(given, definition, sent)
    except WrongArguments as error:
        refused: Any = getattr(error.__cause__, "__cause__", None)
        better = unpacked(sent, refused)
        if better == sent:
            raise
    return _call_checked(given, definition, better)


def _call_checked(given: SdkTool, definition: Json, sent: object) -> object:
    try:
        return given.call(sent)
    except ValueError as error:
        # The SDK's error says that the arguments are invalid and leaves what is wrong with them to its cause.
        cause: Any = error.__cause__
        if type(cause).__name__ != "ValidationError" or "Invalid arguments" not in str(error):
            raise
        raise wrong(definition["name"], cause, definition.get("input_schema", {})) from error


def _checked(name: str, fn: object = None) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{brief(fn or name)} cannot be a tool by the name {name!r}; right are 1 to 64 letters, digits, - and _: "
            f"tool(fn, name='search')"
        )
    return name


class Toolbox:
    """All tools of an agent.

    Args:
        given: functions, tools, agents, and definitions (dicts) of tools that the provider runs by itself.
        timeout: seconds for each call of a tool without a timeout of its own; None: the fan's.

    Raises:
        TypeError: one of them is no tool.
        ValueError: two have the same name.
    """

    def __init__(self, given: Iterable[object], timeout: float | None) -> None:
        if is_text(given) or not hasattr(type(given), "__iter__"):
            raise TypeError(f"tools must be a list, not {brief(given)}: tools=[{describe(given)}]")
        given = list(given)
        ready = [one if isinstance(one, dict) else tool(one) for one in given]
        self.definitions: list[Json] = [one if isinstance(one, dict) else one.definition for one in ready]
        self._tools = {one.name: one for one in ready if isinstance(one, Tool)}
        self._timeout = {} if timeout is None else {"timeout": timeout}
        names = [one.get("name") for one in self.definitions if one.get("name")]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"two tools are called {twice!r}; right is tool(fn, name='another_name') for one of them")

    def task(self, block: Json) -> Task[object]:
        """The call that a ``tool_use`` block asks for."""
        found = self._tools.get(block["name"])
        if found is None:
            return Task(self._refuse, (block["name"],), {}, OF_TOOLS)
        options = {**self._timeout, **found.options}
        if "timeout" in options:  # which need not fit into the time that requests have
            options["total_timeout"] = None
        return Task(found, (block["input"],), {}, options)

    def together(self, blocks: list[Json]) -> list[list[Json]]:
        """The ``tool_use`` blocks of a turn in their order, in groups that are called one after another."""
        groups: list[list[Json]] = []
        apart = True
        for block in blocks:
            found = self._tools.get(block["name"])
            alone = found is not None and found.alone
            if alone or apart:
                groups.append([])
            groups[-1].append(block)
            apart = alone
        return groups

    def _refuse(self, name: str) -> None:
        known = ", ".join(self._tools) or "none"
        raise UnknownTool(f"there is no tool {name!r}; the tools are: {known}")
