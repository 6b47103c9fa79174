"""Jobs keep what their scripts logged through MLflow."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the column; jobs of before have logged nothing."""
    op.add_column("jobs", sa.Column("logged", sa.Text))
