"""Jobs keep their failures in groups."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column; jobs of before have none told."""
    op.add_column("jobs", sa.Column("failures", sa.Text))
