"""What the engine does between two requests of a recording, done by hand, so that a replay meets the same server."""

from __future__ import annotations

from batchyard.domain.datastores import ARTIFACT_STORE, log_folder
from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import Counts, Owner
from batchyard.domain.workspaces import DEFAULT_WORKSPACE
from batchyard.ports.job_leases import JobChange
from tests.unit.api.bench import Bench


class Engine:
    """The engine of a bench: it builds at once, and every item gives a row."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def do(self, step: str, job: str) -> None:
        """Carry out a step: `provision` what was deployed, or `score` a job."""
        if step == "provision":
            self._bench.provision()
        else:
            self._score(job)

    def _score(self, name: str) -> None:
        bench = self._bench
        with bench.records.writing() as tx:
            job = tx.job_leases.claim_next(Owner("boot", 1, 1), lease_s=60, now=bench.clock())
            assert job is not None and job.name == name, (job, name)
            place = job.scoring.output.place
            for status in (JobStatus.RUNNING, JobStatus.FINALIZING):
                tx.job_leases.advance(name, fence=job.fence, change=JobChange(status))
            counts = Counts(items=1, succeeded=1, rows=1, mini_batches=1, mini_batches_succeeded=1, attempts=1)
            change = JobChange(JobStatus.COMPLETED, counts=counts, phases={"ended": bench.clock()})
            tx.job_leases.advance(name, fence=job.fence, change=change)
        datastores = bench.rooms_of(DEFAULT_WORKSPACE).datastores
        store = datastores.get(place.datastore)
        store.put(f"{place.path}/{job.scoring.output.file_name}", [b"a.txt 1\n"], create_only=False)
        logs = datastores.get(ARTIFACT_STORE.name)
        logs.put(f"{log_folder(name)}/user_logs/std_log.txt", [b"scored\n"], create_only=False)
