"""Remember which requests opened accounts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import DATETIME

revision = "0002"
down_revision = "0001"

MOMENT = sa.DateTime().with_variant(DATETIME(fsp=3), "mysql")


def upgrade() -> None:
    """Apply; a repeat after a kill half way changes nothing."""
    op.create_table(
        "account_requests",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("account_id", sa.String(32), nullable=False),
        sa.Column("create_time", MOMENT, nullable=False),
        # For the sweep. A plain index would be a second statement, which MySQL cannot repeat.
        sa.UniqueConstraint("create_time", "id", name="account_requests_by_age"),
        mysql_charset="utf8mb4",
        if_not_exists=True,
    )
