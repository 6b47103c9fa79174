"""The result of an earlier step in the place of a run: copied from where it was published, and looked at again."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from batchyard.domain.errors import BatchyardError, PlatformError
from batchyard.domain.job_specs import CommandSpec, InputKind, InputSource, ScoringSpec
from batchyard.domain.jobs import Job
from batchyard.domain.pipelines.components import PortType
from batchyard.engine.prepare import clear, copy_writable
from batchyard.engine.rooms import Rooms
from batchyard.engine.steps.models import outputs_of
from batchyard.engine.steps.outputs import SealedOutput, sealed_outputs
from batchyard.engine.steps.settling import Settling
from batchyard.engine.steps.staging import COMMAND_LOG, make_outputs, staged_outputs
from batchyard.ports.job_home import JobHome

log = logging.getLogger(__name__)


def reused(rooms: Rooms, job: Job, home: JobHome, key: str | None, *, check: Callable[[], None]) -> Job | None:
    """Put the result of an earlier step of this key where its own would be staged, and give that step's job.

    None where there is none, its files are not what they were, or it may not be used. check: called before each file;
    what it raises ends that. Raises: PlatformError.
    """
    if key is None or _is_forced(job):
        return None
    outputs_of_job = outputs_of(job)
    with rooms.records.reading() as tx:
        earlier = tx.jobs.by_step_key(key)
    if earlier is None or not rooms.homes.exists(earlier.name):
        return None
    outputs = sealed_outputs(earlier, rooms.homes.open(earlier.name))
    if outputs is None or {output.name for output in outputs} != {*outputs_of_job}:
        return None
    staged = staged_outputs(home, outputs_of_job, job.fence)
    try:
        is_same = all(_copy(rooms, output, os.fspath(staged[output.name]), check) for output in outputs)
    except (OSError, shutil.Error) as exc:
        log.warning("earlier result not used", extra={"job": earlier.name, "reason": str(exc)})
        is_same = False
    if not is_same:
        _begin_anew(job, home)
        return None
    log.info("earlier result used", extra={"job": job.name, "earlier": earlier.name})
    _tell(rooms, job, earlier)
    return earlier


def _is_forced(job: Job) -> bool:
    match job.spec:
        case CommandSpec(force_rerun=is_forced):
            return is_forced
        case ScoringSpec(step=step) if step is not None:
            return step.force_rerun
    return True


def _copy(rooms: Rooms, output: SealedOutput, target: str, check: Callable[[], None]) -> bool:
    """Copy an output to where this one's is staged; False when it is no longer what was published."""
    is_file = output.type is PortType.URI_FILE
    source = InputSource(InputKind.FILE if is_file else InputKind.FOLDER, str(output.place))
    try:
        place = rooms.datastores.input_path(source)
    except PlatformError:
        raise
    except BatchyardError:  # Its datastore is gone.
        return False

    def copied(origin: str, copy: str) -> str:
        check()
        return copy_writable(origin, copy)

    if is_file:
        copied(os.fspath(place), target)
    else:
        shutil.copytree(place, target, copy_function=copied, dirs_exist_ok=True)
    settling, staged = Settling(check), Path(target)
    found = settling.settle(output.name, staged, is_file=is_file)
    # A file alone has the name of its own place.
    known = [replace(file, path=os.fsencode(staged.name)) for file in output.files] if is_file else output.files
    return not settling.complaints and found == list(known)


def _begin_anew(job: Job, home: JobHome) -> None:
    clear(home, [f"outputs-{job.fence}"])
    try:
        make_outputs(home, outputs_of(job), job.fence)
    except OSError as exc:
        raise PlatformError(f"Could not stage the step of job {job.name!r}: {exc}.") from exc


def _tell(rooms: Rooms, job: Job, earlier: Job) -> None:
    """Say in the log that is streamed why nothing ran. A log never fails a job."""
    path = rooms.logs_of(job.name) / COMMAND_LOG
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"Nothing is run: the result of job {earlier.name!r}, which did the same, is used again.\n")
    except OSError as exc:
        log.warning("log of the command is not written", extra={"job": job.name, "reason": str(exc)})
