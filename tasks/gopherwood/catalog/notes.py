"""What the catalog keeps beside versions: cursors, misses, tree heads, events, and the lists to be rewritten."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from gopherwood.catalog.db import Database, insert_into, pieces
from gopherwood.catalog.moves import set_cursor, write_events
from gopherwood.catalog.schema import cursors, from_micros, misses, outbox, stale_lists, tree_heads
from gopherwood.catalog.values import SUMDB_MISS, Event, Miss, StoredEvent
from gopherwood.errors import ProofError

MOST_MISSES = 100_000
"""Misses kept. Beyond that settled ones go first, the oldest first, and then nothing new is taken: a flood of nonsense
must not push out what people asked for."""

MOST_TILE_MISSES = 10_000
"""Of these, tiles of checksum databases: there is no end of paths of tiles, and a client needs some ten."""

LONGEST_MISS = 1_024
"""Characters of a path or a query that is recorded; what is longer is no module that anybody has."""

ASKED_AGAIN = 24 * 3600 * 1_000_000
"""Microseconds after which a settled miss counts as a new request."""

_SUMDB_SOURCE = "sumdb-source:"


class Notes(Database):
    """The half of the catalog that is not about the state of versions."""

    def cursor(self, name: str) -> str | None:
        """Return where a source was left, None before its first time."""
        with self._reading() as connection:
            value: str | None = connection.execute(sa.select(cursors.c.value).where(cursors.c.name == name)).scalar()
        return value

    def set_cursor(self, name: str, value: str) -> None:
        """Move a cursor on its own; `enqueue` moves one together with what it found."""
        self._write(lambda connection: set_cursor(connection, name, value, self.now()))

    def sumdb_source(self, db: str) -> str | None:
        """Return the URL at which a checksum database last answered us, None if none did."""
        return self.cursor(_SUMDB_SOURCE + db)

    def set_sumdb_source(self, db: str, url: str) -> None:
        """Remember where a checksum database answers: serving sends clients there for what is not mirrored."""
        if self.sumdb_source(db) != url:
            self.set_cursor(_SUMDB_SOURCE + db, url)

    def record_misses(self, asked: Iterable[tuple[str, str]]) -> int:
        """Count requests for (path, version or query) that we do not have; return how many rows are new.

        Deduplicated, and bounded by MOST_MISSES, tiles by MOST_TILE_MISSES too.
        """
        times: dict[tuple[str, str], int] = {}
        for path, query in asked:
            if len(path) <= LONGEST_MISS and len(query) <= LONGEST_MISS:
                times[path, query] = times.get((path, query), 0) + 1
        return self._write(lambda connection: self._record_misses(connection, times)) if times else 0

    def misses(self, limit: int = 1_000) -> list[Miss]:
        """Return misses that nobody has dealt with, the oldest first."""
        query = sa.select(misses).where(misses.c.settled_at.is_(None))
        with self._reading() as connection:
            rows = connection.execute(query.order_by(misses.c.first_at, misses.c.path, misses.c.query).limit(limit))
            return [_miss(row) for row in rows]

    def settle_misses(self, dealt_with: Iterable[tuple[str, str]]) -> None:
        """Mark misses as dealt with; asked for again within a day, they stay so."""
        rows = [{"path_": path, "query_": query} for path, query in sorted(set(dealt_with))]
        if rows:
            statement = misses.update().values(settled_at=self.now())
            named = (misses.c.path == sa.bindparam("path_"), misses.c.query == sa.bindparam("query_"))
            self._write(lambda connection: connection.execute(statement.where(*named), rows))

    def tree_head(self, name: str) -> bytes | None:
        """Return the signed note of the last trusted tree head of a checksum database."""
        with self._reading() as connection:
            note = connection.execute(sa.select(tree_heads.c.note).where(tree_heads.c.name == name)).scalar()
        return None if note is None else str(note).encode()

    def set_tree_head(self, name: str, size: int, note: bytes) -> bool:
        """Remember a verified tree head; False when the one kept is of a larger tree: it never moves back.

        Raises ProofError when the tree of the same size is another one: the log has forked.
        """

        def work(connection: sa.Connection) -> bool:
            values = {"size": size, "note": note.decode(), "at": self.now()}
            absent = insert_into(connection, tree_heads).values(name=name, **values).on_conflict_do_nothing()
            if connection.execute(absent.returning(tree_heads.c.name)).scalar() is not None:
                return True
            row = tree_heads.c.name == name
            kept = connection.execute(sa.select(tree_heads).where(row).with_for_update()).one()
            if kept.size == size and _signed_text(kept.note) != _signed_text(note.decode()):
                raise ProofError(f"{name} has shown two different trees of {size} records")
            if kept.size < size:
                connection.execute(tree_heads.update().where(row).values(values))
            return bool(kept.size < size)

        return self._write(work)

    def emit(self, *events: Event) -> None:
        """Put events into the outbox that belong to no transition."""
        self._write(lambda connection: write_events(connection, events, self.now()))

    def emit_from(self, name: str, was: str | None, value: str, events: Iterable[Event]) -> bool:
        """Move a cursor from where it was, together with the events that were found on the way.

        False when somebody else has moved it meanwhile: he has told them.
        """

        def work(connection: sa.Connection) -> bool:
            row = cursors.c.name == name
            if was is None:
                start = insert_into(connection, cursors).values(name=name, value=value, at=self.now())
                moved = (
                    connection.execute(start.on_conflict_do_nothing().returning(cursors.c.name)).scalar() is not None
                )
            else:
                move = cursors.update().where(row, cursors.c.value == was).values(value=value, at=self.now())
                moved = connection.execute(move).rowcount == 1
            if moved:
                write_events(connection, events, self.now())
            return moved

        return self._write(work)

    def events(self, after: int = 0, limit: int = 1_000, *, kind: str = "") -> list[StoredEvent]:
        """Return events with an id above `after`, the oldest first."""
        query = sa.select(outbox).where(outbox.c.id > after).order_by(outbox.c.id).limit(limit)
        if kind:
            query = query.where(outbox.c.kind == kind)
        with self._reading() as connection:
            rows = connection.execute(query).all()
        return [_stored(row) for row in rows]

    def stale_lists(self, limit: int = 1_000) -> dict[str, int]:
        """Return module paths whose `@v/list` must be rewritten, each with the sequence number that made it stale."""
        query = sa.select(stale_lists.c.path, stale_lists.c.sequence).order_by(stale_lists.c.sequence).limit(limit)
        with self._reading() as connection:
            return {row.path: row.sequence for row in connection.execute(query)}

    def lists_written(self, written: Mapping[str, int]) -> None:
        """Forget stale lists that were rewritten, unless something was published into them meanwhile."""
        rows = [{"path_": path, "sequence_": sequence} for path, sequence in sorted(written.items())]
        named = (stale_lists.c.path == sa.bindparam("path_"), stale_lists.c.sequence <= sa.bindparam("sequence_"))
        if rows:
            self._write(lambda connection: connection.execute(stale_lists.delete().where(*named), rows))

    def _record_misses(self, connection: sa.Connection, times: dict[tuple[str, str], int]) -> int:
        now = self.now()
        known = self._known_misses(connection, sorted(times))
        asked = [each for each in sorted(times) if each not in known]
        tiles = [each for each in asked if each[0].startswith(SUMDB_MISS)]
        is_tile = misses.c.path.startswith(SUMDB_MISS, autoescape=True)
        fresh = [each for each in asked if not each[0].startswith(SUMDB_MISS)]
        fresh += tiles[: self._make_room(connection, len(tiles), MOST_TILE_MISSES, is_tile)]
        room = self._make_room(connection, len(fresh), MOST_MISSES, sa.true())
        insert = insert_into(connection, misses)
        again = sa.and_(misses.c.settled_at.is_not(None), misses.c.settled_at > now - ASKED_AGAIN)
        statement = insert.on_conflict_do_update(
            index_elements=["path", "query"],
            set_={
                "count": misses.c.count + insert.excluded.count,
                "last_at": now,
                "settled_at": sa.case((again, misses.c.settled_at), else_=None),
            },
        )
        taken = sorted(known) + fresh[:room]
        rows = [
            {"path": path, "query": query, "count": times[path, query], "first_at": now, "last_at": now}
            for path, query in sorted(taken)
        ]
        if rows:
            connection.execute(statement, rows)
        return len(fresh[:room])

    def _known_misses(self, connection: sa.Connection, asked: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        known: set[tuple[str, str]] = set()
        for piece in pieces(sorted({path for path, _ in asked})):
            query = sa.select(misses.c.path, misses.c.query).where(misses.c.path.in_(piece))
            known |= {(row.path, row.query) for row in connection.execute(query)}
        return known & set(asked)

    def _make_room(self, connection: sa.Connection, wanted: int, most: int, kind: sa.ColumnElement[bool]) -> int:
        """Drop the oldest settled misses of a kind for `wanted` new ones; return for how many there is room."""
        count = sa.select(sa.func.count()).select_from(misses).where(kind)
        held = int(connection.execute(count).scalar_one()) if wanted else 0
        if held + wanted > most:
            settled = sa.select(misses.c.path, misses.c.query).where(misses.c.settled_at.is_not(None), kind)
            oldest = settled.order_by(misses.c.settled_at).limit(held + wanted - most)
            rows = [{"path_": row.path, "query_": row.query} for row in connection.execute(oldest)]
            named = (misses.c.path == sa.bindparam("path_"), misses.c.query == sa.bindparam("query_"))
            if rows:
                connection.execute(misses.delete().where(*named), rows)
            held -= len(rows)
        return max(0, most - held)


def _miss(row: Any) -> Miss:
    return Miss(row.path, row.query, row._mapping["count"], from_micros(row.first_at), from_micros(row.last_at))


def _stored(row: Any) -> StoredEvent:
    return StoredEvent(row.id, from_micros(row.at), Event(row.kind, row.subject, json.loads(row.payload)))


def _signed_text(note: str) -> str:
    """Return the part of a signed note that is signed: the same tree may be signed again, by others too."""
    return note.rpartition("\n\n")[0]
