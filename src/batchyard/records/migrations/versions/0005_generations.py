"""Jobs tell which generation of their output is published."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the column; a completed job has published once."""
    op.add_column("jobs", sa.Column("generation", sa.Integer, nullable=False, server_default="0"))
    op.execute("UPDATE jobs SET generation = 1 WHERE status = 'Completed'")
