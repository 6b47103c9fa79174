"""Who runs which job: claim, renew, take over, advance; all by the database's clock, and fenced.

A cancel request is a state of its own: after it the job is CancelRequested, `renew` tells its owner, and an owner that
tries to go on (to Running or Finalizing) meets a Conflict instead of undoing the request.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, and_, case, literal, select, update

from batchyard.domain.computes import InstanceDemand, admit
from batchyard.domain.errors import LeaseLost
from batchyard.domain.job_states import FINAL, HOLDS_INSTANCES, JobStatus, check_transition
from batchyard.domain.jobs import ErrorClass, Job, JobError, Owner
from batchyard.ports.job_leases import Holding, JobChange, Progress, Wish
from batchyard.records import codec
from batchyard.records.admission import Demand, demand
from batchyard.records.clock import database_now
from batchyard.records.endings import changed_columns, ended
from batchyard.records.job_rows import PIPELINE, job_of, owner_columns, owner_of
from batchyard.records.reservations import release
from batchyard.records.tables import AnyRow, jobs

_HOLDING = sorted(status.value for status in HOLDS_INSTANCES)


class JobLeaseTable:
    """`ports.job_leases.JobLeases` in one transaction of one workspace."""

    def __init__(self, connection: Connection, scope: str) -> None:
        self._connection = connection
        self._scope = scope
        self._now = database_now(connection)

    def claim_next(self, owner: Owner, *, lease_s: float, now: float) -> Job | None:
        """Start the next queued job that may pass; see `ports.job_leases.JobLeases.claim_next`."""
        waiting = demand(self._connection, self._scope)
        hopeless = {job.job: error for job in waiting.queued if (error := _never_starts(job, waiting)) is not None}
        for name, error in hopeless.items():
            self._fail_queued(name, error, now=now)
        queued = [job for job in waiting.queued if job.job not in hopeless]
        chosen = admit(queued, waiting.running, waiting.capacity).next_job
        if chosen is None:
            return None
        return self._start(chosen, owner, lease_s=lease_s, now=now)

    def held(self) -> Sequence[Holding]:
        """Give every job in a state of HOLDS_INSTANCES."""
        lapsed = (jobs.c.lease_until.is_(None) | (jobs.c.lease_until < self._now)).label("lapsed")
        columns = (
            jobs.c.name,
            jobs.c.fence,
            jobs.c.owner_boot,
            jobs.c.owner_pid,
            jobs.c.owner_start,
            jobs.c.process_ends,
            lapsed,
        )
        holding = and_(jobs.c.status.in_(_HOLDING), jobs.c.kind != PIPELINE)
        query = select(*columns).where(jobs.c.scope == self._scope, holding)
        rows = self._connection.execute(query.order_by(jobs.c.id))
        return [Holding(row.name, row.fence, owner_of(row), bool(row.lapsed), row.process_ends) for row in rows]

    def take_over(self, name: str, *, fence: int, owner: Owner, lease_s: float, made_progress: bool) -> Job | None:
        """Give the job to a new owner, who prepares again unless the job is sealed or to be cancelled."""
        prepares = jobs.c.status.in_([JobStatus.PREPARING.value, JobStatus.RUNNING.value])
        query = (
            update(jobs)
            .where(self._held_by(name, fence))
            .values(
                status=case((prepares, literal(JobStatus.PREPARING.value)), else_=jobs.c.status),
                fence=jobs.c.fence + 1,
                lease_until=self._now + lease_s,
                process_ends=literal(0) if made_progress else jobs.c.process_ends + 1,
                **owner_columns(owner),
            )
            .returning(jobs)
        )
        row = self._connection.execute(query).one_or_none()
        return None if row is None else job_of(row)

    def renew(self, name: str, *, fence: int, owner: Owner, lease_s: float, progress: Progress) -> Wish:
        """Prolong the lease in the name of `owner`, store progress, and say what is wanted.

        The owner is written each time: the engine claims, and the process it forks goes on renewing as itself.
        """
        told: dict[str, object] = {"rate_items_s": progress.rate_items_s, "eta_s": progress.eta_s}
        told["counts"] = None if progress.counts is None else codec.encode(progress.counts)
        told["failures"] = None if progress.failures is None else codec.encode(progress.failures)
        query = (
            update(jobs)
            .where(self._held_by(name, fence))
            .values(
                lease_until=self._now + lease_s,
                **owner_columns(owner),
                **{column: value for column, value in told.items() if value is not None},
            )
            .returning(jobs.c.cancel_requested, jobs.c.pause_requested)
        )
        row = self._connection.execute(query).one_or_none()
        if row is None:
            raise self._lost(name, fence)
        if row.cancel_requested:
            return Wish.CANCEL
        return Wish.PAUSE if row.pause_requested else Wish.GO_ON

    def advance(self, name: str, *, fence: int, change: JobChange) -> Job:
        """Change the job by a legal transition; reaching the final state it already has changes nothing."""
        query = select(jobs).where(jobs.c.scope == self._scope, jobs.c.name == name, jobs.c.fence == fence)
        row = self._connection.execute(query).one_or_none()
        if row is None or row.status == JobStatus.QUEUED.value:
            raise self._lost(name, fence)
        before = JobStatus(row.status)
        check_transition(name, before, change.status)
        if before in FINAL:
            return job_of(row)
        changed = update(jobs).where(jobs.c.id == row.id, jobs.c.fence == fence).values(changed_columns(row, change))
        row = self._connection.execute(changed.returning(jobs)).one()
        if JobStatus(row.status) in FINAL:
            release(self._connection, self._scope, name)
        return job_of(row)

    def _held_by(self, name: str, fence: int) -> ColumnElement[bool]:
        return and_(
            jobs.c.scope == self._scope, jobs.c.name == name, jobs.c.fence == fence, jobs.c.status.in_(_HOLDING)
        )

    def _start(self, name: str, owner: Owner, *, lease_s: float, now: float) -> Job:
        row = self._queued(name)
        check_transition(name, JobStatus(row.status), JobStatus.PREPARING)
        query = (
            update(jobs)
            .where(jobs.c.id == row.id, jobs.c.status == JobStatus.QUEUED.value)
            .values(
                status=JobStatus.PREPARING.value,
                fence=jobs.c.fence + 1,
                lease_until=self._now + lease_s,
                phases=codec.encode_mapping(codec.decode_numbers(row.phases) | {"preparing": now}),
                **owner_columns(owner),
            )
            .returning(jobs)
        )
        return job_of(self._connection.execute(query).one())

    def _fail_queued(self, name: str, error: JobError, *, now: float) -> None:
        row = self._queued(name)
        check_transition(name, JobStatus(row.status), JobStatus.FAILED)
        phases = codec.decode_numbers(row.phases) | {"ended": now}
        query = update(jobs).where(jobs.c.id == row.id, jobs.c.status == JobStatus.QUEUED.value)
        values = {
            "status": JobStatus.FAILED.value,
            "phases": codec.encode_mapping(phases),
            "error": codec.encode(error),
        }
        self._connection.execute(query.values(ended(row, values)))
        release(self._connection, self._scope, name)

    def _queued(self, name: str) -> AnyRow:
        query = select(jobs).where(jobs.c.scope == self._scope, jobs.c.name == name)
        return self._connection.execute(query).one()

    def _lost(self, name: str, fence: int) -> LeaseLost:
        query = select(jobs.c.fence, jobs.c.status).where(jobs.c.scope == self._scope, jobs.c.name == name)
        row = self._connection.execute(query).one_or_none()
        found = "there is no such job" if row is None else f"it is {row.status} with fence {row.fence}"
        return LeaseLost(f"Job {name!r} is not held with fence {fence} (any more): {found}.")


def _never_starts(job: InstanceDemand, waiting: Demand) -> JobError | None:
    """Why a queued job can never start: an error of ours, since no item and no script is to blame."""
    capacity = waiting.capacity.get(job.compute)
    if capacity is None:
        text = f"The compute {job.compute!r} was deleted while the job waited. Create it again and invoke again."
        return JobError("ComputeGone", text, ErrorClass.PLATFORM)
    if capacity < job.instances:
        text = (
            f"The job asks for {job.instances} instances, and the compute {job.compute!r} has become smaller: "
            f"its max_instances is {capacity}. Raise it or ask for fewer, and invoke again."
        )
        return JobError("ComputeTooSmall", text, ErrorClass.PLATFORM)
    return None
