"""Calls that are wrong in any case: each is refused before anything is called, with what was wrong and what is right.

The table is what users write, as they write it; beside each call stand the error and what its message has to say.
The command line has a table of its own, in `cli/test_errors.py`.
"""

import asyncio
import operator
import threading

import pytest

import threadfan
from threadfan import Adaptive, Fan, RateLimit, patterns, testing
from threadfan.patterns import GuardFailed, guard

NAMES = {name: getattr(module, name) for module in (threadfan, patterns, testing) for name in module.__all__}
NAMES |= {"threadfan": threadfan, "operator": operator}

CALLED = []


def none():
    """Of no arguments."""
    CALLED.append("none")
    return True


def one(item):
    """Of one argument."""
    CALLED.append("one")
    return item


def two(first, second):
    """Of two arguments."""
    CALLED.append("two")
    return first, second


def named(item, *, key):
    """One that needs a keyword."""
    CALLED.append("named")


def lines(item):
    """A generator function."""
    CALLED.append("lines")
    yield item


async def fetch(item):
    """A coroutine function."""
    CALLED.append("fetch")


async def pages(item):
    """An asynchronous generator function."""
    CALLED.append("pages")
    yield item


class Client:
    """What an agent takes for a client."""

    class messages:  # noqa: N801 -- as the SDK calls it
        """Its requests."""

        @staticmethod
        def create(**_):
            """Never asked."""
            CALLED.append("create")


class Tools:
    """An object with a method."""

    def both(self, first, second):
        """Of two arguments."""
        CALLED.append("both")


T, V = TypeError, ValueError
CHARACTERS = "of which each of the characters would be an input"
UNRUN = "is a generator function, whose body a call does not run"

TABLE = [
    # -- the fan
    ("Fan(0)", V, "max_workers must be greater than 0, not 0"),
    ("Fan(-1)", V, "max_workers must be greater than 0, not -1"),
    ("Fan('8')", T, "max_workers must be a whole number of calls at once, or Adaptive(), not '8'"),
    ("Fan(2.0)", T, "a whole number of calls at once", "not 2.0"),
    ("Fan(True)", T, "a whole number of calls at once", "not True"),
    ("Fan(Adaptive)", T, "or Adaptive(), not <class"),
    ("Fan(10**7)", V, "max_workers must be at most 4194304, not 10000000", "Fan(32) makes any number of calls"),
    ("Fan(Adaptive(ceiling=10**7))", V, "must be at most 4194304, not 10000000"),
    ("Fan(8, 30)", T, "thread_name_prefix, the second argument, must be a text, not 30", "Fan(8, timeout=30)"),
    ("Fan(8, name=5)", T, "name must be a text or None, not 5"),
    ("Fan(8, initializer=one, initargs='ab')", T, "initargs must be a tuple", "not 'ab'", "initargs=('ab',)"),
    ("Fan(8, initializer=one, initargs=5)", T, "initargs must be a tuple", "not 5", "initargs=(5,)"),
    ("Fan(8, initializer=5)", T, "initializer must be a callable"),
    ("Fan(8, timeout='30')", T, "timeout must be a number of seconds or None, not '30'"),
    ("Fan(8, timeout=0)", V, "timeout must be greater than 0 seconds, or None for no limit, not 0"),
    ("Fan(8, timeout=True)", T, "timeout must be a number of seconds or None, not True"),
    ("Fan(8, max_abandoned=0)", V, "max_abandoned must be greater than 0, not 0", "keep their slots", "with slots:"),
    ("Fan(8, retry='3')", T, "retry got '3'; right is a number of retries"),
    ("Fan(8, retry=-1)", V, "retry must be at least 0 retries, not -1"),
    ("Fan(8, retry=True)", T, "retry got True; right is a number of retries"),
    ("Fan(8, retry=[429])", T, "retry got [429]; right is", "a mapping from errors"),
    ("Fan(8, retry={'x': 1})", T, "the key 'x'; right is a subclass of Exception"),
    ("Fan(8, retry={1000: 1})", V, "the key 1000; right is an HTTP status from 100 to 599"),
    ("Fan(8, retry={429: 'x'})", T, "retry[429] got 'x'; right is a number of retries"),
    ("Fan(8, rate=60)", T, "rate must be a RateLimit, such as RateLimit(requests_per_minute=600), not 60"),
    ("Fan(8, hedge=0.5)", T, "hedge must be a Hedge, such as Hedge(after=", "not 0.5"),
    ("Fan(8, breaker=5)", T, "breaker must be a Breaker, such as Breaker(failures=5, recovery=30), not 5"),
    ("Fan(8, circuit_breaker=5)", T, "Fan takes no circuit_breaker=5: it is called breaker here"),
    ("fan.run(len, [], breaker=5)", T, "fan.run takes no breaker=5", "fan.with_options(breaker=5).run(…)"),
    ("fan.run(len, [], budget=5)", T, "budget must be a Budget, such as Budget(tokens=1_000_000), not 5"),
    ("fan.run(len, [], max_errors=0)", V, "max_errors must be greater than 0, not 0"),
    ("fan.run(len, [], max_errors='5')", T, "max_errors must be a whole number, not '5'"),
    ("fan.stream(len, [], budget=5)", T, "budget must be a Budget, such as Budget(tokens=1_000_000), not 5"),
    ("fan.stream(len, [], late='keep')", T, "fan.stream takes no late='keep'", "fan.run(fn, items, late='keep')"),
    ("Budget()", T, "Budget needs tokens=…, usd=…, or both"),
    ("Budget(0)", V, "tokens must be at least 1, not 0"),
    ("Budget(usd=0)", V, "usd must be greater than 0 and finite, not 0; right is Budget(usd=5)"),
    ("Budget(usd='5')", T, "usd must be a number, not '5'; right is Budget(usd=5)"),
    ("Budget(5, prices=(1, 2))", T, "prices are for a budget of money: Budget(usd=…, prices=(1, 2))"),
    ("Budget(usd=5, prices={})", T, "prices got {}; right is {", "in USD per million tokens"),
    ("Budget(usd=5, prices={'m': 3})", T, "prices['m'] got 3; right is"),
    ("Budget(usd=5, prices=(1, 2, 3))", T, "prices got (1, 2, 3); right is"),
    ("Budget(usd=5, prices=(1, -2))", V, "prices must be at least 0 and finite, not (1, -2)"),
    ("Breaker(0)", V, "failures must be at least 1, not 0"),
    ("Breaker(2.5)", T, "failures must be a whole number, not 2.5"),
    ("Breaker(recovery=0)", V, "recovery must be greater than 0 seconds and finite, not 0"),
    ("Breaker(recovery='30')", T, "recovery must be a number of seconds, not '30'"),
    ("Breaker(name=3)", T, "name must be a text or None, not 3"),
    (
        "Fan(8, max_concurrent=4)",
        T,
        "Fan takes no max_concurrent=4",
        "max_workers",
        "fan.with_options(max_concurrent=…)",
    ),
    ("Fan(8, limit=4)", T, "Fan takes no limit=4", "max_workers", "fan.with_options(max_concurrent=…)"),
    ("Fan(workers=8)", T, "Fan takes no workers=8: it is called max_workers here"),
    ("Fan(8, deadline=5)", T, "Fan takes no deadline=5", "fan.run(fn, items, deadline=5)"),
    ("Fan(8, ordered=True)", T, "Fan takes no ordered=True", "fan.stream(fn, items, ordered=True)"),
    # -- what a rate, a hedge and an adaptive are made of
    ("RateLimit('600')", T, "requests_per_minute must be a number per minute or None, not '600'"),
    ("RateLimit('10/s')", T, "a number per minute or None, not '10/s'; right is requests_per_minute=600"),
    ("RateLimit('3 / hour')", T, "not '3 / hour'; right is requests_per_minute=0.05"),
    ("RateLimit(input_tokens_per_minute='50k/min')", T, "a number per minute or None, not '50k/min'"),
    ("RateLimit(0)", V, "requests_per_minute must be greater than 0 and finite, or None for no limit, not 0"),
    ("RateLimit(60, burst=0)", V, "burst must be at least 1, not 0"),
    ("RateLimit(60, burst=1.5)", T, "burst must be a whole number, not 1.5"),
    ("RateLimit(60, estimate=5)", T, "estimate must be a function of the call's arguments, not 5"),
    ("RateLimit(60, shared='limits.db')", V, 'shared must be "sqlite:///path"', "not 'limits.db'"),
    ("RateLimit(60, name=5)", T, "name must be a string or None, not 5"),
    ("RateLimit(requests_per_second=1)", T, "takes no requests_per_second=1", "right is requests_per_minute=60"),
    ("RateLimit(per_hour=30)", T, "takes no per_hour=30", "right is requests_per_minute=0.5"),
    ("RateLimit(requests=10)", T, "takes no requests=10", "requests_per_minute"),
    ("fan.run(pow, [(1, 2)], star=True, by=lambda u, d: u, max_concurrent=1)", T, "by=<lambda>", "one tuple of 2"),
    ("fan.run(pow, [1], [2], by=lambda u, d: u, rate=RateLimit(9))", T, "by=<lambda>", "given[0]"),
    ("fan.run(abs, [1], by=len, max_concurrent=1)", T, "by=len", "of type int"),
    ("Fan(1, rate=RateLimit(60, shared='sqlite:////no/where/x'))", OSError, "cannot keep a shared rate limit in /no/w"),
    ("Adaptive(start=0)", V, "start must be at least 1, not 0"),
    ("Adaptive(ceiling='9')", T, "ceiling must be a whole number, not '9'"),
    ("Adaptive(start=100)", V, "start must be between floor and ceiling, not 100 with 1 and 64"),
    ("[Fan(each) for each in [Adaptive()] * 2]", V, "each fan needs an Adaptive of its own"),
    ("Hedge('95')", V, "after must be a percentile such as \"p95\", or seconds, not '95'"),
    ("Hedge(0)", V, "after must be greater than 0 seconds and finite, not 0"),
    ("Hedge(budget=5)", V, "budget must be greater than 0 and at most 1, not 5"),
    # -- inputs
    (
        "fan.run(one, 'urls.txt')",
        T,
        "argument 2 of fan.run is one text, 'urls.txt'",
        CHARACTERS,
        "['urls.txt']",
    ),
    ("fan.run(one, 'ab')", T, "or list('ab') for a call of each"),
    ("fan.run(one, b'ab')", T, "argument 2 of fan.run is one text, b'ab'", "each of the bytes", "[b'ab']"),
    ("fan.run(two, [1, 2], 'ab')", T, "argument 3 of fan.run is one text, 'ab'", "['ab']"),
    ("fan.stream(one, 'ab')", T, "argument 2 of fan.stream is one text, 'ab'", CHARACTERS, "['ab']"),
    ("await fan.arun(one, 'ab')", T, "argument 2 of fan.arun is one text, 'ab'", CHARACTERS, "['ab']"),
    ("fan.astream(one, 'ab')", T, "argument 2 of fan.astream is one text, 'ab'", CHARACTERS, "['ab']"),
    ("fan.starmap(two, 'ab')", T, "argument 2 of fan.starmap is one text, 'ab'"),
    ("fan.pipeline(one).run('ab')", T, "what pipeline.run is given is one text, 'ab'", "['ab']"),
    ("fan.pipeline(one).stream('ab')", T, "what pipeline.stream is given is one text, 'ab'", "['ab']"),
    ("await fan.pipeline(one).arun('ab')", T, "what pipeline.arun is given is one text, 'ab'", "['ab']"),
    ("map_reduce(fan, one, 'ab', reduce=operator.add)", T, "is one text, 'ab'", "['ab']"),
    ("graph_of(one, each={'item': 'items'}).run(items='ab')", T, "one goes through 'items', which is one text, 'ab'"),
    ("fan.run(one, 5)", T, "argument 2 of fan.run must be an iterable of inputs, not 5", "submit(fn, 5)"),
    (
        "fan.run(one, lines)",
        T,
        "must be an iterable of inputs, not <function lines",
        "what it returns may be one: lines()",
    ),
    ("fan.run(one, pages(1))", T, "not <async_generator object", "an async iterable goes to fan.arun"),
    ("fan.pipeline(one).run(pages(1))", T, "takes no async iterable", "await pipeline.arun"),
    ("fan.run(one)", T, "fan.run needs at least one iterable of inputs: fan.run(fn, items)"),
    ("fan.run(two, [1, 2], [1])", V, "the iterables must have equal lengths, not 2 and 1"),
    # -- functions
    ("fan.run(lines, [1])", T, f"lines {UNRUN}", "return a list, or give a function that returns list(lines(…))"),
    ("fan.stream(lines, [1])", T, f"lines {UNRUN}", "list(lines(…))"),
    ("await fan.arun(lines, [1])", T, f"lines {UNRUN}", "list(lines(…))"),
    ("await fan.call(lines, 1)", T, f"lines {UNRUN}", "list(lines(…))"),
    ("fan.asyncify(lines)", T, f"lines {UNRUN}", "list(lines(…))"),
    ("fan.gather(task(lines, 1))", T, f"lines {UNRUN}", "list(lines(…))"),
    ("fan.pipeline(lines).run([1])", T, f"lines {UNRUN}", "list(lines(…))"),
    ("graph_of(lines).run(item=1)", T, f"lines {UNRUN}", "list(lines(…))"),
    ("guard(fan, none, task(lines, 1))", T, f"lines {UNRUN}", "list(lines(…))"),
    (
        "await fan.arun(pages, [1])",
        T,
        "pages is an asynchronous generator function",
        "[item async for item in pages(…)]",
    ),
    ("fan.run(fetch, [1])", T, "fetch is a coroutine function: await it", "asyncio.run(fetch(…))"),
    ("fan.run('one', [1])", T, "fan.run needs a function to call, not 'one'"),
    ("fan.gather(None)", T, "fan.gather needs a function to call, not None", "f and not f(x), or task(f, x)"),
    ("fan.gather([none, none])", T, "fan.gather needs a function to call, not [<function", "(*tasks)"),
    ("fan.gather(threadfan.Future())", T, "not <Future", "give the function, not what its call has returned"),
    ("fan.run(pow, [(2, 5)])", T, "calls pow with 1 argument, but it needs 2 (base, exp)", "fan.starmap(pow, pairs)"),
    ("fan.run(two, [(2, 5)])", T, "but it needs 2 (first, second)", "fan.run(two, pairs, star=True)"),
    ("fan.run(Tools().both, [1])", T, "calls Tools.both with 1 argument, but it needs 2 (first, second)"),
    ("await fan.arun(two, [1])", T, "fan.arun calls two with 1 argument", "fan.arun(two, all_first, all_second)"),
    ("fan.stream(one, [1], [2])", T, "calls one with 2 arguments, but it takes 1 (item)", "a lambda that takes 2"),
    ("fan.run(named, [1])", T, "calls named with 1 argument, but it needs 'key' too", "functools.partial(named, …)"),
    ("fan.gather(one)", T, "fan.gather calls one without arguments, but it needs 1 (item)", "give task(one, …)"),
    ("fan.gather(task(two, 1))", T, "but it needs 2 (first, second)", "task(two, …) takes them"),
    ("fan.gather(task(one, itme=1))", T, "calls one with the arguments of its task", "it needs 'item' too"),
    ("fan.starmap(pow, [3])", T, "each input must be a tuple of arguments for fan.starmap, not 3: (3,) is one"),
    ("fan.starmap(two, ['ab'])", T, "each input must be a tuple of arguments for fan.starmap, not 'ab': ('ab',)"),
    ("fan.run(two, [(1,)], star=True)", T, "a tuple of fan.run calls two with 1 argument, but it needs 2"),
    ("fan.run(two, [1], [2], star=True)", T, "with star=True takes one iterable, of tuples of arguments, not 2"),
    # -- options of batches
    ("fan.run(one, [1], fail_fast=5)", T, "fail_fast must be True or False, not 5"),
    ("fan.run(one, [1], fail_fast='yes')", T, "fail_fast must be True or False, not 'yes'"),
    ("await fan.arun(one, [1], fail_fast='yes')", T, "fail_fast must be True or False, not 'yes'"),
    ("fan.pipeline(one).run([1], fail_fast=5)", T, "fail_fast must be True or False, not 5"),
    ("graph_of(one).run(item=1, fail_fast=5)", T, "fail_fast must be True or False, not 5"),
    ("fan.stream(one, [1], ordered='yes')", T, "ordered must be True or False, not 'yes'"),
    ("fan.stream(one, [1], window=0)", V, "window must be greater than 0, not 0"),
    ("fan.run(one, [1], deadline=-1)", V, "deadline must be greater than 0 seconds, or None for no limit, not -1"),
    ("fan.run(one, [1], late='drop', deadline=1)", V, "late must be \"keep\" or None, not 'drop'"),
    ("fan.run(one, [1], late='keep')", V, 'late="keep" needs a deadline for the batch'),
    ("fan.map(one, [1], buffersize=0)", V, "buffersize must be None or > 0, not 0"),
    ("fan.map(one, [1], timeout='3')", T, "timeout must be a number of seconds or None, not '3'"),
    # -- options that belong elsewhere
    ("fan.run(one, [1], timeout=3)", T, "takes no timeout=3", "fan.with_options(timeout=3).run(…)", "deadline=3"),
    ("fan.run(one, [1], retry=3)", T, "takes no retry=3", "fan.with_options(retry=3).run(…)"),
    ("fan.run(one, [1], max_concurrent=100)", V, "max_concurrent must be at most 4, the fan's max_workers, not 100"),
    ("fan.run(one, [1], limit=3)", T, "fan.run takes no limit=3: it is called max_concurrent here"),
    ("fan.run(one, [1], by=3, max_concurrent=1)", T, "by must be a function that says the key of an input", "not 3"),
    ("fan.stream(one, [1], by=one)", T, "there is neither: give one"),
    ("fan.run(one, [1], max_workers=3)", T, "takes no max_workers=3", "Fan(…, max_workers=3)"),
    ("fan.run(one, [1], ordered=True)", T, "takes no ordered=True", "fan.stream(fn, items, ordered=True)"),
    ("fan.run(one, [1], chunksize=10)", T, "takes no chunksize=10", "leave it out"),
    ("fan.run(one, [1], return_exceptions=True)", T, "takes no return_exceptions=True", "leave it out: a report has"),
    ("fan.run(one, [1], deadlin=3)", T, "takes no deadlin=3: did you mean deadline?"),
    (
        "fan.run(one, [1], verbose=3)",
        T,
        "takes no verbose=3: it takes fail_fast, deadline, late, star, ",
    ),
    ("fan.stream(one, [1], timeout=3)", T, "takes no timeout=3", "fan.with_options(timeout=3).stream(…)"),
    ("fan.stream(one, [1], fail_fast=True)", T, "takes no fail_fast=True", "fan.run(fn, items, fail_fast=True)"),
    ("await fan.arun(one, [1], timeout=3)", T, "takes no timeout=3", "fan.with_options(timeout=3).arun(…)"),
    ("fan.astream(one, [1], deadline=3)", T, "around a stream write `with fail_after(3):`", "fan.arun(fn, items, dead"),
    ("fan.stream_text(one, [1], deadline=3)", T, "around a stream write `with fail_after(3):`", "fan.run(fn, items"),
    ("fan.map(one, [1], fail_fast=True)", T, "fan.map takes no fail_fast=True", "fan.run(fn, items, fail_fast=True)"),
    ("fan.starmap(two, [(1, 2)], star=True)", T, "fan.starmap takes no star=True", "fan.run(fn, items, star=True)"),
    ("fan.gather(timeout=3)", T, "needs a function to call as timeout, not 3", "fan.with_options(timeout=3).gather(…)"),
    (
        "fan.gather(progress=True)",
        T,
        "needs a function to call as progress",
        "fan.with_options(progress=True).gather(…)",
    ),
    ("fan.with_options(progress=3)", T, "progress must be True, False, or a function that takes a Progress, not 3"),
    ("fan.join(Collect(), none, timeout=3)", T, "not 3", "fan.with_options(timeout=3).join(…)"),
    ("fan.with_options(max_workers=3)", T, "with_options takes no max_workers=3", "Fan(…, max_workers=3)"),
    ("fan.with_options(deadline=3)", T, "takes no deadline=3", "fan.run(fn, items, deadline=3)"),
    ("fan.with_options(limit=3)", T, "with_options takes no limit=3: it is called max_concurrent here"),
    ("stage(one, limit=3)", T, "stage takes no limit=3: it is called max_concurrent here"),
    ("graph_of(one, limit=3)", T, "graph.add takes no limit=3: it is called max_concurrent here"),
    ("fan.with_options(retries=3)", T, "takes no retries=3: it is called retry here"),
    (
        "task(one, 1).with_options(max_concurrent=2)",
        T,
        "takes no max_concurrent=2: a task is one call",
        "fan.with_options(max_concurrent=2)",
    ),
    ("task(one, 1).with_options(name='x')", T, "takes no name='x'", "fan.gather(title=task(fn, …))"),
    ("stage(one, max_workers=3)", T, "stage takes no max_workers=3", "Fan(…, max_workers=3)"),
    (
        "fan.pipeline(one, max_concurrent=3)",
        T,
        "fan.pipeline takes no max_concurrent=3",
        "fan.with_options(max_concurrent=3).pipeline(…)",
    ),
    ("fan.pipeline(one).run([1], timeout=3)", T, "takes no timeout=3", "stage(fn, timeout=3) in fan.pipeline(…)"),
    ("fan.pipeline(one).stream([1], deadline=3)", T, "takes no deadline=3", "pipeline.run(items, deadline=3)"),
    ("fan.graph(one, timeout=3)", T, "fan.graph takes no timeout=3", "fan.with_options(timeout=3).graph(…)"),
    ("graph_of(one).run(item=1, timeout=3)", T, "'timeout' is no input of the graph", "graph.add(fn, timeout=3)"),
    ("graph_of(one, max_workers=3)", T, "graph.add takes no max_workers=3", "Fan(…, max_workers=3)"),
    ("fan.asyncify(one, timeout=3)", T, "takes no timeout=3", "fan.with_options(timeout=3).asyncify(…)"),
    # -- options of calls
    (
        "fan.with_options(max_concurrent=100)",
        V,
        "max_concurrent must be at most 4, the fan's max_workers, not 100",
        "Fan(100)",
    ),
    ("fan.with_options(max_concurrent=0)", V, "max_concurrent must be greater than 0, not 0"),
    ("fan.with_options(max_concurrent=True)", T, "max_concurrent must be a whole number, not True"),
    (
        "fan.pipeline(stage(one, max_concurrent=100))",
        V,
        "max_concurrent must be at most 4, the fan's max_workers, not 100",
    ),
    ("graph_of(one, max_concurrent=100)", V, "max_concurrent must be at most 4, the fan's max_workers, not 100"),
    ("Fan(Adaptive(ceiling=8)).with_options(max_concurrent=9)", V, "max_concurrent must be at most 8"),
    ("fan.with_options(timeout=-1)", V, "timeout must be greater than 0 seconds"),
    ("fan.with_options(interrupt='yes')", T, "interrupt must be True or False, not 'yes'"),
    ("task(one, 1).with_options(retry='3')", T, "retry got '3'; right is a number of retries"),
    ("task(one, 1).with_options(rate=3)", T, "rate must be a RateLimit", "not 3"),
    ("stage(one, timeout='3')", T, "timeout must be a number of seconds or None, not '3'"),
    # -- tasks, joins, views
    ("task(5)", T, "task needs a function to call, not 5"),
    ("fan.join(FirstSuccess, none)", T, "needs a policy first, such as fan.join(FirstSuccess(), …), not <class"),
    ("fan.join(Quorum(3), none)", V, "3 successes need at least as many tasks, not 1"),
    ("Quorum('2')", T, "needed must be a whole number, not '2'"),
    ("fan.call(one, 1)", RuntimeError, "no event loop runs here: use fan.submit"),
    ("fan.with_options(timeout=3).shutdown()", RuntimeError, "shut down the Fan that with_options was called on"),
    # -- graphs and pipelines
    ("fan.graph(5)", T, "a task must be a function, not 5"),
    ("fan.graph(one, one)", V, "there is a task named 'one' already: graph.add(fn, name='…')"),
    ("fan.graph(name=5)", T, "the name of a graph must be a text, not 5"),
    ("graph_of(one, name='a[0]')", V, "must be a text without '[', not 'a[0]'"),
    ("graph_of(one, depends_on=['nobody']).run(item=1)", V, "depends on 'nobody', which is no task"),
    ("graph_of(one, reduce=operator.add)", V, "reduce is for tasks with each"),
    (
        "graph_of(one, each={'item': 'items'}, reduce=one)",
        T,
        "reduce calls one with 2 arguments, but it takes 1 (item)",
    ),
    ("graph_of(one, when=5)", T, "when needs a function to call, not 5"),
    ("graph_of(one).run()", T, "the input 'item' is missing, which one takes"),
    ("graph_of(one).run(item=1, itme=2)", T, "'itme' is no input of the graph; did you mean 'item'?"),
    ("fan.pipeline()", T, "a pipeline needs at least one stage: fan.pipeline(research, analyse)"),
    ("fan.pipeline(5)", T, "a stage needs a function of one item, not 5"),
    ("fan.pipeline(two)", T, "a stage calls two with 1 argument, but it needs 2 (first, second)"),
    ("fan.pipeline(task(two, 1))", T, "has 1 positional arguments of its own", "task(fn, name=value)"),
    ("fan.pipeline(stage(one, name='a'), stage(one, name='a'))", V, "different names, but 'a' was given twice"),
    ("stage(one, buffer=0)", V, "buffer must be greater than 0, not 0"),
    # -- patterns
    ("vote(none, none)", T, "vote needs a Fan, or a view of one, as its first argument, not <function none"),
    ("vote(fan)", V, "a vote needs at least one voter, not 0"),
    ("vote(fan, none, of=0)", V, "of must be greater than 0, not 0"),
    ("vote(fan, none, none, of=3)", T, "of= asks one voter several times, not 2: leave it out, or give one"),
    ("vote(fan, none, tie='last')", V, 'tie must be "error", "first" or a function', "not 'last'"),
    ("vote(fan, none, key=5)", T, "key of a vote needs a function to call, not 5"),
    ("race(fan)", V, "need at least as many tasks, not 0"),
    ("quorum(fan, none, none)", T, "needed must be a whole number, not <function none"),
    ("guard(fan, none)", T, "guard needs at least one check beside the work: guard(fan, work, check)"),
    ("guard(none, none)", T, "guard needs a Fan, or a view of one, as its first argument"),
    ("fan_out(fan, 1, decompose=5, work=one, synthesise=one)", T, "fan_out needs a function to call, not 5"),
    ("fan_out(fan, 1, decompose=lines, work=5, synthesise=one)", T, "work of fan_out needs a function to call, not 5"),
    ("fan_out(fan, 1, decompose=lines, work=one, synthesise=5)", T, "synthesise of fan_out needs a function", "not 5"),
    ("map_reduce(fan, one, [1], reduce=one)", T, "reduce of map_reduce calls one with 2 arguments, but it takes 1"),
    ("concatenate(['a', 'b'])", T, "must be a report, as fan.run returns one, not ['a', 'b']"),
    ("majority_vote(report, tie='last')", V, 'tie must be "error", "first" or a function', "not 'last'"),
    ("best_score(report, key=5)", T, "key of best_score needs a function to call, not 5"),
    ("merge(report, conflicts='x')", V, 'conflicts must be "error", "first", "last" or a function', "not 'x'"),
    ("synthesise(report, 5)", T, "synthesise needs a function to call, not 5"),
    # -- inside a call, and around a program
    ("fail_after(-1)", V, "fail_after needs at least 0 seconds, not -1"),
    ("move_on_after(None)", T, "move_on_after needs a number of seconds, not None"),
    ("threadfan.sleep('1')", T, "threadfan.sleep needs a number of seconds, not '1'"),
    ("current_scope().on_cancel(5)", T, "on_cancel needs a function without arguments to call", "not 5"),
    ("current_scope().add_usage(5)", T, "add_usage needs a Usage, such as Usage.of(response.usage), not 5"),
    (
        "signals_as_ctrl_c('SIGTERM')",
        T,
        "signals_as_ctrl_c needs numbers of signals, such as signal.SIGTERM, not 'SIGTERM'",
    ),
    (
        "drain_on_signals('SIGTERM')",
        T,
        "drain_on_signals needs numbers of signals, such as signal.SIGTERM, not 'SIGTERM'",
    ),
    ("report_of(5)", T, "report_of needs the exception that was raised, not 5"),
    # -- help for tests
    ("ManualClock().advance(-1)", V, "seconds must be at least 0, not -1"),
    ("ManualClock().advance('1')", T, "advance needs a number of seconds, not '1'"),
    ("Fixed('1')", T, "seconds is '1'; a delay is a number of seconds, 0 or more"),
    ("LogNormal(median=0, p99=1)", V, "median=0, p99=1 is no distribution; right is 0 < median <= p99"),
    ("Limits(requests_per_minute='9')", T, "requests_per_minute is '9'; right is a number, or None"),
    ("Limits(burst=0)", V, "burst is 0; right is a whole number of requests, 1 or more"),
    ("MessagesServer(faults={'429': 2})", V, "faults is {'429': 2}; right are probabilities from 0"),
    ("MessagesServer(latncy=1)", T, "no option 'latncy'; its options are latency, replies"),
]

AGENTS = [
    ("Agent(5, model='m', fan=fan)", T, "an agent got 5 as its client; right is one with messages.create"),
    ("Agent(Client, model=5, fan=fan)", T, "model must be the name of a model", "not 5"),
    ("Agent(Client, model='m', fan=None)", T, "fan must be a Fan, which runs the tools, not None"),
    ("Agent(Client, model='m', fan=fan, max_tokens=0)", V, "max_tokens must be greater than 0, not 0"),
    ("Agent(Client, model='m', fan=fan, tools=one)", T, "tools must be a list, not <function one", "tools=[one]"),
    ("Agent(Client, model='m', fan=fan, tools=[fetch])", T, "fetch is a coroutine function"),
    ("Agent(Client, model='m', fan=fan, tools=[lines])", T, f"lines {UNRUN}"),
    ("Agent(Client, model='m', fan=fan, on_text=5)", T, "on_text needs a function to call, not 5"),
    ("Agent(Client, model='m', fan=fan).as_tool()", V, "needs a name: Agent(…, name='researcher'"),
    ("Agent(Client, model='m', fan=fan)(5)", T, "takes a text, a list of messages or an AgentResult, not int"),
    ("tool(one, timeout='3')", T, "timeout must be a number of seconds or None, not '3'"),
    ("tool(one, name='a b')", V, "cannot be a tool by the name 'a b'", "tool(fn, name='search')"),
]


def attempt(code, names):
    """Do what the code says, in an event loop if it awaits something."""
    if not code.startswith("await "):
        return eval(code, names)  # noqa: S307 -- the table is ours

    async def awaited():
        return await eval(code.removeprefix("await "), names)  # noqa: S307

    return asyncio.run(awaited())


def refused(code, error, *told, **more):
    """Check that the call is refused with all that is to be told, and that nothing was called and no thread started."""
    CALLED.clear()
    with Fan(4) as fan:

        def graph_of(fn, **options):
            graph = fan.graph()
            graph.add(fn, **options)
            return graph

        with Fan(1) as other:
            report = other.run(str, [1])
        before = threading.enumerate()
        with pytest.raises(error) as caught:
            attempt(code, {**NAMES, **globals(), **more, "fan": fan, "graph_of": graph_of, "report": report})
        assert type(caught.value) is error
        message = str(caught.value)
        assert [part for part in told if part not in message] == [], message
        assert "\n" not in message
        assert (CALLED, threading.enumerate(), fan.snapshot()["done"]) == ([], before, 0)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row[0])
def test_a_wrong_call_is_refused(row):
    """The message names what was wrong and what is right; nothing has run."""
    refused(*row)


@pytest.mark.parametrize("row", AGENTS, ids=lambda row: row[0])
def test_a_wrong_agent_is_refused(row):
    """The same for what stands on a client."""
    pytest.importorskip("anthropic", exc_type=ImportError)
    from threadfan.agents import Agent, tool

    refused(*row, Agent=Agent, tool=tool)


def test_the_table_is_large():
    """There is a row for everything that the library offers."""
    assert len({row[0] for row in TABLE + AGENTS}) == len(TABLE + AGENTS) >= 100


class Number:
    """What has its own integers, as numpy does."""

    def __index__(self):
        """Its value."""
        return 3


def test_numbers_of_others_are_numbers():
    """What `operator.index` takes counts as a whole number, as in the standard library."""
    with Fan(Number(), timeout=3, retry=Number()) as fan:
        assert fan.snapshot()["slots"] == 3
        assert fan.with_options(max_concurrent=Number()).run(one, [1]).unwrap() == [1]
        assert len(list(fan.stream(one, range(5), window=Number()))) == 5
    assert Adaptive(Number(), Number(), Number()).ceiling == 3


def test_numbers_and_truths_of_numpy():
    """They are what those of Python are, in every option."""
    numpy = pytest.importorskip("numpy")
    with Fan(numpy.int64(4), timeout=numpy.float32(30), rate=RateLimit(numpy.int64(60_000))) as fan:
        assert fan.run(one, [1], fail_fast=numpy.True_, deadline=numpy.int64(20)).unwrap() == [1]
        assert guard(fan, none, lambda: numpy.bool_(True)) is True
        with pytest.raises(GuardFailed, match="it returned False"):
            guard(fan, none, lambda: numpy.bool_(False))
        with pytest.raises(TypeError, match="max_workers must be a whole number"):
            Fan(numpy.True_)


@pytest.mark.parametrize(
    "right",
    [
        "fan.map(str.upper, 'ab')",
        "fan.map(None.__class__, [])",
        "fan.submit(lines, 1).result()",
        "fan.map(lines, [1])",
        "fan.run(str, {'a': 1})",
        "fan.run(str, list('ab')).unwrap()",
        "fan.run(print, [])",
        "fan.run(max, [1, 2], [3, 4]).unwrap()",
        "fan.run(dict.get, [{}], [1]).unwrap()",
        "fan.run([].append, [1]).unwrap()",
        "fan.run(Tools, []).unwrap()",
        "fan_out(fan, 'ab', decompose=lines, work=one, synthesise=len)",
        "fan.gather(lambda *given: given, lambda given=1: given).unwrap()",
        "fan.gather(task(named, 1, key=2), task(two, 1, second=2)).unwrap()",
        "fan.with_options(max_concurrent=4)",
        "Fan().with_options(max_concurrent=1000)",
        "Fan(2**22)",
    ],
)
def test_what_is_right_stays_so(right):
    """What the standard library allows of a drop-in, and what only looks like one of the wrong calls."""
    with Fan(4) as fan:
        eval(right, {**NAMES, **globals(), "fan": fan})  # noqa: S307


def test_a_generator_of_a_graph_may_be_gone_through():
    """It is run by the task that takes its elements, and needs no list."""
    with Fan(2) as fan:
        graph = fan.graph(lines)
        graph.add(lambda line: line * 2, name="doubled", each={"line": "lines"})
        assert graph.run(item=4).value("doubled") == [8]
