"""The workspaces of the database: the one table whose rows belong to no workspace."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, insert, or_, select, update

from batchyard.domain.errors import Conflict
from batchyard.domain.job_states import FINAL, JobStatus
from batchyard.domain.resource_ids import Scope
from batchyard.domain.workspaces import Workspace
from batchyard.ports.records import OperationStatus
from batchyard.records import codec
from batchyard.records.tables import AnyRow, jobs, operations, workspaces

_AT_WORK = sorted(status.value for status in JobStatus if status not in FINAL and status is not JobStatus.PAUSED)


class WorkspaceTable:
    """`ports.records.Workspaces` in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, scope: Scope) -> Workspace | None:
        """Give the one that a scope names, compared without case, or None."""
        return self._one(workspaces.c.path == _path(scope))

    def by_id(self, id: str) -> Workspace | None:
        """Give the one with this id, or None."""
        return self._one(workspaces.c.id == id)

    def list(self) -> Sequence[Workspace]:
        """Give all, by subscription, resource group and name, without case."""
        return self._all(None)

    def save(self, workspace: Workspace) -> None:
        """Store a new one, or another state of the one with this id. Raises: Conflict when its names are taken."""
        holder = self.get(workspace.scope)
        if holder is not None and holder.id != workspace.id:
            raise Conflict(f"There is a workspace {holder.scope.workspace!r} already: {holder.scope.arm_id}.")
        row = _row(workspace)
        if self.by_id(workspace.id) is None:
            self._connection.execute(insert(workspaces).values(row))
        else:
            self._connection.execute(update(workspaces).where(workspaces.c.id == workspace.id).values(row))

    def delete(self, id: str) -> None:
        """Take one out of sight; its rows stay under an id that nothing leads to any more."""
        self._connection.execute(delete(workspaces).where(workspaces.c.id == id))

    def at_work(self) -> Sequence[Workspace]:
        """Give those with a job that is neither final nor paused, or with a running operation."""
        job = exists().where(jobs.c.scope == workspaces.c.id, jobs.c.status.in_(_AT_WORK))
        running = operations.c.status == OperationStatus.RUNNING.value
        return self._all(or_(job, exists().where(and_(operations.c.scope == workspaces.c.id, running))))

    def _all(self, condition: ColumnElement[bool] | None) -> Sequence[Workspace]:
        query = select(workspaces).order_by(workspaces.c.path)
        rows = self._connection.execute(query if condition is None else query.where(condition))
        return [_workspace(row) for row in rows]

    def _one(self, condition: ColumnElement[bool]) -> Workspace | None:
        row = self._connection.execute(select(workspaces).where(condition)).one_or_none()
        return None if row is None else _workspace(row)


def _path(scope: Scope) -> str:
    return scope.arm_id.lower()


def _row(workspace: Workspace) -> dict[str, object]:
    return {
        "id": workspace.id,
        "path": _path(workspace.scope),
        "subscription": workspace.scope.subscription,
        "resource_group": workspace.scope.resource_group,
        "name": workspace.scope.workspace,
        "display_name": workspace.display_name,
        "description": workspace.description,
        "location": workspace.location,
        "tags": codec.encode_mapping(workspace.tags),
        "created_at": workspace.created_at,
        "created_by": workspace.created_by,
        "modified_at": workspace.modified_at,
        "modified_by": workspace.modified_by,
    }


def _workspace(row: AnyRow) -> Workspace:
    return Workspace(
        Scope(row.subscription, row.resource_group, row.name),
        row.id,
        display_name=row.display_name,
        description=row.description,
        location=row.location,
        tags=codec.decode_texts(row.tags),
        created_at=row.created_at,
        created_by=row.created_by,
        modified_at=row.modified_at,
        modified_by=row.modified_by,
    )
