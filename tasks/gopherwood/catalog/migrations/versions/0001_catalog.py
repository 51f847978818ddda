"""Make the tables of the catalog.

A migration is history: it never imports today's schema, and is not edited once released.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    _versions()
    _evidence_and_events()
    _marks()


def _versions() -> None:
    op.create_table(
        "versions",
        sa.Column("id", SERIAL, primary_key=True),
        sa.Column("path", NAME, nullable=False),
        sa.Column("version", NAME, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False, server_default=""),
        sa.Column("detail", sa.Text, nullable=False, server_default=""),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False, server_default=""),
        sa.Column("ready_at", sa.BigInteger, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("attempt", sa.Integer, nullable=False, server_default="0"),
        sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
        sa.Column("token", sa.Text),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.Column("first_observed", sa.BigInteger, nullable=False),
        sa.Column("time", sa.BigInteger),
        sa.Column("h1", sa.Text),
        sa.Column("go_mod_h1", sa.Text),
        sa.Column("zip_size", sa.BigInteger),
        sa.Column("mod_size", sa.BigInteger),
        sa.Column("zip_sha256", sa.Text),
        sa.Column("origin", sa.Text),
        sa.Column("published_at", sa.BigInteger),
        sa.Column("sequence", sa.BigInteger),
    )
    op.create_index("versions_name", "versions", ["path", "version"], unique=True)
    op.create_index("versions_work", "versions", ["state", "ready_at", "id"])
    op.create_index("versions_changed", "versions", ["changed_at"])
    _partial_index("versions_owner", "versions", "owner", "owner IS NOT NULL")
    _partial_index("versions_token", "versions", "token", "token IS NOT NULL")
    _partial_index("versions_sequence", "versions", "sequence", "sequence IS NOT NULL", unique=True)
    _partial_index("versions_published", "versions", "published_at", "sequence IS NOT NULL")


def _evidence_and_events() -> None:
    op.create_table(
        "evidence",
        sa.Column("version_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("attempt", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("ok", sa.Boolean, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "outbox",
        sa.Column("id", SERIAL, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
    )


def _marks() -> None:
    op.create_table(
        "stale_lists",
        sa.Column("path", NAME, primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "cursors",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "counters",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "misses",
        sa.Column("path", NAME, primary_key=True),
        sa.Column("query", NAME, primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("first_at", sa.BigInteger, nullable=False),
        sa.Column("last_at", sa.BigInteger, nullable=False),
        sa.Column("settled_at", sa.BigInteger),
    )
    _partial_index("misses_open", "misses", "first_at", "settled_at IS NULL")
    op.create_table(
        "tree_heads",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
    )


def _partial_index(name: str, table: str, column: str, where: str, *, unique: bool = False) -> None:
    condition = sa.text(where)
    op.create_index(name, table, [column], unique=unique, sqlite_where=condition, postgresql_where=condition)
