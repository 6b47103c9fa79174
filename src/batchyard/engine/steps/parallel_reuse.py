"""A parallel step whose result an earlier one has: looked for before anything is planned, and used in its place.

The key is that of the input as it was before it was listed, so it is kept in the home until the ledger is sealed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from batchyard.domain.assets import EnvironmentBuild
from batchyard.domain.errors import Conflict, PlatformError
from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import Counts, Job
from batchyard.engine.lease import Canceled, JobLease
from batchyard.engine.prepare import clear
from batchyard.engine.rooms import Rooms
from batchyard.engine.steps.keys import Looked, look_at_inputs, step_key
from batchyard.engine.steps.models import outputs_of
from batchyard.engine.steps.outputs import seal_outputs
from batchyard.engine.steps.reuse import reused
from batchyard.engine.steps.staging import make_outputs
from batchyard.ports.job_home import JobHome
from batchyard.ports.job_leases import JobChange

_KEYS = "step_keys"


def look(rooms: Rooms, job: Job, lease: JobLease, home: JobHome) -> Looked | None:
    """Say what each input is, before any is copied or listed; None once the job has begun. Raises: Canceled."""
    return None if home.list("ledger") else look_at_inputs(rooms, job, check=lease.check_wish)


def take_earlier(
    rooms: Rooms,
    job: Job,
    lease: JobLease,
    home: JobHome,
    places: Mapping[str, Path],
    *,
    build: EnvironmentBuild,
    looked: Looked | None,
) -> Job | None:
    """Seal the result of an earlier step in the place of a run, and give the job as it is then.

    None where there is none. places: of the inputs, by name. looked: of `look`.
    Raises: Canceled; ScriptError when the result cannot be what the outputs are to be; LeaseLost; PlatformError.
    """
    key = step_key(job, places, build, looked, check=lease.check_wish)
    if key is None:
        return None
    home.create(f"{_KEYS}/{job.fence}", key.encode())
    try:
        make_outputs(home, outputs_of(job), job.fence)
    except OSError as exc:
        raise PlatformError(f"Could not stage the step of job {job.name!r}: {exc}.") from exc
    earlier = reused(rooms, job, home, key, check=lease.check_wish)
    if earlier is None:
        clear(home, [f"outputs-{job.fence}"])
        return None
    change = JobChange(
        JobStatus.FINALIZING,
        counts=earlier.counts,
        phases={"finalizing": rooms.now()},
        ledger_sha256=seal_outputs(job, home, check=lease.check_wish),
        step_key=key,
        reused_from=earlier.name,
    )
    rooms.faults.reach("command.sealed")
    try:
        return lease.advance(change)
    except Conflict as exc:
        raise Canceled from exc


def key_to_seal(job: Job, home: JobHome, counts: Counts) -> str | None:
    """Give the key under which others may use what was scored; None unless all of it was, in one run."""
    kept = sorted(int(fence) for fence in home.list(_KEYS))
    if job.run > 1 or counts.failed or counts.incomplete or not kept:
        return None
    with home.read(f"{_KEYS}/{kept[-1]}") as stream:
        return stream.read().decode()
