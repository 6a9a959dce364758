"""Between moments by the monotonic clock, which the engine counts in, and the time of day, which people do."""

from __future__ import annotations

from time import monotonic, time

EPOCH = time() - monotonic()
"""Seconds since 1970 when the monotonic clock of this process stood at 0.

A moment by ``Clock.monotonic`` plus this is what the clock on the wall showed then, if nobody has set it since.
"""
