"""Functions that demand a lock find it held by their own thread.

A function demands one if its name ends in ``_locked``, if a sentence of its docstring says so (``DEMAND``), or if it
stands under a heading in its class that does, such as ``# -- lenders: with the lock held --``.  Each of them gets one
more line in front, in the code that it has anyway: nothing is wrapped, so that whoever has a function already has the
one that looks, and no call goes deeper than before.
"""

import ast
import inspect
import pkgutil
import re
import sys
from importlib import import_module

from . import fault

DEMAND = re.compile(r"(?:^|\s)(?:(?:Call w|W)ith the (?:scheduler's )?lock held|Under the lock)\.", re.MULTILINE)
EXEMPT = re.compile(r"(?:^|\s)Without the lock\.", re.MULTILINE)
HEADING = re.compile(r"^    # -- (.*?) -*$")
BUT = re.compile(r"but for ((?:``\w+``(?:, | and )?)+)")

WAYS = (
    ("lock",),
    ("_lock",),
    ("_changed",),
    ("owner", "lock"),
    ("_owner", "lock"),
    ("scheduler", "lock"),
    ("_scheduler", "lock"),
    ("stage", "scheduler", "lock"),
)
"""How what a function is given leads to the lock that it demands."""


def install():
    """Have every function of the engine that demands a lock look for it."""
    import threadfan._core

    for found in pkgutil.walk_packages(threadfan._core.__path__, "threadfan._core."):
        source = found.module_finder.find_spec(found.name).loader.get_source(found.name)
        demanded = set(demanding(source))
        if demanded:
            _install_in(import_module(found.name), source, demanded)


def _install_in(module, source, demanded):
    vars(module)["_look_for_lock"] = look
    codes = _looking(source, module.__file__, demanded)
    for function in _functions(module):
        if function.__qualname__ in demanded:
            function.__code__ = codes[function.__qualname__]


def demanding(source):
    """The names of the functions in a file that demand a lock."""
    lines = source.splitlines()
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef):
            headings = [
                (number, found[1])
                for number in range(node.lineno, node.end_lineno)
                if (found := HEADING.match(lines[number - 1]))
            ]
            for method in node.body:
                above = [heading for number, heading in headings if number < method.lineno]
                if isinstance(method, ast.FunctionDef) and _demands(method, above[-1] if above else ""):
                    yield f"{node.name}.{method.name}"
        elif isinstance(node, ast.FunctionDef) and _demands(node, ""):
            yield node.name


def _demands(function, heading):
    text = ast.get_docstring(function) or ""
    if EXEMPT.search(text):
        return False
    but = BUT.search(heading)
    under = "with the lock held" in heading and not (but and f"``{function.name}``" in but[1])
    return under or function.name.endswith("_locked") or bool(DEMAND.search(text))


def look(name, *given):
    """What the function was given leads to a lock, or its file has one, and this thread holds that."""
    from threadfan._core.pool import shutdown

    ways = [(sys.modules[sys._getframe(1).f_globals["__name__"]], ("_lock",))]  # one of the file, if it has one
    ways += [(thing, way) for thing in given for way in WAYS]
    for thing, way in ways:
        lock = _follow(thing, way)
        if lock is not None:
            if not lock._is_owned():
                fault(f"{name} was called without its lock")
            return
    fans = shutdown.alive()  # some parts do not know whose they are
    if fans and not any(scheduler.lock._is_owned() for scheduler in fans):
        fault(f"{name} was called without the lock of any fan")


def _follow(thing, way):
    for attribute in way:
        thing = getattr(thing, attribute, None)
    if not hasattr(thing, "_is_owned"):
        thing = getattr(thing, "_lock", None)  # of one that is taken briefly
    return thing if hasattr(thing, "_is_owned") else None


def _functions(module):
    for thing in list(vars(module).values()):
        if getattr(thing, "__module__", None) != module.__name__:
            continue
        for part in vars(thing).values() if inspect.isclass(thing) else [thing]:
            if inspect.isfunction(part) and part.__module__ == module.__name__:
                yield part


def _looking(source, file, demanded):
    """The code of the functions, by name, with a line in front that looks for the lock."""
    tree = ast.parse(source)
    for name, function in _named(tree):
        if name in demanded:
            given = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
            (line,) = ast.parse(f"_look_for_lock({name!r}, {', '.join(given)})").body
            for inner in ast.walk(line):
                ast.copy_location(inner, function.body[0])
            function.body.insert(1 if ast.get_docstring(function) else 0, line)
    return {code.co_qualname: code for code in _nested(compile(tree, file, "exec", dont_inherit=True))}


def _named(tree):
    """Functions and methods of a file, as they are called."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from ((f"{node.name}.{part.name}", part) for part in node.body if isinstance(part, ast.FunctionDef))


def _nested(code):
    for constant in code.co_consts:
        if inspect.iscode(constant):
            yield constant
            yield from _nested(constant)
