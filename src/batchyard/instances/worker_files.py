"""Where a worker's files are, by the names of its plan; and which of all files it sees and writes in a sandbox."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from batchyard.domain.sandboxes import Places
from batchyard.domain.scoring.events import Worker
from batchyard.ports.instance import WorkerPlan
from batchyard_runtime.outputs import WORKERS


def own_name(plan: WorkerPlan, worker: Worker) -> str:
    """Give the name that no other worker of the job has, of any owner."""
    return f"{plan.fence}-{worker.name}"


def scratch_of(plan: WorkerPlan, worker: Worker) -> Path:
    """Give the folder of a worker's HOME and TMPDIR."""
    return plan.scratch_dir / own_name(plan, worker)


def part_name(plan: WorkerPlan, worker: Worker, *, is_confined: bool) -> str:
    """Give the name of the part file that this worker alone writes.

    is_confined: it lies in a folder of its own then, in which the worker can make more, and sees no other's.
    """
    name = own_name(plan, worker)
    return f"{name}.parts/rows.part" if is_confined else f"{name}.part"


def error_log(plan: WorkerPlan, worker: Worker) -> Path:
    """Give the file with the script's exceptions in this worker."""
    return plan.logs_dir / "user" / "error" / worker.node / f"{worker.name}.txt"


def own_log(plan: WorkerPlan, worker: Worker) -> Path:
    """Give the file with what the runtime says of this worker."""
    return plan.logs_dir / "sys" / "node" / worker.node / f"{worker.name}.txt"


def confine(plan: WorkerPlan, worker: Worker, scratch: Path) -> Places:
    """Make what a worker in a sandbox writes to, which must be there before, and give all that it sees.

    Raises: OSError.
    """
    name = own_name(plan, worker)
    part = plan.parts_dir / part_name(plan, worker, is_confined=True)
    folders = [scratch, part.parent, plan.files_dir / name, plan.files_dir / WORKERS / name]
    for folder in folders:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    logs = [error_log(plan, worker), own_log(plan, worker)]
    for log in logs:
        log.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    reads = [plan.code_dir, *([plan.model_dir] if plan.model_dir else []), *plan.reads]
    writes = [*folders, *logs, *([Path(plan.fault_log)] if plan.fault_log else [])]
    return Places(reads=tuple(map(str, reads)), writes=tuple(map(str, writes)))


def clear_unused(plan: WorkerPlan, worker: Worker) -> None:
    """Delete what was made for a worker that is gone and left it empty, as if it had never been."""
    name = own_name(plan, worker)
    for folder in (plan.parts_dir / f"{name}.parts", plan.files_dir / name, plan.files_dir / WORKERS / name):
        with contextlib.suppress(OSError):  # It holds something.
            folder.rmdir()
    for log in (error_log(plan, worker), own_log(plan, worker)):
        with contextlib.suppress(OSError):
            if not log.stat().st_size:
                log.unlink()
