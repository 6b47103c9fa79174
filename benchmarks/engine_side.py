"""batchyard's engine on one workload, every feature on: from the start of the job's process to the published output.

`python -m benchmarks.engine_side HOME SCRIPT INPUT OUTPUT MINI_BATCH_SIZE` prints JSON: wall_s, cpu_s.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import sys
import time
from pathlib import Path

from batchyard.domain.deployments import ExecutionSettings
from batchyard.engine.claim import claim_job
from batchyard.engine.job_run import run_job
from tests.support.direct import DirectHome


def main(home: Path, script: Path, folder: Path, output: Path, size: int) -> None:
    direct = DirectHome(home)
    settings = ExecutionSettings(mini_batch_size=size, max_concurrency_per_instance=2)
    direct.submit("bench", folder, script.read_text(), settings)
    job = claim_job(direct.rooms)
    assert job is not None
    started = time.monotonic()
    pid = os.fork()
    if pid == 0:
        run_job(direct.as_new_process(), job)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    wall_s = time.monotonic() - started
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    if status:
        raise SystemExit(f"the job's process ended with status {status}")
    shutil.copyfile(direct.output("bench") / "predictions.csv", output)
    print(json.dumps({"wall_s": wall_s, "cpu_s": used.ru_utime + used.ru_stime}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]), int(sys.argv[5]))
