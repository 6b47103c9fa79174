"""What an ended job needs no more is deleted: by its own process, or after it when that was killed in between."""

from __future__ import annotations

import logging

from batchyard.domain.errors import PlatformError
from batchyard.domain.job_specs import CommandSpec, OutputTarget, PipelineSpec, ScoringSpec
from batchyard.domain.job_states import FINAL, JobStatus
from batchyard.domain.jobs import Job
from batchyard.engine.prepare import clear
from batchyard.engine.rooms import Rooms

log = logging.getLogger(__name__)

_OUTPUTS = "outputs-"
_OF_ONE_OWNER = ("code-", "scratch-", "collect/", "inputs-", _OUTPUTS)


def tidy(rooms: Rooms, job: Job) -> None:
    """Delete what only a running job needs; nothing while the job is not final. Safe to repeat.

    A job that completed without failed items has all its rows in its output. Any other one keeps them: they can be
    downloaded, and scoring the rest needs them. A command that could not publish all of its outputs keeps the others.
    """
    if job.status not in FINAL:
        return
    home = rooms.homes.open(job.name)
    # Later ones belong to who has taken the job up again meanwhile.
    fences = range(1, job.fence + 1)
    there = {*home.folders(), *(f"collect/{fence}" for fence in home.folders("collect"))}
    kinds = [kind for kind in _OF_ONE_OWNER if kind != _OUTPUTS or not _may_publish(job)]
    needless = [name for fence in fences for kind in kinds if (name := f"{kind}{fence}") in there]
    if job.status is JobStatus.COMPLETED and not job.counts.failed:
        needless += ["parts", "files"]
    clear(home, needless)


def _may_publish(job: Job) -> bool:
    """Tell whether a resume of the job could go on publishing what a run of it has sealed."""
    if job.status is JobStatus.COMPLETED or not isinstance(job.spec, CommandSpec):
        return False
    return any((job.ledger_sha256, *(rerun.before.ledger_sha256 for rerun in job.reruns)))


def tidy_after_crash(rooms: Rooms, name: str) -> None:
    """Tidy up a job whose process did not end well, also beside its output; nothing when another one is at it."""
    with rooms.records.reading() as tx:
        job = tx.jobs.get(name)
    if job is None or job.status not in FINAL:
        return
    tidy(rooms, job)
    if "finalizing" in job.phases:
        for output in _outputs(job):
            rooms.datastores.discard_unfinished(output, job=name)


def _outputs(job: Job) -> list[OutputTarget]:
    match job.spec:
        case ScoringSpec(output=output, step=None):
            return [output]
        case ScoringSpec(step=step):
            return [OutputTarget(one.place, "") for one in (step.outputs.values() if step else ())]
        case CommandSpec(outputs=outputs):
            return [OutputTarget(output.place, "") for output in outputs.values()]
        case PipelineSpec():
            return []


def tidy_all(rooms: Rooms) -> None:
    """Tidy up every ended job, when an engine starts: what was there before it may have been killed anywhere."""
    for name in rooms.homes.names():
        try:
            tidy_after_crash(rooms, name)
        except PlatformError as exc:  # One that resists must not keep the others from it.
            log.warning("job not tidied up", extra={"job": name, "reason": str(exc)})
