"""What happens to this package when its process forks.

In the child only the thread that forked lives on.  Whatever another thread was about in that moment stays as it was: a
lock that it held is held for ever, a connection that it was using is the parent's, what waited for it waits in vain.
So everything here that has a lock, threads, or something shared with the outside starts anew in the child:

- a module that has such things of its own says so with ``in_child``;
- an object that has them does with ``renew``, which holds it weakly;
- what is too short-lived to be worth either asks whether it was ``generation`` that it was made in.

Guarantees: nothing of that takes a lock which another thread of the parent may have held, or waits; one that fails does
not keep the others from starting anew.  It is done in the thread that forks, before the fork returns there.

A fork waits until other threads have imported what they are just importing of this package, of the standard library
and of what this package stands on.  In the child nobody would end such an import, and whoever needs the module waited
for ever.
"""

from __future__ import annotations

import os
import sys
import weakref
from concurrent.futures._base import LOGGER
from contextlib import suppress
from functools import partial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    Thing = TypeVar("Thing")


generation: int = 0
"""How many forks this process is away from the first one.  Read as ``forks.generation``: it changes."""

REASON = "the process was forked while this call waited or ran; it goes on in the parent only"

_acts: list[Callable[[], object]] = []
_things: dict[weakref.ref[Any], Callable[[Any], object]] = {}
_forget = _things.__delitem__  # one for all of them
_needed = {"threadfan", "pyrate_limiter", "redis"}  # besides the standard library


def in_child(act: Callable[[], object]) -> None:
    """Have ``act()`` done in the child of every fork, before what ``renew`` was called for."""
    _acts.append(act)


def renew(thing: Thing, forked: Callable[[Thing], object]) -> None:
    """Have ``forked(thing)`` done in the child of every fork, as long as somebody holds ``thing``.

    Args:
        forked: forgets locks, threads and connections of the parent's; must not hold ``thing`` itself.
    """
    # No WeakKeyDictionary: that one cannot be listed while other threads add to it, and is written in Python, so that a
    # signal's exception may strike in it while an object dies.
    _things[weakref.ref(thing, _forget)] = forked


def before(act: Callable[[], object], after: Callable[[], object]) -> None:
    """Have ``act()`` done before each fork, and ``after()`` after it in the parent; both by the thread that forks."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=act, after_in_parent=after)


def _await_imports() -> None:
    """Before a fork: wait for the imports of other threads; one of this thread's own counts as done."""
    importlib: Any = sys.modules.get("_frozen_importlib")
    for name in list(getattr(importlib, "_module_locks", ())):  # of the modules that are being imported now
        head = name.partition(".")[0]
        if head in _needed or head in sys.stdlib_module_names:
            with suppress(Exception):  # it cannot be imported, as that thread learns too
                __import__(name)


def _start_anew() -> None:
    global generation
    generation += 1
    acts = _acts.copy()
    acts += [partial(forked, thing) for known, forked in _things.copy().items() if (thing := known()) is not None]
    for act in acts:
        try:
            act()
        except Exception:
            LOGGER.critical("threadfan: something could not start anew in the child of a fork", exc_info=True)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_await_imports, after_in_child=_start_anew)
