"""Which parts of the store have been scrubbed, and when: rounds, leased by workers, with a checkpoint each.

Parts are names: of module paths by their hash (`part_of`), and what else audit/parts.py makes one. A round is open from
its first lease till its part is through; a worker that stopped or died leaves it with its position, and the next lease
goes on there. Finished rounds stay, as history. Parts are leased, and their checkpoints kept, several at a time: of a
small store the questions and commits cost more than reading it.
"""

import hashlib
from collections.abc import Collection, Iterable, Sequence
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

    def lease_parts(
        self,
        parts: Sequence[str],
        *,
        owner: str,
        seconds: float,
        before: datetime,
        share: tuple[int, datetime] | None = None,
        limit: int = 1,
    ) -> list[Round]:
        """Take up to `limit` parts for `seconds`: those left half-done, then those unseen for longest.

        Due are parts whose last round ended before `before`. With a `share` (a number and a time) all workers
        together begin at most so many rounds since then.
        """

        def work(connection: sa.Connection) -> list[int]:
            now = self.now()
            lease = {"owner": owner, "lease_until": now + int(seconds * SECOND)}
            free = sa.and_(_is_open, scrubs.c.lease_until <= now, scrubs.c.part.in_(parts))
            taken: list[int] = []
            for left in connection.execute(sa.select(scrubs.c.id).where(free).order_by(scrubs.c.id)).scalars().all():
                if len(taken) == limit:
                    return taken
                # The condition once more: on PostgreSQL somebody else may have taken it meanwhile.
                if connection.execute(scrubs.update().where(scrubs.c.id == left, free).values(lease)).rowcount:
                    taken.append(int(left))
            most = limit
            if share is not None:
                most = min(limit, len(taken) + max(0, share[0] - self._begun_since(connection, share[1])))
            for part in self._due(connection, parts, before) if len(taken) < most else ():
                insert = insert_into(connection, scrubs).values(part=part, started_at=now, **lease)
                absent = insert.on_conflict_do_nothing(index_elements=["part"], index_where=_is_open)
                if (new := connection.execute(absent.returning(scrubs.c.id)).scalar()) is not None:
                    taken.append(int(new))
                if len(taken) == most:
                    break
            return taken

        # Two that look at the same moment would agree that a part is due, and do it one after the other.
        with self.lock("scrubs"):
            ids = self._write(work)
        return self._rounds(ids) if ids else []

    def checkpoint(self, rounds: Iterable[Round], *, seconds: float, finished: Collection[int] = ()) -> bool:
        """Keep how far rounds have come, in one transaction, and renew their leases, or end those `finished` (ids).

        False when another worker has one of them by now.
        """
        now = self.now()

        def work(connection: sa.Connection) -> bool:
            kept = [connection.execute(statement).rowcount for statement in statements]
            return 0 not in kept

        statements = []
        for each in rounds:
            values: dict[str, Any] = {
                name: getattr(each, name) for name in ("position", "versions", "bytes", "damaged")
            }
            values["lease_until"] = now + int(seconds * SECOND)
            if each.id in finished:
                values |= {"finished_at": now, "owner": None}
            mine = (scrubs.c.id == each.id, scrubs.c.owner == each.owner, _is_open)
            statements.append(scrubs.update().where(*mine).values(values))
        return self._write(work)

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

    def _rounds(self, ids: Sequence[int]) -> list[Round]:
        with self._reading() as connection:
            query = sa.select(scrubs).where(scrubs.c.id.in_(ids)).order_by(scrubs.c.id)
            rounds = [_round(row) for row in connection.execute(query)]
            before = (scrubs.c.part.in_([each.part for each in rounds]), scrubs.c.finished_at.is_not(None))
            count = sa.select(scrubs.c.part, sa.func.count()).where(*before).group_by(scrubs.c.part)
            numbers = {part: int(number) for part, number in connection.execute(count).all()}
        return [replace(each, number=numbers.get(each.part, 0)) for each in rounds]

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
