"""Steps know what their result follows from, so that it can be used again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add the columns; no result of before is used again."""
    op.add_column("jobs", sa.Column("step_key", sa.Text))
    op.add_column("jobs", sa.Column("reused_from", sa.Text))
    op.create_index("jobs_step_key", "jobs", ["scope", "step_key"])
