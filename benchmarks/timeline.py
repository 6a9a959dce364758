"""``python -m benchmarks.timeline FILE.svg``: the main job as a picture, one call after another above side by side.

24 model calls, two for each of 12 companies, are made against the loopback server twice; what is drawn is what the two
reports say of each call: when it began and ended, and on which thread.  The picture follows the reader's light or dark.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from threadfan import Fan
from threadfan.clients import anthropic
from threadfan.testing import LogNormal, MessagesServer

if TYPE_CHECKING:
    from threadfan import Report

CALLS, WORKERS = 24, 12
WIDTH, LEFT, LANE, GAP = 560, 16, 11, 3
STYLE = """
text { font: 15px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328; }

.small { font-size: 13px; fill: #59636e; }
.grid { stroke: #d1d9e0; }
.one { fill: #9aa4b0; } .many { fill: #2a6f97; }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc; } .small { fill: #9198a1; } .grid { stroke: #3d444d; }
  .one { fill: #768390; } .many { fill: #61afdf; }
}
"""


def main() -> None:
    """Make the calls and write the picture."""
    latency = LogNormal(median=0.5, p99=1.2)

    def ask(number: int) -> object:
        messages = [{"role": "user", "content": f"What is {number} squared?"}]
        return client.messages.create(model="claude-haiku-4-5", max_tokens=100, messages=messages)  # type: ignore[arg-type]

    with MessagesServer(latency=latency, seed=4) as server:
        client = anthropic.attach(server.client())
        ask(0)  # pays for the client's own imports
        with Fan(1, timeout=30) as fan:
            one = fan.run(ask, range(CALLS))
        with Fan(WORKERS, timeout=30) as fan:
            many = fan.run(ask, range(CALLS))
    Path(sys.argv[1]).write_text(drawn(one, many), encoding="utf-8")


def drawn(one: Report[object], many: Report[object]) -> str:
    """Both reports under one scale of time."""
    scale = (WIDTH - 2 * LEFT) / (one.stats.wall * 1.02)
    first = 46
    second = first + LANE + 58
    bottom = second + WORKERS * (LANE + GAP)
    height = bottom + 30
    parts = [f"<style>{STYLE}</style><title>{CALLS} model calls, one after another and side by side</title>"]
    for second_mark in range(0, int(one.stats.wall) + 1, 2):
        x = LEFT + second_mark * scale
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{first - 6}" y2="{bottom}"/>')
        parts.append(f'<text class="small" x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{second_mark} s</text>')
    for report, top, name, said in (
        (one, first, "one", f"{CALLS} model calls, one after another: {one.stats.wall:.1f} s"),
        (many, second, "many", f"the same in Fan({WORKERS}): {many.stats.wall:.1f} s"),
    ):
        parts.append(f'<text x="{LEFT}" y="{top - 14}">{said}</text>')
        parts += bars(report, top, name, scale)
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">\n' + "\n".join(parts) + "\n</svg>\n"


def bars(report: Report[object], top: int, name: str, scale: float) -> list[str]:
    """A lane for each thread, and in it a bar for each of its calls."""
    begun = min(outcome.started or 0.0 for outcome in report)
    lanes = {worker: lane for lane, worker in enumerate(dict.fromkeys(outcome.worker for outcome in report))}
    return [
        f'<rect class="{name}" x="{LEFT + ((outcome.started or 0.0) - begun) * scale:.1f}" rx="2" '
        f'y="{top + lanes[outcome.worker] * (LANE + GAP)}" '
        f'width="{max(outcome.duration * scale - 1.5, 1):.1f}" height="{LANE}"/>'
        for outcome in report
    ]


if __name__ == "__main__":
    main()
