"""`python -m threadfan SCRIPT`: a program finds all as `python SCRIPT` has it, but its pools are fans."""

import re
import signal
import subprocess
import sys
import time
import zipfile

import pytest

from support.controlled import PATIENCE
from threadfan.cli import COMMANDS, with_command

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be sent Ctrl-C there")

LOOKS = '''
"""A docstring."""
import os, sys
def function(): pass
names = sorted(globals())
print(sys.argv, sys.path[0], __name__, __doc__, __file__, __package__, __builtins__, names)
print(__spec__ and (__spec__.name, __spec__.origin), type(__loader__).__name__, __loader__.name, __loader__.path)
print(globals().get("__cached__"), vars(sys.modules["__main__"]) is globals(), function.__code__.co_filename)
'''

ENDS = {
    "an_error": "def f(n):\n    return 1 / n\ntry:\n    {}['a']\nexcept KeyError:\n    f(0)\n",
    "a_syntax_error": "x = 1\ndef f(:\n",
    "an_exit": "import atexit, sys\natexit.register(print, 'at exit')\nsys.exit('a text')\n",
    "a_ctrl_c": "raise KeyboardInterrupt\n",
    "a_hook": "import sys\nsys.excepthook = lambda kind, _, tb: print(kind, tb.tb_lineno)\nraise EOFError\n",
    "a_thread": (
        "import pickle, threading\n"
        "class A:\n    def __repr__(self): return 'a thing of the main module'\n"
        "threading.Timer(0.01, lambda: print(pickle.loads(pickle.dumps(A())))).start()\n"
    ),
    "processes": (
        "import multiprocessing, sys\n"
        "def square(n):\n"
        "    return n * n, __name__, sys.argv[1:]\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        print(pool.map(square, [1, 2]))\n"
    ),
}


@pytest.fixture
def both(command, tmp_path, monkeypatch):
    """Runs a program both ways in a folder; gives what it printed and its status, twice."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        found = []
        for python in ((), ("-m", "threadfan", "--no-summary")):
            done = command(*arguments, python=python)
            errors = re.sub(r'  File "<frozen runpy>".*\n|threadfan: .* went to the script, .*\n', "", done.stderr)
            found.append((done.stdout, errors, done.returncode))
        return found

    return run


@pytest.mark.parametrize(
    "arguments",
    [
        ["folder/../looks.py", "one", "--workers", "3", "-m"],
        ["-m", "package", "--timeout"],
        ["-m", "package.looks", "run"],
        ["folder", "x"],
        ["archive.zip"],
    ],
    ids=" ".join,
)
def test_a_program_finds_all_as_it_would(both, tmp_path, arguments):
    """Arguments, path, and the attributes of `__main__`: of scripts, modules, packages, folders and archives."""
    for name in ("folder", "package"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__main__.py").write_text(LOOKS, encoding="utf-8")
    for name in ("looks.py", "package/looks.py"):
        (tmp_path / name).write_text(LOOKS, encoding="utf-8")
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        archive.writestr("__main__.py", LOOKS.replace(", __loader__.name, __loader__.path", ""))
    before, after = both(*arguments)
    assert before[1:] == ("", 0)
    assert after == before


@pytest.mark.parametrize("how", ENDS)
def test_a_program_ends_as_it_would(both, tmp_path, how):
    """With the same traceback, text, status, hooks and threads."""
    (tmp_path / "ends.py").write_text(ENDS[how], encoding="utf-8")
    before, after = both("ends.py", "argument")
    assert after == before


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["run", "x"], ["run", "x"]),
        (["--debug", "run", "x"], ["--debug", "run", "x"]),
        (["--help"], ["--help"]),
        ([], []),
        (["nothing"], ["nothing"]),
        (["nothing.py", "run"], ["script", "nothing.py", "run"]),
        (["folder/nothing"], ["script", "folder/nothing"]),
        (["--debug", "--workers", "3", "x.py"], ["--debug", "script", "--workers", "3", "x.py"]),
        (["--timeout=3", "x"], ["script", "--timeout=3", "x"]),
        (["-m", "run"], ["script", "-m", "run"]),
    ],
)
def test_what_is_a_command_and_what_a_program(given, meant):
    """A command by its name comes first; a program is a file, or follows an option."""
    assert with_command(given) == meant


def test_the_commands_are_all_known():
    """So that none is taken for a program."""
    app = pytest.importorskip("threadfan.cli.app", exc_type=ImportError)
    assert sorted(one.name for one in app.app.registered_commands) == sorted(COMMANDS)


def test_a_file_that_is_called_like_a_command(here, tmp_path):
    """Is not meant, unless its path is written so."""
    (tmp_path / "report").write_text("print(1)", encoding="utf-8")
    assert "'JOURNAL'" in here("report").stderr
    assert with_command(["./report"]) == ["script", "./report"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["nothing.py"], "there is no nothing.py; right is the path of a script, or -m and a module's name"),
        (
            ["-m", "nothing.at_all"],
            "the module nothing.at_all cannot be run: No module named 'nothing'; right is another",
        ),
        (
            ["-m", "nothing_at_all"],
            "there is no module nothing_at_all that can be run; right is one that python -m finds",
        ),
        (["folder/"], "folder/ holds no __main__.py; right is the path of a script"),
        (["--workers", "0", "x.py"], "--workers is 0; right are 1 to 10000"),
        (["--attach", "httpx", "x.py"], "--attach names 'httpx'; right are 'requests' and 'subprocess'"),
        (["--rate", "10", "x.py"], "--rate is '10', which names no unit; right is 10/s or 10/min"),
        (["--timeout", "5s", "x.py", "--timeout", "9s"], "--timeout is '5s'; right is a number of seconds, such as 5"),
        (
            ["--rate", "soon", "x.py"],
            "--rate is 'soon'; right is a number greater than 0 and a unit",
        ),
        (["--compare", "--sequential", "x.py"], "--compare runs it both ways; right is to leave --sequential out"),
    ],
)
def test_what_cannot_be_run(here, tmp_path, arguments, line):
    """Is told in a line, before anything is run."""
    (tmp_path / "folder").mkdir()
    done = here(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"threadfan: {line}")


POOLS = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
def work(n):
    if n == 3:
        raise ValueError("three")
    return n * n
with ThreadPoolExecutor(2) as pool:
    print(type(pool).__mro__[1].__name__, pool._given[1:2] if hasattr(pool, "_given") else "")
    futures = [pool.submit(work, n) for n in range(4)]
    print([future.exception() or future.result() for future in futures], sys.argv)
"""


def test_pools_are_fans_and_the_summary_tells_of_them(command, tmp_path):
    """At the end, on the standard error; the script's own output is as ever."""
    (tmp_path / "pools.py").write_text(POOLS, encoding="utf-8")
    done = command("--timeout", "30", tmp_path / "pools.py", "--timeout", "5")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "StandIn (30.0,)")
    assert done.stdout.splitlines()[1].startswith("[0, 1, 4, ValueError('three')] [")
    assert done.stdout.rstrip().endswith("'--timeout', '5']")
    lines = done.stderr.splitlines()
    assert re.fullmatch(
        r"threadfan: 4 calls of 1 executor in .* s, .* at once on average: 3 succeeded, 1 failed", lines[0]
    )
    assert lines[1] == "threadfan: work 3: failed, ValueError: three"
    assert lines[2].startswith("threadfan: slowest: work ")


def test_the_page(command, tmp_path):
    """Of all calls of a program, by the names of their functions; the program may go elsewhere meanwhile."""
    pytest.importorskip("plotly")
    (tmp_path / "pools.py").write_text("import os\nos.chdir('/')\n" + POOLS, encoding="utf-8")
    done = command("--report", tmp_path / "run.html", "--no-summary", tmp_path / "pools.py")
    assert (done.returncode, done.stderr) == (0, "")
    page = (tmp_path / "run.html").read_text(encoding="utf-8")
    assert "<title>pools.py</title>" in page
    assert '"work 3"' in page


def test_a_page_that_cannot_be_written(command, tmp_path):
    """The program has come to its end by then, and its status stands."""
    pytest.importorskip("plotly")
    (tmp_path / "pools.py").write_text(POOLS, encoding="utf-8")
    done = command("--report", tmp_path / "nowhere" / "run.html", tmp_path / "pools.py")
    assert done.returncode == 0
    assert "run.html cannot be written: " in done.stderr.splitlines()[0]


def test_without_threads(command, tmp_path):
    """Each call is made where it is handed in."""
    (tmp_path / "pools.py").write_text(POOLS, encoding="utf-8")
    done = command("--sequential", tmp_path / "pools.py")
    assert done.stdout.splitlines()[0].startswith("Sequential")
    assert "4 calls of 1 executor" in done.stderr


LEGACY = """
import subprocess, sys, threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import requests

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *arguments):
        pass

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()

def research(company):
    return company, requests.get(f"http://127.0.0.1:{server.server_port}/{company}", timeout=60).text

def analyse(company):
    script = "import sys; print(sys.argv[1].upper())"
    return subprocess.run([sys.executable, "-S", "-c", script, company], capture_output=True, text=True).stdout.strip()

companies = ["airbus", "toyota", "siemens"]
with ThreadPoolExecutor(max_workers=3) as pool:
    found = dict(future.result() for future in as_completed([pool.submit(research, one) for one in companies]))
    print(sorted(found.items()), list(pool.map(analyse, companies)), *sys.argv[1:])
"""


def test_a_legacy_script_is_compared_without_an_edit(command, tmp_path):
    """Real requests and real processes: the same is printed twice, and both times and what they come to at the end."""
    (tmp_path / "legacy.py").write_text(LEGACY, encoding="utf-8")
    options = ("--attach", "requests,subprocess", "--timeout", "60", "--retry", "1", "--rate", "1000/s")
    done = command("--compare", *options, "--no-summary", tmp_path / "legacy.py", "--verbose", NO_PROXY="127.0.0.1")
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first == second
    assert first.endswith("['AIRBUS', 'TOYOTA', 'SIEMENS'] --verbose")
    first, second, times = done.stderr.splitlines()
    assert first == "threadfan: the sequential run, in which --timeout, --retry and --rate do not hold:"
    assert second == "threadfan: the threaded run:"
    assert re.fullmatch(r"threadfan: sequential \d+\.\d\d s, threaded \d+\.\d\d s: \d+\.\d times as fast", times)


def test_a_comparison_of_what_fails(command, tmp_path):
    """Is one if both fail alike; else both statuses are told, and the status is that of the first that has failed."""
    (tmp_path / "fails.py").write_text(
        "import sys\nfrom concurrent.futures import ThreadPoolExecutor\nthreads = set()\n"
        "with ThreadPoolExecutor(2) as pool:\n    pool.submit(int)\n"
        "name = type(pool).__mro__[1].__name__\nraise SystemExit(3 if name in sys.argv else 0)",
        encoding="utf-8",
    )
    done = command("--compare", tmp_path / "fails.py", "Sequential", "StandIn")
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1].endswith("; both have ended with exit status 3")
    assert "threadfan: sequential " in done.stderr
    done = command("--compare", tmp_path / "fails.py", "StandIn")
    assert done.returncode == 3
    said = "the sequential run has ended with exit status 0, the threaded run with 3; there is nothing to compare"
    assert said in done.stderr


WAITS = """
import os, sys, threading
from concurrent.futures import ThreadPoolExecutor
def work(n):
    if n == 1:
        os.write(1, b"waits\\n")
        threading.Event().wait()
with ThreadPoolExecutor(2) as pool:
    list(pool.map(work, range(4)))
"""


@POSIX
def test_a_comparison_that_is_interrupted(command, tmp_path):
    """Ends in a line with the run and the call, without a traceback, also if the run itself got no signal."""
    (tmp_path / "waits.py").write_text(WAITS, encoding="utf-8")
    with command.start("--compare", tmp_path / "waits.py") as process:
        assert process.stdout.readline() == "waits\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    _, last = errors.splitlines()
    assert re.fullmatch(
        r"threadfan: interrupted in the sequential run, .* s after it began, while work 1 \(.* s\) ran", last
    )


@POSIX
def test_a_call_without_threads_that_is_interrupted(command, tmp_path):
    """Is told, with its seconds; and so is that options do not hold."""
    (tmp_path / "waits.py").write_text(WAITS, encoding="utf-8")
    with command.start("--sequential", "--timeout", "5", tmp_path / "waits.py") as process:
        assert process.stdout.readline() == "waits\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
    assert "threadfan: without threads --timeout does not hold" in errors.splitlines()
    assert "threadfan: work 1: cancelled, TaskCancelled: the program was interrupted" in errors.splitlines()
    assert "1 succeeded, 1 cancelled" in errors


@POSIX
@pytest.mark.parametrize("what", ["pool", "thread"])
def test_a_ctrl_c_at_the_end_of_the_program(command, tmp_path, what):
    """Is told in a line, without a traceback, and then where the program hangs."""
    begin = {
        "pool": "pool = ThreadPoolExecutor(2)\npool.submit(hang)\n",
        "thread": "threading.Thread(target=hang).start()\n",
    }[what]
    (tmp_path / "hangs.py").write_text(
        "import os, threading\nfrom concurrent.futures import ThreadPoolExecutor\n"
        "def hang():\n    os.write(1, b'hangs\\n')\n    threading.Event().wait()\n" + begin,
        encoding="utf-8",
    )
    with command.start(tmp_path / "hangs.py") as process:
        assert process.stdout.readline() == "hangs\n"
        time.sleep(0.5)  # the main thread is to wait for it by then
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
    assert "Traceback" not in errors
    assert errors.splitlines()[0] == "threadfan: interrupted at the end of the program, which waited for its threads"
    assert "hangs.py:5" in errors.splitlines()[-1]
    assert ("daemon=True" in errors) == (what == "thread")


def test_options_that_do_nothing(command, tmp_path):
    """Those behind the script are the script's, which is said first; workers are those of who says it himself."""
    (tmp_path / "pools.py").write_text(POOLS, encoding="utf-8")
    misplaced = (tmp_path / "pools.py", "--timeout=5", "--retry", "2", "--workers")
    done = command("--workers", "16", *misplaced)
    assert "threadfan: max_workers=16 (--workers) did not hold for 1 executor: its maker says the number" in done.stderr
    told = "threadfan: --timeout and --retry went to the script, as they stand behind its name; "
    assert done.stderr.startswith(told)
    for more in ("--no-summary", "--compare"):
        done = command("--workers", "16", more, *misplaced)
        assert done.stderr.startswith(told)
        assert done.stderr.count(told) == 1


@pytest.mark.parametrize(
    ("advice", "told"),
    [
        (
            "x: give the calls a timeout, or hedge=Hedge(after=2, budget=0.1) if they may be made twice",
            "x: give the calls a --timeout",
        ),
        (
            "x: give the calls a shorter timeout than 2 s, or hedge=Hedge(after=1) if they may be made twice",
            "x: give the calls a shorter --timeout than 2 s",
        ),
        ("x: give the calls hedge=Hedge(after=1) if they may be made twice", ""),
        ("x was cancelled: give it a timeout", "x was cancelled: give it a --timeout"),
        ("x: give the fan a rate=RateLimit(…), and a retry", "x: give it --rate and --retry"),
        (
            "90% of the time went to the rate limit: raise it or lower max_workers to 3",
            "90% of the time went to the rate limit: raise --rate or lower --workers to 3",
        ),
        (
            "x: look at their errors in outcome.history, most often E",
            "x: --report run.html shows their errors, most often E",
        ),
    ],
)
def test_advice_names_options(advice, told):
    """Those of the command line."""
    in_flags = pytest.importorskip("threadfan.cli.advised", exc_type=ImportError).in_flags
    assert in_flags(advice, workers=True) == told
    assert "max_workers in the program" in in_flags("raise max_workers", workers=False)


def test_a_comparison_of_what_has_no_pools():
    """Says so."""
    comparing = pytest.importorskip("threadfan.cli.comparing", exc_type=ImportError)

    def told(*seconds, executors):
        return comparing.told(*(comparing.Figures(seconds=one, executors=executors) for one in seconds))

    assert "no ThreadPoolExecutor was made" in told(1.0, 1.0, executors=0)
    assert told(5.25, 0.62, executors=1) == "sequential 5.25 s, threaded 0.62 s: 8.5 times as fast"


HANGS = {
    "a block": "with ThreadPoolExecutor(2) as pool:\n    futures = [pool.submit(hang) for _ in range(4)]",
    "the end": "pool = ThreadPoolExecutor(2)\npool.submit(hang)",
    "a finally": (
        "pool = ThreadPoolExecutor(2)\nfuture = pool.submit(hang)\n"
        "try:\n    threading.Event().wait()\nfinally:\n    wait([future])\n    pool.shutdown(wait=True)"
    ),
    "an event": (
        "pool = ThreadPoolExecutor(2)\npool.submit(hang)\n"
        "try:\n    threading.Event().wait()\nfinally:\n    threading.Event().wait()"
    ),
    "at exit": "atexit.register(threading.Event().wait)\npool = ThreadPoolExecutor(2)\npool.submit(hang).result()",
    "asyncio": "asyncio.run(asyncio.wait_for(asyncio.to_thread(hang), None))",
}


@POSIX
@pytest.mark.parametrize("where", HANGS)
def test_one_ctrl_c_ends_it(command, tmp_path, where):
    """Wherever the program waits for calls that do not return, and if it waits again when it is interrupted."""
    program = (
        "import asyncio, atexit, os, threading, time\n"
        "from concurrent.futures import ThreadPoolExecutor, wait\n"
        "def hang():\n    os.write(1, b'hangs\\n')\n    time.sleep(1000)\n"
    )
    (tmp_path / "hangs.py").write_text(program + HANGS[where], encoding="utf-8")
    with command.start("--no-summary", tmp_path / "hangs.py") as process:
        assert process.stdout.readline() == "hangs\n"
        process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    # At the interpreter's end Python itself lets an interrupt pass.
    assert process.returncode in ((0, -signal.SIGINT) if where == "the end" else (-signal.SIGINT,))


@POSIX
def test_a_program_that_deals_with_it_is_let(command, tmp_path):
    """Who waits for a thread of his own, while no call hangs, is not interrupted again."""
    (tmp_path / "deals.py").write_text(
        "import threading, time\nfrom concurrent.futures import ThreadPoolExecutor\n"
        "ThreadPoolExecutor(1).submit(int).result()\n"
        "told, seen = threading.Event(), []\n"
        "def tidy():\n    told.wait()\n    time.sleep(0.6)\n    seen.append('tidied up')\n"
        "thread = threading.Thread(target=tidy)\nthread.start()\n"
        "try:\n    print('waits', flush=True)\n    threading.Event().wait()\n"
        "except KeyboardInterrupt:\n    told.set()\n    thread.join()\n    print(*seen)\n",
        encoding="utf-8",
    )
    with command.start("--no-summary", tmp_path / "deals.py") as process:
        assert process.stdout.readline() == "waits\n"
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=PATIENCE)
    assert (out, errors, process.returncode) == ("tidied up\n", "", 0)
