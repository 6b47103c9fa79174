"""Jobs that are taken up again keep how each run came about."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column; every job there is has one run."""
    op.add_column("jobs", sa.Column("reruns", sa.Text, nullable=False, server_default="[]"))
