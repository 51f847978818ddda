"""Remember what a scrub finds, which parts of the store it has seen, and the SHA-256 of each `.info`."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("versions", sa.Column("info_sha256", sa.Text))
    _damages()
    _scrubs()


def _damages() -> None:
    op.create_table(
        "damages",
        sa.Column("id", SERIAL, primary_key=True),
        sa.Column("path", NAME, nullable=False),
        sa.Column("version", NAME, nullable=False),
        sa.Column("suffix", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("expected", sa.Text, nullable=False),
        sa.Column("found", sa.Text, nullable=False),
        sa.Column("found_at", sa.BigInteger, nullable=False),
        sa.Column("evidence", sa.Text, nullable=False, server_default=""),
        sa.Column("tried_at", sa.BigInteger),
        sa.Column("says", sa.Text, nullable=False, server_default=""),
        sa.Column("healed_at", sa.BigInteger),
        sa.Column("healed_from", sa.Text, nullable=False, server_default=""),
        sa.Column("change", sa.BigInteger, nullable=False),
    )
    _one_open("damages_open", "damages", ["path", "version", "suffix"], "healed_at IS NULL")
    op.create_index("damages_name", "damages", ["path", "version"])
    op.create_index("damages_change", "damages", ["change"])


def _scrubs() -> None:
    op.create_table(
        "scrubs",
        sa.Column("id", SERIAL, primary_key=True),
        sa.Column("part", sa.Text, nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("finished_at", sa.BigInteger),
        sa.Column("owner", sa.Text),
        sa.Column("lease_until", sa.BigInteger, nullable=False),
        sa.Column("position", NAME, nullable=False, server_default=""),
        sa.Column("versions", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("bytes", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("damaged", sa.BigInteger, nullable=False, server_default="0"),
    )
    _one_open("scrubs_open", "scrubs", ["part"], "finished_at IS NULL")
    op.create_index("scrubs_part", "scrubs", ["part", "finished_at"])


def _one_open(name: str, table: str, columns: list[str], where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, unique=True, sqlite_where=condition, postgresql_where=condition)
