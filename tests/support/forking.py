"""Programs that fork: one of everything that the package has, and a child that uses all of it."""

import textwrap

from support.controlled import run_program

WORLD = '''
import asyncio, gc, http.server, logging, os, queue, signal, sys, tempfile, threading, warnings
from concurrent.futures import as_completed, wait

warnings.simplefilter("ignore")  # forking with threads is what this is about
logging.disable(logging.CRITICAL)
import threadfan
from threadfan import Adaptive, Fan, Hedge, RateLimit, current_scope, fail_after, move_on_after, sleep, task
from threadfan._core.base.usage import Usage
from threadfan.agents.ledger import Ledger
from threadfan.clients import subprocess, threading as waits
from threadfan.testing import ManualClock

PATIENCE = 20
folder = tempfile.TemporaryDirectory()


def double(item):
    return 2 * item


def inside(item):
    """What a call can do."""
    current_scope().check()
    with fail_after(PATIENCE):
        sleep(0.001)
    return item


def one_more():
    return 1


def nested(item):
    return fan.submit(double, fan.run(double, [item]).unwrap()[0]).result(PATIENCE)


fan = Fan(2, timeout=PATIENCE, name="plain")
view = fan.with_options(max_concurrent=1)
limit = RateLimit(600_000, burst=100)
limited = Fan(2, rate=limit, retry=1)
shared = Fan(2, rate=RateLimit(600_000, burst=100, shared=f"sqlite:///{folder.name}/limits.db"))
hedged = Fan(2, hedge=Hedge(after=5.0))
adaptive = Fan(Adaptive(start=2))
fans = [fan, limited, shared, hedged, adaptive]
lock, event, semaphore, waiting = waits.Lock(), waits.Event(), waits.Semaphore(1), waits.Queue(2)
clock, ledger = ManualClock(), Ledger("agent", None, None)


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with the port of whoever asks, which tells one connection from another."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        said = str(self.client_address[1]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/"
clients = []
try:
    import requests
    from threadfan.clients.requests import attach
except ImportError:
    pass
else:
    clients.append(attach(requests.Session()))
try:
    try:
        import httpx2 as httpx
    except ImportError:
        import httpx
except ImportError:
    pass
else:
    from threadfan.clients.httpx import attach
    clients.append(attach(httpx.Client(trust_env=False)))


async def coroutines():
    report = await fan.arun(double, [1, 2])
    return report.unwrap(), await fan.call(double, 3)


def work():
    """Use everything, as a program does that has just begun."""
    assert current_scope().remaining() > 1
    for one in fans:
        assert one.run(double, [1, 2]).unwrap() == [2, 4]
        assert one.submit(double, 3).result(PATIENCE) == 6
        assert list(one.map(double, [4, 5])) == [8, 10]
        assert [outcome.value for outcome in one.stream(double, [6])] == [12]
        assert one.run(inside, [7]).unwrap() == [7]
    assert fan.run(nested, [1, 2]).unwrap() == [4, 8]
    assert view.submit(double, 1).result(PATIENCE) == 2
    assert not wait([fan.submit(double, 1), view.submit(double, 2)], PATIENCE).not_done
    assert fan.gather(task(double, 1), both=task(double, 2)).unwrap() == [2, 4]
    assert fan.pipeline(double, double).run([1]).unwrap() == [4]
    assert len(fan.graph(one_more).run()) == 1
    with Fan(2, timeout=PATIENCE) as new:
        assert new.run(double, [1]).unwrap() == [2]
    assert fan.submit(lambda: 1).result(PATIENCE) == 1
    called = queue.SimpleQueue()
    fan.submit(double, 1).add_done_callback(called.put)
    called.get(timeout=PATIENCE)
    late = fan.with_options(timeout=0.01).submit(sleep, PATIENCE)
    assert isinstance(late.exception(PATIENCE), threadfan.TaskTimeout)
    with move_on_after(0.01) as block:
        sleep(PATIENCE)
    assert block.cancelled_caught
    assert subprocess.run(["echo", "hi"], capture_output=True).stdout == b"hi\\n"
    assert lock.acquire(timeout=PATIENCE)
    lock.release()
    event.set()
    assert event.wait(PATIENCE)
    with semaphore:
        waiting.put(1, timeout=PATIENCE)
        assert waiting.get(timeout=PATIENCE) == 1
    for client in clients:
        assert {answer.status_code for answer in fan.run(client.get, [url] * 4).unwrap()} == {200}
    ledger.add(Usage(1, 1))
    clock.advance(1)
    assert asyncio.run(coroutines()) == ([2, 4], 6)


def close():
    for one in fans:
        one.shutdown()


def child_of_a_fork(act):
    """Fork; what became of the child, in which ``act()`` is done: "" if all is well."""
    sys.stdout.flush()
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(PATIENCE)
        said, code = b"", 0
        try:
            act()
        except BaseException:
            import traceback

            said, code = traceback.format_exc().encode(), 1
        os.write(writer, said)
        os._exit(code)
    os.close(writer)
    status = os.waitpid(child, 0)[1]
    with open(reader, "rb") as pipe:
        said = pipe.read().decode()
    return "" if not status else said or f"it ended with {status}: it hung"
'''


def run_forking(text, **options):
    """Run a program that begins with one of everything; gives what it printed."""
    return run_program(WORLD + textwrap.dedent(text), timeout=300.0, **options)[0]
