"""A program: a cluster of Dask's with three worker processes on this machine, and what a fan over it does there.

``python -m support.on_dask FOLDER`` prints one line of JSON: what each part has found, by its name.
"""

import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from support.controlled import PATIENCE, until
from support.elsewhere import deaf, double, place, refuse, together, until_ended
from threadfan import over


def noted(number, folder):
    """A call that notes in files when it begins and when it ends."""
    with tempfile.NamedTemporaryFile(dir=folder, prefix=f"begun-{number}-", delete=False):
        pass
    time.sleep(0.03)
    with tempfile.NamedTemporaryFile(dir=folder, prefix=f"ended-{number}-", delete=False):
        pass
    return number


def times(folder, what):
    """How often each call has come there."""
    return Counter(int(name.split("-")[1]) for name in os.listdir(folder) if name.startswith(what))


def processes(_cluster, executor, folder):
    """In how many processes three calls ran at once, this one not counted; and how many may be under way."""
    with over(executor, timeout=PATIENCE) as fan:
        places = {*fan.run(together, [folder] * 3, range(3), [3] * 3).values()}
        return [len(places - {os.getpid()}), fan.snapshot()["slots"]]


def batches(_cluster, executor, folder):
    """Results in their order, of lambdas and of functions; equal calls are each made, failures are what they were."""
    with over(executor, 16) as fan:
        values = fan.run(double, range(200)).values() == [2 * number for number in range(200)]
        shifted = fan.run(lambda number: number + 1, range(5)).values()
        fan.run(noted, [7] * 3, [folder] * 3)
        error = fan.run(refuse, [3])[0].error
        piped = fan.pipeline(double, double).run(range(3)).values()
    return [values, shifted, times(folder, "begun")[7], type(error).__name__, error.number, piped]


def hanging(_cluster, executor, folder):
    """Calls that hang on every worker end at their timeout there, and the workers go on."""
    with over(executor) as fan:
        view = fan.with_options(timeout=0.3)
        statuses = [outcome.status for outcome in view.run(deaf, range(3))]
        heeding = view.run(until_ended, [folder])[0].status
        until(lambda: Path(folder, "ended").exists())
        began = time.monotonic()
        others = fan.run(place, range(9))
        return [statuses, heeding, others.ok, time.monotonic() - began < PATIENCE / 2]


def killing(cluster, executor, folder):
    """A worker is killed in mid-run: which calls are missing, and which of those that had ended were made again."""
    with over(executor, 6, retry=3) as fan:
        run = fan.start(noted, range(120), [folder] * 120)
        until(lambda: run.progress().done >= 40)
        os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)
        ended = [outcome.index for outcome in run.report() if outcome.ok]
        report = run.result(PATIENCE)
    begun = times(folder, "begun")
    return {
        "missing": 120 - len(report.succeeded),
        "wrong": [outcome.index for outcome in report if outcome.value != outcome.index],
        "ended": len(ended),
        "again": [index for index in ended if begun[index] != 1],
        "never": [index for index in range(120) if not begun[index]],
    }


def main(folder):
    """Run all parts on one cluster."""
    from distributed import Client, LocalCluster

    options = {"n_workers": 3, "threads_per_worker": 1, "processes": True, "dashboard_address": ":0"}
    found = {}
    with LocalCluster(**options) as cluster, Client(cluster) as client, client.get_executor() as executor:
        for part in (processes, batches, hanging, killing):
            own = Path(folder, part.__name__)
            own.mkdir()
            found[part.__name__] = part(cluster, executor, str(own))
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
