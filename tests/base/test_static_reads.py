"""What is read of users' objects without running any of their code."""

import functools

import pytest

from threadfan._core.base.static import cause_of, context_of, describe, is_a, traceback_of


class Hostile:
    """Whatever is asked of it fails, as with a proxy that is bound to nothing."""

    __class__ = property(lambda self: 1 / 0)
    __dict__ = property(lambda self: 1 / 0)

    def __getattribute__(self, name):
        """Fail."""
        raise RuntimeError(f"asked for {name}")

    def __call__(self):
        """Do nothing."""


class HostileError(Exception):
    """An error that cannot be asked anything."""

    def __getattribute__(self, name):
        """Fail."""
        raise RuntimeError(f"asked for {name}")


class Wrapping:
    """An object that `functools.wraps` has named."""

    def __init__(self, fn):
        functools.update_wrapper(self, fn)

    def __call__(self):
        """Do nothing."""

    def method(self):
        """Do nothing."""


@functools.lru_cache
def cached():
    """Do nothing."""


def holding_itself():
    """A partial of itself."""
    outer = functools.partial(len)
    outer.__setstate__((outer, (), {}, {}))
    return outer


NAMES = [
    (Hostile(), "Hostile"),
    (functools.partial(Hostile()), "Hostile"),
    (Wrapping(cached), "cached"),
    (Wrapping(cached).method, "Wrapping.method"),
    (cached, "cached"),
    (Wrapping, "Wrapping"),
    (len, "len"),
    ([].append, "list.append"),
    (str.upper, "str.upper"),
    ((1).__add__, "int.__add__"),
    (describe, "describe"),
    (holding_itself(), "partial"),
]


@pytest.mark.parametrize("place", range(len(NAMES)), ids=lambda place: NAMES[place][1])
def test_a_name_is_read_without_asking(place):
    """Functions of every kind have their qualified name, and what cannot be asked that of its type."""
    fn, name = NAMES[place]
    assert describe(fn) == name


def test_a_kind_is_told_by_the_type():
    """What a thing says its class is does not count, nor does what its class says is an instance of it."""
    assert is_a(Hostile(), Hostile)
    assert not is_a(Hostile(), (int, str))
    assert is_a(True, (str, int))


def test_links_of_errors_are_read_without_asking():
    """The traceback, the cause and the context of an error that cannot be asked."""
    try:
        try:
            raise KeyError
        except KeyError as first:
            raise HostileError from first
    except HostileError as error:
        caught = error
    assert type(cause_of(caught)) is type(context_of(caught)) is KeyError
    assert traceback_of(caught).tb_frame.f_code.co_name == "test_links_of_errors_are_read_without_asking"
