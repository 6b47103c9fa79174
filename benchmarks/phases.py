"""Where the engine's own time goes: when a job's process reaches each named point, and its CPU time by then.

`python -m benchmarks.phases [--only WORKLOAD] [--rounds N]`; medians, in milliseconds from the fork of that process.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from batchyard.domain.deployments import ExecutionSettings
from batchyard.engine.claim import claim_job
from batchyard.engine.job_run import run_job
from benchmarks.inputs import input_folder
from benchmarks.models import model_folder
from benchmarks.runs import ROOT
from benchmarks.workloads import WORKLOADS, Workload
from tests.support.direct import DirectHome

Point = tuple[str, float, float]


class Points:
    """Stands where faults stand, and notes the first time that each point is reached."""

    def __init__(self) -> None:
        self._began_s, self._cpu_s = time.monotonic(), time.process_time()
        self.reached: dict[str, tuple[float, float]] = {}

    def reach(self, point: str) -> None:
        """Note it: seconds since the start, CPU seconds of this process."""
        self.reached.setdefault(point, (time.monotonic() - self._began_s, time.process_time() - self._cpu_s))


def run_once(workload: Workload, data: Path) -> list[Point]:
    """Score the workload in a process of its own; give its points, in order."""
    (data / "work").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=data / "work") as folder:
        direct = DirectHome(Path(folder) / "home")
        settings = ExecutionSettings(
            mini_batch_size=workload.mini_batch_size, max_concurrency_per_instance=2, error_threshold=100_000
        )
        source = input_folder(data, *workload.inputs)
        model = dict(_model(data, workload))
        direct.submit("phases", source, workload.script_path.read_text(), settings, model=model or None)
        direct.rooms.records.warm_up()
        job = claim_job(direct.rooms)
        assert job is not None
        told = Path(folder) / "told"
        pid = os.fork()
        if pid == 0:
            points = Points()
            run_job(replace(direct.as_new_process(), faults=points), job)
            points.reach("ended")
            told.write_text(json.dumps([(name, *at) for name, at in points.reached.items()]))
            os._exit(0)
        os.waitpid(pid, 0)
        return [(str(name), float(at), float(cpu)) for name, at, cpu in json.loads(told.read_text())]


def _model(data: Path, workload: Workload) -> Iterator[tuple[str, bytes]]:
    if workload.model:
        root = model_folder(data, workload.model) / "model"
        for path in root.rglob("*"):
            if path.is_file():
                yield str(path.relative_to(root)), path.read_bytes()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.phases", description=__doc__)
    parser.add_argument("--only", choices=sorted(WORKLOADS), default="w1")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--data", type=Path, default=ROOT / ".bench")
    given = parser.parse_args()
    runs = [run_once(WORKLOADS[given.only], given.data.absolute()) for _ in range(given.rounds)]
    print(f"{'point':24} {'ms':>9} {'CPU ms':>8}")
    for name, _, _ in runs[0]:
        found = [(at, cpu) for run in runs for point, at, cpu in run if point == name]
        at_s, cpu_s = (statistics.median(values) for values in zip(*found, strict=True))
        print(f"{name:24} {at_s * 1e3:9.1f} {cpu_s * 1e3:8.1f}")


if __name__ == "__main__":
    main()
