"""A process that makes requests under a limit: ``sharing URL PLACE PER_MINUTE BURST SECONDS CALL``.

It prints a line when it is ready, begins when it reads one, which says when all of them do by the machine's clock, and
prints how many of its requests were answered after the first second and within the last.  ``PLACE`` is ``-`` for a
limit of its own.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import count
from typing import Any

from threadfan import Fan, RateLimit
from threadfan.clients.requests import Session

SLOTS = 8
BEGINNING = 1.0  # seconds in which a burst is whose process was there first


def main(url: str, place: str, *figures: str) -> None:
    """Make requests until the time is up."""
    per_minute, burst, seconds, call = map(float, figures)
    limit = RateLimit(per_minute, burst=int(burst), shared=None if place == "-" else place)
    session: Any = Session()
    session.trust_env = False  # the environment may name a proxy
    address = f"{url}/limited?seconds={call}"
    with Fan(SLOTS, rate=limit) as fan:
        print("ready", flush=True)
        begun, answered = float(sys.stdin.readline()), 0
        for outcome in fan.stream(lambda _: session.get(address).raise_for_status(), count()):
            passed = time.monotonic() - begun
            answered += outcome.ok and BEGINNING <= passed < seconds
            if passed > seconds:
                break
    print(json.dumps(answered), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
