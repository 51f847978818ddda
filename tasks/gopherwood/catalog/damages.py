"""Files of the store that were not what was published: found, healed or not, and never forgotten.

A row is written before the damaged file is moved aside, so a scrub that dies in between is taken up where it was. While
a row is open its file is withheld. The counter `damages` grows with each change, in its transaction: serving compares
that one number to know when what it keeps in memory is to be forgotten.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from gopherwood.catalog.db import Database, insert_into, pieces
from gopherwood.catalog.moves import columns_of, count, write_events
from gopherwood.catalog.schema import counters, damages, from_micros, versions
from gopherwood.catalog.values import Damage, Event, Facts
from gopherwood.module import ModuleVersion

COUNTER = "damages"


class Damages(Database):
    """The catalog's half about damage."""

    def record_damage(
        self, path: str, version: str, suffix: str, *, kind: str, expected: str, found: str, evidence: str = ""
    ) -> tuple[Damage, bool]:
        """Note that a file is damaged, with an event; return the open row, and whether it is new.

        One that is open already keeps its first words, and gets the new `evidence`, if any.
        """

        def work(connection: sa.Connection) -> tuple[Damage, bool]:
            now, change = self.now(), self._next_change(connection)
            named = {"path": path, "version": version, "suffix": suffix}
            said = {"kind": str(kind), "expected": expected, "found": found, "evidence": evidence}
            insert = insert_into(connection, damages).values(**named, **said, found_at=now, change=change)
            absent = insert.on_conflict_do_nothing(
                index_elements=["path", "version", "suffix"], index_where=damages.c.healed_at.is_(None)
            )
            id_ = connection.execute(absent.returning(damages.c.id)).scalar()
            this = sa.and_(*(damages.c[name] == value for name, value in named.items()), damages.c.healed_at.is_(None))
            if id_ is None and evidence:
                connection.execute(damages.update().where(this).values(evidence=evidence, change=change))
            damage = _damage(connection.execute(sa.select(damages).where(this)).one())
            if id_ is not None:
                write_events(connection, [Event("damage", damage.subject, said)], now)
            return damage, id_ is not None

        return self._write(work)

    def healed(self, damage: Damage, source: str, *, facts: Facts | None = None) -> None:
        """Close a damage: the file is what was published again, from this source; `facts` follow a zip packed anew."""

        def work(connection: sa.Connection) -> None:
            now, change = self.now(), self._next_change(connection)
            values = {"healed_at": now, "healed_from": source, "tried_at": now, "says": "", "change": change}
            this = sa.and_(damages.c.id == damage.id, damages.c.healed_at.is_(None))
            if not connection.execute(damages.update().where(this).values(values)).rowcount:
                return
            if facts:
                self._correct(connection, damage.mv, facts)
            payload = {"kind": damage.kind, "from": source, "evidence": damage.evidence, "facts": dict(facts or {})}
            write_events(connection, [Event("healed", damage.subject, payload)], now)

        self._write(work)

    def not_healed(self, damage: Damage, says: str) -> None:
        """Note why a damage could not be healed; the first time, or for another reason, with an event `integrity`."""

        def work(connection: sa.Connection) -> None:
            now = self.now()
            this = sa.and_(damages.c.id == damage.id, damages.c.healed_at.is_(None))
            before = connection.execute(sa.select(damages.c.says).where(this).with_for_update()).scalar()
            connection.execute(damages.update().where(this).values(tried_at=now, says=says))
            if before is not None and before != says:
                payload = {"reason": damage.kind, "detail": says, "evidence": damage.evidence}
                write_events(connection, [Event("integrity", damage.subject, payload)], now)

        self._write(work)

    def open_damages(self, paths: Sequence[str] | None = None) -> list[Damage]:
        """Return what is damaged now, the oldest first; of these module paths only, if they are given."""
        query = sa.select(damages).where(damages.c.healed_at.is_(None)).order_by(damages.c.found_at, damages.c.id)
        found: list[Damage] = []
        with self._reading() as connection:
            if paths is None:
                return [_damage(row) for row in connection.execute(query)]
            for piece in pieces(sorted(paths)):
                found += [_damage(row) for row in connection.execute(query.where(damages.c.path.in_(piece)))]
        return found

    def damages_of(self, mv: ModuleVersion) -> list[Damage]:
        """Return all damages that a version's files ever had, the oldest first."""
        query = sa.select(damages).where(damages.c.path == mv.path, damages.c.version == mv.version)
        with self._reading() as connection:
            return [_damage(row) for row in connection.execute(query.order_by(damages.c.id))]

    def damages_since(self, change: int) -> list[Damage]:
        """Return the damages that changed after this value of the counter."""
        query = sa.select(damages).where(damages.c.change > change).order_by(damages.c.change)
        with self._reading() as connection:
            return [_damage(row) for row in connection.execute(query)]

    def note_info_sums(self, sums: Mapping[int, str]) -> None:
        """Note the SHA-256 of the `.info` of versions, by their id, where none is known yet."""
        rows = [{"id_": id_, "info_sha256": value} for id_, value in sorted(sums.items())]
        if rows:
            absent = (versions.c.id == sa.bindparam("id_"), versions.c.info_sha256.is_(None))
            self._write(lambda connection: connection.execute(versions.update().where(*absent), rows))

    def _next_change(self, connection: sa.Connection) -> int:
        """Count a change and return its number; the row stays locked, so numbers are in the order of commits."""
        count(connection, COUNTER, 1, self.now())
        number: int = connection.execute(sa.select(counters.c.value).where(counters.c.name == COUNTER)).scalar_one()
        return number

    @staticmethod
    def _correct(connection: sa.Connection, mv: ModuleVersion, facts: Facts) -> None:
        this = (versions.c.path == mv.path, versions.c.version == mv.version)
        connection.execute(versions.update().where(*this).values(columns_of(facts)))


def _damage(row: Any) -> Damage:
    return Damage(
        id=row.id,
        path=row.path,
        version=row.version,
        suffix=row.suffix,
        kind=row.kind,
        expected=row.expected,
        found=row.found,
        found_at=from_micros(row.found_at),
        evidence=row.evidence,
        tried_at=None if row.tried_at is None else from_micros(row.tried_at),
        says=row.says,
        healed_at=None if row.healed_at is None else from_micros(row.healed_at),
        healed_from=row.healed_from,
    )
