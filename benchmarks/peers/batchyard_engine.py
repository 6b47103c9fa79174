"""batchyard's engine with every feature on: from the start of the job's process to the published output.

The job is in the queue and claimed before the clock starts, as in a server: its engine forks a process for each job.
Option: how many workers, two when left out. Prints what `measure` measured as JSON, since the time of this program
itself is not what is asked for.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from batchyard.domain.deployments import ExecutionSettings
from batchyard.engine.claim import claim_job
from batchyard.engine.job_run import run_job
from benchmarks.measure import Watch, adopt_orphans, watch
from tests.support.direct import DirectHome


def main(script: Path, folder: Path, output: Path, size: int, workers: int) -> None:
    adopt_orphans()
    work = Path(tempfile.mkdtemp(prefix="batchyard-bench-", dir=output.parent))
    direct = DirectHome(work / "home")
    chosen = {k: v for k, v in os.environ.items() if k.startswith("BENCH_")}
    settings = ExecutionSettings(
        mini_batch_size=size,
        max_concurrency_per_instance=workers,
        error_threshold=100_000,
        isolate_failing_items="BENCH_NO_ISOLATION" not in os.environ,
        environment_variables=chosen,
    )
    direct.submit("bench", folder, script.read_text(), settings, model=_model())
    direct.rooms.records.warm_up()  # As an engine does when it starts.
    job = claim_job(direct.rooms)
    assert job is not None

    def start() -> int:
        pid = os.fork()
        if pid == 0:
            run_job(direct.as_new_process(), job)
            os._exit(0)
        return pid

    used = watch(start, with_memory="BENCH_MEMORY" in os.environ)
    _check(used)
    shutil.copyfile(direct.output("bench") / "predictions.csv", output)
    shutil.rmtree(work)
    print(json.dumps(used._asdict()))


def _model() -> dict[str, bytes]:
    root = Path(os.environ.get("AZUREML_MODEL_DIR", "/nonexistent")) / "model"
    found = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    return found or {"model.txt": b"none"}


def _check(used: Watch) -> None:
    if used.exit_code:
        raise SystemExit(f"the job's process ended with {used.exit_code}")


if __name__ == "__main__":
    workers = int(sys.argv[5]) if len(sys.argv) > 5 else 2
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]), workers)
