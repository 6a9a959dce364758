"""Libraries under `python -m threadfan`: their usual jobs run on fans, and one Ctrl-C ends them while calls hang."""

import importlib.util
import os
import signal
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from support.controlled import PATIENCE

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be sent Ctrl-C there")

WORK = """
import os, time

hanging = False

def work(number):
    if hanging:
        os.write(1, b"hangs\\n")
        time.sleep(1000)
    return number

"""

# What each is, with `job()` as its usual job.
JOBS = {
    "tqdm": """
        from tqdm.contrib.concurrent import thread_map

        def job():
            return sum(thread_map(work, range(8), max_workers=2, disable=True))
        """,
    "dask": """
        import dask

        def job():
            return sum(dask.compute(*map(dask.delayed(work), range(8)), scheduler="threads", num_workers=2))
        """,
    "s3transfer": """
        import io
        from botocore.hooks import HierarchicalEmitter
        from s3transfer.manager import TransferManager

        class Client:
            class meta:
                events, region_name = HierarchicalEmitter(), "eu-1"
                class config:
                    request_checksum_calculation = response_checksum_validation = "when_required"
            def put_object(self, **given):
                work(len(given["Body"].read()))

        def job():
            with TransferManager(Client()) as transfers:
                for future in [transfers.upload(io.BytesIO(b"1234567"), "bucket", str(key)) for key in range(4)]:
                    future.result()
            return 28
        """,
    "joblib": """
        from joblib import Parallel, delayed

        def job():
            return sum(Parallel(n_jobs=2, prefer="threads")(delayed(work)(number) for number in range(8)))
        """,
    "langchain_core": """
        from langchain_core.runnables import RunnableLambda

        def job():
            return sum(RunnableLambda(work).batch(list(range(8)), config={"max_concurrency": 2}))
        """,
    "langgraph": """
        import operator
        from typing import Annotated, TypedDict
        from langgraph.graph import END, START, StateGraph

        class State(TypedDict):
            found: Annotated[list, operator.add]

        graph = StateGraph(State)
        for number in range(8):
            graph.add_node(str(number), lambda _, number=number: {"found": [work(number)]})
            graph.add_edge(START, str(number))
            graph.add_edge(str(number), END)

        def job():
            return sum(graph.compile().invoke({"found": []})["found"])
        """,
}

JOBS["distributed"] = """
        from distributed import Client

        def job():
            with Client(processes=False, n_workers=1, threads_per_worker=2, dashboard_address=":0") as client:
                return sum(client.gather(client.map(work, range(8))))
        """
JOBS["dspy"] = """
        os.environ["DSPY_CACHEDIR"] = os.path.dirname(__file__)
        import dspy

        class Program(dspy.Module):
            def forward(self, number):
                return dspy.Prediction(found=work(number))

        def job():
            examples = [dspy.Example(number=number).with_inputs("number") for number in range(8)]
            with dspy.context(lm=dspy.utils.DummyLM([])):
                return sum(one.found for one in Program().batch(examples, num_threads=2, disable_progress_bar=True))
        """
JOBS["litellm"] = """
        os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it asks for one in the net
        import litellm

        class Model(litellm.CustomLLM):
            def completion(self, *_, model_response, messages, **given):
                model_response.choices[0].message.content = str(work(int(messages[0]["content"])))
                return model_response

        litellm.custom_provider_map = [{"provider": "own", "custom_handler": Model()}]

        def job():
            asked = [[{"role": "user", "content": str(number)}] for number in range(8)]
            answers = litellm.batch_completion("own/model", asked, max_workers=2)
            return sum(int(answer.choices[0].message.content) for answer in answers)
        """
JOBS["django"] = """
        import asyncio
        import django
        from django.conf import settings

        settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF="__main__", SECRET_KEY="secret")
        django.setup()

        from django.http import HttpResponse
        from django.test import AsyncClient
        from django.urls import path

        def view(request, number):  # under ASGI it runs in a thread
            return HttpResponse(str(work(number)))

        urlpatterns = [path("<int:number>", view)]

        def job():
            async def ask():
                return sum([int((await AsyncClient().get(f"/{number}")).content) for number in range(8)])

            return asyncio.run(ask())
        """
JOBS["asgiref"] = """
        import asyncio
        from asgiref.sync import sync_to_async

        def job():
            async def ask():
                in_a_thread = sync_to_async(work, thread_sensitive=False)
                return sum(await asyncio.gather(*map(in_a_thread, range(8))))

            return asyncio.run(ask())
        """
JOBS["twisted"] = """
        from twisted.internet import defer, reactor, threads

        def found(numbers):
            global hanging
            print("done", sum(numbers), flush=True)
            hanging = True
            for number in range(8):
                threads.deferToThread(work, number).addErrback(lambda failure: None)

        def job():
            reactor.suggestThreadPoolSize(1)
            defer.gatherResults([threads.deferToThread(work, number) for number in range(8)]).addCallback(found)
            reactor.run()
        """

ENDS = {"twisted": ("job()\n", 0)}
"""How it goes on, and its status, if it is one that is not run twice, and ends by itself at a Ctrl-C."""

OTHERS = {"joblib": "has threads of its own, of multiprocessing's"}
"""Whose calls are not counted."""


@pytest.mark.parametrize("package", JOBS)
def test_a_library_runs_on_fans_and_ends(command, tmp_path, package):
    """Its job is done, the summary counts its calls, and the next job is ended while it hangs."""
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    rest, status = ENDS.get(package, ("print('done', job(), flush=True)\nhanging = True\njob()\n", -signal.SIGINT))
    program = f"{WORK}{dedent(JOBS[package])}\n{rest}"
    (tmp_path / "job.py").write_text(program, encoding="utf-8")
    paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]  # where it may be installed
    with command.start(tmp_path / "job.py", PYTHONPATH=os.pathsep.join(filter(None, paths))) as process:
        said = [process.stdout.readline(), process.stdout.readline()]
        process.send_signal(signal.SIGINT)
        try:
            _, errors = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    assert said == ["done 28\n", "hangs\n"], errors
    assert process.returncode == status, errors
    told = next(line for line in errors.splitlines() if line.startswith("threadfan: "))
    assert ("no ThreadPoolExecutor was made" if package in OTHERS else " succeeded, ") in told
