"""`make bench`: interleaved rounds of the limit and of batchyard's engine; medians, ratios, equality of outputs."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.workloads import WORKLOADS, Workload

HERE = Path(__file__).parent
ROOT = HERE.parent


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--data", type=Path, default=ROOT / ".bench")
    given = parser.parse_args()
    print(f"{'workload':26} {'limit s':>16} {'batchyard s':>16} {'wall, paired':>20} {'best':>6} {'CPU':>6}  equal")
    for workload in WORKLOADS:
        print(_row(workload, given.rounds, given.data), flush=True)
    return 0


def _row(workload: Workload, rounds: int, data: Path) -> str:
    folder = workload.input_folder(data)
    limits, ours = [], []
    is_equal = True
    for turn in range(rounds + 1):
        pair = {}
        for side in ("limit", "ours") if turn % 2 else ("ours", "limit"):
            pair[side] = _run(side, workload, folder)
        is_equal &= pair["limit"][2] == pair["ours"][2]
        if turn:  # The first round warms the page cache.
            limits.append(pair["limit"])
            ours.append(pair["ours"])
    ratios = [mine[0] / limit[0] for mine, limit in zip(ours, limits, strict=True)]
    cpu = statistics.median(mine[1] / limit[1] for mine, limit in zip(ours, limits, strict=True))
    best = min(o[0] for o in ours) / min(x[0] for x in limits)
    each = min(o[0] for o in ours) / -(-workload.files // workload.mini_batch_size) * 1e6
    return (
        f"{workload.name:26} {_spread([x[0] for x in limits]):>16} {_spread([o[0] for o in ours]):>16} "
        f"{_spread(ratios):>20} {best:6.2f} {cpu:6.2f}  {'yes' if is_equal else 'NO'}  {each:.1f} µs a mini-batch"
    )


def _run(side: str, workload: Workload, folder: Path) -> tuple[float, float, str]:
    """Run one side once: wall and CPU seconds, and the hash of the sorted output."""
    work = Path(tempfile.mkdtemp(prefix="batchyard-bench-"))
    output = work / "output"
    arguments = [str(workload.script), str(folder), str(output), str(workload.mini_batch_size)]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    try:
        if side == "limit":
            before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
            subprocess.run([sys.executable, str(HERE / "limit.py"), *arguments], check=True, env=environment)
            wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        else:
            command = [sys.executable, "-m", "benchmarks.engine_side", str(work / "home"), *arguments]
            done = subprocess.run(command, check=True, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True)
            result = json.loads(done.stdout)
            wall, cpu = result["wall_s"], result["cpu_s"]
        rows = sorted(output.read_bytes().splitlines())
        return wall, cpu, hashlib.sha256(b"\n".join(rows)).hexdigest()
    finally:
        shutil.rmtree(work)


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} [{min(values):.2f}–{max(values):.2f}]"


if __name__ == "__main__":
    sys.exit(main())
