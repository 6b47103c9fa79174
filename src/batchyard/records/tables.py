"""The tables as the code sees them; `migrations/` makes them, and a test compares the two.

Everything carries in `scope` the id of its workspace. JSON is kept as ASCII text (`codec`), so that both databases
store any character. Names sort by their bytes on both. Times are seconds since the epoch, UTC.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    MetaData,
    Row,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.types import TypeEngine

metadata = MetaData()

# SQLite numbers rows only for a column of type INTEGER.
_ROW_NUMBER = BigInteger().with_variant(Integer(), "sqlite")
# PostgreSQL would sort by the locale of the database: pages and orders would differ from SQLite.
_NAME = Text().with_variant(Text(collation="C"), "postgresql")


# Any: the values of columns differ in type.
AnyRow = Row[*tuple[Any, ...]]
_Kind = TypeEngine[Any] | type[TypeEngine[Any]]


def _required(name: str, kind: _Kind) -> Column[Any]:  # Any: as above
    return Column(name, kind, nullable=False)


def _lease_columns() -> tuple[Column[Any], ...]:  # Any: as above
    """Who holds a piece of work: fence grows with each owner; lease_until is by the database's clock."""
    return (
        _required("fence", BigInteger),
        Column("lease_until", Double),
        Column("owner_boot", Text),
        Column("owner_pid", BigInteger),
        Column("owner_start", BigInteger),
    )


workspaces = Table(
    "workspaces",
    metadata,
    # What `scope` says in the rows of all other tables.
    Column("id", _NAME, primary_key=True),
    # The ARM id in lower case: names compare without case.
    _required("path", _NAME),
    _required("subscription", Text),
    _required("resource_group", Text),
    _required("name", Text),
    _required("display_name", Text),
    _required("description", Text),
    _required("location", Text),
    _required("tags", Text),
    _required("created_at", Double),
    _required("created_by", Text),
    _required("modified_at", Double),
    _required("modified_by", Text),
    UniqueConstraint("path", name="workspaces_path"),
)

documents = Table(
    "documents",
    metadata,
    Column("id", _ROW_NUMBER, primary_key=True, autoincrement=True),
    _required("scope", _NAME),
    _required("kind", _NAME),
    _required("parent", _NAME),
    _required("name", _NAME),
    _required("version", _NAME),
    _required("revision", Integer),
    _required("etag", Text),
    _required("document", Text),
    _required("is_current", Boolean),
    # The order in which documents came into being; revisions keep it. Clocks may step back, this does not.
    _required("creation", BigInteger),
    _required("created_at", Double),
    _required("created_by", Text),
    _required("modified_at", Double),
    _required("modified_by", Text),
    UniqueConstraint("scope", "kind", "parent", "name", "version", "revision", name="documents_revision"),
)
Index(
    "documents_current",
    documents.c.scope,
    documents.c.kind,
    documents.c.parent,
    documents.c.name,
    documents.c.version,
    unique=True,
    sqlite_where=text("is_current"),
    postgresql_where=text("is_current"),
)
Index(
    "documents_listed",
    documents.c.scope,
    documents.c.kind,
    documents.c.name,
    documents.c.creation,
    sqlite_where=text("is_current"),
    postgresql_where=text("is_current"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", _ROW_NUMBER, primary_key=True, autoincrement=True),
    _required("scope", _NAME),
    _required("name", _NAME),
    Column("kind", Text, nullable=False, server_default="scoring"),
    # Of a step: the pipeline job right above it, and which step of it; null for a job that was asked for itself.
    Column("parent", _NAME),
    Column("step", _NAME),
    _required("endpoint", _NAME),
    _required("deployment", _NAME),
    _required("status", Text),
    _required("created_at", Double),
    _required("created_by", Text),
    Column("request_id", _NAME),
    _required("compute", _NAME),
    _required("instances", Integer),
    *_lease_columns(),
    _required("process_ends", Integer),
    _required("cancel_requested", Boolean),
    Column("pause_requested", Boolean, nullable=False, server_default=false()),
    _required("run", Integer),
    _required("spec", Text),
    _required("counts", Text),
    _required("phases", Text),
    Column("error", Text),
    # Null while nothing has failed.
    Column("failures", Text),
    # Null where a script logged nothing through MLflow.
    Column("logged", Text),
    Column("ledger_sha256", Text),
    # Of a step whose result others may use, and of one that used another's.
    Column("step_key", Text),
    Column("reused_from", Text),
    Column("listed_at", Double),
    Column("rate_items_s", Double),
    Column("eta_s", Double),
    _required("display_name", Text),
    _required("description", Text),
    _required("tags", Text),
    _required("properties", Text),
    # How each run after the first came about and how the one before it ended: a JSON array, oldest first.
    Column("reruns", Text, nullable=False, server_default="[]"),
    Column("generation", Integer, nullable=False, server_default="0"),
    Column("is_archived", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("scope", "name", name="jobs_name"),
    UniqueConstraint("scope", "endpoint", "request_id", name="jobs_request"),
)
Index("jobs_step", jobs.c.scope, jobs.c.parent, jobs.c.step, unique=True)
Index("jobs_step_key", jobs.c.scope, jobs.c.step_key)
Index("jobs_kind", jobs.c.scope, jobs.c.kind, jobs.c.status)
Index("jobs_listed", jobs.c.scope, jobs.c.endpoint, jobs.c.id)
Index("jobs_status", jobs.c.scope, jobs.c.status, jobs.c.id)
Index("jobs_compute", jobs.c.scope, jobs.c.compute, jobs.c.id)
Index("jobs_archived", jobs.c.scope, jobs.c.is_archived, jobs.c.id)

# The places in datastores that jobs will publish to, files or folders with everything in them; gone with the job's end.
reservations = Table(
    "reservations",
    metadata,
    Column("scope", _NAME, primary_key=True),
    # `<datastore>/<path>`, so that what lies in a folder sorts behind it.
    Column("place", _NAME, primary_key=True),
    _required("job", _NAME),
)
Index("reservations_job", reservations.c.scope, reservations.c.job)

operations = Table(
    "operations",
    metadata,
    Column("number", _ROW_NUMBER, primary_key=True, autoincrement=True),
    _required("scope", _NAME),
    _required("id", _NAME),
    _required("kind", _NAME),
    _required("parent", _NAME),
    _required("name", _NAME),
    _required("version", _NAME),
    _required("revision", Integer),
    _required("status", Text),
    _required("created_at", Double),
    _required("created_by", Text),
    Column("ended_at", Double),
    # JSON, since the text may come from a user's script and PostgreSQL keeps no NUL in text.
    _required("error", Text),
    *_lease_columns(),
    # What is to be calibrated, and what that told; null for what is provisioned.
    Column("calibration", Text),
    Column("calibrated", Text),
    UniqueConstraint("scope", "id", name="operations_id"),
)
Index("operations_status", operations.c.scope, operations.c.status, operations.c.number)

audit = Table(
    "audit",
    metadata,
    Column("id", _ROW_NUMBER, primary_key=True, autoincrement=True),
    _required("scope", _NAME),
    _required("time", Double),
    _required("actor", Text),
    _required("action", _NAME),
    _required("target", _NAME),
    Column("before", Text),
    Column("after", Text),
    _required("reason", Text),
    _required("ticket", Text),
    _required("details", Text),
)
Index("audit_target", audit.c.scope, audit.c.target, audit.c.id)
Index("audit_action", audit.c.scope, audit.c.action, audit.c.id)
