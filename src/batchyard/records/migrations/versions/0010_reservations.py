"""Reserved places get a table of their own: a job may publish to several."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table, take over what jobs have reserved, and drop their columns."""
    places = op.create_table(
        "reservations",
        sa.Column("scope", _NAME, primary_key=True),
        sa.Column("place", _NAME, primary_key=True),
        sa.Column("job", _NAME, nullable=False),
    )
    op.create_index("reservations_job", "reservations", ["scope", "job"])
    reserved = sa.text("SELECT scope, name, reservation, reserves_folder FROM jobs WHERE reservation IS NOT NULL")
    rows = [
        {"scope": row.scope, "job": row.name, "place": _place(row.reservation, is_whole=bool(row.reserves_folder))}
        for row in op.get_bind().execute(reserved)
    ]
    op.bulk_insert(places, rows)
    op.drop_index("jobs_folder", "jobs")
    with op.batch_alter_table("jobs") as batch:
        batch.drop_constraint("jobs_reservation", type_="unique")
        for column in ("reservation", "reserved_folder", "reserves_folder"):
            batch.drop_column(column)


def _place(reservation: str, *, is_whole: bool) -> str:
    datastore, folder, file_name = json.loads(reservation)
    parts = [datastore, *([folder] if folder else []), *([] if is_whole else [file_name])]
    return "/".join(parts)
