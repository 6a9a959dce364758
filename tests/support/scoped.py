"""Functions run as calls, each in a thread and a scope that the test has at hand."""

import threading
from concurrent.futures import Future

from threadfan._core.scope.scope import scope_var


def call(scope, fn, *args):
    """Run a function in a thread of its own, as a call with this scope; gives a future of its result."""
    future = Future()

    def run():
        scope_var.set(scope)
        try:
            future.set_result(fn(*args))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="call", daemon=True).start()
    return future
