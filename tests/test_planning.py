"""What the page on planning says of many machines and one limit, on small fleets in virtual time."""

import os
from importlib import import_module
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    os.environ.get("THREADFAN_CHECKED") == "1", reason="simulated machines have no threads, and so take no locks"
)
ROOT = Path(__file__).parents[1]
PER_MINUTE = 1_200


@pytest.fixture
def planning(monkeypatch):
    """The simulator's function that runs a fleet, and its scenarios."""
    monkeypatch.syspath_prepend(ROOT)
    return import_module("benchmarks.planning.measures"), import_module("benchmarks.planning.scenarios")


@pytest.fixture
def fleet(planning):
    """A function that runs ten machines with more work than time."""
    measures, _ = planning

    def run(setting, machines=10, slots=8, **options):
        return measures.run(
            setting, machines, PER_MINUTE, slots, **{"phase": 40.0, "warm_up": 20.0, "changes": False, **options}
        )

    return run


def test_one_limit_in_common_is_used_evenly_and_nothing_is_refused(planning, fleet):
    """The tickets of the store keep all machines to one limit: hardly any of it is left, and all get the same."""
    found = fleet(planning[1].SHARED)
    assert found.used > 0.9
    assert found.refused < 0.01
    assert found.machines > 0.95
    assert found.failed == 0
    assert 1 < found.asked < 6


def test_retries_alone_lose_items(planning, fleet):
    """Without a limit most requests are refused, and items run out of retries."""
    found = fleet(planning[1].ALONE, warm_up=5.0, phase=5.0)
    assert found.refused > 0.5
    assert found.failed > 0.3


def test_parts_of_a_limit_are_left_where_there_is_no_work(planning, fleet):
    """A tenth of the machines has work: with parts a tenth of the limit is used, with one in common nearly all."""
    _, scenarios = planning
    found = [fleet(way, 20, 40, jobs=scenarios.tenth) for way in (scenarios.PART, scenarios.SHARED)]
    assert found[0].used < 0.15
    assert found[1].used > 4 * found[0].used
    assert found[1].refused < 0.05


def test_what_has_no_figure_follows_a_change_soonest(planning, fleet):
    """An ``Adaptive`` is at the half of a limit in seconds, and at the whole of it again before a ``RateLimit``."""
    _, scenarios = planning
    free, fixed = (fleet(way, 4, 20, changes=True, phase=200.0) for way in (scenarios.ADAPTIVE, scenarios.ALL))
    assert free.halved is not None
    assert free.halved < 20
    assert free.doubled is not None
    assert fixed.doubled is None or free.doubled < fixed.doubled
    assert free.failed == fixed.failed == 0


def test_more_machines_that_learn_alone_are_refused_more(planning, fleet):
    """Each has to be refused to learn, and a server that has many to teach refuses many."""
    found = [fleet(planning[1].ADAPTIVE, machines, phase=60.0) for machines in (2, 40)]
    assert found[0].refused < 0.03 < found[1].refused
    assert min(result.used for result in found) > 0.9


def test_tenants_get_the_same_with_by(planning):
    """One has nine of ten items: without ``by=`` it gets nine of ten calls, with it as many as each of the others."""
    _, scenarios = planning
    titles = dict(scenarios.jobs(5.0))
    _, mixed, kept, _ = titles.values()
    assert mixed().jobs < 0.2
    assert kept().jobs > 0.9


def test_a_breaker_fails_a_batch_that_could_have_waited(planning):
    """While the provider is down it spares nearly all requests, and costs the items that it does not let through."""
    _, scenarios = planning
    without, with_one = (simulate() for _, simulate in scenarios.outage(4, 300, 240))
    assert with_one.lost < without.lost / 2
    assert with_one.failed > 2 * without.failed


def test_every_scenario_runs_and_has_a_line(planning, monkeypatch, capsys):
    """The program prints a row for each, and the longest one is left out unless it is asked for."""
    program = import_module("benchmarks.planning.__main__")
    program.main(["--quick", "--only", "idle", "outage", "items"])
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.startswith("used | refused ")
    assert len(rows) == 7
    assert all(row.count(" | ") == head.count(" | ") for row in rows)
    assert "1,000 items, 600 a minute: " in rows[-1]
