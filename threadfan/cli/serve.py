"""``threadfan serve``: a server on this machine that answers as the Messages API does, to try things without a key."""

from __future__ import annotations

from contextlib import suppress
from threading import Event
from typing import Annotated

import typer

from threadfan.testing import MessagesServer

from .errors import USAGE, CommandError
from .options import SECONDS, Debug
from .tally import say

_KEY = "test"  # any is taken


def serve(
    latency: Annotated[float, typer.Option(metavar=SECONDS, help="How long an answer takes.")] = 0.0,
    debug: Debug = False,  # noqa: ARG001 -- its callback has taken it
) -> int:
    r"""Answer as the Messages API does, on this machine, until Ctrl-C: to try programs and "ask" without a key.

    It prints a line for the shell in which they are to run.  Answers are made up: equal prompts have equal ones, and a
    prompt with \[fault:429] fails.
    """
    if not 0 <= latency < float("inf"):
        raise CommandError(f"--latency is {latency:g}; right are seconds, 0 or more", USAGE)
    with suppress(KeyboardInterrupt), MessagesServer(latency=latency) as server:
        print(f"export ANTHROPIC_BASE_URL={server.url} ANTHROPIC_API_KEY={_KEY}", flush=True)
        say("a server that makes up its answers, until Ctrl-C; the line above is for the shell that is to ask it")
        Event().wait()
    return 0
