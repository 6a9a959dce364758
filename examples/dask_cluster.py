"""A Dask cluster on this machine: blocking calls on all its workers, one of which is killed, and some calls that hang.

To run it on a real cluster, put the address of its scheduler in place of the `LocalCluster`:
`Client("tcp://scheduler:8786")`.  Every machine needs threadfan; nothing else changes.
"""

import os
import signal
import time

from threadfan import over

try:
    from distributed import Client, LocalCluster
except ImportError:
    raise SystemExit("this needs Dask: pip install distributed") from None


def fetch(number):
    """A call that blocks for a moment; one in fifty hangs."""
    time.sleep(30 if number % 50 == 49 else 0.02)
    return number, os.getpid()


def main():
    """One hundred calls on three worker processes."""
    with (
        LocalCluster(n_workers=3, threads_per_worker=1, dashboard_address=":0", silence_logs=50) as cluster,
        Client(cluster) as client,
        over(client.get_executor(), max_in_flight=12, timeout=2, retry={ConnectionError: 3}) as fan,
    ):
        run = fan.start(fetch, range(100))
        for done, outcome in enumerate(run):
            if done == 30:
                victim = next(iter(cluster.workers.values())).pid
                os.kill(victim, signal.SIGKILL)
            if outcome.status == "timed_out":
                print(f"number {outcome.index} hung, and was ended where it ran")
        report = run.result()
    processes = {outcome.value[1] for outcome in report.succeeded}
    print(f"{len(report.succeeded)} of 100 calls have a value, though a worker was killed")
    print(f"made by three processes or more, none of which is this one: {len(processes - {os.getpid()}) >= 3}")


if __name__ == "__main__":
    main()
