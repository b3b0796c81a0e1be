"""Create accounts and signing keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import DATETIME

revision = "0001"
down_revision = None

MOMENT = sa.DateTime().with_variant(DATETIME(fsp=3), "mysql")


def upgrade() -> None:
    """Apply.

    MySQL commits every statement that makes a table: whoever was killed between two of them finds
    the first one done at the next start.
    """
    op.create_table(
        "accounts",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("email", sa.String(254), nullable=False, unique=True),
        sa.Column("password_hash", sa.String(255), nullable=False),
        sa.Column("create_time", MOMENT, nullable=False),
        mysql_charset="utf8mb4",
        if_not_exists=True,
    )
    op.create_table(
        "signing_keys",
        sa.Column("generation", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("id", sa.String(32), nullable=False, unique=True),
        sa.Column("public_key", sa.LargeBinary(32), nullable=False),
        sa.Column("encrypted_private_key", sa.LargeBinary(255), nullable=False),
        sa.Column("create_time", MOMENT, nullable=False),
        mysql_charset="utf8mb4",
        if_not_exists=True,
    )
