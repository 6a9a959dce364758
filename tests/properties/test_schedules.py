"""The engine's own threads under schedules that are drawn: each scenario holds, whoever comes first.

``THREADFAN_SCHEDULES=100000`` runs so many, over all scenarios together, and ``THREADFAN_SCHEDULES_FROM=7`` begins with
another seed; a failure says how to run its schedule again.
"""

import os

import pytest

from support.schedules import explore, harness, of_batches, of_policies, of_single_calls, replay  # noqa: F401
from support.schedules.scenario import SCENARIOS

COUNT = int(os.environ.get("THREADFAN_SCHEDULES", "400"))
SEED = int(os.environ.get("THREADFAN_SCHEDULES_FROM", "0"))
AGAIN = os.environ.get("THREADFAN_SCHEDULE", "")

# In some schedules time passes while a thread is on its way back.
pytestmark = pytest.mark.filterwarnings("ignore:.*still stuck in:RuntimeWarning")


@pytest.mark.timeout(0 if "THREADFAN_SCHEDULES" in os.environ else 300)
@pytest.mark.parametrize("name", SCENARIOS)
def test_what_a_scenario_promises(name):
    """It holds in each schedule."""
    scenario = SCENARIOS[name]
    if AGAIN and AGAIN.partition(":")[0] != name:
        pytest.skip("another scenario's schedule is to be run again")
    with harness():
        if AGAIN:
            replay(scenario, AGAIN, flies=scenario.flies)
        else:
            explore(scenario, max(1, COUNT // len(SCENARIOS)), SEED, flies=scenario.flies)
