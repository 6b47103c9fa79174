"""Writes what was measured into docs/performance.md and its chart: `python -m benchmarks.paper`.

Only the parts between `<!-- measured: … -->` and `<!-- end -->` are written; everything else is by hand.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import user_wait
from benchmarks.chart import draw
from benchmarks.report import goal_table, goals_reached, workload_table
from benchmarks.results import Measured, load
from benchmarks.runs import ROOT

_CHART = (
    "![For each workload, how many times the wall time of the hand-written limit each tool needs; batchyard's mark is "
    "the large diamond](images/performance.svg)"
)
PAPER, CHART = ROOT / "docs" / "performance.md", ROOT / "docs" / "images" / "performance.svg"
_PART = re.compile(r"(<!-- measured: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.paper", description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT / ".bench")
    results = parser.parse_args().data / "results"
    found = load(results)
    if not found:
        print(f"Nothing is measured in {results}: run `make bench` first.", file=sys.stderr)
        return 1
    waits = _waits(results / "user_wait.json")
    parts = {"chart": _CHART, "goals": _goals(found), "tables": _tables(found), "waits": waits}
    written = _PART.sub(lambda part: f"{part[1]}\n{parts[part[2]]}\n\n{part[3]}", PAPER.read_text())
    PAPER.write_text(written)
    print(f"Written: {PAPER}, {draw(found, CHART)}")
    return 0


def _goals(found: Sequence[Measured]) -> str:
    reached, missed, unmeasured = goals_reached(found)
    said = f"{reached} goals reached, {missed} not reached, {unmeasured} not measured."
    return f"{_where(found)}\n\n{goal_table(found)}\n\n{said}"


def _where(found: Sequence[Measured]) -> str:
    times = sorted(one.when for one in found)
    loads = [load for one in found for load in one.load]
    return (
        f"{found[0].machine}; {times[0]} to {times[-1]}; load average {min(loads):.1f} to {max(loads):.1f} "
        "(two processes of a measurement alone make up to 2)."
    )


def _tables(found: Sequence[Measured]) -> str:
    return "\n\n".join(workload_table(one) for one in found)


def _waits(path: Path) -> str:
    return user_wait.table(json.loads(path.read_text())) if path.exists() else "Not measured yet: `make bench-wait`."


if __name__ == "__main__":
    sys.exit(main())
