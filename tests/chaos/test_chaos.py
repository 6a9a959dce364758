"""Rounds of chaos: whatever calls, clients, networks and users do, each input has its one outcome, and nothing is left.

``THREADFAN_CHAOS=600 THREADFAN_CHAOS_SEED=7`` in the environment makes it ten minutes of other rounds;
``THREADFAN_CHAOS_ROUND=12`` plays that one alone.
"""

import logging
import os
import sys
import time
from collections import Counter
from contextlib import ExitStack

import pytest

from support.chaos import rounds
from support.chaos.clients import load
from threadfan.testing import MessagesServer

SECONDS = float(os.environ.get("THREADFAN_CHAOS", "3"))
SEED = os.environ.get("THREADFAN_CHAOS_SEED", "1")
ROUND = os.environ.get("THREADFAN_CHAOS_ROUND")

pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.timeout(SECONDS + 300),
]


def test_chaos():
    """Nothing is lost, doubled, overdrawn, late, hanging or left behind."""
    end, figures, number = time.monotonic() + SECONDS, Counter(), 0
    logging.disable()  # of tens of thousands of calls, which are meant to fail
    with ExitStack() as stack:
        stack.callback(logging.disable, logging.NOTSET)
        server = stack.enter_context(MessagesServer())
        load()
        rounds.BASE |= rounds.children()
        port = int(server.url.rpartition(":")[2])
        while True:
            number = number + 1 if ROUND is None else int(ROUND)
            try:
                figures.update(rounds.play(f"{SEED}/{number}", port))
            except BaseException as error:
                error.add_note(f"THREADFAN_CHAOS_SEED={SEED} THREADFAN_CHAOS_ROUND={number} {sys.version}")
                raise
            if time.monotonic() > end:
                break
    sys.stdout.write(f"seed {SEED}: {dict(figures)}\n")
