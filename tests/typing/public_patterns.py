"""The patterns as a type checker sees them.  Never run: `test_types.py` has it checked."""

from typing import Any, assert_type

from threadfan import Fan, Outcome, Report, task
from threadfan.patterns import (
    Aggregate,
    AllSucceed,
    Best,
    Collect,
    FirstSuccess,
    GuardFailed,
    Joiner,
    Majority,
    MergeConflict,
    Merged,
    Quorum,
    Synthesis,
    Vote,
    VoteTied,
    afan_out,
    aguard,
    amap_reduce,
    aquorum,
    arace,
    avote,
    best_score,
    concatenate,
    fan_out,
    guard,
    majority_vote,
    map_reduce,
    merge,
    quorum,
    race,
    synthesise,
    vote,
)


def one() -> int:
    """A task."""
    return 1


def check() -> bool:
    """A check."""
    return True


def parts(job: str) -> list[str]:
    """Takes a job apart."""
    return job.split()


def work(part: str) -> int:
    """Works on a part."""
    return len(part)


def total(report: Report[int]) -> float:
    """Puts parts together."""
    return sum(report.unwrap())


async def aone() -> int:
    """The same as coroutine functions."""
    return 1


async def acheck() -> bool:
    """So that."""
    return True


async def aparts(job: str) -> list[str]:
    """And that."""
    return job.split()


async def awork(part: str) -> int:
    """And that."""
    return len(part)


async def atotal(report: Report[int]) -> float:
    """And that."""
    return sum(report.unwrap())


def table(number: int) -> dict[str, int]:
    """A dictionary."""
    return {"number": number}


class Enough(Joiner[int, str]):
    """A policy of one's own."""

    def joined(self, outcome: Outcome[int]) -> bool:
        """Stop at the first that is large."""
        return outcome.ok and outcome.unwrap() > 3

    def result(self, report: Report[int]) -> str:
        """What it comes to."""
        return repr(report)


def patterns(fan: Fan) -> None:
    """What the tasks return is what comes back."""
    assert_type(race(fan, one, b=one), Outcome[int])
    assert_type(quorum(fan, 2, one, one), Report[int])
    assert_type(vote(fan, one, of=3, key=lambda number: number % 2), Vote[int])
    assert_type(vote(fan, one, tie=min).winner, int)
    assert_type(guard(fan, one, check), int)
    assert_type(race(fan.with_options(timeout=5), task(one)).unwrap(), int)
    assert_type(race(fan, first=task(work, "x"), second=task(one).with_options(timeout=5)), Outcome[int])
    assert_type(vote(fan, task(work, "x"), of=9), Vote[int])
    assert_type(guard(fan, task(work, "x"), task(check)), int)
    assert_type(fan_out(fan, "a b", decompose=parts, work=work, synthesise=total), Synthesis[float])
    assert_type(map_reduce(fan, work, ["a"], reduce=max), Aggregate[int])
    assert_type(map_reduce(fan, work, ["a"], reduce=int.__add__, initial=0).value, int)
    vote(fan, one, tie="last")  # type: ignore[arg-type]
    guard(fan, one, parts)  # type: ignore[arg-type]


def policies(fan: Fan) -> None:
    """A policy of one's own keeps its types; those there are take any tasks."""
    assert_type(fan.join(Enough(), one, b=one), str)
    fan.join(Enough(), lambda: "text")  # type: ignore[arg-type, return-value]
    assert_type(fan.join(FirstSuccess(), one), Outcome[int])
    assert_type(fan.join(Quorum(1), one, b=task(work, "x")), Report[int])
    assert_type(fan.join(AllSucceed(), one), Report[int])
    assert_type(fan.join(Collect(), one), Report[int])
    assert_type(fan.join(Majority(), one), Vote[Any])


def errors(error: GuardFailed | VoteTied | MergeConflict) -> None:
    """What they carry is known."""
    assert_type(error.report, Report[Any])


def aggregates(report: Report[str], tables: Report[dict[str, int]], lists: Report[list[int]]) -> None:
    """What a report holds is what comes of it."""
    assert_type(concatenate(report), Aggregate[str])
    assert_type(concatenate(lists).value, list[int])
    assert_type(majority_vote(report, key=str.casefold), Vote[str])
    assert_type(best_score(report, key=len), Best[str])
    assert_type(merge(tables, conflicts="last"), Merged[dict[str, int]])
    assert_type(synthesise(report, len), Synthesis[int])


async def asynchronous(fan: Fan) -> None:
    """So they do when awaited."""
    assert_type(await arace(fan, one), Outcome[int])
    assert_type(await arace(fan, aone, b=task(awork, "x")), Outcome[int])
    assert_type(await arace(fan, aone, one), Outcome[int])
    assert_type(await aquorum(fan, 1, one), Report[int])
    assert_type(await aquorum(fan, 1, aone, aone), Report[int])
    assert_type(await avote(fan, one, of=3), Vote[int])
    assert_type(await avote(fan, task(awork, "x"), of=3, key=lambda number: number % 2), Vote[int])
    assert_type(await aguard(fan, one, check), int)
    assert_type(await aguard(fan, aone, acheck, check), int)
    assert_type(await fan.ajoin(Enough(), one), str)
    assert_type(await fan.ajoin(Enough(), aone, b=one), str)
    assert_type(await fan.ajoin(FirstSuccess(), one), Outcome[int])
    assert_type(await fan.ajoin(FirstSuccess(), aone), Outcome[int])
    assert_type(await fan.ajoin(Collect(), aone, task(awork, "x")), Report[int])
    assert_type(await fan.ajoin(Quorum(1), one), Report[int])
    assert_type(await amap_reduce(fan, awork, ["a"], reduce=max), Aggregate[int])
    assert_type(await amap_reduce(fan, work, ["a"], reduce=int.__add__, initial=0), Aggregate[int])
    assert_type(await afan_out(fan, "a b", decompose=parts, work=work, synthesise=total), Synthesis[float])
    assert_type(await afan_out(fan, "a b", decompose=aparts, work=awork, synthesise=atotal), Synthesis[float])
    assert_type(await afan_out(fan, "a b", decompose=parts, work=awork, synthesise=total), Synthesis[float])
    assert_type(await afan_out(fan, "a b", decompose=aparts, work=work, synthesise=atotal), Synthesis[float])
