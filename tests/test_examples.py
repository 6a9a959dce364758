"""Every script in `examples/` runs as its reader would run it, and prints what it promises."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("anthropic", exc_type=ImportError)  # it imports pydantic_core, which not every build of Python has
pytest.importorskip("uvicorn")

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted((ROOT / "examples").glob("*.py"))
LATE = r"(?:timed_out \(TaskTimeout\), )*"  # attempts that a loaded machine has made too slow

# For each script the lines, as patterns, that must be there in this order; others may stand between them.
EXPECTED = {
    "agent": [
        r'weather: succeeded, \{"city":"Oslo","sky":"snow","degrees":-3\}',
        r"news: failed, no connection to the news about the sea",
        r"calendar: succeeded, in the next 2 days: Ada, 9:00",
        r"at the same time: True",
        r"2 turns, 2 requests, stopped by end_turn",
        r"Take a coat: it snows in Oslo, and you meet Ada at nine\.",
    ],
    "aggregation": [
        r"refused: 1 of 4 calls have no value: \d",
        r"joined: a fine thing; old; a fine thing, without number 3",
        r"majority: a fine thing, without number 3",
        r"longest: a fine thing, without number 3",
        r"written: A fine ship, all in all\., without number 3",
        r"merged: \{'length': 12, 'built': 1912, 'crew': 4\}, in conflict: \{'built': \[1911, 1912\]\}",
        r"words in all: 11",
    ],
    "beside_langgraph": [
        r"sun for the morning; two stories for the morning",
        r"\['ORIGIN OF TEA', 'TRADE OF TEA'\]",
        r"LangGraph (comes to the same: True|is not installed)",
    ],
    "briefing_graph": [
        r"Today: 18 degrees and sunny; three articles, .+; two meetings, .+\.",
        r"on average \d\.\d were asked at once",
        r"flowchart TD",
        r"    t2 --> t3",
    ],
    "async_client": [
        r"retrieval: About .+",
        r"memory: About .+",
        r"tool use: failed",
        r"coordination: About .+",
        r"silence: timed_out",
        r"planning: About .+",
        r"never more than three at once: True",
    ],
    "classify": [
        r"19 of 20 classified: \{'negative': 7, 'positive': 12\}",
        r"number 4 has no label: InternalServerError",
        r"the first five: negative, positive, positive, negative, none",
        r"the same from a coroutine: True",
    ],
    "code_review": [
        r"security: 2/10, .+ \(\d\.\d\d s\)",
        r"performance: 6/10, .+ \(\d\.\d\d s\)",
        r"style: 7/10, .+ \(\d\.\d\d s\)",
        r"documentation: 3/10, .+ \(\d\.\d\d s\)",
        r"never more than two at once: True",
        r"the same reviews as one by one: True",
        r"speed-up: \d\.\d .+",
        r"without a reviewer, from a coroutine: \['security', 'performance', 'documentation'\], failed",
    ],
    "background": [
        r"the first answer is on \w+",
        r"paused: True, and nothing runs: True",
        r"so far: True",
        r"7 succeeded, and 1 was cancelled: tracing",
        r"the same from a coroutine: True",
    ],
    "conditional": [
        r"closing: We are on it\.; note: urgency succeeded",
        r"  shelve skipped: TaskSkipped: its condition did not hold",
        r"closing: nothing; note: urgency failed",
        r"  urgency failed: InternalServerError: .+",
        r"  closing skipped: TaskSkipped: it depends on urgency, which failed",
    ],
    "dag": [
        r"Kites: a small market that grows\. All there: True, early outlook: True",
        r"the same from a coroutine: True",
        r"markets: succeeded",
        r"trends: failed",
        r"outlook: skipped, it depends on trends, which failed",
        r"summary: skipped, it depends on trends, which failed",
    ],
    "competitive_intelligence": [
        *(
            rf"{company}: succeeded after 2 calls"
            for company in (
                "Acme",
                "Borealis",
                "Cobalt",
                "Dynamo",
                "Ember",
                "Fjord",
                "Gantry",
                "Halcyon",
                "Iris",
                "Juno",
            )
        ),
        r" *stage  started  succeeded  failed .+",
        r"research +12 +12 +0 .+",
        r" *analyse +12 +12 +0 .+",
        r"25 calls in \d+\.\d s; one after another they take \d+\.\d s",
        r"summary: Ember and Juno lead; .+",
    ],
    "dask_cluster": [
        r"number (49|99) hung, and was ended where it ran",
        r"98 of 100 calls have a value, though a worker was killed",
        r"made by three processes or more, none of which is this one: True",
    ],
    "deadlines": [
        r"answer: succeeded",
        r"silence: timed_out",
        r"page: timed_out",
        r"free again: page, silence",
        r"clients that the server has seen go: 2",
        r"tokens written for the answer: [1-9]\d*",
        r"raised: the block of fail_after\(0\.2\) did not end in time",
    ],
    "executor": [
        r"7 of 8 done, 2 retries, \d\.\d calls at once",
        r"Eibe failed in research: InternalServerError",
        r"tokens: [1-9]\d* read, [1-9]\d* written",
        r"the same from a coroutine: True",
        r"research +8 +7 +1 .+",
        r" *analyse +7 +7 +0 .+",
        r"all or none: InternalServerError, and a report of 8",
    ],
    "fail_fast": [
        r"raised: InternalServerError",
        r"  1: failed, started",
        r"  2: cancelled, .+",
        r"  5: cancelled, never started",
        r"warned: .+ is still stuck in critique, .+",
        r"the last three, from a coroutine: 3",
    ],
    "fan_out": [
        r"the winds: They turn after the equinox\.",
        r"the harbours: About .+",
        r"the papers: About .+",
        r"the crew: About .+",
        r"on average \d\.\d were worked on at once",
        r"Go, but in the last week\. Complete: True",
        r"the same from a coroutine: True",
    ],
    "follow_up": [
        r"6 topics, each asked once: .*ports, ships, tea, trade, water",
        r"\[fault:500\] failed: InternalServerError",
    ],
    "guard": [
        r"Flour, water, salt, yeast, and patience\.",
        r"refused by allowed: PermissionError: no: it is about breaking in",
        r"the answer was cancelled",
        r"clients that the server has seen go: 1",
        r"from a coroutine: Flour, water, salt, yeast, and patience\.",
    ],
    "hedging": [
        r"plain: p50 \d\.\d\d s, p99 [12]\.\d\d s, 100 asked",
        r"hedged: p50 \d\.\d\d s, p99 \d\.\d\d s, 10[1-5] asked",
        r"all answered: True",
        r"  \d0: succeeded, cancelled",
    ],
    "journal": [
        r"25 rows, 25 requests, all answered: True",
        r"40 rows, 15 requests, all answered: True",
        r"40 rows, 0 requests, all answered: True",
        r"What is 3 squared\? True",
    ],
    "legacy_drop_in": [
        r"replies with concurrent\.futures: 20",
        r"replies with threadfan: 20",
        r"the same replies in the same order: True",
    ],
    "nested_research": [
        r"tea, from 4 parts: The story of tea, .+",
        r"salt, from 4 parts: The story of salt, .+",
        r"paper, from 4 parts: The story of paper, .+",
        r"never more than two calls at once: True",
    ],
    "other_clients": [r"2 requests: The tools returned: \(1\) snow; \(2\) sun\."],
    "partial_failure": [
        r"first round: 8 of 10 answered, 80%",
        r"  3 failed with status 529, then succeeded",
        r"  7 failed with status 500, then failed",
        r"still missing: \[7\]",
        r"the same from a coroutine: True",
    ],
    "perspectives": [
        r"legal: About .+",
        r"technical: About .+",
        r"financial: About .+",
        r"security: About .+",
        r"on average \d\.\d were asked at once",
        r"the legal opinion alone has \d+ words",
        r"verdict: Keep it for one year, .+",
        r"the same from a coroutine: True",
    ],
    "pipeline": [
        *(rf"page {number}: failed in fetch, page {number} is missing" for number in (7, 17, 27)),
        r"27 of 30 pages went through all stages: 3 each",
        r"never more than four were summarised at once: True",
        r"read no further than the window: True",
    ],
    "progress": [
        r"\[1/8\] \w+, \d+ ms",
        r"\[8/8\] \w+, \d+ ms",
        r"in input order:",
        *(rf"  {topic}: About {topic}.+" for topic in ("retrieval", "memory", "planning", "evaluation")),
        *(rf"  {topic}: About {topic}.+" for topic in ("caching", "routing", "guardrails", "tracing")),
        r"the same from a coroutine: True",
    ],
    "quality_checks": [
        r"refused: results differ under 'line 3': say .+",
        r"line 1: leaves",
        r"line 3: Please be there\.",
        r"line 2: 30 years",
        r"in conflict: \{'line 3': \['no change', 'Please be there\.'\]\}",
        r"nobody left out: True; the same from a coroutine: True",
    ],
    "race": [
        r"first: quick says 1858",
        r"clients that the server has seen go: 2",
        r"first two: quick, steady",
        r"do they agree: True",
        r"nobody answered: InternalServerError, InternalServerError",
        r"from a coroutine: quick",
    ],
    "rate_limited": [
        r"without a rate: \d+ of 60 answered, [1-9]\d* refused",
        r"with a rate: 60 of 60 answered, \d refused",
        r"<Report of 60 calls: 60 succeeded; .+>",
        r"  slowest: \d+ \(\d\.\d+ s\), .+; median \d\.\d+ s",
        r"  \d+% of the time went to the rate limit: raise it or lower max_workers to \d+",
        r"waited on average: \d\.\d s for the limit, \d pauses",
        r"tokens: [1-9]\d* read, [1-9]\d* written",
    ],
    "report_orchestrator": [
        r"# parallel agents",
        *(rf"## {title}" for title in ("Introduction", "Core concepts", "Practical applications")),
        r"calls: plan, draft\[0\], draft\[1\], draft\[2\], polish\[0\], polish\[1\], polish\[2\], report",
        r"on average \d\.\d ran at once",
    ],
    "retries": [
        rf"calm: {LATE}succeeded",
        rf"busy: {LATE}failed \(OverloadedError\), {LATE}failed \(OverloadedError\), {LATE}succeeded",
        rf"silent: timed_out \(TaskTimeout\), {LATE}succeeded",
        r"broken: failed \(InternalServerError\), failed \(InternalServerError\), failed \(InternalServerError\)",
        r"\d+ retries, \d+\.\d s of back-off",
    ],
    "slow_branch": [
        r"at the deadline: 3 of 4",
        r"  prices: succeeded, in \d\.\d s",
        r"  weather: succeeded, in \d\.\d s",
        r"  a study of forty pages: timed_out, goes on",
        r"  news: succeeded, in \d\.\d s",
        r"later: number 2 after all, \d+ words",
        r"nothing is missing: True",
        r"the same from a coroutine: True",
    ],
    "sub_agents": [
        r"too dear: 1 turn, [1-5] requests, then no more",
        r"researcher, 2 looked up: A researcher found two places of origin\.",
        r"researcher, 1 looked up: A researcher found how it was shipped\.",
        r"6 requests in all, 2 of them the editor's own",
        r"Tea came from the hills, and went to sea\.",
    ],
    "summarise_documents": [
        *(rf"Field report {number}\D.*-> .*, {number}, .+" for number in range(1, 21)),
        r"20 of 20 summarised, [1-9]\d+ tokens written",
        r"the same from a coroutine: True",
    ],
    "task_group": [
        r"for: About .+",
        r"against: About .+",
        r"verdict: Go ahead, .+",
        *(rf"step {number}: succeeded" for number in range(1, 6)),
    ],
    "threads_from_async": [
        *(rf"{city}: About .*{city}.+" for city in ("Lisbon", "Nairobi", "Osaka", "Quito", "Tallinn", "Hobart")),
        r"arun gives the same in the same order: True",
        r"the loop went on meanwhile: True",
    ],
    "timeouts": [
        r"stuck: timed_out",
        r"weather: succeeded",
        r"news: succeeded",
        r"calendar: succeeded",
        r"unwrap raises TaskTimeout: ask did not return within 0\.3 s",
        r"from a coroutine: None",
        r"threads named at the end: 2, in 1 warning",
    ],
    "tool_calls": [
        r"Oslo: succeeded",
        r"Atlantis: failed",
        r"Cairo: succeeded",
        r"\d\.\d\d s for 0\.\d\d s of work",
        r"the same from a coroutine: True",
        r".*Oslo: snow.*Atlantis.*Cairo: sun.*",
    ],
    "voting": [
        r"it is a complaint: 100% of 5 votes",
        r"cancelled: 4, could they have changed it: False",
        r"clients that the server has seen go: 4",
        r"tied: \[2, 2, 1\]",
        r"treated as urgent, with 40% of the votes",
        r"three of them: complaint, certain: True",
    ],
    "worker_pool": [
        r"total 30, succeeded 30, failed 0",
        r"never more than five at once: True",
        r"wall .+ calls at once",
        r"tokens: [1-9]\d* read, [1-9]\d* written",
        r"from a coroutine: 30 done, with up to \d+ in the queue",
    ],
}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_an_example_prints_what_it_promises(script):
    """The script ends well, with warnings as errors and nothing on its standard error, and its lines stand in order."""
    patterns = EXPECTED.get(script.stem)
    assert patterns, f"{script.name} has no expectation: add the lines that it must print to EXPECTED"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore:Creating scratch directories:UserWarning", str(script)],  # Dask's
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        timeout=240,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    lines = iter(done.stdout.splitlines())
    for pattern in patterns:
        assert any(re.fullmatch(pattern, line) for line in lines), (
            f"{pattern!r} is missing, or not in order:\n{done.stdout}"
        )


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_an_example_is_short_and_says_what_it_shows(script):
    """The script begins with a docstring and fits on a page."""
    text = script.read_text(encoding="utf-8")
    assert text.startswith('"""')
    assert 20 <= len(text.splitlines()) <= 60


def test_no_expectation_is_left_over():
    """Whatever is expected belongs to a script that is still there."""
    assert set(EXPECTED) == {script.stem for script in SCRIPTS}
