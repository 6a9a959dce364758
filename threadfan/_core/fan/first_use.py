"""What the first calls of a fan need, imported when the first fan is made.

Not when ``threadfan`` is imported, which has to be cheap for programs that make none: it takes longer than that import
with all that the standard library brings.  Nor by the calls themselves: CPython swallows a Ctrl-C that falls into
certain moments of an import, and a fork would have to wait for it (see ``base.forks``).
"""

from ..base.locks import in_main_interpreter
from ..batches import mapping, reading, run  # noqa: F401
from ..calls import as_completed  # noqa: F401
from ..scope import waiting  # noqa: F401

in_main_interpreter()  # which on CPython 3.11 it takes an import to know
