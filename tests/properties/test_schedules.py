"""The engine's own threads under schedules that are drawn: each scenario holds, whoever comes first.

``THREADFAN_SCHEDULES=100000`` runs so many, over all scenarios together, and ``THREADFAN_SCHEDULES_FROM=7`` begins with
another seed; a failure says how to run its schedule again.
"""

import os

import pytest

from support.schedules import (
    every,
    explore,
    harness,
    of_batches,
    of_mixtures,
    of_parts,
    of_policies,
    of_single_calls,
    only_where_lines_are_told,
    replay,
)
from support.schedules.scenario import SCENARIOS
from threadfan._core.base.locks import GIL

__all__ = ["of_batches", "of_mixtures", "of_policies", "of_single_calls"]  # whose scenarios are known from here on

COUNT = int(os.environ.get("THREADFAN_SCHEDULES", "400" if GIL else "150"))  # those have six times as many points
SEED = int(os.environ.get("THREADFAN_SCHEDULES_FROM", "0"))
AGAIN = os.environ.get("THREADFAN_SCHEDULE", "")
PARTS = [scenario for scenario in SCENARIOS.values() if scenario.__module__ == of_parts.__name__]

# In some schedules time passes while a thread is on its way back.
pytestmark = [
    only_where_lines_are_told,
    pytest.mark.usefixtures("passing_over"),
    pytest.mark.filterwarnings("ignore:.*still stuck in:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:.*as many threads as max_abandoned:RuntimeWarning"),
    pytest.mark.timeout(0 if "THREADFAN_SCHEDULES" in os.environ else 300),
]


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_what_a_scenario_promises(scenario):
    """It holds in each schedule that is drawn."""
    if AGAIN and AGAIN.partition(":")[0] != scenario.__name__:
        pytest.skip("another scenario's schedule is to be run again")
    with harness(scenario):
        if AGAIN:
            replay(scenario, AGAIN, flies=scenario.flies)
        else:
            explore(scenario, max(1, COUNT // len(SCENARIOS)), SEED, flies=scenario.flies)


@pytest.mark.skipif(bool(AGAIN), reason="one schedule is to be run again")
@pytest.mark.parametrize("scenario", PARTS, ids=lambda scenario: scenario.__name__)
def test_all_schedules_of_a_part(scenario):
    """It holds in every schedule that departs once from the plain order; twice, if there is time."""
    with harness(scenario):
        assert every(scenario, 1 if COUNT < 10_000 else 2, 500 if COUNT < 10_000 else COUNT // 20) > 20
