"""The tables of the catalog, for SQLite and PostgreSQL alike, and how times are kept in them.

Every time is an integer: microseconds since 1970, UTC. Both databases compare and sort those alike, no time zone of a
connection can shift them, and a Go index timestamp keeps its digits. `to_micros` and `from_micros` convert at the edge.
Paths sort by code point on both (collation C). There are no foreign keys: rows of `versions` are never deleted, and a
check for each of twelve evidence rows a version would cost more than it protects. The migrations make these
tables (gopherwood/catalog/migrations); a test compares the two.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, LargeBinary, MetaData, Table, Text

REVISION = "0008"
"""The newest migration: what `Catalog.migrate` brings a database to."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

metadata = MetaData()

Serial = BigInteger().with_variant(Integer(), "sqlite")  # SQLite numbers rows only under exactly INTEGER PRIMARY KEY
Name = Text().with_variant(Text(collation="C"), "postgresql")

versions = Table(
    "versions",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("path", Name, nullable=False),
    Column("version", Name, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("detail", Text, nullable=False, server_default=""),
    Column("source", Text, nullable=False),
    Column("why", Text, nullable=False, server_default=""),
    # The queue. `ready_at` is when the row may be leased: now, after a pause, or when the present lease ends.
    Column("ready_at", BigInteger, nullable=False),
    Column("owner", Text),
    Column("attempt", Integer, nullable=False, server_default="0"),  # leases so far: the fence
    Column("failures", Integer, nullable=False, server_default="0"),  # what counts against max_attempts
    Column("token", Text),  # of staging
    Column("changed_at", BigInteger, nullable=False),
    # Facts.
    Column("first_observed", BigInteger, nullable=False),
    Column("time", BigInteger),
    Column("h1", Text),
    Column("go_mod_h1", Text),
    Column("zip_size", BigInteger),
    Column("mod_size", BigInteger),
    Column("zip_sha256", Text),
    Column("origin", Text),
    Column("published_at", BigInteger),
    Column("sequence", BigInteger),
    Column("info_sha256", Text),
)
Index("versions_name", versions.c.path, versions.c.version, unique=True)
Index("versions_work", versions.c.state, versions.c.ready_at, versions.c.id)
Index("versions_changed", versions.c.changed_at)
_owned = versions.c.owner.is_not(None)
_published = versions.c.sequence.is_not(None)
Index("versions_owner", versions.c.owner, sqlite_where=_owned, postgresql_where=_owned)
_staged = versions.c.token.is_not(None)
Index("versions_token", versions.c.token, sqlite_where=_staged, postgresql_where=_staged)
Index("versions_sequence", versions.c.sequence, unique=True, sqlite_where=_published, postgresql_where=_published)
Index("versions_published", versions.c.published_at, sqlite_where=_published, postgresql_where=_published)

evidence = Table(
    "evidence",
    metadata,
    Column("version_id", BigInteger, primary_key=True, autoincrement=False),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("rule", Text, nullable=False),
    Column("ok", Boolean, nullable=False),
    Column("detail", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("payload", Text, nullable=False),
)

notice_sinks = Table(
    "notice_sinks",
    metadata,
    Column("name", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),  # all events of the outbox up to this one are settled
    Column("owner", Text),
    Column("lease_until", BigInteger, nullable=False, server_default="0"),
    Column("not_before", BigInteger, nullable=False, server_default="0"),
    Column("failing_since", BigInteger),
    Column("fails", Integer, nullable=False, server_default="0"),
    Column("problem", Text, nullable=False, server_default=""),
    Column("delivered", BigInteger, nullable=False, server_default="0"),
    Column("dropped", BigInteger, nullable=False, server_default="0"),
    Column("at", BigInteger, nullable=False),
)

notices_held = Table(
    "notices_held",
    metadata,
    Column("sink", Text, primary_key=True),
    Column("event_id", BigInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)
"""Events before a sink's position that wait for the end of quiet hours."""

notice_messages = Table(
    "notice_messages",
    metadata,
    Column("sink", Text, primary_key=True),
    Column("story", Text, primary_key=True),
    Column("channel", Text, nullable=False),
    Column("number", Text, nullable=False),
    Column("lines", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""Messages that tell an unfinished story, and are edited when it goes on."""
Index("notice_messages_at", notice_messages.c.at)

stale_lists = Table(
    "stale_lists",
    metadata,
    Column("path", Name, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
)
"""Module paths whose `@v/list` is older than what was published, up to which sequence number."""

cursors = Table(
    "cursors",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)

counters = Table(
    "counters",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
)
"""`published`: the last sequence number and its time; `expired-leases`: leases taken over so far; `damages`: how many
changes there were to those; `ledger`: its size."""

misses = Table(
    "misses",
    metadata,
    Column("path", Name, primary_key=True),
    Column("query", Name, primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("first_at", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    Column("settled_at", BigInteger),
)
_unsettled = misses.c.settled_at.is_(None)
Index("misses_open", misses.c.first_at, sqlite_where=_unsettled, postgresql_where=_unsettled)

tree_heads = Table(
    "tree_heads",
    metadata,
    Column("name", Text, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("note", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)

damages = Table(
    "damages",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("path", Name, nullable=False),
    Column("version", Name, nullable=False),
    Column("suffix", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("expected", Text, nullable=False),
    Column("found", Text, nullable=False),
    Column("found_at", BigInteger, nullable=False),
    Column("evidence", Text, nullable=False, server_default=""),
    Column("tried_at", BigInteger),
    Column("says", Text, nullable=False, server_default=""),
    Column("healed_at", BigInteger),
    Column("healed_from", Text, nullable=False, server_default=""),
    Column("change", BigInteger, nullable=False),
)
"""Files of the store that were not what was published, for ever; those without a `healed_at` still are not.

`change` is the counter `damages` when the row last changed: whoever keeps answers in memory asks for what came after.
"""
_open_damage = damages.c.healed_at.is_(None)
_file = (damages.c.path, damages.c.version, damages.c.suffix)
Index("damages_open", *_file, unique=True, sqlite_where=_open_damage, postgresql_where=_open_damage)
Index("damages_name", damages.c.path, damages.c.version)
Index("damages_change", damages.c.change)

scrubs = Table(
    "scrubs",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("part", Text, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    Column("owner", Text),
    Column("lease_until", BigInteger, nullable=False),
    Column("position", Name, nullable=False, server_default=""),
    Column("versions", BigInteger, nullable=False, server_default="0"),
    Column("bytes", BigInteger, nullable=False, server_default="0"),
    Column("damaged", BigInteger, nullable=False, server_default="0"),
)
"""Every round of every part of the store; one without a `finished_at` is under way, or was left at `position`."""
_open_round = scrubs.c.finished_at.is_(None)
Index("scrubs_open", scrubs.c.part, unique=True, sqlite_where=_open_round, postgresql_where=_open_round)
Index("scrubs_part", scrubs.c.part, scrubs.c.finished_at)

ledger = Table(
    "ledger",
    metadata,
    Column("number", Serial, primary_key=True, autoincrement=False),
    Column("path", Name, nullable=False),
    Column("version", Name, nullable=False),
    Column("h1", Text, nullable=False),
    Column("go_mod_h1", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)
"""Our own transparency log: an entry for all that was ever published. Rows are added at the end and never change."""
Index("ledger_name", ledger.c.path, ledger.c.version, unique=True)

ledger_tiles = Table(
    "ledger_tiles",
    metadata,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
)
"""The hashes of the ledger's tree, 1 to 256 of them to a tile; the last tile of a level grows in place."""

ledger_heads = Table(
    "ledger_heads",
    metadata,
    Column("size", Serial, primary_key=True, autoincrement=False),
    Column("root", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("checkpoint", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)
"""Every head of the ledger that was ever signed. Rows are added and never change."""

origins = Table(
    "origins",
    metadata,
    Column("version_id", BigInteger, primary_key=True, autoincrement=False),
    Column("repository", Name, nullable=False),  # its URL; the module path while nobody knows it
    Column("vcs", Text, nullable=False, server_default=""),
    Column("subdir", Text, nullable=False, server_default=""),
    Column("ref", Text, nullable=False, server_default=""),
    Column("hash", Text, nullable=False, server_default=""),
    Column("known", Text, nullable=False, server_default=""),
    Column("state", Text, nullable=False),
    Column("found", Text, nullable=False, server_default=""),
    Column("renamed_to", Text, nullable=False, server_default=""),
    Column("detail", Text, nullable=False, server_default=""),
    Column("evidence", Text, nullable=False, server_default=""),
    Column("baseline_at", BigInteger),
    Column("checked_at", BigInteger),
    Column("changed_at", BigInteger),
    # The queue, as in `versions`: when the row may be leased, who holds it, and looks in a row that were no answer.
    Column("due_at", BigInteger, nullable=False),
    Column("owner", Text),
    Column("fails", Integer, nullable=False, server_default="0"),
    Column("problem", Text, nullable=False, server_default=""),
)
"""Where each published version comes from, and what was last seen there. `state` is a Finding, or `new`."""
Index("origins_due", origins.c.due_at, origins.c.version_id)
Index("origins_repository", origins.c.repository, origins.c.due_at)
Index("origins_state", origins.c.state)

origin_checks = Table(
    "origin_checks",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("version_id", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("finding", Text, nullable=False),
    Column("found", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("evidence", Text, nullable=False),
)
"""Every look at an origin, in order: append-only."""
Index("origin_checks_version", origin_checks.c.version_id, origin_checks.c.id)
Index("origin_checks_at", origin_checks.c.at)

quality_runs = Table(
    "quality_runs",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("data_set", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    # What the run was about: rows of this interval, or everything (both absent).
    Column("since", BigInteger),
    Column("until", BigInteger),
    Column("rows", BigInteger, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("measures", Text, nullable=False),  # JSON: numbers by name, and shares of buckets by name
)
"""Every run of the checks of a data set. Rows are added and never change."""
Index("quality_runs_data_set", quality_runs.c.data_set, quality_runs.c.id)

quality_results = Table(
    "quality_results",
    metadata,
    Column("run_id", BigInteger, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("rule", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("ok", Boolean, nullable=False),
    Column("checked", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
    Column("samples", Text, nullable=False),  # JSON: a list of objects
    Column("detail", Text, nullable=False, server_default=""),
    sqlite_with_rowid=False,
)
"""What each rule said in a run."""

quality_lists = Table(
    "quality_lists",
    metadata,
    Column("path", Name, primary_key=True),
    Column("versions", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("digest", Text, nullable=False),
    sqlite_with_rowid=False,
)
"""What was published of a module up to a sequence number, as a digest: the next snapshot must still have all of it."""

index_reads = Table(
    "index_reads",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("name", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
    Column("entries", BigInteger, nullable=False),
    Column("distinct", BigInteger, nullable=False),
    Column("bad", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
)
"""Every reading of a module index: what interval, and how much there was. Rows are added and never change."""
Index("index_reads_until", index_reads.c.until)

downloads = Table(
    "downloads",
    metadata,
    Column("path", Name, primary_key=True),
    Column("version", Name, primary_key=True),
    Column("day", BigInteger, primary_key=True, autoincrement=False),
    Column("times", BigInteger, nullable=False),
)
"""How often a version was downloaded on a day that begins then."""
Index("downloads_day", downloads.c.day)

usage_files = Table(
    "usage_files",
    metadata,
    Column("name", Name, primary_key=True),
    Column("size", BigInteger, nullable=False),
)
"""Files of the access log that have been looked through."""

usage_parts = Table(
    "usage_parts",
    metadata,
    Column("name", Name, primary_key=True),
    Column("hour", BigInteger, primary_key=True, autoincrement=False),
    Column("lines", BigInteger, nullable=False),
)
"""Of which hours they have how many lines."""
Index("usage_parts_hour", usage_parts.c.hour)

usage_hours = Table(
    "usage_hours",
    metadata,
    Column("hour", BigInteger, primary_key=True, autoincrement=False),
    Column("stale", Boolean, nullable=False),
    Column("lines", BigInteger, nullable=False, server_default="0"),
    Column("rolled_at", BigInteger),
)
"""Hours of the access log; a stale one has lines that are not counted."""
Index("usage_hours_stale", usage_hours.c.stale, usage_hours.c.hour)


facts = Table(
    "facts",
    metadata,
    Column("version_id", BigInteger, primary_key=True, autoincrement=False),
    Column("tool", Integer, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("error", Text, nullable=False, server_default=""),
    Column("findings", Integer, nullable=False, server_default="0"),
    Column("packages", Integer, nullable=False, server_default="0"),
    Column("go", Text, nullable=False, server_default=""),
    Column("licences", Text, nullable=False, server_default=""),
    Column("synopsis", Text, nullable=False, server_default=""),
)
"""What was read of a version from its bytes, in short; the whole is in files of its own (facts/files.py)."""

modules = Table(
    "modules",
    metadata,
    Column("path", Name, primary_key=True),
    Column("latest", Name, nullable=False),
    Column("highest", Name, nullable=False),
    Column("deprecated", Text, nullable=False, server_default=""),
    Column("retracted", Text, nullable=False, server_default="[]"),
)
"""The version that stands for a module, and what its highest one says: a deprecation, retractions as JSON."""

packages = Table(
    "packages",
    metadata,
    Column("module", Name, primary_key=True),
    Column("path", Name, primary_key=True),
    Column("name", Text, nullable=False),
    Column("synopsis", Text, nullable=False),
    Column("symbols", Integer, nullable=False),
)
"""The packages of the version that stands for a module."""
Index("packages_path", packages.c.path)

imports = Table(
    "imports",
    metadata,
    Column("module", Name, primary_key=True),
    Column("path", Name, primary_key=True),
    Column("imported", Name, primary_key=True),
)
"""What they import."""
Index("imports_imported", imports.c.imported, imports.c.path)


def to_micros(time: datetime) -> int:
    """Return microseconds since 1970; raises ValueError for a time without a zone."""
    if time.tzinfo is None:
        raise ValueError(f"{time.isoformat()} has no time zone")
    return (time - EPOCH) // timedelta(microseconds=1)


def from_micros(micros: int) -> datetime:
    """Return the UTC time of so many microseconds since 1970."""
    return EPOCH + timedelta(microseconds=micros)
