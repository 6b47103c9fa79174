"""What a step's script logs through MLflow: where it is told to write, and what its job keeps of that in the end.

No server and no credential: the script writes a folder of its own scratch, which is read once the command has ended.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from batchyard.domain.jobs import Job
from batchyard.domain.logged import Logged, gathered
from batchyard.engine.rooms import Rooms
from batchyard.engine.steps.mlflow_store import copy_artifacts, environment_of, read_store
from batchyard.ports.job_home import JobHome

log = logging.getLogger(__name__)

ARTIFACTS = "artifacts"
_STORE = "mlruns"
_WARNINGS = "logs/mlflow.txt"


def tracking_variables(job: Job, scratch: Path) -> Mapping[str, str]:
    """Give the environment variables by which the script's MLflow logs for this job alone."""
    return environment_of(scratch / _STORE, experiment=job.spec.experiment_name or job.spec.endpoint or "Default")


def take_logged(rooms: Rooms, job: Job, home: JobHome) -> Logged | None:
    """Read what the last command of this job logged, and put its artifacts beside the job's logs; None for nothing.

    A store that is damaged is no failure: what is wrong with it is told in `logs/mlflow.txt`.
    """
    found = (home.path(f"scratch-{fence}/{_STORE}") for fence in range(job.fence, 0, -1))
    root = next((path for path in found if path.exists()), None)
    if root is None:
        return None
    store = read_store(root)
    logs = rooms.logs_of(job.name)
    try:
        copy_artifacts(store, logs / ARTIFACTS)
    except OSError as exc:
        store.warn(f"The artifacts could not be kept: {exc}.")
    logged = gathered(store.runs)
    if logged.left_out:
        store.warn(f"{logged.left_out} parameters, metrics and tags were too many to keep.")
    if store.warnings:
        _tell(job.name, logs / _WARNINGS, store.warnings)
    return logged if logged != Logged() else None


def _tell(job: str, path: Path, warnings: list[str]) -> None:
    log.warning("not all that was logged is kept", extra={"job": job, "reason": warnings[0]})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in warnings), encoding="utf-8", errors="backslashreplace")
    except OSError as exc:
        log.warning("warnings of MLflow not written", extra={"job": job, "reason": str(exc)})
