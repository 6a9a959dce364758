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

# For each script the lines, as patterns, that must be there in this order; others may stand between them.
EXPECTED = {
    "code_review": [
        r"security: 2/10, .+",
        r"performance: 6/10, .+",
        r"style: 7/10, .+",
        r"documentation: 3/10, .+",
        r"never more than two at once: True",
        r"the same reviews as one by one: True",
        r"speed-up: \d\.\d .+",
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
        r"25 calls in \d\.\d s; one after another they take \d\.\d s",
        r"summary: Ember and Juno lead; .+",
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
    "fail_fast": [
        r"raised: InternalServerError",
        r"  1: failed, started",
        r"  2: cancelled, .+",
        r"  5: cancelled, never started",
        r"warned: .+ is still stuck in critique, .+",
    ],
    "hedging": [
        r"plain: p50 \d\.\d\d s, p99 [12]\.\d\d s, 100 asked",
        r"hedged: p50 \d\.\d\d s, p99 \d\.\d\d s, 10[1-5] asked",
        r"all answered: True",
        r"  \d0: succeeded, cancelled",
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
    "partial_failure": [
        r"first round: 8 of 10 answered",
        r"  3 failed with status 529, then succeeded",
        r"  7 failed with status 500, then failed",
        r"still missing: \[7\]",
    ],
    "perspectives": [
        r"legal: About .+",
        r"technical: About .+",
        r"financial: About .+",
        r"security: About .+",
        r"on average \d\.\d were asked at once",
        r"the legal opinion alone has \d+ words",
        r"verdict: Keep it for one year, .+",
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
    ],
    "rate_limited": [
        r"without a rate: \d+ of 60 answered, [1-9]\d* refused",
        r"with a rate: 60 of 60 answered, \d refused",
        r"<Report of 60 calls: 60 succeeded; .+>",
        r"  \d+% of the time went to the rate limit: raise it or lower max_workers to \d+",
        r"waited on average: \d\.\d s for the limit, \d pauses",
        r"tokens: [1-9]\d* read, [1-9]\d* written",
    ],
    "retries": [
        r"calm: succeeded",
        r"busy: failed \(OverloadedError\), failed \(OverloadedError\), succeeded",
        r"silent: timed_out \(TaskTimeout\), succeeded",
        r"broken: failed \(InternalServerError\), failed \(InternalServerError\), failed \(InternalServerError\)",
        r"5 retries, \d\.\d s of back-off",
    ],
    "summarise_documents": [
        *(rf"Field report {number}\D.*-> .*, {number}, .+" for number in range(1, 21)),
        r"20 of 20 summarised, [1-9]\d+ tokens written",
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
        r"threads named at the end: 1",
    ],
    "tool_calls": [
        r"Oslo: succeeded",
        r"Atlantis: failed",
        r"Cairo: succeeded",
        r"on average \d\.\d tools ran at once",
        r".*Oslo: snow.*Atlantis.*Cairo: sun.*",
    ],
    "worker_pool": [
        r"total 30, succeeded 30, failed 0",
        r"never more than five at once: True",
        r"wall .+ calls at once",
        r"tokens: [1-9]\d* read, [1-9]\d* written",
    ],
}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_an_example_prints_what_it_promises(script):
    """The script ends well, with warnings as errors and nothing on its standard error, and its lines stand in order."""
    patterns = EXPECTED.get(script.stem)
    assert patterns, f"{script.name} has no expectation: add the lines that it must print to EXPECTED"
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
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
