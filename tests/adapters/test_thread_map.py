"""`threadfan.adapters.tqdm.thread_map`: tqdm's one-liner on a fan."""

import io
import itertools
from multiprocessing import resource_tracker

import pytest

from support.controlled import PATIENCE, Gate, aside, until
from threadfan.adapters.tqdm import thread_map

tqdm = pytest.importorskip("tqdm")


@pytest.fixture(scope="module", autouse=True)
def _tracker():
    """That of multiprocessing, which from 3.14 on tqdm's lock starts, once for the process."""
    resource_tracker.ensure_running()


class Bar:
    """A bar that notes what it is told."""

    made = None

    def __init__(self, **options):
        type(self).made = self
        self.options, self.n, self.closed = options, 0, False

    def update(self):
        """One more."""
        self.n += 1

    def close(self):
        """No more."""
        self.closed = True


def test_it_gives_what_tqdms_gives():
    """Results in the order of the inputs; of several iterables, as far as the shortest."""
    from tqdm.contrib.concurrent import thread_map as theirs

    for given in ([[3, 1, 2]], [range(5), [7, 8, 9]], [iter("abc"), itertools.count()], [[]]):
        kept = [list(itertools.islice(one, 9)) for one in given]
        options = {"max_workers": 3, "chunksize": 2, "file": io.StringIO()}
        assert thread_map(lambda *args: args, *kept, **options) == theirs(lambda *args: args, *kept, **options)


def test_the_bar_is_tqdms():
    """With a total if one is known, and with the user's options."""
    shown = io.StringIO()
    assert thread_map(abs, [-1, -2], file=shown, desc="pages") == [1, 2]
    assert "pages: 100%" in shown.getvalue()
    assert "2/2" in shown.getvalue()


def test_the_bar_counts_what_has_ended():
    """One slow call does not hold it up."""
    gate = Gate()

    def wait(number):
        return gate(number) if number == 0 else number

    done = aside(thread_map, wait, [0, 1, 2, 3], max_workers=2, tqdm_class=Bar, desc="x")
    until(lambda: Bar.made is not None and Bar.made.n == 3)
    assert Bar.made.options == {"total": 4, "desc": "x"}
    gate.open()
    assert done.result(PATIENCE) == [0, 1, 2, 3]
    assert Bar.made.n == 4
    assert Bar.made.closed


def test_the_first_failure_ends_the_rest():
    """It is raised as it is, and the bar is closed."""
    called = []

    def fail(number):
        called.append(number)
        raise LookupError(number)

    with pytest.raises(LookupError):
        thread_map(fail, range(10_000), max_workers=1, tqdm_class=Bar)
    assert len(called) < 10_000
    assert Bar.made.closed


def test_calls_are_tried_again():
    """The fan's options are there."""
    failing = [ConnectionError()]

    def once(number):
        if failing:
            raise failing.pop()
        return number

    assert thread_map(once, [5], retry=1, timeout=PATIENCE, tqdm_class=Bar) == [5]


def test_wrong_arguments_are_told():
    """Without inputs there is nothing to do."""
    with pytest.raises(TypeError, match="at least one iterable"):
        thread_map(abs)
