"""The patterns of parallel agents, each for blocking code and, with an ``a`` before its name, for coroutines.

    sectioning      different functions side by side: ``fan.gather``, needing nothing from here
    voting          ``vote``: the majority, and no call more than it takes to be certain
    quorum, race    ``quorum``, ``race``: the first successes, the rest is cancelled
    guard           ``guard``: a check beside the work
    spreading       ``fan_out``: decompose, work, synthesise; ``map_reduce``
    aggregation     ``concatenate``, ``majority_vote``, ``best_score``, ``merge``, ``synthesise``: of a report

Each takes the fan, or a view of it with options of its own, as its first argument.  When a part of the results is
enough, the remaining calls are cancelled and their threads are free.  The patterns that stop early are policies of
``fan.join``, which takes policies of your own too.  The async forms take coroutine functions as well.
"""

from __future__ import annotations

from .._core.batches.joiners import AllSucceed, Collect, FirstSuccess, Joiner, Quorum
from .aggregate import best_score, concatenate, majority_vote, merge, synthesise
from .errors import GuardFailed, MergeConflict, VoteTied
from .guarding import aguard, guard
from .racing import aquorum, arace, quorum, race
from .results import Aggregate, Best, Merged, Synthesis, Vote
from .spreading import afan_out, amap_reduce, fan_out, map_reduce
from .voting import Majority, avote, vote

__all__ = [
    # patterns
    "afan_out",
    "aguard",
    "amap_reduce",
    "aquorum",
    "arace",
    "avote",
    "fan_out",
    "guard",
    "map_reduce",
    "quorum",
    "race",
    "vote",
    # of a report
    "best_score",
    "concatenate",
    "majority_vote",
    "merge",
    "synthesise",
    # what comes back
    "Aggregate",
    "Best",
    "Merged",
    "Synthesis",
    "Vote",
    # policies of fan.join
    "AllSucceed",
    "Collect",
    "FirstSuccess",
    "Joiner",
    "Majority",
    "Quorum",
    # errors
    "GuardFailed",
    "MergeConflict",
    "VoteTied",
]
