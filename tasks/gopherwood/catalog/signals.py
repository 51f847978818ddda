"""What a person who watches the platform wants to know and no verb does: ages, sums, and what has piled up.

Questions for `gopherwood exporter`, asked every few seconds: each is answered by an index, or by a table that stays
small, or goes on where the last answer ended (`Tally`, `Delays`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from gopherwood.catalog.db import Database
from gopherwood.catalog.schema import (
    damages,
    from_micros,
    index_reads,
    ledger,
    misses,
    notice_sinks,
    notices_held,
    outbox,
    quality_runs,
    scrubs,
    stale_lists,
    usage_hours,
    versions,
)
from gopherwood.states import State

SECOND = 1_000_000

SETTLED_SECONDS = 60
"""After so long no lower number of the outbox can appear any more (catalog/notices.py)."""


@dataclass(frozen=True, slots=True)
class Tally:
    """How many events of each kind the outbox has up to a number; what comes after is counted anew each time."""

    position: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delays:
    """How long versions took from first being observed to being published, up to a sequence number.

    `counts` are of those that took at most so many seconds, a bound each, and of all.
    """

    sequence: int = 0
    counts: tuple[int, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrubbed:
    """What all rounds of scrubbing came to, those under way among them."""

    versions: int
    bytes: int
    mismatches: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkLag:
    """What waits for a sink of notices."""

    name: str
    waiting: int
    oldest: timedelta
    held: int
    delivered: int
    dropped: int
    failing: timedelta
    """How long it has failed without a break; nothing when it does not."""


class Signals(Database):
    """The catalog's half for whoever watches."""

    def oldest_by_state(self, states: Collection[State]) -> dict[State, timedelta]:
        """Return for how long the version that has been in each state longest has been; nothing for an empty one."""
        query = sa.select(versions.c.state, sa.func.min(versions.c.changed_at)).group_by(versions.c.state)
        query = query.where(versions.c.state.in_([state.value for state in states]))
        with self._reading() as connection:
            found = {row[0]: row[1] for row in connection.execute(query)}
        return {state: self._age(found.get(state.value)) for state in states}

    def reasons_of(self, state: State) -> dict[str, int]:
        """Return how many versions in a state carry each reason."""
        query = sa.select(versions.c.reason, sa.func.count()).where(versions.c.state == state.value)
        with self._reading() as connection:
            return {row[0]: row[1] for row in connection.execute(query.group_by(versions.c.reason))}

    def tally(self, before: Tally) -> tuple[Tally, dict[str, int]]:
        """Return how many events of each kind there ever were, and what to ask with the next time."""
        settled = sa.select(sa.func.max(outbox.c.id)).where(outbox.c.id > before.position)
        settled = settled.where(outbox.c.at <= self.now() - SETTLED_SECONDS * SECOND)
        with self._snapshot() as connection:
            end = connection.execute(settled).scalar() or before.position
            old = _kinds(connection, outbox.c.id > before.position, outbox.c.id <= end)
            new = _kinds(connection, outbox.c.id > end)
        known = _sum(before.counts, old)
        return Tally(end, known), _sum(known, new)

    def delays(self, before: Delays, bounds: Sequence[float]) -> Delays:
        """Return how long publishing took, of all that ever was: `before` and what was published since then.

        Exact: sequence numbers are given in the order of commits.
        """
        delay = versions.c.published_at - versions.c.first_observed
        within = [sa.func.count().filter(delay <= int(bound * SECOND)) for bound in bounds]
        columns = (sa.func.max(versions.c.sequence), sa.func.sum(delay), *within, sa.func.count())
        with self._reading() as connection:
            row = connection.execute(sa.select(*columns).where(versions.c.sequence > before.sequence)).one()
        counts = before.counts or (0,) * (len(bounds) + 1)
        if row[0] is None:
            return Delays(before.sequence, counts, before.seconds)
        more = tuple(old + int(new) for old, new in zip(counts, row[2:], strict=True))
        return Delays(int(row[0]), more, before.seconds + float(row[1]) / SECOND)

    def scrubbed(self) -> Scrubbed:
        """Return what was read again, in all."""
        columns = (scrubs.c.versions, scrubs.c.bytes, scrubs.c.damaged)
        with self._reading() as connection:
            sums = connection.execute(sa.select(*(sa.func.coalesce(sa.func.sum(each), 0) for each in columns))).one()
        return Scrubbed(versions=int(sums[0]), bytes=int(sums[1]), mismatches=int(sums[2]))

    def damage_counts(self) -> tuple[int, int]:
        """Return how many damages were ever found, and how many are not healed."""
        is_open = sa.func.count().filter(damages.c.healed_at.is_(None))
        with self._reading() as connection:
            row = connection.execute(sa.select(sa.func.count(), is_open).select_from(damages)).one()
        return int(row[0]), int(row[1])

    def ledger_last_at(self) -> datetime | None:
        """Return when the ledger got its last entry."""
        return self._time(sa.select(ledger.c.at).order_by(ledger.c.number.desc()).limit(1))

    def index_read_until(self) -> tuple[datetime | None, datetime | None]:
        """Return up to when module indexes have been read, and when one was read last."""
        until = self._time(sa.select(sa.func.max(index_reads.c.until)))
        return until, self._time(sa.select(index_reads.c.at).order_by(index_reads.c.id.desc()).limit(1))

    def usage_rolled(self) -> tuple[datetime | None, int]:
        """Return when the access log was counted last, and how many hours of it have lines that are not counted."""
        stale = sa.select(sa.func.count()).select_from(usage_hours).where(usage_hours.c.stale)
        with self._reading() as connection:
            hours = int(connection.execute(stale).scalar_one())
        return self._time(sa.select(sa.func.max(usage_hours.c.rolled_at))), hours

    def quality_data_sets(self) -> list[str]:
        """Return the names of the data sets that were ever checked."""
        with self._reading() as connection:
            query = sa.select(quality_runs.c.data_set).distinct().order_by(quality_runs.c.data_set)
            return list(connection.execute(query).scalars())

    def piled_up(self) -> dict[str, int]:
        """Return how many misses nobody has dealt with, and how many lists wait to be rewritten."""
        open_misses = sa.select(sa.func.count()).select_from(misses).where(misses.c.settled_at.is_(None))
        lists = sa.select(sa.func.count()).select_from(stale_lists)
        with self._reading() as connection:
            numbers = (connection.execute(query).scalar_one() for query in (open_misses, lists))
            return dict(zip(("misses", "stale_lists"), map(int, numbers), strict=True))

    def sink_lags(self) -> list[SinkLag]:
        """Return what waits for each sink of notices, by name."""
        beyond = outbox.c.id > notice_sinks.c.position
        waiting = sa.select(sa.func.count()).select_from(outbox).where(beyond).scalar_subquery()
        first = sa.select(outbox.c.at).where(beyond).order_by(outbox.c.id).limit(1).scalar_subquery()
        held = sa.select(sa.func.count()).where(notices_held.c.sink == notice_sinks.c.name).scalar_subquery()
        query = sa.select(notice_sinks, waiting.label("waiting"), first.label("first_at"), held.label("held"))
        with self._reading() as connection:
            rows = connection.execute(query.order_by(notice_sinks.c.name)).all()
        return [
            SinkLag(
                name=row.name,
                waiting=int(row.waiting),
                oldest=self._age(row.first_at),
                held=int(row.held),
                delivered=row.delivered,
                dropped=row.dropped,
                failing=self._age(row.failing_since),
            )
            for row in rows
        ]

    def _age(self, micros: int | None) -> timedelta:
        return timedelta(microseconds=0 if micros is None else max(0, self.now() - micros))

    def _time(self, query: sa.Select[Any]) -> datetime | None:
        with self._reading() as connection:
            micros: int | None = connection.execute(query).scalar()
        return None if micros is None else from_micros(micros)


def _kinds(connection: sa.Connection, *where: sa.ColumnElement[bool]) -> dict[str, int]:
    query = sa.select(outbox.c.kind, sa.func.count()).where(*where).group_by(outbox.c.kind)
    return {row[0]: int(row[1]) for row in connection.execute(query)}


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {kind: one.get(kind, 0) + other.get(kind, 0) for kind in sorted({*one, *other})}
