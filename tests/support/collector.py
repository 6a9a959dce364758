"""The cycle collector: when it runs, and what it goes through.

All modules and tests together are some hundred thousand objects; a collection that goes through them takes a tenth of a
second, which thousands of tests would pay for.
"""

import gc
from contextlib import contextmanager


def pass_over():
    """Collect once, and leave whatever is there by now out of the collections to come."""
    gc.collect()
    gc.freeze()


def look_again():
    """Collect also what was made and left while it was passed over; then pass over what is there."""
    gc.unfreeze()
    pass_over()


@contextmanager
def without_collector(*, freeze=False):
    """A block in which finalizers run at no other moment than what they belong to.

    Args:
        freeze: pass over what there is by now; for tests that collect often, or look at what is collected.
    """
    gc.collect()
    if freeze:
        gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
