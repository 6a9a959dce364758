"""With what the user wants out: a Ctrl-C, or a second signal to end."""

from __future__ import annotations


class AtOnce(BaseException):
    """What is as a Ctrl-C to the engine, without being one: see ``TerminatedAtOnce``."""


INTERRUPTS = (KeyboardInterrupt, AtOnce)
