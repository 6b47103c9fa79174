"""Operations may be calibrations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add what is calibrated and what that told; those of before are of deployments."""
    op.add_column("operations", sa.Column("calibration", sa.Text))
    op.add_column("operations", sa.Column("calibrated", sa.Text))
