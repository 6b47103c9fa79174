"""The first shape: documents, jobs, operations, audit."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables, their indexes, and the triggers that keep the audit append-only."""
    _make_documents()
    _make_jobs()
    _make_operations()
    _make_audit()
    if op.get_bind().dialect.name == "postgresql":
        _protect_audit_on_postgresql()
    else:
        _protect_audit_on_sqlite()


def _make_documents() -> None:
    op.create_table(
        "documents",
        sa.Column("id", _ROW_NUMBER, primary_key=True, autoincrement=True),
        sa.Column("scope", _NAME, nullable=False),
        sa.Column("kind", _NAME, nullable=False),
        sa.Column("parent", _NAME, nullable=False),
        sa.Column("name", _NAME, nullable=False),
        sa.Column("version", _NAME, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("etag", sa.Text, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("is_current", sa.Boolean, nullable=False),
        sa.Column("creation", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("modified_at", sa.Double, nullable=False),
        sa.Column("modified_by", sa.Text, nullable=False),
        sa.UniqueConstraint("scope", "kind", "parent", "name", "version", "revision", name="documents_revision"),
    )
    current = sa.text("is_current")
    op.create_index(
        "documents_current",
        "documents",
        ["scope", "kind", "parent", "name", "version"],
        unique=True,
        sqlite_where=current,
        postgresql_where=current,
    )
    op.create_index(
        "documents_listed",
        "documents",
        ["scope", "kind", "name", "creation"],
        sqlite_where=current,
        postgresql_where=current,
    )


def _make_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", _ROW_NUMBER, primary_key=True, autoincrement=True),
        sa.Column("scope", _NAME, nullable=False),
        sa.Column("name", _NAME, nullable=False),
        sa.Column("endpoint", _NAME, nullable=False),
        sa.Column("deployment", _NAME, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("request_id", _NAME),
        sa.Column("compute", _NAME, nullable=False),
        sa.Column("instances", sa.Integer, nullable=False),
        *_lease_columns(),
        sa.Column("process_ends", sa.Integer, nullable=False),
        sa.Column("cancel_requested", sa.Boolean, nullable=False),
        sa.Column("reservation", sa.Text),
        sa.Column("reserved_folder", sa.Text),
        sa.Column("reserves_folder", sa.Boolean, nullable=False),
        sa.Column("run", sa.Integer, nullable=False),
        sa.Column("spec", sa.Text, nullable=False),
        sa.Column("counts", sa.Text, nullable=False),
        sa.Column("phases", sa.Text, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("ledger_sha256", sa.Text),
        sa.Column("listed_at", sa.Double),
        sa.Column("rate_items_s", sa.Double),
        sa.Column("eta_s", sa.Double),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("tags", sa.Text, nullable=False),
        sa.Column("properties", sa.Text, nullable=False),
        sa.UniqueConstraint("scope", "name", name="jobs_name"),
        sa.UniqueConstraint("scope", "endpoint", "request_id", name="jobs_request"),
        sa.UniqueConstraint("scope", "reservation", name="jobs_reservation"),
    )
    op.create_index("jobs_folder", "jobs", ["scope", "reserved_folder"])
    op.create_index("jobs_listed", "jobs", ["scope", "endpoint", "id"])
    op.create_index("jobs_status", "jobs", ["scope", "status", "id"])


def _make_operations() -> None:
    op.create_table(
        "operations",
        sa.Column("number", _ROW_NUMBER, primary_key=True, autoincrement=True),
        sa.Column("scope", _NAME, nullable=False),
        sa.Column("id", _NAME, nullable=False),
        sa.Column("kind", _NAME, nullable=False),
        sa.Column("parent", _NAME, nullable=False),
        sa.Column("name", _NAME, nullable=False),
        sa.Column("version", _NAME, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("ended_at", sa.Double),
        sa.Column("error", sa.Text, nullable=False),
        *_lease_columns(),
        sa.UniqueConstraint("scope", "id", name="operations_id"),
    )
    op.create_index("operations_status", "operations", ["scope", "status", "number"])


def _make_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("id", _ROW_NUMBER, primary_key=True, autoincrement=True),
        sa.Column("scope", _NAME, nullable=False),
        sa.Column("time", sa.Double, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", _NAME, nullable=False),
        sa.Column("target", _NAME, nullable=False),
        sa.Column("before", sa.Text),
        sa.Column("after", sa.Text),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("ticket", sa.Text, nullable=False),
        sa.Column("details", sa.Text, nullable=False),
    )
    op.create_index("audit_target", "audit", ["scope", "target", "id"])
    op.create_index("audit_action", "audit", ["scope", "action", "id"])


def _lease_columns() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("lease_until", sa.Double),
        sa.Column("owner_boot", sa.Text),
        sa.Column("owner_pid", sa.BigInteger),
        sa.Column("owner_start", sa.BigInteger),
    )


def _protect_audit_on_sqlite() -> None:
    for event in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER audit_refuses_{event.lower()} BEFORE {event} ON audit "
            "BEGIN SELECT RAISE(ABORT, 'audit rows are never changed or removed'); END"
        )


def _protect_audit_on_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'audit rows are never changed or removed'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_refuses_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()"
    )
