"""What the first calls of a fan need, imported when the first fan is made.

Not when ``threadfan`` is imported, which has to be cheap for programs that make none: it takes longer than that import
with all that the standard library brings.  Nor by the calls themselves: CPython swallows a Ctrl-C that falls into
certain moments of an import, and a fork would have to wait for it (see ``base.forks``).
"""

from ..batches import mapping, reading, run  # noqa: F401
from ..calls import as_completed  # noqa: F401
from ..scope import waiting  # noqa: F401
