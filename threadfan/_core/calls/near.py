"""What is said of a limit that opens in a moment; how a worker waits for that says ``short_waits``."""

from __future__ import annotations

NEAR = 0.002
"""Seconds.  Arbitrary: some times what it takes a parked thread to come, and nothing to whoever wants the slot."""

STAY: tuple[()] = ()
"""What a worker is sent for that is to wait for a permit: nothing that runs."""
