"""Jobs can be archived, and are found by their compute."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the column, false for all that are there, and what lists look jobs up by."""
    op.add_column("jobs", sa.Column("is_archived", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_index("jobs_compute", "jobs", ["scope", "compute", "id"])
    op.create_index("jobs_archived", "jobs", ["scope", "is_archived", "id"])
