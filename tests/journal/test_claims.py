"""Of all runs with one journal at most one has an item, in whatever process and whoever came first."""

import contextlib
import os
import subprocess
import sys

import pytest

from support.calls_counted import ROOT, kill
from threadfan._core.journal.claims import Claims
from threadfan._core.journal.claims_table import SIZE

PROGRAM = """
import sys
from threadfan._core.journal.claims import Claims

claims = Claims(sys.argv[1])
claims.open()
for line in sys.stdin:
    print(eval(line), flush=True)
claims.close()
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL, and the table needs locks that are shared")


def key(number):
    """That of an item."""
    return number.to_bytes(8, "big")


class Other:
    """The claims of a run in another process."""

    def __init__(self, path):
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", PROGRAM, path], env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.others  # noqa: B018 -- it has begun

    def _ask(self, what):
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    @property
    def others(self):
        """As of claims here."""
        return self._ask("claims.others") == "True"

    def take(self, one):
        """As of claims here."""
        return self._ask(f"claims.take({one})") == "True"

    def take_all(self, some):
        """Whether it has all of them now."""
        return self._ask(f"all([claims.take(one) for one in {some}])") == "True"

    def give_back(self, one):
        """As of claims here."""
        self._ask(f"claims.give_back({one})")

    def close(self):
        """End the process, as it ends by itself."""
        self.process.communicate()

    def kill(self):
        """End it at once."""
        kill(self.process)
        self.process.communicate()


@pytest.fixture
def begin(path):
    """Makes the claims of a run, here or in another process."""
    with contextlib.ExitStack() as stack:

        def made(*, there):
            if there:
                claims = Other(path)
            else:
                claims = Claims(path)
                claims.open()
            stack.callback(claims.close)
            return claims

        yield made


@pytest.mark.parametrize("there", [False, True])
def test_who_comes_finds_what_the_first_has_under_way(begin, there):
    """The one that came first has locked nothing until then; from then on both lock what they begin with."""
    first = begin(there=there)
    assert not first.others
    assert first.take(key(1))
    assert first.take(key(2))
    second = begin(there=not there)
    assert first.others
    assert second.others
    assert not second.take(key(1))
    assert second.take(key(3))
    assert not first.take(key(3))
    assert first.take(key(4))
    assert not second.take(key(4))
    first.give_back(key(1))
    assert second.take(key(1))
    assert not first.take(key(1))
    assert not second.take(key(2))
    first.give_back(key(2))
    first.give_back(key(4))
    assert second.take(key(2))
    assert second.take(key(4))
    second.give_back(key(3))
    assert first.take(key(3))


def test_the_first_is_killed(begin):
    """What it had under way is free, locked or not."""
    first = begin(there=True)
    assert first.take(key(1))
    second = begin(there=False)
    assert first.take(key(2))
    assert not second.take(key(1))
    assert not second.take(key(2))
    first.kill()
    assert second.take(key(1))
    assert second.take(key(2))
    third = begin(there=True)
    assert not third.take(key(1))
    assert third.take(key(3))


def test_the_first_ends(begin, path):
    """What it had is free, and the file of claims stays for those that are left."""
    first = begin(there=False)
    assert first.take(key(1))
    second = begin(there=True)
    assert not second.take(key(1))
    first.close()
    assert second.take(key(1))
    assert second.others
    first = begin(there=False)
    assert not first.take(key(1))
    assert first.take(key(2))
    assert not second.take(key(2))
    second.close()
    assert first.take(key(1))
    assert os.path.exists(f"{path}-claims")
    first.close()
    assert not os.path.exists(f"{path}-claims")


def test_what_the_dead_have_left(begin, path):
    """It counts no more, and whoever comes then is alone again."""
    first = begin(there=True)
    assert first.take(key(1))
    first.kill()
    assert os.path.exists(f"{path}-claims")
    second = begin(there=True)
    assert not second.others
    assert second.take(key(1))
    assert not begin(there=False).take(key(1))


@pytest.mark.parametrize("there", [False, True])
def test_more_items_at_once_than_are_noted(begin, there):
    """Those are locked."""
    many = [key(number) for number in range(SIZE // 8 + 20)]
    first = begin(there=there)
    assert first.take_all(many) if there else all(map(first.take, many))
    second = begin(there=not there)
    assert not any(second.take(one) for one in many[::30] + many[-21:])
    for one in many[-21:]:
        first.give_back(one)
    assert all(second.take(one) for one in many[-21:])


def test_a_run_may_have_an_item_twice(begin):
    """As when a call is tried again that has not returned; other runs have it when it was given back twice."""
    first, same = begin(there=False), begin(there=False)
    assert first.take(key(1))
    assert first.take(key(1))
    other = begin(there=True)
    for _ in range(2):
        assert not same.take(key(1))
        assert not other.take(key(1))
        first.give_back(key(1))
    assert other.take(key(1))
