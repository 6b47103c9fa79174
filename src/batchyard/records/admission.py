"""What `domain.computes.admit` decides on: who waits, who runs, and how many instances each compute has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, select

from batchyard.domain.computes import Compute, InstanceDemand
from batchyard.domain.job_states import HOLDS_INSTANCES, JobStatus
from batchyard.ports.records import Kind
from batchyard.records import codec
from batchyard.records.job_rows import PIPELINE
from batchyard.records.tables import documents, jobs


@dataclass(frozen=True, slots=True)
class Demand:
    """The jobs of one workspace that want or hold instances, in the order of invocation, and the capacities."""

    queued: tuple[InstanceDemand, ...]
    running: tuple[InstanceDemand, ...]
    capacity: dict[str, int]


def demand(connection: Connection, scope: str) -> Demand:
    """Read the demand; a thousand queued jobs cost a few milliseconds, since no spec is read."""
    return Demand(
        _demands(connection, scope, [JobStatus.QUEUED]),
        _demands(connection, scope, HOLDS_INSTANCES),
        _capacity(connection, scope),
    )


def _demands(connection: Connection, scope: str, statuses: Iterable[JobStatus]) -> tuple[InstanceDemand, ...]:
    query = select(jobs.c.name, jobs.c.compute, jobs.c.instances).where(
        jobs.c.scope == scope, jobs.c.status.in_([status.value for status in statuses]), jobs.c.kind != PIPELINE
    )
    rows = connection.execute(query.order_by(jobs.c.id)).all()
    return tuple(InstanceDemand(name, compute, instances) for name, compute, instances in rows)


def _capacity(connection: Connection, scope: str) -> dict[str, int]:
    query = select(documents.c.name, documents.c.document).where(
        documents.c.scope == scope, documents.c.kind == Kind.COMPUTE.value, documents.c.is_current
    )
    return {name: codec.decode(Compute, text).max_instances for name, text in connection.execute(query)}
