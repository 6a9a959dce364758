"""Ctrl-C, sent to real programs: they end at once, as any Python script does, and what was done is kept."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATIENCE = 20  # seconds; calls hang for a minute, so whatever is below that has not waited for them
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be sent Ctrl-C there")

# Whoever started the tests may have Ctrl-C ignored.  A signal that comes after Python's last look and before the main
# thread is asleep does not wake it, which is CPython's own race: hence the moment before a program says it is ready.
HEAD = """
import asyncio, signal, socket, subprocess, sys, threading, time
signal.signal(signal.SIGINT, signal.default_int_handler)
import threadfan
from threadfan import Fan
started, go = threading.Semaphore(0), threading.Event()
def tool(item):
    if item == 0:
        return "done"
    started.release()
    BLOCK
def announce():
    def wait():
        for _ in range(2):
            started.acquire()
        go.wait()
        time.sleep(0.2)
        print("ready", flush=True)
    threading.Thread(target=wait, daemon=True).start()
def show(error):
    print([outcome.status for outcome in error.report], flush=True)
announce()
"""

BLOCKS = {
    "sleep": "time.sleep(60)",
    "socket": "a, b = socket.socketpair(); a.recv(1)",
    "subprocess": "subprocess.run(['sleep', '60'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)",
    "scope": "threadfan.sleep(60)",
}

SYNC = {
    "run": """
with Fan(3) as fan:
    try:
        go.set()
        fan.run(tool, [0, 1, 2, 3, 4])
    except KeyboardInterrupt as error:
        show(error)
        raise
""",
    "stream": """
with Fan(3) as fan:
    try:
        for outcome in fan.stream(tool, [0, 1, 2, 3, 4]):
            print(outcome.value, flush=True)
            go.set()
    except KeyboardInterrupt as error:
        show(error)
        raise
""",
    "texts": """
with Fan(3) as fan:
    try:
        for _, piece in fan.stream_text(tool, [0, 1, 2, 3, 4]):
            print(piece, flush=True)
            go.set()
    except KeyboardInterrupt as error:
        show(error)
        raise
""",
    "map": """
with Fan(3) as fan:
    try:
        for value in fan.map(tool, [0, 1, 2, 3, 4]):
            print(value, flush=True)
            go.set()
    except KeyboardInterrupt as error:
        show(error)
        raise
""",
    "buffered map": """
with Fan(3) as fan:
    try:
        for value in fan.map(tool, [0, 1, 2, 3, 4], buffersize=5):
            print(value, flush=True)
            go.set()
    except KeyboardInterrupt as error:
        show(error)
        raise
""",
    "result": """
fan = Fan(3)
futures = [fan.submit(tool, item) for item in [0, 1, 2, 3, 4]]
for future in futures:
    print(future.result(), flush=True)
    go.set()
""",
    "as_completed": """
with Fan(3) as fan:
    for future in threadfan.as_completed([fan.submit(tool, item) for item in [0, 1, 2, 3, 4]]):
        print(future.result(), flush=True)
        go.set()
""",
    "the body of a with": """
with Fan(3) as fan:
    [fan.submit(tool, item) for item in [0, 1, 2, 3, 4]]
    print("done", flush=True)
    go.set()
    time.sleep(60)
""",
    "the end of a with": """
with Fan(3) as fan:
    [fan.submit(tool, item) for item in [0, 1, 2, 3, 4]]
    print("done", flush=True)
    go.set()
""",
    "the program's last line": """
fan = Fan(3)
[fan.submit(tool, item) for item in [0, 1, 2, 3, 4]]
print("done", flush=True)
go.set()
time.sleep(60)
""",
    "a call of an asyncio program": """
async def main():
    async with Fan(3) as fan:
        print(await fan.call(tool, 0), flush=True)
        go.set()
        await asyncio.gather(*(fan.call(tool, item) for item in [1, 2, 3, 4]))
asyncio.run(main())
""",
    "the default executor of an asyncio program": """
async def main():
    asyncio.get_running_loop().set_default_executor(Fan(3))
    print(await asyncio.to_thread(tool, 0), flush=True)
    go.set()
    await asyncio.gather(*(asyncio.to_thread(tool, item) for item in [1, 2, 3, 4]))
asyncio.run(main())
""",
    "a batch of an asyncio program": """
async def main():
    async with Fan(3) as fan:
        try:
            go.set()
            await fan.arun(tool, [0, 1, 2, 3, 4])
        except asyncio.CancelledError as error:
            show(error)
            raise
asyncio.run(main())
""",
}


def interrupted(script, *, signals=(signal.SIGINT,)):
    """Run a program until it says that it is ready, signal it; its status, what it printed, its errors, its seconds."""
    command = [sys.executable, "-P", "-W", "ignore", "-c", script]
    with subprocess.Popen(
        command, cwd=ROOT, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as child:  # fmt: skip
        try:
            lines = []
            for line in child.stdout:
                if line == "ready\n":
                    break
                lines.append(line)
            begin = time.monotonic()
            for number in signals:
                child.send_signal(number)
            out, err = child.communicate(timeout=PATIENCE)
            return child.returncode, "".join(lines) + out, err, time.monotonic() - begin
        finally:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)  # whatever it has started is of its session


@pytest.mark.parametrize("way", SYNC)
def test_ctrl_c_ends_the_program(way):
    """Calls asleep in plain C code hold up nothing, the exit status is a script's, the traceback is the only one."""
    status, out, err, _ = interrupted(HEAD.replace("BLOCK", BLOCKS["sleep"]) + SYNC[way])
    assert status == -signal.SIGINT, err
    assert "done" in out or "succeeded" in out
    assert err.rstrip().endswith("KeyboardInterrupt")
    assert "Exception ignored" not in err
    assert err.count("KeyboardInterrupt") <= 2, err  # asyncio tells where the task was, too


@pytest.mark.parametrize("block", BLOCKS)
def test_ctrl_c_whatever_blocks(block):
    """Sockets, subprocesses and sleeps are all left."""
    status, _, err, _ = interrupted(HEAD.replace("BLOCK", BLOCKS[block]) + SYNC["run"])
    assert status == -signal.SIGINT, err


@pytest.mark.parametrize("way", ["run", "map", "buffered map", "stream", "texts", "a batch of an asyncio program"])
def test_what_was_done_is_on_the_error(way):
    """The report tells what had ended; of ``map`` and ``stream``, what had not been handed out."""
    _, out, _, _ = interrupted(HEAD.replace("BLOCK", BLOCKS["sleep"]) + SYNC[way])
    statuses = ["succeeded"] * ("map" not in way and way != "stream") + ["cancelled"] * 4
    assert str(statuses) in out


def test_the_second_ctrl_c_is_immediate():
    """Somebody who swallows the first and waits again is let go by the second."""
    script = """
fan = Fan(3)
futures = [fan.submit(tool, item) for item in [1, 2, 3]]
try:
    go.set()
    futures[0].result()
except KeyboardInterrupt:
    print("first", flush=True)
try:
    print("again" if fan.submit(pow, 2, 3).result() == 8 else "", flush=True)
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("second", flush=True)
"""
    status, out, err, _ = interrupted(HEAD.replace("BLOCK", BLOCKS["sleep"]) + script)
    assert (status, out.split()) == (0, ["first", "again", "second"]), err


def test_sigterm_keeps_pythons_default():
    """The library installs no handlers."""
    status, *_ = interrupted(HEAD.replace("BLOCK", BLOCKS["sleep"]) + SYNC["run"], signals=[signal.SIGTERM])
    assert status == -signal.SIGTERM


def test_signals_as_ctrl_c_makes_sigterm_one():
    """With ``threadfan.signals_as_ctrl_c()`` the outcomes are kept, and afterwards the former handler is back."""
    script = f"""
with threadfan.signals_as_ctrl_c():
    try:
        {SYNC["run"].replace(chr(10), chr(10) + " " * 8)}
    except KeyboardInterrupt:
        pass
print(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, flush=True)
"""
    status, out, err, _ = interrupted(HEAD.replace("BLOCK", BLOCKS["sleep"]) + script, signals=[signal.SIGTERM])
    assert (status, out) == (0, "['succeeded', 'cancelled', 'cancelled', 'cancelled', 'cancelled']\nTrue\n"), err


ITEMS = "[1, 0, 2, 3, 4]"  # the second is done at once, and the others hang
GENERATOR = "(item for item in [1, 0, 2, 3, 4])"
TASKS = "*(threadfan.task(tool, item) for item in [1, 0, 2, 3, 4])"
EVERY_WAY = {
    "run": f"fan.run(tool, {ITEMS})",
    "run of a generator": f"fan.run(tool, {GENERATOR})",
    "gather": f"fan.gather({TASKS})",
    "join": f"fan.join(threadfan.patterns.Collect(), {TASKS})",
    "map": f"list(fan.map(tool, {ITEMS}))",
    "map with a buffer": f"list(fan.map(tool, {ITEMS}, buffersize=5))",
    "ordered stream": f"list(fan.stream(tool, {ITEMS}, ordered=True))",
    "pipeline": f"fan.pipeline(tool).run({ITEMS})",
    "ordered stream of a pipeline": f"list(fan.pipeline(tool).stream({GENERATOR}, ordered=True))",
    "graph": "graph().run()",
    "arun": f"asyncio.run(fan.arun(tool, {ITEMS}))",
    "agather": f"asyncio.run(fan.agather({TASKS}))",
    "ajoin": f"asyncio.run(fan.ajoin(threadfan.patterns.Collect(), {TASKS}))",
    "ordered astream": f"asyncio.run(read(fan.astream(tool, {ITEMS}, ordered=True)))",
    "ordered astream of an async iterable": f"asyncio.run(read(fan.astream(tool, given({ITEMS}), ordered=True)))",
    "pipeline, async": f"asyncio.run(fan.pipeline(tool).arun({ITEMS}))",
    "graph, async": "asyncio.run(graph().arun())",
}


def test_what_was_done_is_kept_whatever_is_interrupted():
    """Each way to have several calls made leaves all that was not handed out where ``report_of`` finds it.

    What blocks asks nothing of its scope; a call that was interrupted is left behind for a minute.
    """
    script = """
import os, threadfan.patterns
def interrupt():
    for _ in range(2):
        started.acquire()
    time.sleep(0.2)  # what is done at once is done, and the main thread waits
    os.kill(os.getpid(), signal.SIGINT)
def graph():
    made = fan.graph()
    for item in [1, 0, 2, 3, 4]:
        made.add(lambda item=item: tool(item), name=f"task{item}")
    return made
async def read(stream):
    async for outcome in stream:
        pass
async def given(items):
    for item in items:
        yield item
for way in WAYS:
    started, fan = threading.Semaphore(0), Fan(3)
    threading.Thread(target=interrupt, daemon=True).start()
    try:
        way()
    except KeyboardInterrupt as error:
        print([outcome.status for outcome in threadfan.report_of(error) or ()], flush=True)
    fan.shutdown(wait=False)
"""
    head = HEAD.replace("BLOCK", BLOCKS["sleep"]).replace("\nannounce()", "\n")
    text = head + script.replace("WAYS", f"[{', '.join(f'lambda: {way}' for way in EVERY_WAY.values())}]")
    done = subprocess.run(
        [sys.executable, "-P", "-W", "ignore", "-c", text], cwd=ROOT, env={"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=3 * PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = dict(zip(EVERY_WAY, done.stdout.splitlines(), strict=True))
    assert found == dict.fromkeys(EVERY_WAY, str(["cancelled", "succeeded", "cancelled", "cancelled", "cancelled"]))
