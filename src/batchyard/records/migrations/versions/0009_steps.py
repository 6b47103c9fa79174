"""Jobs are of several kinds, and may be steps of others."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add kind, parent and step; the jobs that are there score, and are no steps."""
    op.add_column("jobs", sa.Column("kind", sa.Text, nullable=False, server_default="scoring"))
    name = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.add_column("jobs", sa.Column("parent", name))
    op.add_column("jobs", sa.Column("step", name))
    op.create_index("jobs_step", "jobs", ["scope", "parent", "step"], unique=True)
    op.create_index("jobs_kind", "jobs", ["scope", "kind", "status"])
