"""Values and errors die with their last reference, with the cycle collector off, whatever way they were come by."""

import pytest
import tenacity

from support.collector import without_collector
from support.kept_alive import WAYS, Failure, Probe, garbage
from threadfan import Fan, Hedge, RateLimit

pytestmark = pytest.mark.usefixtures("passing_over")


def policies():
    """Options under which each call has attempts, permits and a second attempt that is never made."""
    return {
        "timeout": 30,
        "retry": {Failure: tenacity.Retrying(stop=tenacity.stop_after_attempt(2), reraise=True)},
        "rate": RateLimit(requests_per_minute=1e7, burst=1000),
        "hedge": Hedge(after=30, budget=0.5),
    }


FANS = {
    "plain": lambda: Fan(2),
    "timeout": lambda: Fan(2, timeout=30),
    "policies": lambda: Fan(2, **policies()),
}


@pytest.mark.parametrize("fails", [False, True], ids=["value", "error"])
@pytest.mark.parametrize("make", FANS.values(), ids=FANS)
@pytest.mark.parametrize("use", WAYS.values(), ids=WAYS)
def test_nothing_outlives_its_last_reference(use, make, fails):
    """All that was returned or raised is gone when the user has let go of it, and no cycle of ours is left."""
    probe = Probe(fails=fails)
    with make() as fan:
        with without_collector(freeze=True):
            use(fan, probe)
            assert probe.left(fan) == []
        with without_collector(freeze=True):
            again = Probe(fails=fails)
            use(fan, again)
            assert again.left(fan) == []
            fan.shutdown()  # so that no thread is at anything while the collector looks
            assert garbage() == []
    assert probe.seen or "cancelled" in use.__qualname__ or use is WAYS["cancelled_before_it_starts"]


@pytest.mark.parametrize("fails", [False, True], ids=["value", "error"])
@pytest.mark.parametrize("use", WAYS.values(), ids=WAYS)
def test_nothing_outlives_its_last_reference_in_a_view(use, fails):
    """The same through a view with a cap, and such a view is gone with all it had."""
    probe = Probe(fails=fails)
    with Fan(2) as fan, without_collector(freeze=True):
        use(fan.with_options(max_concurrent=2), probe)
        assert probe.left(fan) == []
        fan.shutdown()
        assert garbage() == []
