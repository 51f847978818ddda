"""Which parts of the store have been scrubbed, and when: rounds, leased by workers, with a checkpoint each.

Parts are names: of module paths by their hash (`part_of`), and what else audit/parts.py makes one. A round is open from
its first lease till its part is through; a worker that stopped or died leaves it with its position, and the next lease
goes on there. Finished rounds stay, as history.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from gopherwood.catalog.db import Database, insert_into
from gopherwood.catalog.schema import from_micros, scrubs, to_micros
from gopherwood.catalog.values import Round

SECOND = 1_000_000

DIGITS = 2
"""Hexadecimal digits of a module path's SHA-256 that name its part."""

_is_open = scrubs.c.finished_at.is_(None)


def part_of(path: str) -> str:
    """Return the part of the store that a module path belongs to: for ever, whatever else is published."""
    return hashlib.sha256(path.encode()).hexdigest()[:DIGITS]


class Scrubs(Database):
    """The catalog's half about scrubbing."""

    def lease_part(
        self,
        parts: Sequence[str],
        *,
        owner: str,
        seconds: float,
        before: datetime,
        share: tuple[int, datetime] | None = None,
    ) -> Round | None:
        """Take a part for `seconds`: one left half-done, else the one unseen for longest; None when none is due.

        Due are parts whose last round ended before `before`. With a `share` (a number and a time) all workers
        together begin at most so many rounds since then.
        """

        def work(connection: sa.Connection) -> int | None:
            now = self.now()
            lease = {"owner": owner, "lease_until": now + int(seconds * SECOND)}
            free = sa.and_(_is_open, scrubs.c.lease_until <= now, scrubs.c.part.in_(parts))
            for left in connection.execute(sa.select(scrubs.c.id).where(free).order_by(scrubs.c.id)).scalars().all():
                # The condition once more: on PostgreSQL somebody else may have taken it meanwhile.
                taken = scrubs.update().where(scrubs.c.id == left, free).values(lease)
                if connection.execute(taken).rowcount:
                    return int(left)
            if share is not None and self._begun_since(connection, share[1]) >= share[0]:
                return None
            for part in self._due(connection, parts, before):
                insert = insert_into(connection, scrubs).values(part=part, started_at=now, **lease)
                absent = insert.on_conflict_do_nothing(index_elements=["part"], index_where=_is_open)
                if (new := connection.execute(absent.returning(scrubs.c.id)).scalar()) is not None:
                    return int(new)
            return None

        # Two that look at the same moment would agree that a part is due, and do it one after the other.
        with self.lock("scrubs"):
            id_ = self._write(work)
        return None if id_ is None else self._round(id_)

    def checkpoint(self, round_: Round, *, seconds: float, finished: bool = False) -> bool:
        """Keep how far a round has come, and renew its lease or end it; False when another worker has it by now."""
        now = self.now()
        values: dict[str, Any] = {name: getattr(round_, name) for name in ("position", "versions", "bytes", "damaged")}
        values["lease_until"] = now + int(seconds * SECOND)
        if finished:
            values |= {"finished_at": now, "owner": None}
        mine = (scrubs.c.id == round_.id, scrubs.c.owner == round_.owner, _is_open)
        statement = scrubs.update().where(*mine).values(values)
        return self._write(lambda connection: connection.execute(statement).rowcount > 0)

    def give_back_parts(self, owner: str) -> None:
        """End the leases of a worker that stops; its rounds stay open at their last checkpoint."""
        mine = scrubs.update().where(scrubs.c.owner == owner, _is_open)
        self._write(lambda connection: connection.execute(mine.values(owner=None, lease_until=0)))

    def rounds(self, part: str, limit: int = 10) -> list[Round]:
        """Return the rounds of a part, the latest first."""
        query = sa.select(scrubs).where(scrubs.c.part == part).order_by(scrubs.c.id.desc()).limit(limit)
        with self._reading() as connection:
            return [_round(row) for row in connection.execute(query)]

    def last_scrubbed(self) -> dict[str, datetime]:
        """Return when the last round of each part ended; a part that never had one is not named."""
        with self._reading() as connection:
            return {part: from_micros(at) for part, at in self._last(connection).items()}

    def _round(self, id_: int) -> Round:
        with self._reading() as connection:
            round_ = _round(connection.execute(sa.select(scrubs).where(scrubs.c.id == id_)).one())
            before = (scrubs.c.part == round_.part, scrubs.c.finished_at.is_not(None))
            number = connection.execute(sa.select(sa.func.count()).select_from(scrubs).where(*before)).scalar_one()
        return replace(round_, number=int(number))

    def _due(self, connection: sa.Connection, parts: Sequence[str], before: datetime) -> list[str]:
        # First what is open, then what is finished: a round that ends in between is among the former.
        is_open = set(connection.execute(sa.select(scrubs.c.part).where(_is_open)).scalars())
        last, limit = self._last(connection), to_micros(before)
        due = [part for part in parts if part not in is_open and last.get(part, -1) < limit]
        return sorted(due, key=lambda part: last.get(part, -1))

    @staticmethod
    def _last(connection: sa.Connection) -> dict[str, int]:
        query = sa.select(scrubs.c.part, sa.func.max(scrubs.c.finished_at)).where(scrubs.c.finished_at.is_not(None))
        return {row[0]: row[1] for row in connection.execute(query.group_by(scrubs.c.part))}

    @staticmethod
    def _begun_since(connection: sa.Connection, since: datetime) -> int:
        begun = sa.select(sa.func.count()).select_from(scrubs).where(scrubs.c.started_at >= to_micros(since))
        return int(connection.execute(begun).scalar_one())


def _round(row: Any) -> Round:
    return Round(
        id=row.id,
        part=row.part,
        owner=row.owner,
        number=0,
        position=row.position,
        started_at=from_micros(row.started_at),
        finished_at=None if row.finished_at is None else from_micros(row.finished_at),
        versions=row.versions,
        bytes=row.bytes,
        damaged=row.damaged,
    )
