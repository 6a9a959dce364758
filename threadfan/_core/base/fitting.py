"""Whether functions can be called with the arguments that they are to get: checked once, before anything is called.

What is refused would fail in every call.  What cannot be told without running somebody's code, the parameters of a
class among it, is let pass, and fails or succeeds in the call.  Imported with the first batch.
"""

from __future__ import annotations

from types import BuiltinFunctionType, FunctionType, MethodDescriptorType, MethodType

from .static import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_CO_VARARGS, _CO_VARKEYWORDS = 0x4, 0x8  # inspect.CO_VARARGS, inspect.CO_VARKEYWORDS, without the import of inspect


class Parameters:
    """What a function takes.

    Args:
        names: of the parameters that take positional arguments, in order.
        only: how many of them take nothing else.
        optional: names of all parameters that have defaults.
        keywords: the names of those that have to be given by name.
        rest: whether it takes any number of positional arguments, and whether any keyword.
    """

    def __init__(
        self,
        names: list[str],
        only: int,
        optional: Iterable[str],
        keywords: Iterable[str] = (),
        rest: tuple[bool, bool] = (False, False),
    ) -> None:
        self.names, self.only, self.optional = names, only, set(optional)
        self.keywords = list(keywords)
        self.rest = rest

    def complaint(self, positional: int, by_name: Iterable[str] = ()) -> str | None:
        """What is wrong with so many positional arguments and those by name; None if they fit."""
        by_name = set(by_name)
        given = {*self.names[:positional], *(by_name - set(self.names[: self.only]))}
        missing = [name for name in [*self.names, *self.keywords] if name not in given | self.optional]
        unknown = sorted(by_name - set(self.names[self.only :]) - set(self.keywords))
        needed = [name for name in self.names if name not in self.optional]
        if missing and len(missing) == len(needed) - positional and not by_name:
            return f"it needs {len(needed)} ({', '.join(needed)})"
        if missing:
            return f"it needs {' and '.join(map(repr, missing))} too"
        if positional > len(self.names) and not self.rest[0]:
            return f"it takes {len(self.names) or 'none'}" + (f" ({', '.join(self.names)})" if self.names else "")
        if unknown and not self.rest[1]:
            return f"it takes no {' and '.join(map(repr, unknown))}"
        return None


def parameters_of(fn: object) -> Parameters | None:
    """What a function or a method takes, as far as that can be told without running any code of the user's."""
    if type(fn) is FunctionType:
        return _of_python(fn)
    if type(fn) is MethodType and type(fn.__func__) is FunctionType:
        return _bound(_of_python(fn.__func__))
    if type(fn) in (BuiltinFunctionType, MethodDescriptorType):
        return _of_text(getattr(fn, "__text_signature__", None), bound=type(fn) is BuiltinFunctionType)
    return None


def _of_python(fn: FunctionType) -> Parameters:
    code, defaults, named = fn.__code__, fn.__defaults__ or (), fn.__kwdefaults__ or {}
    names = list(code.co_varnames[: code.co_argcount])
    keywords = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    optional = {*names[len(names) - len(defaults) :], *named}
    rest = bool(code.co_flags & _CO_VARARGS), bool(code.co_flags & _CO_VARKEYWORDS)
    return Parameters(names, code.co_posonlyargcount, optional, keywords, rest)


def _bound(found: Parameters) -> Parameters:
    """Without the object that a method belongs to, which ``*args`` may take as well."""
    return Parameters(found.names[1:], max(0, found.only - 1), found.optional, found.keywords, found.rest)


def _of_text(text: str | None, *, bound: bool) -> Parameters | None:
    """Of the signature that a function written in C has as a text: ``($module, /, base, exp, mod=None)``."""
    if not text or not {*"'\"[{("}.isdisjoint(text[1:-1]):  # a default that is not simple
        return None
    names: list[str] = []
    keywords: list[str] = []
    optional, only, rest, named = set(), 0, False, False
    for part in text[1:-1].split(","):
        name, default, _ = part.strip().partition("=")
        if name.startswith("**"):
            return None
        if name == "/":
            only = len(names)
        elif name.startswith("*"):
            rest, named = name != "*", True
        elif name and not (name.startswith("$") and bound):
            (keywords if named else names).append(name.removeprefix("$"))
            if default:
                optional.add(names[-1] if not named else keywords[-1])
    return Parameters(names, only, optional, keywords, (rest, False))


STARRED = ("fan.run", "fan.arun", "fan.stream", "fan.astream")
"""What takes ``star=True``."""


def fits(where: str, fn: Callable[..., object], given: int, by_name: Iterable[str] = ()) -> None:
    """Check that ``fn`` can be called with so many positional arguments, and with those by name."""
    if not by_name and _plainly(fn, given):
        return
    found = parameters_of(fn)
    wrong = None if found is None else found.complaint(given, by_name)
    if found is None or wrong is None:
        return
    name = describe(fn)
    if given == 1 and len(found.names) > 1 and where in STARRED:
        side_by_side = ", ".join(f"all_{one}" for one in found.names if one not in found.optional)
        remedy = (
            f"if each input is a tuple of them, {where}({name}, pairs, star=True), or fan.starmap({name}, pairs); "
            f"if each has an iterable of its own, {where}({name}, {side_by_side})"
        )
    else:
        remedy = f"give functools.partial({name}, …), or a lambda that takes {_so_many(given)}"
    raise TypeError(f"{where} calls {name} with {_so_many(given)}, but {wrong}: {remedy}")


def fits_task(where: str, fn: Callable[..., object], args: tuple[object, ...], kwargs: Mapping[str, object]) -> None:
    """Check that a task's function can be called with the task's arguments."""
    if not kwargs and _plainly(fn, len(args)):
        return
    found = parameters_of(fn)
    wrong = None if found is None else found.complaint(len(args), kwargs)
    if wrong is None:
        return
    name = describe(fn)
    if args or kwargs:
        raise TypeError(f"{where} calls {name} with the arguments of its task, but {wrong}: task({name}, …) takes them")
    raise TypeError(f"{where} calls {name} without arguments, but {wrong}: give task({name}, …) with its arguments")


def _plainly(fn: object, given: int) -> bool:
    """Whether it is a function that takes so many arguments, told in a tenth of a microsecond: tasks may be many."""
    if type(fn) is not FunctionType:
        return False
    code = fn.__code__
    return code.co_argcount - len(fn.__defaults__ or ()) <= given <= code.co_argcount and not code.co_kwonlyargcount


def _so_many(number: int) -> str:
    return "1 argument" if number == 1 else f"{number} arguments"
