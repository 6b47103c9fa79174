"""Jobs as consumers and operators see them: add, look up, list, ask to cancel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, Connection, and_, insert, select, update

from batchyard.domain.computes import admit
from batchyard.domain.errors import Conflict, NotFound, near_names
from batchyard.domain.job_notes import JobNotes
from batchyard.domain.job_specs import OutputTarget
from batchyard.domain.job_states import ENDS_AT_ONCE, FINAL, JobStatus, can_cancel, can_pause, check_transition
from batchyard.domain.jobs import Job
from batchyard.domain.reservations import reserved_by
from batchyard.ports.job_leases import JobChange
from batchyard.ports.records import JobFilter, Page
from batchyard.records import codec
from batchyard.records.admission import demand
from batchyard.records.endings import changed_columns, ended
from batchyard.records.job_filters import wanted
from batchyard.records.job_rows import PIPELINE, job_of, notes_columns, row_of
from batchyard.records.paging import make_token, read_token
from batchyard.records.reservations import check_free, release, reserve
from batchyard.records.tables import AnyRow, jobs

_AT_WORK = sorted(status.value for status in set(JobStatus) - FINAL - {JobStatus.PAUSED})


class JobTable:
    """`ports.records.Jobs` in one transaction of one workspace."""

    def __init__(self, connection: Connection, scope: str) -> None:
        self._connection = connection
        self._scope = scope

    def add(self, job: Job) -> None:
        """Store a new job and reserve its output; see `ports.records.Jobs.add`."""
        # Writers wait for each other, so what is looked up here stays true; the unique constraints guard it all the
        # same. Looking first is what lets the message name the holder.
        self._refuse_taken_name(job)
        self._refuse_seen_request(job)
        is_final = job.status in FINAL
        if not is_final:
            self.check_free(reserved_by(job))
        self._connection.execute(insert(jobs).values(scope=self._scope, **row_of(job)))
        if not is_final:
            reserve(self._connection, self._scope, job)

    def check_free(self, targets: Sequence[OutputTarget]) -> None:
        """See that nobody has reserved these targets; see `ports.records.Jobs.check_free`."""
        check_free(self._connection, self._scope, targets)

    def get(self, name: str) -> Job | None:
        """Give a job, with `queue_reason` when it is queued, or None."""
        row = self._one(jobs.c.name == name)
        if row is None:
            return None
        return job_of(row, queue_reason=self._queue_reasons([row]).get(name, ""))

    def by_request(self, endpoint: str, request_id: str) -> Job | None:
        """Give the job that this request id made on this endpoint, or None."""
        row = self._one(and_(jobs.c.endpoint == endpoint, jobs.c.request_id == request_id))
        return None if row is None else job_of(row)

    def list(self, which: JobFilter, *, limit: int = 50, token: str | None = None) -> Page[Job]:
        """Give jobs, newest first, with `queue_reason` where they are queued."""
        query = select(jobs).where(jobs.c.scope == self._scope, *wanted(which))
        if token is not None:
            query = query.where(jobs.c.id < read_token(token, int)[0])
        rows = self._connection.execute(query.order_by(jobs.c.id.desc()).limit(limit + 1)).all()
        more = len(rows) > limit
        rows = rows[:limit]
        reasons = self._queue_reasons(rows)
        found = tuple(job_of(row, queue_reason=reasons.get(row.name, "")) for row in rows)
        return Page(found, make_token([rows[-1].id]) if more and rows else None)

    def by_step_key(self, key: str) -> Job | None:
        """Give the newest job with this step key that has completed, or None."""
        of_key = and_(jobs.c.step_key == key, jobs.c.status == JobStatus.COMPLETED.value)
        query = select(jobs).where(jobs.c.scope == self._scope, of_key).order_by(jobs.c.id.desc()).limit(1)
        row = self._connection.execute(query).first()
        return None if row is None else job_of(row)

    def steps_of(self, job: str) -> Mapping[str, Job]:
        """Give the jobs of the steps of a pipeline job that have begun, by step."""
        query = select(jobs).where(jobs.c.scope == self._scope, jobs.c.parent == job)
        return {row.step: job_of(row) for row in self._connection.execute(query.order_by(jobs.c.id))}

    def step_states(self, job: str) -> Mapping[str, JobStatus]:
        """Give the states of the steps of a pipeline job that have begun, by step."""
        query = select(jobs.c.step, jobs.c.status).where(jobs.c.scope == self._scope, jobs.c.parent == job)
        return {step: JobStatus(status) for step, status in self._connection.execute(query.order_by(jobs.c.id))}

    def pipelines_at_work(self) -> Sequence[Job]:
        """Give the pipeline jobs that are not final, in the order of invocation."""
        at_work = and_(jobs.c.kind == PIPELINE, jobs.c.status.in_(_AT_WORK))
        query = select(jobs).where(jobs.c.scope == self._scope, at_work)
        return [job_of(row) for row in self._connection.execute(query.order_by(jobs.c.id))]

    def advance_pipeline(self, name: str, changes: Sequence[JobChange]) -> Job:
        """Take a pipeline job through these states, one after the other; it has no owner."""
        row = self._known(name)
        for change in changes:
            check_transition(name, JobStatus(row.status), change.status)
            changed = update(jobs).where(jobs.c.id == row.id).values(changed_columns(row, change))
            row = self._connection.execute(changed.returning(jobs)).one()
        if JobStatus(row.status) in FINAL:
            release(self._connection, self._scope, name)
        return job_of(row)

    def take_up_again(self, job: Job) -> None:
        """Store a final job as it is queued for its next run, and reserve its output again."""
        row = self._known(job.name)
        check_transition(job.name, JobStatus(row.status), job.status)
        if row.run != job.run - 1 or JobStatus(row.status) not in FINAL:
            raise Conflict(f"Job {job.name!r} has been taken up again meanwhile: it is {row.status} in run {row.run}.")
        self.check_free(reserved_by(job))
        self._connection.execute(update(jobs).where(jobs.c.id == row.id).values(row_of(job)))
        reserve(self._connection, self._scope, job)

    def request_cancel(self, name: str, *, now: float) -> Job:
        """Ask a running job to end, or end a queued one at once; asking again changes nothing."""
        row = self._known(name)
        status = JobStatus(row.status)
        if status in (JobStatus.CANCEL_REQUESTED, JobStatus.CANCELED):
            return job_of(row)
        if not can_cancel(status):
            raise Conflict(_why_not_cancel(name, status))
        if status in ENDS_AT_ONCE:
            check_transition(name, status, JobStatus.CANCELED)
            phases = codec.encode_mapping(codec.decode_numbers(row.phases) | {"ended": now})
            canceled = {"cancel_requested": True, "status": JobStatus.CANCELED.value, "phases": phases}
            release(self._connection, self._scope, name)
            return self._changed(row, ended(row, canceled))
        check_transition(name, status, JobStatus.CANCEL_REQUESTED)
        asked = {"status": JobStatus.CANCEL_REQUESTED.value, "cancel_requested": True, "pause_requested": False}
        return self._changed(row, asked)

    def request_pause(self, name: str, *, now: float) -> Job:
        """Ask a running job to pause, or pause a queued one at once; asking again changes nothing."""
        row = self._known(name)
        status = JobStatus(row.status)
        if status is JobStatus.PAUSED or row.pause_requested:
            return job_of(row)
        if not can_pause(status):
            raise Conflict(f"Job {name!r} is {status.value} and can no longer be paused.")
        if status not in ENDS_AT_ONCE:
            return self._changed(row, {"pause_requested": True})
        phases = codec.encode_mapping(codec.decode_numbers(row.phases) | {"paused": now})
        return self._changed(row, {"status": JobStatus.PAUSED.value, "phases": phases})

    def continue_paused(self, name: str, *, now: float) -> Job:
        """Queue a paused job again; it goes on from its ledger once it is claimed."""
        row = self._known(name)
        if row.pause_requested:
            raise Conflict(f"Job {name!r} is {row.status} and about to pause. Continue it once it is Paused.")
        if row.status != JobStatus.PAUSED.value:
            raise Conflict(f"Job {name!r} is {row.status}; only a Paused job can be continued.")
        phases = codec.encode_mapping(codec.decode_numbers(row.phases) | {"queued": now})
        return self._changed(row, {"status": JobStatus.QUEUED.value, "phases": phases})

    def annotate(self, name: str, notes: JobNotes) -> Job:
        """Replace what people wrote on a job, and nothing else of it."""
        return self._changed(self._known(name), notes_columns(notes))

    def _known(self, name: str) -> AnyRow:
        row = self._one(jobs.c.name == name)
        if row is None:
            raise self._not_found(name)
        return row

    def _changed(self, row: AnyRow, values: Mapping[str, object]) -> Job:
        query = update(jobs).where(jobs.c.id == row.id).values(**values).returning(jobs)
        return job_of(self._connection.execute(query).one())

    def _one(self, condition: ColumnElement[bool]) -> AnyRow | None:
        return self._connection.execute(select(jobs).where(jobs.c.scope == self._scope, condition)).one_or_none()

    def _holder(self, condition: ColumnElement[bool]) -> tuple[str, str] | None:
        query = select(jobs.c.name, jobs.c.status).where(jobs.c.scope == self._scope, condition).limit(1)
        row = self._connection.execute(query).one_or_none()
        return None if row is None else (row.name, row.status)

    def _refuse_taken_name(self, job: Job) -> None:
        holder = self._holder(jobs.c.name == job.name)
        if holder is not None:
            raise Conflict(f"There is a job {job.name!r} already ({holder[1]}). Choose another name, or leave it out.")

    def _refuse_seen_request(self, job: Job) -> None:
        if job.request_id is None:
            return
        same = and_(jobs.c.endpoint == job.spec.endpoint, jobs.c.request_id == job.request_id)
        holder = self._holder(same)
        if holder is not None:
            raise Conflict(
                f"Endpoint {job.spec.endpoint!r} has seen the request id {job.request_id!r}: "
                f"it made the job {holder[0]!r} ({holder[1]})."
            )

    def _queue_reasons(self, rows: Sequence[AnyRow]) -> Mapping[str, str]:
        """Give why jobs wait, by name; the queue is looked at once, and only when one of the rows is queued."""
        if all(row.status != JobStatus.QUEUED.value for row in rows):
            return {}
        waiting = demand(self._connection, self._scope)
        return admit(waiting.queued, waiting.running, waiting.capacity).reasons

    def _not_found(self, name: str) -> NotFound:
        query = select(jobs.c.name).where(jobs.c.scope == self._scope).order_by(jobs.c.id.desc()).limit(1000)
        near = near_names(name, self._connection.execute(query).scalars().all())
        hint = f" Known: {', '.join(map(repr, near))}." if near else ""
        return NotFound(f"The job {name!r} does not exist.{hint}")


def _why_not_cancel(name: str, status: JobStatus) -> str:
    if status is JobStatus.FINALIZING:
        return f"Job {name!r} is Finalizing: its output is being published and can no longer be cancelled."
    return f"Job {name!r} is {status.value} and cannot be cancelled any more."
