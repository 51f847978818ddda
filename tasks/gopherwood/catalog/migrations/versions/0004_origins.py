"""Remember where published versions come from, and what was seen there."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "origins",
        sa.Column("version_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("repository", NAME, nullable=False),
        _text("vcs"),
        _text("subdir"),
        _text("ref"),
        _text("hash"),
        _text("known"),
        sa.Column("state", sa.Text, nullable=False),
        _text("found"),
        _text("renamed_to"),
        _text("detail"),
        _text("evidence"),
        sa.Column("baseline_at", sa.BigInteger),
        sa.Column("checked_at", sa.BigInteger),
        sa.Column("changed_at", sa.BigInteger),
        sa.Column("due_at", sa.BigInteger, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("fails", sa.Integer, nullable=False, server_default="0"),
        _text("problem"),
    )
    op.create_index("origins_due", "origins", ["due_at", "version_id"])
    op.create_index("origins_repository", "origins", ["repository", "due_at"])
    op.create_index("origins_state", "origins", ["state"])
    op.create_table(
        "origin_checks",
        sa.Column("id", SERIAL, primary_key=True),
        sa.Column("version_id", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("finding", sa.Text, nullable=False),
        sa.Column("found", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("evidence", sa.Text, nullable=False),
    )
    op.create_index("origin_checks_version", "origin_checks", ["version_id", "id"])
    op.create_index("origin_checks_at", "origin_checks", ["at"])


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default="")
