"""What `threadfan.patterns` offers: everything is documented, and each pattern has its twin."""

import inspect

import pytest

from threadfan import patterns

PATTERNS = ["fan_out", "guard", "map_reduce", "quorum", "race", "vote"]


def shape(fn):
    """The parameters of a function: names, kinds, defaults."""
    return [(one.name, one.kind, one.default) for one in inspect.signature(fn).parameters.values()]


@pytest.mark.parametrize("name", PATTERNS)
def test_each_pattern_has_a_twin(name):
    """The same name with an `a` before it takes the same arguments, the fan first, and is to be awaited."""
    plain, twin = getattr(patterns, name), getattr(patterns, f"a{name}")
    assert shape(plain) == shape(twin)
    assert shape(plain)[0][:2] == ("fan", inspect.Parameter.POSITIONAL_ONLY)
    assert inspect.iscoroutinefunction(twin)
    assert not inspect.iscoroutinefunction(plain)


def test_every_name_is_documented():
    """Each name says what it does, and stands once in the list."""
    assert len(patterns.__all__) == len(set(patterns.__all__))
    assert [name for name in patterns.__all__ if not inspect.getdoc(getattr(patterns, name))] == []
