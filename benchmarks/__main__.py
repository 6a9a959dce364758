"""``python -m benchmarks``: measures, prints a table and what has changed, writes JSON and a picture."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import comparison, figures, history, machine, peers, quiet, terminal
from benchmarks.harness import Plan
from benchmarks.report import Report

if TYPE_CHECKING:
    from benchmarks.harness import Figure

RESULTS = Path(__file__).parent / "results" / "latest.json"


def main(arguments: list[str] | None = None) -> int:
    """Runs what the command line asks for; returns the exit status."""
    options = _parser().parse_args(arguments)
    if options.list:
        for name in figures.GROUPS:
            print(f"{name:10}{figures.describe(name)}")
        return 0
    if options.picture and not find_spec("plotly"):
        print("--picture needs plotly, which is not installed: pip install plotly", file=sys.stderr)
        return 2
    if options.keep and options.quick:
        print("--keep needs figures that mean something: leave out --quick", file=sys.stderr)
        return 2
    try:
        old = history.before(machine.describe(), options.history)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    plan = Plan(options.quick, options.rounds or (2 if options.quick else 5))
    if not options.quick:
        _ask_for_quiet(options.wait)
    if options.peers:
        names = [comparison.GROUP]
    else:
        names = options.only or [name for name in figures.GROUPS if name != comparison.GROUP]
    report = measure(names, plan)
    terminal.show(report)
    _show_peers([figure for group, figure in report.figures if group == comparison.GROUP], options.peers)
    if not options.quick:
        print("", *history.lines(report, old), sep="\n")
        if options.keep:
            history.keep(history.entry(report), options.history)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(report.to_json(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if options.picture:
        from benchmarks import picture

        picture.draw(report, options.picture)
    return int(bool(report.failures or (options.check and report.missed)))


def measure(names: list[str], plan: Plan) -> Report:
    """Measures some groups of figures; one that fails is noted and does not keep the others from being measured."""
    _configure_structlog()
    report = Report(machine.describe(), plan, peers.missing(), peers.missing_tools())
    began = quiet.now()
    for name in names:
        start = time.perf_counter()
        print(f"measuring {name} ...", end=" ", flush=True, file=sys.stderr)
        try:
            report.figures.extend((name, figure) for figure in figures.measure(name, plan))
        except Exception as error:
            report.failures[name] = f"{type(error).__name__}: {error}"
        print(f"{time.perf_counter() - start:.1f} s", file=sys.stderr)
    report.noise = quiet.noise(report.machine["load"], report.machine["cores"], quiet.between(began, quiet.now()))
    return report


def _show_peers(found: list[Figure], folder: Path | None) -> None:
    """Print a row for each peer, and write that and a picture where it was asked for."""
    if found:
        print("", comparison.table(found), sep="\n")
    if found and folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "peers-table.md").write_text(comparison.table(found), encoding="utf-8")
        (folder / "peers.svg").write_text(comparison.picture(found), encoding="utf-8")


def _ask_for_quiet(seconds: float) -> None:
    """Say that others keep the machine busy, and wait for a while until they do not."""
    if quiet.noise(machine.load(), machine.cores(), None):
        print(
            f"the load is {machine.load():g}, and figures are worth something only from a machine that does nothing "
            f"else: please end what runs beside" + f", for which {seconds:g} s are waited" * bool(seconds),
            file=sys.stderr,
        )
        quiet.wait(machine.cores(), seconds)


def _configure_structlog() -> None:
    """Logs as a service does: events from INFO, rendered, but written nowhere.  All features of a fan are on."""
    if not peers.has("structlog"):
        return
    import structlog

    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(open(os.devnull, "w")),  # noqa: SIM115 -- open to the end
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=sys.modules[__package__].__doc__)
    parser.add_argument("--quick", action="store_true", help="few items and rounds: does everything still work?")
    parser.add_argument(
        "--only", nargs="+", choices=figures.GROUPS, metavar="NAME", help="measure only these groups (see --list)"
    )
    parser.add_argument(
        "--peers",
        type=Path,
        nargs="?",
        const=RESULTS.parent,
        metavar="FOLDER",
        help=f"only other libraries, side by side; writes peers-table.md and peers.svg (default: {RESULTS.parent})",
    )
    parser.add_argument("--list", action="store_true", help="list the groups of figures and stop")
    parser.add_argument("--rounds", type=_count, help="alternating rounds (default: 5, quick: 2)")
    parser.add_argument("--json", type=Path, default=RESULTS, metavar="FILE", help=f"default: {RESULTS}")
    parser.add_argument(
        "--keep", action="store_true", help="add this run to the history, with which later ones are compared"
    )
    parser.add_argument("--history", type=Path, default=history.FILE, metavar="FILE", help=f"default: {history.FILE}")
    parser.add_argument(
        "--wait", type=float, default=0.0, metavar="SECONDS", help="for a quiet machine, before anything is measured"
    )
    parser.add_argument("--picture", metavar="FILE.html", help="draw the figures (needs plotly)")
    parser.add_argument("--check", action="store_true", help="exit with status 1 if a goal is missed")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"rounds is {text!r}; right is a whole number from 1")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
