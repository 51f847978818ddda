"""Keep what was read of each version, which version stands for a module, and its packages with what they import."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "facts",
        sa.Column("version_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("tool", sa.Integer, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("error", sa.Text, nullable=False, server_default=""),
        sa.Column("findings", sa.Integer, nullable=False, server_default="0"),
        sa.Column("packages", sa.Integer, nullable=False, server_default="0"),
        sa.Column("go", sa.Text, nullable=False, server_default=""),
        sa.Column("licences", sa.Text, nullable=False, server_default=""),
        sa.Column("synopsis", sa.Text, nullable=False, server_default=""),
    )
    op.create_table(
        "modules",
        sa.Column("path", NAME, primary_key=True),
        sa.Column("latest", NAME, nullable=False),
        sa.Column("highest", NAME, nullable=False),
        sa.Column("deprecated", sa.Text, nullable=False, server_default=""),
        sa.Column("retracted", sa.Text, nullable=False, server_default="[]"),
    )
    op.create_table(
        "packages",
        sa.Column("module", NAME, primary_key=True),
        sa.Column("path", NAME, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("synopsis", sa.Text, nullable=False),
        sa.Column("symbols", sa.Integer, nullable=False),
    )
    op.create_index("packages_path", "packages", ["path"])
    op.create_table(
        "imports",
        sa.Column("module", NAME, primary_key=True),
        sa.Column("path", NAME, primary_key=True),
        sa.Column("imported", NAME, primary_key=True),
    )
    op.create_index("imports_imported", "imports", ["imported", "path"])
