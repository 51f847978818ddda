"""Our own transparency log, kept in the catalog's database: entries, tiles and size change in one transaction.

So they can never disagree, whatever dies when, and two publishers can never fork the log: the row of its size is locked
till the commit (SQLite lets one writer in). An append reads and writes the right edge of the tree, O(log n) tiles. What
the log means, who signs it, and how a lost catalog is noticed: gopherwood.ledger and docs/adr/0004-the-ledger.md.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from gopherwood import tlog
from gopherwood.catalog.db import Database, insert_into, insert_rows, pieces
from gopherwood.catalog.moves import count, set_cursor
from gopherwood.catalog.schema import counters, cursors, from_micros, ledger, ledger_heads, ledger_tiles, versions
from gopherwood.catalog.values import Appended, HeadSigner, LedgerEntry, LedgerExtent, LedgerHead
from gopherwood.errors import ConfigError, IntegrityError
from gopherwood.module import ModuleVersion
from gopherwood.states import State
from gopherwood.tlog import HEIGHT, Edge, Hash, Place, Tree

KEY = "ledger-key"
"""The cursor that keeps the public key."""

CAUGHT_UP = "ledger-sequence"
"""The cursor that says up to which sequence number everything published is known to be in the ledger."""

SIZE = "ledger"
"""The counter that is the size of the ledger, and the lock of whoever appends."""

_NAME = ("path", "version")

_KEY_HINT = """a ledger keeps its key for ever, for clients know it by that: configure the key that it was begun with.
If that is lost: take a new name, and begin a new ledger (docs/ledger.md)"""


class Ledger(Database):
    """The part of the catalog that is the ledger."""

    def ledger_append(self, entries: Sequence[LedgerEntry], signer: HeadSigner | None = None) -> Appended:
        """Append the entries of versions that the ledger has not, in their order, and sign the new head.

        In one transaction, as often as wanted: what is there with equal hashes is done, and what is there with others
        is named in the result. A ledger that grew unsigned is signed when a signer comes. Raises ProofError when the
        tiles contradict the newest head, ConfigError when the signer's key is not the ledger's.
        """
        return self._write(lambda connection: self._ledger_append(connection, entries, signer))

    def ledger_size(self) -> int:
        """Return how many entries there are."""
        with self._reading() as connection:
            return _size(connection)

    def ledger_key(self) -> str | None:
        """Return the ledger's public key, `NAME+HASH+KEY`; None before it has one."""
        with self._reading() as connection:
            return _key(connection)

    def set_ledger_key(self, key: str) -> None:
        """Set the ledger's public key; raises ConfigError when heads were signed by another."""
        self._write(lambda connection: _take_key(connection, key, self.now()))

    def ledger_head(self, size: int | None = None) -> LedgerHead | None:
        """Return the newest signed head, or the one of exactly this size; None when there is none."""
        with self._reading() as connection:
            return _head(connection, size)

    def ledger_heads(self, after: int = -1, limit: int = 1_000) -> list[LedgerHead]:
        """Return signed heads of more than `after` entries, the smallest first."""
        query = sa.select(ledger_heads).where(ledger_heads.c.size > after).order_by(ledger_heads.c.size).limit(limit)
        with self._reading() as connection:
            return [_as_head(row) for row in connection.execute(query)]

    def ledger_entry(self, mv: ModuleVersion) -> LedgerEntry | None:
        """Return the entry of a version, None when there is none."""
        return self.ledger_known([mv]).get(mv)

    def ledger_known(self, mvs: Iterable[ModuleVersion]) -> dict[ModuleVersion, LedgerEntry]:
        """Return the entries of those of these versions that have one."""
        with self._reading() as connection:
            return _known(connection, list(dict.fromkeys(mvs)))

    def ledger_entries(self, start: int = 0, limit: int = 256) -> list[LedgerEntry]:
        """Return the entries from number `start` on, in their order."""
        query = sa.select(ledger).where(ledger.c.number >= start, ledger.c.number < start + limit)
        with self._reading() as connection:
            return [_as_entry(row) for row in connection.execute(query.order_by(ledger.c.number))]

    def ledger_tiles(self, places: Collection[Place]) -> dict[Place, bytes]:
        """Return these hash tiles, each as full as it is by now; absent ones are left out."""
        with self._reading() as connection:
            return _tiles(connection, places)

    def ledger_hashes(self, indexes: Sequence[int]) -> list[Hash]:
        """Return stored hashes of the tree: a tlog.HashReader. Raises ProofError for one that is not there."""
        with self._reading() as connection:
            return _hashes(connection, indexes)

    def ledger_extent(self) -> LedgerExtent:
        """Return how large the ledger is by each of its parts; it reads all of their indexes."""
        size = sa.select(counters.c.value).where(counters.c.name == SIZE).scalar_subquery()
        rows, tiles = (
            sa.select(sa.func.count()).select_from(each).scalar_subquery() for each in (ledger, ledger_tiles)
        )
        with self._reading() as connection:
            found = connection.execute(sa.select(size, rows, tiles)).one()
        return LedgerExtent(found[0] or 0, found[1], found[2])

    def ledger_published(self, start: int, limit: int) -> dict[int, LedgerEntry]:
        """Return what the versions table says of entries from `start` on whose versions are published, by number."""
        named = sa.and_(ledger.c.path == versions.c.path, ledger.c.version == versions.c.version)
        published = sa.and_(named, versions.c.state == State.PUBLISHED.value)
        query = sa.select(ledger.c.number, versions.c.path, versions.c.version, versions.c.h1, versions.c.go_mod_h1)
        # An outer join, or SQLite begins with all that is published.
        query = query.select_from(ledger.outerjoin(versions, published))
        query = query.where(ledger.c.number >= start, ledger.c.number < start + limit)
        with self._reading() as connection:
            rows = [row for row in connection.execute(query) if row.path is not None]
        return {r.number: LedgerEntry(ModuleVersion(r.path, r.version), r.h1, r.go_mod_h1, r.number) for r in rows}

    def ledger_missing(self, after: int, limit: int = 1_000) -> list[tuple[int, LedgerEntry]]:
        """Return versions published with a sequence number above `after` that have no entry, by their numbers."""
        named = sa.and_(ledger.c.path == versions.c.path, ledger.c.version == versions.c.version)
        columns = (versions.c.sequence, versions.c.path, versions.c.version, versions.c.h1, versions.c.go_mod_h1)
        query = sa.select(*columns).select_from(versions.outerjoin(ledger, named))
        query = query.where(versions.c.sequence > after, ledger.c.number.is_(None))
        query = query.where(versions.c.h1.is_not(None), versions.c.go_mod_h1.is_not(None))
        with self._reading() as connection:
            rows = connection.execute(query.order_by(versions.c.sequence).limit(limit)).all()
        return [(r.sequence, LedgerEntry(ModuleVersion(r.path, r.version), r.h1, r.go_mod_h1)) for r in rows]

    def _ledger_append(
        self, connection: sa.Connection, entries: Sequence[LedgerEntry], signer: HeadSigner | None
    ) -> Appended:
        now = self.now()
        size = _locked_size(connection)
        known = _known(connection, [entry.mv for entry in entries])
        conflicts = {e.mv: known[e.mv] for e in entries if e.mv in known and not e.agrees(known[e.mv])}
        fresh = list({entry.mv: entry for entry in reversed(entries) if entry.mv not in known}.values())[::-1]
        head = _head(connection)
        grown = size + len(fresh)
        unsigned = signer is not None and grown > (head.size if head else 0)
        if fresh or unsigned:
            edge = Edge(size, _tiles(connection, tlog.edge_widths(size)))
            _check_head(connection, head, edge)
            edge.append(tlog.record_hash(entry.record) for entry in fresh)
            _write_entries(connection, fresh, size, now)
            _write_tiles(connection, edge.take_changed())
            connection.execute(counters.update().where(counters.c.name == SIZE).values(value=grown, at=now))
            if unsigned:
                assert signer is not None
                _take_key(connection, signer.key, now)
                head = _write_head(connection, edge.tree(), signer, now)
        return Appended(len(fresh), grown, head, conflicts)


def _size(connection: sa.Connection) -> int:
    return int(connection.execute(sa.select(counters.c.value).where(counters.c.name == SIZE)).scalar() or 0)


def _locked_size(connection: sa.Connection) -> int:
    """Return the size; its row stays locked till the commit."""
    count(connection, SIZE, 0, 0)
    query = sa.select(counters.c.value).where(counters.c.name == SIZE)
    return int(connection.execute(query.with_for_update()).scalar_one())


def _key(connection: sa.Connection) -> str | None:
    found: str | None = connection.execute(sa.select(cursors.c.value).where(cursors.c.name == KEY)).scalar()
    return found


def _take_key(connection: sa.Connection, key: str, now: int) -> None:
    kept = _key(connection)
    if kept == key:
        return
    if kept is not None and _head(connection) is not None:
        raise ConfigError(f"the ledger's heads are signed with the key {kept}, not with {key}", hint=_KEY_HINT)
    set_cursor(connection, KEY, key, now)


def _head(connection: sa.Connection, size: int | None = None) -> LedgerHead | None:
    query = sa.select(ledger_heads).order_by(ledger_heads.c.size.desc()).limit(1)
    if size is not None:
        query = query.where(ledger_heads.c.size == size)
    row = connection.execute(query).first()
    return None if row is None else _as_head(row)


def _known(connection: sa.Connection, mvs: Sequence[ModuleVersion]) -> dict[ModuleVersion, LedgerEntry]:
    names = _names(connection, mvs)
    query = sa.select(ledger).join(names, sa.and_(ledger.c.path == names.c.path, ledger.c.version == names.c.version))
    return {entry.mv: entry for entry in map(_as_entry, connection.execute(query))} if mvs else {}


def _names(connection: sa.Connection, mvs: Sequence[ModuleVersion]) -> sa.FromClause:
    """Return names as a table to join with: SQLite uses no index for `(path, version) IN (...)`, and scans everything.

    One value holds them all, so that the statement is the same for any number.
    """
    columns = [[mv.path for mv in mvs], [mv.version for mv in mvs]]
    if connection.dialect.name == "sqlite":
        each = sa.func.json_each(json.dumps(list(zip(*columns, strict=True)))).table_valued("value")
        parts = [sa.func.json_extract(each.c.value, f"$[{at}]").label(name) for at, name in enumerate(_NAME)]
        return sa.select(*parts).subquery()
    arrays = [sa.cast(sa.literal(column, postgresql.ARRAY(sa.Text)), postgresql.ARRAY(sa.Text)) for column in columns]
    return sa.func.unnest(*arrays).table_valued(*_NAME).render_derived()


def _tiles(connection: sa.Connection, places: Collection[Place]) -> dict[Place, bytes]:
    found: dict[Place, bytes] = {}
    for piece in pieces(sorted(places)):
        levels, numbers = {level for level, _ in piece}, {n for _, n in piece}
        query = sa.select(ledger_tiles).where(ledger_tiles.c.level.in_(levels), ledger_tiles.c.n.in_(numbers))
        found |= {(row.level, row.n): bytes(row.data) for row in connection.execute(query)}
    return {place: found[place] for place in places if place in found}


def _hashes(connection: sa.Connection, indexes: Sequence[int]) -> list[Hash]:
    wanted = [tlog.tile_for_index(HEIGHT, index) for index in indexes]
    tiles = _tiles(connection, {(tile.l, tile.n) for tile in wanted})
    pairs = zip(wanted, indexes, strict=True)
    return [tlog.hash_from_tile(tile, tiles.get((tile.l, tile.n), b""), index) for tile, index in pairs]


def _check_head(connection: sa.Connection, head: LedgerHead | None, edge: Edge) -> None:
    """Raise IntegrityError unless the tiles that an append builds on are those of the newest signed head."""
    if head is None:
        return
    if head.size == edge.size:
        root = edge.tree().hash
    elif head.size < edge.size:
        root = tlog.tree_hash(head.size, lambda indexes: _hashes(connection, indexes))
    else:
        root = b""
    if root != head.root:
        raise IntegrityError(
            f"the ledger's tiles are not those of the tree of {head.size} entries that was signed",
            hint="nothing is appended; `gopherwood ledger verify` says what was changed. Restore it from a backup",
        )


def _write_entries(connection: sa.Connection, entries: Sequence[LedgerEntry], start: int, now: int) -> None:
    rows = [
        {
            "number": start + offset,
            "path": entry.mv.path,
            "version": entry.mv.version,
            "h1": entry.h1,
            "go_mod_h1": entry.go_mod_h1,
            "at": now,
        }
        for offset, entry in enumerate(entries)
    ]
    insert_rows(connection, ledger, rows)


def _write_tiles(connection: sa.Connection, tiles: Mapping[Place, bytes]) -> None:
    insert = insert_into(connection, ledger_tiles)
    grow = insert.on_conflict_do_update(index_elements=["level", "n"], set_={"data": insert.excluded.data})
    if tiles:
        connection.execute(grow, [{"level": level, "n": n, "data": data} for (level, n), data in tiles.items()])


def _write_head(connection: sa.Connection, tree: Tree, signer: HeadSigner, now: int) -> LedgerHead:
    note, checkpoint = signer.sign(tree)
    values = {"size": tree.n, "root": tlog.format_hash(tree.hash), "at": now}
    connection.execute(ledger_heads.insert().values(note=note.decode(), checkpoint=checkpoint.decode(), **values))
    return LedgerHead(tree.n, tree.hash, note, checkpoint, from_micros(now))


def _as_entry(row: Any) -> LedgerEntry:
    return LedgerEntry(ModuleVersion(row.path, row.version), row.h1, row.go_mod_h1, row.number, from_micros(row.at))


def _as_head(row: Any) -> LedgerHead:
    root = tlog.parse_hash(row.root)
    return LedgerHead(row.size, root, row.note.encode(), row.checkpoint.encode(), from_micros(row.at))
