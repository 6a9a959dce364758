"""The API key, from the environment."""

from __future__ import annotations

import os

from .errors import USAGE, CommandError


def api_key(needed: str | None) -> str:
    """The key, or nothing.

    Args:
        needed: what to say if there is none; None if there need be none.

    Raises:
        CommandError: there is none, or no header can carry it.
    """
    key = os.environ.get("ANTHROPIC_API_KEY", "")
    if not key and needed is not None:
        raise CommandError(f"{needed}; right is: export ANTHROPIC_API_KEY=sk-ant-…", USAGE)
    # The client's own error for such a key would show it.
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise CommandError(
            "ANTHROPIC_API_KEY holds a blank or a special character; right is the bare key, sk-ant-…", USAGE
        )
    return key
