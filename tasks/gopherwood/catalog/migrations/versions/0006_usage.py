"""Count downloads by day, and remember which parts of the access log have been counted."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "downloads",
        sa.Column("path", NAME, primary_key=True),
        sa.Column("version", NAME, primary_key=True),
        sa.Column("day", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("times", sa.BigInteger, nullable=False),
    )
    op.create_index("downloads_day", "downloads", ["day"])
    op.create_table(
        "usage_files",
        sa.Column("name", NAME, primary_key=True),
        sa.Column("size", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "usage_parts",
        sa.Column("name", NAME, primary_key=True),
        sa.Column("hour", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("lines", sa.BigInteger, nullable=False),
    )
    op.create_index("usage_parts_hour", "usage_parts", ["hour"])
    op.create_table(
        "usage_hours",
        sa.Column("hour", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("stale", sa.Boolean, nullable=False),
        sa.Column("lines", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("rolled_at", sa.BigInteger),
    )
    op.create_index("usage_hours_stale", "usage_hours", ["stale", "hour"])
