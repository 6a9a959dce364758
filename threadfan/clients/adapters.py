"""The adapter of requests, made abortable in place."""

from __future__ import annotations

import functools
from typing import cast

from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from .._core.base import forks
from .._core.base.locks import Lock
from .._core.scope.scope import scope_around
from .pools import leave_to_parent, make_abortable, waiting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    import requests
    from requests.adapters import BaseAdapter
    from urllib3.poolmanager import ProxyManager


class AbortableAdapter(HTTPAdapter):
    """What is mixed into the class of an adapter."""

    _lock = Lock()  # of all adapters: two threads must not make two managers for one proxy
    _least_size = 1

    def _forked(self) -> None:
        """In the child of a fork: the connections are the parent's."""
        for manager in (self.poolmanager, *list(self.proxy_manager.values())):
            leave_to_parent(manager)

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a request; what goes wrong after the scope has ended is its end."""
        scope = scope_around()
        if scope is None:
            return super().send(*args, **kwargs)
        try:
            return super().send(*args, **kwargs)
        except Exception:
            scope.check()
            raise

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the manager of the connections without a proxy."""
        super().init_poolmanager(*args, **kwargs)
        make_abortable(self.poolmanager, self._least_size)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> ProxyManager:
        """The manager of the connections through a proxy."""
        with self._lock:
            known = self.proxy_manager.get(proxy)
            manager: ProxyManager = super().proxy_manager_for(proxy, **kwargs)
            if manager is not known:
                make_abortable(manager, self._least_size)
        return manager

    @property
    def max_retries(self) -> Retry:
        """How it retries; setting it is allowed at any time."""
        retries: Retry = self.__dict__["max_retries"]
        return retries

    @max_retries.setter
    def max_retries(self, retries: Retry | int | None) -> None:
        # What is no `Retry`, urllib3 would turn into one in just this way.
        self.__dict__["max_retries"] = waiting(Retry.from_int(retries, redirect=False))

    def __reduce__(self) -> tuple[object, ...]:
        (kind,) = type(self).__bases__[1:]
        return _unpickled, (kind, self._least_size, self.__getstate__())


def _in_child() -> None:
    AbortableAdapter._lock = Lock()


forks.in_child(_in_child)


@functools.cache
def _abortable_class(kind: type[HTTPAdapter]) -> type[HTTPAdapter]:
    return type(kind.__name__, (AbortableAdapter, kind), {})


def _unpickled(kind: type[HTTPAdapter], size: int, state: object) -> HTTPAdapter:
    adapter = kind.__new__(kind)
    adapter.__setstate__(state)  # type: ignore[attr-defined]
    adopt(adapter, size)
    return adapter


def adopt(adapter: BaseAdapter, size: int) -> None:
    """Make an adapter abortable in place, with room for ``size`` idle connections; harmless when done twice.

    Raises:
        TypeError: it is not an `HTTPAdapter`.
    """
    known = check(adapter, "the adapter")
    if isinstance(known, AbortableAdapter):
        return
    kind: Any = type(known)
    known.__class__ = _abortable_class(kind)  # its settings and the user's references to it stay
    now = cast("AbortableAdapter", known)
    now._least_size = size
    now.max_retries = now.max_retries
    for manager in (now.poolmanager, *now.proxy_manager.values()):
        make_abortable(manager, size)
    forks.renew(now, AbortableAdapter._forked)


def check(adapter: object, whose: str) -> HTTPAdapter:
    """The adapter, if it can be made abortable.

    Raises:
        TypeError: it is not an `HTTPAdapter`; ``whose`` says in the message which one.
    """
    if not isinstance(adapter, HTTPAdapter):
        raise TypeError(
            f"{whose} is a {type(adapter).__qualname__}, which opens its connections in a way of its own and cannot be "
            "made abortable; right would be a requests.adapters.HTTPAdapter or a subclass of it"
        )
    return adapter
