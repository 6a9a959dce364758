"""What a fan offers as the standard library's executor: ``submit`` and ``map``, and ``starmap`` like it."""

from __future__ import annotations

from concurrent.futures import Executor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent import futures
    from contextvars import copy_context  # noqa: TC004 -- at run time by ``prepare``
    from types import ModuleType
    from typing import Any, Never, ParamSpec, TypeVar

    from ..calls.future import Future
    from ..calls.keys import By
    from ..calls.options import Options
    from ..policies.rate_limit import RateLimit
    from ..pool.scheduler import Scheduler
    from ..scope.around import scope_around, scope_var  # noqa: TC004 -- the same

    P = ParamSpec("P")
    R = TypeVar("R")


def prepare() -> None:
    """With the first fan: have what ``submit`` needs, and the import of the package is to be cheap without."""
    global copy_context, scope_around, scope_var
    from contextvars import copy_context

    from ..scope.around import scope_around, scope_var


_variables_module: ModuleType | None = None


def _variables() -> ModuleType:
    """What belongs to threads among context variables; imported once a caller has any."""
    global _variables_module
    from ..base import variables

    _variables_module = variables
    return variables


class StandardCalls:
    """Calls as ``concurrent.futures`` has them."""

    _scheduler: Scheduler
    _options: Options
    _future: type[Future[Any]]
    """What ``submit`` makes; imported with the first fan."""

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> futures.Future[R]:
        """Have ``fn(*args, **kwargs)`` called in a thread, under the fan's timeout.

        Returns:
            A future; at the timeout its result is a ``TaskTimeout``.

        Raises:
            RuntimeError: the fan is shut down, or (``BrokenThreadPool``) its initializer failed.
        """
        scheduler, options = self._scheduler, self._options
        outer = None if scope_var.get(None) is None else scope_around()
        if options.dresses:
            fn = options.dressed(fn)
        context = copy_context()
        if context:
            (_variables_module or _variables()).settle(context)
        future: Future[R] = self._future(
            scheduler, fn, args, kwargs, context, options.timeout, scheduler.clock.monotonic()
        )
        if outer is not None:
            future.outer = outer  # before its first attempt, whose wait for the next it bounds
        policies = options.policies
        if policies is not None:
            future.policies = policies
            if not policies.first_is_plain:
                future.state = policies.state(args, kwargs, future.since)
        future.hand_in(scheduler, options.home, policies)
        if outer is not None:
            future.end_with(outer)
        return future

    def map(
        self,
        fn: Callable[..., R],
        *iterables: Iterable[object],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
        by: Callable[..., object] | None = None,
        max_concurrent: int | None = None,
        rate: RateLimit | None = None,
        priority: float | None = None,
        **misplaced: Never,
    ) -> Iterator[R]:
        """The results of ``fn`` over the iterables (the shortest one ends it), in input order.

        Args:
            timeout: seconds from now after which waiting for the next result raises ``TimeoutError``.
            chunksize: has no effect on threads.
            buffersize: how many inputs may be taken and not yet yielded; None takes all inputs now, and then the
                results can be read after the fan is closed.
            by: as for ``run``, as are ``max_concurrent``, ``rate`` and ``priority``.
        """
        if misplaced:
            from ..base.checks import refuse_misplaced

            refuse_misplaced("fan.map", misplaced)
        own = (by, max_concurrent, rate, priority)
        return self._map(fn, iterables, timeout, chunksize, buffersize, own)

    def starmap(
        self,
        fn: Callable[..., R],
        iterable: Iterable[Iterable[object]],
        /,
        *,
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
        by: Callable[..., object] | None = None,
        max_concurrent: int | None = None,
        rate: RateLimit | None = None,
        priority: float | None = None,
        **misplaced: Never,
    ) -> Iterator[R]:
        """``map`` over tuples of arguments: ``fan.starmap(pow, [(2, 5), (3, 2)])`` gives 32 and 9.

        Args:
            iterable: each input has the arguments of one call.
            timeout: and the rest: as for ``map``.
        """
        if misplaced:
            from ..base.checks import refuse_misplaced

            refuse_misplaced("fan.starmap", misplaced)
        own = (by, max_concurrent, rate, priority)
        return self._map(fn, (iterable,), timeout, chunksize, buffersize, own, star=True)

    def _map(
        self,
        fn: Callable[..., R],
        iterables: tuple[Iterable[object], ...],
        timeout: float | None,
        chunksize: int,
        buffersize: int | None,
        own: tuple[By | None, int | None, RateLimit | None, float | None],
        *,
        star: bool = False,
    ) -> Iterator[R]:
        from ..base import checks
        from ..base.given import real, whole
        from ..base.texts import brief
        from ..batches.mapping import mapped

        if not callable(fn):
            raise TypeError(f"{'starmap' if star else 'map'} needs a function to call, not {brief(fn)}")
        if timeout is not None and real(timeout) is None:
            raise TypeError(f"timeout must be a number of seconds or None, not {brief(timeout)}")
        size = None if buffersize is None else whole(buffersize)
        if buffersize is not None and size is None:
            raise TypeError(f"buffersize must be an integer or None, not {brief(buffersize)}")
        if size is not None and size < 1:
            raise ValueError(f"buffersize must be None or > 0, not {buffersize!r}")
        if not iterables:
            return iter(())
        if star:
            from ..batches import intake

            intake.check("fan.starmap", checks.function("fan.starmap", fn), iterables, star=True)
        plain = own == (None, None, None, None)
        options = self._options if plain else self._options.of_batch(*own)
        if size is None and plain and getattr(self.submit, "__func__", None) is not StandardCalls.submit:
            # Somebody counts, traces or wraps what is submitted, and map must not pass them by.
            by_one = intake.taking_tuples(fn, iterables, star=True) if star else fn
            return Executor.map(self, by_one, *iterables, timeout=timeout)  # type: ignore[arg-type]
        return mapped(self._scheduler, options, fn, iterables, timeout=timeout, buffersize=size, star=star, owner=self)
