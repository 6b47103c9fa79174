"""Workspaces are rows; the one there was becomes the default, and its rows keep their scope."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
_DEFAULT = (
    f"/subscriptions/{_SUBSCRIPTION}/resourceGroups/local"
    "/providers/Microsoft.MachineLearningServices/workspaces/default"
)


def upgrade() -> None:
    """Make the table, with the default workspace in it."""
    texts = ("subscription", "resource_group", "name", "display_name", "description", "location", "tags")
    table = op.create_table(
        "workspaces",
        sa.Column("id", _NAME, primary_key=True),
        sa.Column("path", _NAME, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in texts),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("modified_at", sa.Double, nullable=False),
        sa.Column("modified_by", sa.Text, nullable=False),
        sa.UniqueConstraint("path", name="workspaces_path"),
    )
    row: dict[str, object] = {
        "id": _DEFAULT,
        "path": _DEFAULT.lower(),
        "subscription": _SUBSCRIPTION,
        "resource_group": "local",
        "name": "default",
        "display_name": "",
        "description": "",
        "location": "local",
        "tags": "{}",
        "created_at": 0.0,
        "created_by": "",
        "modified_at": 0.0,
        "modified_by": "",
    }
    op.bulk_insert(table, [row])
