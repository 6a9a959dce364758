"""Where an option belongs that was given where it is not taken.  Imported only to say so."""

from __future__ import annotations

import re
from difflib import get_close_matches

from .texts import brief

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

EACH_CALL = ("timeout", "total_timeout", "retry", "rate", "hedge", "breaker", "fallback", "idle_timeout", "interrupt")
OF_BATCH = ("by", "max_concurrent", "rate", "priority")
TAKEN: dict[str, tuple[str, ...]] = {
    "Fan": (
        "max_workers", "thread_name_prefix", "initializer", "initargs", "timeout", "total_timeout", "retry", "rate",
        "hedge", "breaker", "fallback", "idle_timeout", "max_abandoned", "max_queued", "when_full", "name",
    ),
    "over": (
        "max_in_flight", "threads", "timeout", "total_timeout", "retry", "rate", "hedge", "breaker", "fallback",
        "idle_timeout", "name",
    ),
    "map": ("timeout", "chunksize", "buffersize", *OF_BATCH),
    "starmap": ("timeout", "chunksize", "buffersize", *OF_BATCH),
    "run": (
        "fail_fast", "deadline", "late", "star", "progress", "halt", "max_errors", "budget", "journal", "key",
        "version", "codec", "unique", *OF_BATCH,
    ),
    "start": (
        "fail_fast", "deadline", "star", "progress", "halt", "max_errors", "budget", "journal", "key", "version",
        "codec", "unique", *OF_BATCH,
    ),
    "stream": (
        "ordered", "window", "star", "progress", "keep", "halt", "max_errors", "budget", "journal", "key", "version",
        "codec", "unique", *OF_BATCH,
    ),
    "stream_text": ("star", "buffer", "progress"),
    "with_options": (*EACH_CALL, "max_concurrent", "progress", "priority", "unique"),
    "task": (*EACH_CALL, "priority"),
    "stage": ("max_concurrent", "buffer", "name", *EACH_CALL),
    "pipeline.run": (
        "fail_fast", "deadline", "progress", "halt", "max_errors", "budget", "journal", "version", "codec",
    ),
    "pipeline.stream": (
        "ordered", "window", "progress", "halt", "max_errors", "budget", "journal", "version", "codec",
    ),
    "graph.add": (
        "name", "depends_on", "each", "depth", "reduce", "initial", "when", "outcomes", *EACH_CALL,
        "max_concurrent",
    ),
    "graph.run": (
        "fail_fast", "deadline", "progress", "halt", "max_errors", "budget", "journal", "version", "codec",
    ),
    "graph": ("name",),
    "Agent": (
        "model", "fan", "system", "tools", "max_tokens", "max_turns", "token_budget", "budget", "tool_timeout",
        "on_text", "on_tool", "log_arguments", "name", "description",
    ),
    "tool": ("name", "description", "timeout", "retry", "rate", "alone"),
    "pipeline": (),
    "asyncify": (),
    "call": (),
    "submit": (),
}  # fmt: skip
"""What is taken, by the name of the method without the ``a`` of its twin for coroutines."""

OTHER_NAMES = {
    "workers": "max_workers", "n_jobs": "max_workers", "processes": "max_workers", "threads": "max_workers",
    "max_threads": "max_workers", "concurrency": "max_concurrent", "max_concurrency": "max_concurrent",
    "limit": "max_concurrent",
    "retries": "retry", "max_retries": "retry", "rate_limit": "rate", "circuit_breaker": "breaker",
    "prefix": "thread_name_prefix",
    "failfast": "fail_fast", "order": "ordered", "in_order": "ordered",
}  # fmt: skip
"""What others call it."""
_OF_A_SECRET = re.compile(r"(?i)(.key|token|secret|auth|credentials?)$|passw")
"""Names of options whose values are shown to nobody."""
_REFUSED = re.compile(r"unexpected keyword argument '(\w+)'|takes no keyword arguments")
"""What Python says of keywords that a function does not take."""


def misplaced(where: str, given: Mapping[str, object], taken: tuple[str, ...] | None = None) -> TypeError:
    """What to raise where a method was given options that it does not take.

    Args:
        where: the method as users call it: ``fan.run``, ``pipeline.astream``, ``task(…).with_options``, ``Fan``.
        given: the options with their values.
        taken: the options that are taken there; those that ``TAKEN`` has by default.
    """
    name, value = next(iter(given.items()))
    shown = "…" if _OF_A_SECRET.search(name) else brief(value)
    return TypeError(f"{where} takes no {name}={shown}: {_remedy(_Place(where, taken), name, shown)}")


def if_option(where: str, name: str, value: object) -> str:
    """The end of a message about something named that is no task: what to do if it was meant as an option."""
    if name in {*OTHER_NAMES, *TAKEN["with_options"], *TAKEN["run"], *TAKEN["stream"], "return_exceptions"}:
        return f"; {name} as an option: {_remedy(_Place(where), name, brief(value))}"
    return ""


def note_option(where: str, error: TypeError, given: Mapping[str, object]) -> None:
    """Add a note to what a function has raised that does not take one of its keywords, if that may be an option.

    Args:
        where: the method that has called it, as users call it.
        error: what it has raised.
        given: its keywords with their values.
    """
    said = error.args[0] if len(error.args) == 1 else None
    refused = _REFUSED.search(said) if isinstance(said, str) else None
    if refused is None:
        return
    for name in (refused[1],) if refused[1] else given:
        if name in given and OTHER_NAMES.get(name, name) in EACH_CALL:
            error.add_note(f"{name} as an option: {_remedy(_Place(where), name, brief(given[name]))}")
            return


def _remedy(place: _Place, name: str, shown: str) -> str:
    where, meant = place.where, OTHER_NAMES.get(name, name)
    if meant == "retry" and "max_retries" in place.taken:  # of a client's own
        meant = "max_retries"
    option = f"{meant}={shown}"
    if meant in place.taken:
        return f"it is called {meant} here"
    if meant == "name" and place.owner.startswith("task"):
        return "a task is named where it is handed in: fan.gather(title=task(fn, …))"
    if meant == "return_exceptions":
        return "leave it out: a report has the failures of all calls beside the values"
    if meant in ("chunksize", "buffersize") and place.owner == "fan":
        return "leave it out: threads take one input at a time, and the window of fan.stream bounds how many are taken"
    if where == "Agent" and meant in EACH_CALL:
        return f"it is an option of its fan: Agent(…, fan=fan.with_options({option}))"
    if where == "tool" and meant == "total_timeout":
        return (
            "it is an option of the agent's fan, for tools without a timeout: "
            f"Agent(…, fan=fan.with_options({option})); "
            "a timeout is for each attempt, and retry={TaskTimeout: 0, …} makes no other after it"
        )
    if where in ("Agent", "tool"):
        return place.nearest(meant)
    if meant in EACH_CALL:
        whole = f", for all of them together {where}(…, deadline={shown})" if "deadline" in place.taken else ""
        return f"for each call it is {place.for_each(option)}" + (whole if meant == "timeout" else "")
    if meant == "max_concurrent":
        return place.capped(option)
    if meant == "progress" and place.owner == "fan" and not place.taken:  # its keywords are names of tasks
        return f"it is one of a view: {place.for_each(option)}"
    if meant == "deadline" and place.streams:
        batch = place.batch("run").format(option)
        return f"around a stream write `with fail_after({shown}):`; whole batches take it: {batch}"
    for names, right in (
        (TAKEN["Fan"], "it is an option of the fan: Fan(…, {})"),
        (TAKEN["run"], f"it is an option of whole batches: {place.batch('run')}"),
        (TAKEN["stream"], f"it is an option of streams: {place.batch('stream')}"),
        (TAKEN["stage"], "it is an option of a stage of a pipeline: stage(fn, {})"),
        (TAKEN["graph.add"], "it is an option of a task of a graph: graph.add(fn, {})"),
    ):
        if meant in names:
            return right.format(option)
    if not place.taken:
        return "it takes no options"
    return place.nearest(meant)


class _Place:
    """Where an option was given.

    Attributes:
        where: as it is called.
        owner: ``fan``, ``pipeline``, ``graph`` or ``task(…)``; nothing for a function or a class.
        taken: the options that are taken there.
        streams: whether what it returns is read bit by bit.
    """

    def __init__(self, where: str, taken: tuple[str, ...] | None = None) -> None:
        self.where = where
        self.owner, _, self._method = where.rpartition(".")
        self._twin = "a" if self._method in ("arun", "astream", "astream_text", "agather", "ajoin") else ""
        plain = self._method.removeprefix(self._twin)
        self.streams = plain in ("stream", "stream_text")
        if taken is not None:
            self.taken: tuple[str, ...] = taken
        elif plain in ("gather", "join"):  # whose options are those of tasks
            self.taken = ()
        elif self.owner.startswith("task"):
            self.taken = TAKEN["task"]
        else:
            self.taken = TAKEN[plain if self.owner in ("", "fan") else f"{self.owner}.{plain}"]

    def nearest(self, name: str) -> str:
        """What may have been meant."""
        near = get_close_matches(name, self.taken, n=1)
        return f"did you mean {near[0]}?" if near else f"it takes {listed(self.taken)}"

    def for_each(self, option: str) -> str:
        """How an option of single calls is given."""
        if self.owner == "pipeline":
            return f"stage(fn, {option}) in fan.pipeline(…)"
        if self.owner == "graph":
            return f"graph.add(fn, {option})"
        return f"fan.with_options({option}).{self._method}(…)" if self.owner == "fan" else f"fan.with_options({option})"

    def capped(self, option: str) -> str:
        """How calls are limited in number."""
        if not self.owner:
            return "how many calls run at once is max_workers, and for some of them fan.with_options(max_concurrent=…)"
        if self.owner.startswith("task"):
            return f"a task is one call; for all that share a view it is fan.with_options({option}).gather(…)"
        return f"for the calls together it is {self.for_each(option)}"

    def batch(self, method: str) -> str:
        """A call of the method, blocking or not as the one that was called, with a place for an option."""
        call = f"{self._twin}{method}"
        return f"pipeline.{call}(items, {{}})" if self.owner == "pipeline" else f"fan.{call}(fn, items, {{}})"


def listed(names: Iterable[str]) -> str:
    """Names as a sentence has them."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
