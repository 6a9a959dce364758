"""gRPC: calls through a channel that end with the scope they run in.

For example::

    with attach(grpc.insecure_channel("localhost:50051")) as channel, Fan(20, timeout=30) as fan:
        report = fan.run(GreeterStub(channel).SayHello, requests)

A channel cannot be changed, so ``attach`` gives another one over it.

Guarantees: a call, whether its requests or its answers are one or a stream of them, has no more time than its scope has
left, which its server is told; at the end of the scope it is cancelled, also while nobody waits for it, and
CallCancelled is raised in whoever waits for its answer, or for the next one.  A stream that is dropped is cancelled, as
gRPC does it.  Outside of a scope nothing changes.  What gRPC does in threads of its own is in no scope: it reads a
stream of requests there, and calls what was given to ``add_done_callback``.

Not reached before the deadline is a call of which an interceptor below has made something that cannot be cancelled, as
a generator, or that it waits for itself; so interceptors of that kind belong above:
``grpc.intercept_channel(attach(channel), …)``.
"""

from __future__ import annotations

from functools import partial
from math import inf
from weakref import ref

import grpc

from .._core.base.texts import brief
from .._core.scope.abort import Abort, acts_of
from .._core.scope.scope import scope_here, time_left
from .passing import pass_through

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self, TypeVar

    from .._core.scope.scope import Scope

    C = TypeVar("C")
    T = TypeVar("T")

    Channel = object  # gRPC has no types of its own
    CallBase = object
    OneAnswerBase = object
    AnswersBase = object
else:
    Channel = grpc.Channel

    def _passed_on(name: str) -> Callable[..., object]:
        def method(self: _Call, *args: object, **options: object) -> object:
            return getattr(self._inner, name)(*args, **options)

        return method

    _METHODS = grpc.Call.__abstractmethods__ | grpc.Future.__abstractmethods__
    CallBase = type("CallBase", (grpc.Call, grpc.Future), {name: _passed_on(name) for name in _METHODS})
    OneAnswerBase = type("OneAnswerBase", (grpc.UnaryUnaryMultiCallable, grpc.StreamUnaryMultiCallable), {})
    AnswersBase = type("AnswersBase", (grpc.UnaryStreamMultiCallable, grpc.StreamStreamMultiCallable), {})


__all__ = ["attach"]

SLACK = 0.1
"""Seconds by which gRPC's own deadline comes after the scope's.  Arbitrary, but not 0: at that the call is cancelled,
and that, not an error of gRPC's, should be what ends it."""


def attach(channel: C) -> C:
    """A channel whose calls end with their scope, over another one, which goes on as it is.

    Harmless when done twice.  Interceptors work on either side of it; above, the calls that they get can be cancelled.

    Raises:
        TypeError: it is something else, or a channel for coroutines.
    """
    if isinstance(channel, _Channel):
        return channel
    if type(channel).__module__.startswith("grpc.aio"):
        raise TypeError(f"attach got {brief(channel)}, which is for coroutines; right is grpc.insecure_channel(…)")
    if not isinstance(channel, grpc.Channel):
        raise TypeError(f"attach got {brief(channel)}; right is a channel, such as grpc.insecure_channel(…)")
    made: C = _Channel(channel)  # type: ignore[assignment]  # it has all that a channel has
    return made


class _Channel(Channel):
    def __init__(self, inner: grpc.Channel) -> None:
        self._inner = inner

    def subscribe(self, *args: object, **options: object) -> None:
        """As ever."""
        self._inner.subscribe(*args, **options)

    def unsubscribe(self, callback: Callable[..., object]) -> None:
        """As ever."""
        self._inner.unsubscribe(callback)

    def unary_unary(self, *args: object, **options: object) -> _OneAnswer:
        """A function that asks once and gets one answer."""
        return _OneAnswer(self._inner.unary_unary(*args, **options))

    def stream_unary(self, *args: object, **options: object) -> _OneAnswer:
        """A function that asks with a stream and gets one answer."""
        return _OneAnswer(self._inner.stream_unary(*args, **options))

    def unary_stream(self, *args: object, **options: object) -> _Answers:
        """A function that asks once and gets a stream of answers."""
        return _Answers(self._inner.unary_stream(*args, **options))

    def stream_stream(self, *args: object, **options: object) -> _Answers:
        """A function that asks with a stream and gets one."""
        return _Answers(self._inner.stream_stream(*args, **options))

    def close(self) -> None:
        """Close the channel that it is over."""
        self._inner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class _OneAnswer(OneAnswerBase):
    """A method of a service's whose calls have one answer; they take what gRPC's own take."""

    def __init__(self, inner: grpc.UnaryUnaryMultiCallable) -> None:
        self._inner = inner

    def __call__(self, *args: object, **options: object) -> object:
        """The answer."""
        if scope_here() is None:
            return self._inner(*args, **options)
        return self.with_call(*args, **options)[0]

    def with_call(self, *args: object, **options: object) -> tuple[object, object]:
        """The answer, and the call."""
        if scope_here() is None:
            found: tuple[object, object] = self._inner.with_call(*args, **options)
            return found
        call = self.future(*args, **options)  # for only this can be cancelled
        try:
            return call.answer(), call
        finally:
            del call  # an error's traceback holds this frame, and the call may be that error: leave no cycle

    def future(self, *args: object, **options: object) -> _Call:
        """The call, of which the answer can be waited for."""
        return _begun(self._inner.future, args, options)


class _Answers(AnswersBase):
    """A method of a service's whose calls have a stream of answers; they take what gRPC's own take."""

    def __init__(self, inner: grpc.UnaryStreamMultiCallable) -> None:
        self._inner = inner

    def __call__(self, *args: object, **options: object) -> _Call:
        """The call, which is an iterator of answers."""
        return _begun(self._inner, args, options)


def _begun(begin: Callable[..., grpc.Call], args: tuple[object, ...], options: dict[str, Any]) -> _Call:
    """A call with no more time than its scope has left; its own is the second argument, or goes by its name."""
    scope = scope_here()
    left = inf if scope is None else time_left(scope) + SLACK
    if left != inf:
        timeout = args[1] if len(args) > 1 else options.get("timeout")
        least = left if timeout is None else min(timeout, left)  # type: ignore[type-var]  # it is a number
        if len(args) > 1:
            args = (args[0], least, *args[2:])
        else:
            options["timeout"] = least
    return _Call(begin(*args, **options), scope)


class _Call(CallBase):
    """A call that has begun.

    Args:
        inner: gRPC's, or what an interceptor has made of it: an iterator at least.
        scope: in which it has begun.
    """

    def __init__(self, inner: grpc.Call, scope: Scope | None) -> None:
        self._inner = inner
        self._scope = scope
        if scope is not None and hasattr(inner, "add_callback"):
            acts = acts_of(scope)
            key = object()
            acts[key] = partial(_cancel, ref(inner))  # who drops the call has gRPC cancel it
            if not inner.add_callback(partial(acts.pop, key, None)):
                acts.pop(key, None)
            elif acts.ended:
                acts.end()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> object:
        try:
            return self._until_the_end(partial(next, self._inner))
        finally:
            del self  # as below

    next = __next__

    def result(self, timeout: float | None = None) -> object:
        """The answer."""
        try:
            return self._until_the_end(partial(self._inner.result, timeout))
        finally:
            del self  # an error's traceback holds this frame, and this may be the error: leave no cycle

    def exception(self, timeout: float | None = None) -> object:
        """The error that it has failed with, or None."""
        try:
            return self._until_the_end(partial(self._inner.exception, timeout))
        finally:
            del self

    def add_done_callback(self, fn: Callable[[Self], object]) -> None:
        """As ever; the function is called with this, and not with gRPC's."""
        self._inner.add_done_callback(lambda _: fn(self))

    def answer(self) -> object:
        """``result()`` for who has no call in hand: what was cancelled has failed like others."""
        try:
            return self.result()
        except grpc.FutureCancelledError:
            if isinstance(self._inner, grpc.RpcError):
                raise self._inner from None
            raise
        except BaseException:  # nobody will ask for it any more
            self._inner.cancel()
            raise
        finally:
            del self

    def _until_the_end(self, act: Callable[[], T]) -> T:
        scope, error = scope_here(), None
        try:
            if scope is None:
                return act()
            scope.check()
            with Abort(scope, getattr(self._inner, "cancel", int)):
                done = act()
            scope.touch()
            return done
        except (grpc.RpcError, grpc.FutureCancelledError) as failed:
            error = failed.with_traceback(None)  # else it holds gRPC's own frames, and they hold it
        finally:
            del act
        try:
            for ending in (scope, self._scope if _cut_short(error) else None):
                if ending is not None:
                    ending.check()
            raise error
        finally:
            del self, error, scope, ending

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)


def _cut_short(error: Exception) -> bool:
    """Whether a call may have failed because its scope has ended; one that failed otherwise says so at any time."""
    if isinstance(error, grpc.FutureCancelledError):
        return True
    code = getattr(error, "code", None)
    return (code() if callable(code) else code) in (grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED)


def _cancel(call: ref[grpc.Call]) -> None:
    found = call()
    if found is not None:
        found.cancel()


if not TYPE_CHECKING:
    __getattr__, __dir__ = pass_through(__name__, "grpc")
