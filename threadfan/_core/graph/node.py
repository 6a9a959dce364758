"""One task of a graph, as it was given."""

from __future__ import annotations

import inspect
from functools import partial
from types import FunctionType

from ..base import checks
from ..base.fitting import fits
from ..base.static import describe
from ..base.texts import brief
from ..base.unset import Unset
from ..calls.options import Options
from .names import listed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, TypeGuard

    Function = Callable[..., object]
    Fold = Callable[[Any, Any], object]
    Reference = str | Function
    References = Iterable[Reference] | Mapping[str, Reference] | Reference

UNSET: Any = Unset("not given")
NAMELESS = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class Signature:
    """The parameters that a function takes by name.

    Attributes:
        parameters: name -> default, or ``UNSET``.
        fixed: those that a ``partial`` has given a value, which names alone do not replace.
        positional: those that have to be given by place.
        open: whether it takes any further name.
    """

    def __init__(self, fn: Function, where: str) -> None:
        self.fn = fn
        self.fixed = frozenset(fn.keywords) if isinstance(fn, partial) else frozenset()
        if type(fn) is FunctionType and not fn.__dict__:
            self._read(fn)
        else:
            self._ask(fn, where)

    def _read(self, fn: FunctionType) -> None:
        """Of a function of which nobody has said anything else: what ``inspect`` finds, in a tenth of the time."""
        code = fn.__code__
        places, by_name = code.co_argcount, code.co_argcount + code.co_kwonlyargcount
        names = code.co_varnames[:by_name]
        self.parameters: dict[str, object] = dict.fromkeys(names, UNSET)
        if fn.__defaults__:
            self.parameters.update(zip(names[places - len(fn.__defaults__) : places], fn.__defaults__, strict=True))
        if fn.__kwdefaults__:
            self.parameters.update((name, fn.__kwdefaults__.get(name, UNSET)) for name in names[places:])
        self.positional = names[: code.co_posonlyargcount]
        self.open = bool(code.co_flags & inspect.CO_VARKEYWORDS)

    def _ask(self, fn: Function, where: str) -> None:
        try:
            found = inspect.signature(fn).parameters.values()
        except (ValueError, TypeError):  # some that are written in C do not tell
            raise TypeError(f"the parameters of {where} cannot be read: wrap it in a function of your own") from None
        named = [one for one in found if one.kind not in NAMELESS]
        self.parameters = {one.name: UNSET if one.default is one.empty else one.default for one in named}
        self.positional = tuple(one.name for one in named if one.kind is one.POSITIONAL_ONLY)
        self.open = any(one.kind is one.VAR_KEYWORD for one in found)

    def takes(self, parameter: str) -> bool:
        """Whether it can be given a value for this name."""
        return self.open or parameter in self.parameters


class Node:
    """A function and what it is to be called with; names are those of tasks, or of inputs where no task has them.

    Attributes:
        renamed: parameter -> task, as ``depends_on`` says it.
        after: tasks that ``depends_on`` lists.
        each: parameter -> whose elements it takes; under None if the parameter is the one that is left.
        outcomes: parameter -> the task whose outcome it takes.
        options: how its calls are run.
        chores: how its condition is asked, its sources are gone through and its results are reduced.
    """

    def __init__(
        self,
        fn: Function,
        name: str,
        options: Options,
        *,
        depends_on: References,
        each: Mapping[str, Reference] | Reference | None,
        depth: int | None,
        reduce: Fold | None,
        initial: object,
        when: Function | None,
        outcomes: References,
        find: Callable[[Reference], str],
    ) -> None:
        self.fn, self.name, self.options = fn, name, options
        self.chores = options
        if options.policies is not None:
            self.chores = Options(options.timeout, options.cap, options.interrupt)
        self.signature = Signature(fn, name)
        self.renamed: dict[str, str] = {}
        self.after: tuple[str, ...] = ()
        if _is_mapping(depends_on):
            self.renamed = self._mapped("depends_on", depends_on, find)
        else:
            self.after = tuple(find(one) for one in _several("depends_on", depends_on))
        self.each: dict[str | None, str] = {}
        if _is_mapping(each):
            self.each.update(self._mapped("each", each, find))
        elif each is not None:
            self.each[None] = find(each)  # type: ignore[arg-type]  # it is no mapping
        named = outcomes if _is_mapping(outcomes) else {find(one): one for one in _several("outcomes", outcomes)}
        self.outcomes = self._mapped("outcomes", named, find)
        self.depth = None if depth is None else checks.count("depth", depth)
        self.reduce = reduce
        self.initial = initial
        self.when = None if when is None else Signature(checks.function("when", when), f"the condition of {name}")
        self._check()

    def mentions(self) -> set[str]:
        """The names that it may depend on."""
        explicit = {*self.renamed.values(), *self.after, *self.each.values(), *self.outcomes.values()}
        free = set(self.signature.parameters) - self.signature.fixed - self.bound()
        asked = set() if self.when is None else set(self.when.parameters) - self.when.fixed
        return explicit | free | asked

    def bound(self) -> set[str | None]:
        """The parameters that are spoken for."""
        return {*self.renamed, *self.each, *self.outcomes}

    def _mapped(self, option: str, given: Mapping[str, Reference], find: Callable[[Reference], str]) -> dict[str, str]:
        for parameter in given:
            if not isinstance(parameter, str) or not self.signature.takes(parameter):
                raise ValueError(
                    f"{option} of {self.name} names {brief(parameter)}, but {describe(self.fn)} has no such parameter; "
                    f"it has: {listed(self.signature.parameters)}"
                )
        return {parameter: find(reference) for parameter, reference in given.items()}

    def _check(self) -> None:
        claimed = [*self.renamed, *self.each, *self.outcomes]
        for parameter in claimed:
            if claimed.count(parameter) > 1:
                raise ValueError(
                    f"{self.name}: {parameter!r} is named by several of depends_on, each and outcomes; one says it"
                )
        for option, given in (("depth", self.depth), ("reduce", self.reduce)):
            if given is not None and not self.each:
                raise ValueError(f"{self.name}: {option} is for tasks with each, such as each={{'item': 'items'}}")
        if self.reduce is not None and not callable(self.reduce):
            raise TypeError(f"reduce must be a function of two results, not {brief(self.reduce)}")
        if self.reduce is not None:
            fits("reduce", checks.function("reduce", self.reduce), 2)
        if self.initial is not UNSET and self.reduce is None:
            raise ValueError(f"{self.name}: initial is what reduce begins with, and there is no reduce")
        for parameter in self.when.parameters if self.when else ():
            if parameter in self.each:
                raise ValueError(
                    f"{self.name}: when decides for the whole task, so it cannot take {parameter!r}, which is "
                    f"different for each call; leave elements out of the result that is gone through"
                )


def name_of(fn: Function, given: str | None) -> str:
    """What a task is called: the name it was given, or that of its function."""
    name = describe(fn).rpartition(".")[2] if given is None else given
    if given is None and not name.isidentifier():
        raise ValueError(f"{describe(fn)} has no name of its own: graph.add(fn, name='…')")
    if not isinstance(name, str) or not name or "[" in name:
        raise ValueError(f"the name of a task must be a text without '[', not {brief(name)}")
    return name


def _is_mapping(given: object) -> TypeGuard[Mapping[str, Reference]]:
    return hasattr(given, "keys")


def _several(option: str, given: References) -> list[Reference]:
    if isinstance(given, str) or callable(given):
        return [given]
    try:
        return list(given)
    except TypeError:
        raise TypeError(
            f"{option} must be names or functions of tasks, or a mapping of parameters to them, not {brief(given)}"
        ) from None
