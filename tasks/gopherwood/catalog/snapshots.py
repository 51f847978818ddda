"""A snapshot: the catalog at one moment, for checks and statistics over all of it.

All answers of one `Snapshot` are of the same moment, whatever is published meanwhile: one transaction of repeatable
reads. What is large comes in pages of whole modules, so that memory is bounded by a page. Values are plain columns,
times microseconds since 1970 as in the tables.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from gopherwood.catalog.db import Database
from gopherwood.catalog.schema import (
    counters,
    damages,
    evidence,
    from_micros,
    index_reads,
    ledger,
    ledger_heads,
    origins,
    to_micros,
    versions,
)
from gopherwood.catalog.values import IndexRead
from gopherwood.states import OPEN, State

Row = Mapping[Any, Any]

_PUBLISHED = versions.c.state == State.PUBLISHED.value


@dataclass(frozen=True, slots=True)
class Page:
    """All rows of the modules whose path comes after one, up to another (None: to the end)."""

    after: str
    through: str | None
    rows: Sequence[Row]


class Snapshots(Database):
    """Opens snapshots."""

    @contextmanager
    def snapshot(self) -> Iterator["Snapshot"]:
        """Look at the catalog at one moment; keep it open no longer than needed, for old rows are kept meanwhile."""
        with self._snapshot() as connection:
            yield Snapshot(connection, self.now())


class Snapshot:
    """Questions to the catalog at one moment; `now` is that moment, in microseconds."""

    def __init__(self, connection: sa.Connection, now: int) -> None:
        self._connection = connection
        self.now = now

    def published(self, size: int, since: datetime | None = None, until: datetime | None = None) -> Iterator[Page]:
        """Yield all published versions, or those published in an interval, sorted by name, in pages of some `size`.

        Each row is what the catalog says of the version, beside it what the ledger says (`ledger_h1`,
        `ledger_go_mod_h1`), whether a rule has passed it (`checked`), and whether the last word of one was no
        (`refused`).
        """
        wanted = [_PUBLISHED]
        wanted += [] if since is None else [versions.c.published_at >= to_micros(since)]
        wanted += [] if until is None else [versions.c.published_at < to_micros(until)]
        after = ""
        while True:
            through = self._last_path(after, size, wanted)
            yield Page(after, through, self._published(after, through, wanted))
            if through is None:
                return
            after = through

    def one(self, name: str) -> int:
        """Return one of the numbers of the catalog as a whole (TOTALS)."""
        return int(self._connection.execute(TOTALS[name]).scalar() or 0)

    def extent(self) -> tuple[int, int]:
        """Return how many versions are published, and the last sequence number."""
        query = sa.select(sa.func.count(), sa.func.max(versions.c.sequence)).where(_PUBLISHED)
        row = self._connection.execute(query).one()
        return int(row[0]), int(row[1] or 0)

    def unlogged(self, limit: int = 1000) -> list[Row]:
        """Return entries of the ledger whose version is neither published nor on its way to be."""
        joined = sa.and_(versions.c.path == ledger.c.path, versions.c.version == ledger.c.version)
        query = sa.select(ledger.c.path, ledger.c.version, ledger.c.number, versions.c.state)
        query = query.select_from(ledger.outerjoin(versions, joined))
        fine = [State.PUBLISHED.value, *(state.value for state in OPEN)]
        lost = sa.or_(versions.c.state.is_(None), versions.c.state.not_in(fine))
        return self._rows(query.where(lost).order_by(ledger.c.number).limit(limit))

    def damages(self) -> list[Row]:
        """Return what an audit found damaged, or too much, and nobody has healed."""
        columns = (damages.c.path, damages.c.version, damages.c.suffix, damages.c.kind, damages.c.found_at)
        return self._rows(sa.select(*columns).where(damages.c.healed_at.is_(None)).order_by(damages.c.id))

    def open_versions(self, limit: int) -> list[Row]:
        """Return the versions with work left to do, the oldest first."""
        columns = [versions.c[name] for name in QUEUE_COLUMNS]
        query = sa.select(*columns).where(versions.c.state.in_([state.value for state in OPEN]))
        return self._rows(query.order_by(versions.c.first_observed, versions.c.id).limit(limit))

    def ends(self, since: datetime | None, until: datetime | None) -> list[Row]:
        """Return how many versions there are by state and reason: of those that changed in an interval, or of all."""
        query = sa.select(versions.c.state, versions.c.reason, sa.func.count().label("number"))
        if since is not None:
            query = query.where(versions.c.changed_at >= to_micros(since))
        if until is not None:
            query = query.where(versions.c.changed_at < to_micros(until))
        return self._rows(query.group_by(versions.c.state, versions.c.reason))

    def observed(self, since: datetime, until: datetime) -> list[Row]:
        """Return how many versions were first wanted in an interval, by source."""
        query = sa.select(versions.c.source, sa.func.count().label("number"))
        inside = versions.c.first_observed.between(to_micros(since), to_micros(until) - 1)
        return self._rows(query.where(inside).group_by(versions.c.source))

    def newest(self, limit: int, since: datetime | None, until: datetime | None) -> list[Row]:
        """Return the names of what was published last (in an interval), at most so many."""
        query = sa.select(versions.c.path, versions.c.version).where(versions.c.sequence.is_not(None))
        query = query if since is None else query.where(versions.c.published_at >= to_micros(since))
        query = query if until is None else query.where(versions.c.published_at < to_micros(until))
        return self._rows(query.order_by(versions.c.sequence.desc()).limit(limit))

    def index_reads(self, since: datetime, until: datetime) -> list[IndexRead]:
        """Return the readings of module indexes about intervals that end in this one, in the order of reading."""
        inside = sa.and_(index_reads.c.until > to_micros(since), index_reads.c.until <= to_micros(until))
        rows = self._rows(sa.select(index_reads).where(inside).order_by(index_reads.c.id))
        return [
            IndexRead(
                row["name"],
                from_micros(row["since"]),
                from_micros(row["until"]),
                row["entries"],
                row["distinct"],
                row["bad"],
            )
            for row in rows
        ]

    def _last_path(self, after: str, size: int, wanted: Sequence[sa.ColumnElement[bool]]) -> str | None:
        query = sa.select(versions.c.path).where(versions.c.path > after, *wanted)
        query = query.order_by(versions.c.path, versions.c.version).offset(size - 1).limit(1)
        path: str | None = self._connection.execute(query).scalar()
        return path

    def _published(self, after: str, through: str | None, wanted: Sequence[sa.ColumnElement[bool]]) -> list[Row]:
        logged = sa.and_(ledger.c.path == versions.c.path, ledger.c.version == versions.c.version)
        of_it = evidence.c.version_id == versions.c.id
        passed = sa.exists().where(of_it, evidence.c.ok)
        later = evidence.alias()
        answered = sa.exists().where(
            later.c.version_id == evidence.c.version_id,
            later.c.rule == evidence.c.rule,
            later.c.attempt > evidence.c.attempt,
            later.c.ok,
        )
        no = sa.and_(sa.not_(evidence.c.ok), evidence.c.rule.not_like("quality/%"), sa.not_(answered))
        refused = sa.exists().where(of_it, no).correlate(versions)
        query = sa.select(
            *(versions.c[name] for name in VERSION_COLUMNS),
            ledger.c.h1.label("ledger_h1"),
            ledger.c.go_mod_h1.label("ledger_go_mod_h1"),
            passed.label("checked"),
            refused.label("refused"),
        ).select_from(versions.outerjoin(ledger, logged))
        query = query.where(versions.c.path > after, *wanted).order_by(versions.c.path, versions.c.version)
        return self._rows(query if through is None else query.where(versions.c.path <= through))

    def _rows(self, query: sa.Select[Any]) -> list[Row]:
        return [row._mapping for row in self._connection.execute(query)]


VERSION_COLUMNS = (
    *("path", "version", "time", "first_observed", "published_at", "sequence", "source"),
    *("h1", "go_mod_h1", "zip_size", "mod_size", "zip_sha256", "info_sha256"),
)
QUEUE_COLUMNS = ("path", "version", "state", "reason", "owner", "ready_at", "first_observed", "failures", "attempt")


def _orphans(table: sa.Table) -> sa.Select[Any]:
    """Count the versions that a table has rows of and that there are none of."""
    ids = sa.select(table.c.version_id).distinct().subquery()
    known = sa.exists().where(versions.c.id == ids.c.version_id)
    return sa.select(sa.func.count()).select_from(ids).where(sa.not_(known))


def _late() -> sa.Select[Any]:
    """Count published versions whose time is not after that of the sequence number before."""
    step = versions.c.published_at - sa.func.lag(versions.c.published_at).over(order_by=versions.c.sequence)
    steps = sa.select(step.label("step")).where(versions.c.sequence.is_not(None)).subquery()
    return sa.select(sa.func.count()).select_from(steps).where(steps.c.step <= 0)


_IN_FLIGHT = versions.c.state.in_([state.value for state in OPEN])

TOTALS: Mapping[str, sa.Select[Any]] = {
    "counter": sa.select(counters.c.value).where(counters.c.name == "published"),
    "ledger": sa.select(sa.func.count()).select_from(ledger),
    "ledger_last": sa.select(sa.func.max(ledger.c.number) + 1),
    "ledger_head": sa.select(sa.func.max(ledger_heads.c.size)),
    "in_flight": sa.select(sa.func.count())
    .select_from(ledger.join(versions, (versions.c.path == ledger.c.path) & (versions.c.version == ledger.c.version)))
    .where(_IN_FLIGHT),
    "late": _late(),
    "evidence_orphans": _orphans(evidence),
    "origin_orphans": _orphans(origins),
    "open": sa.select(sa.func.count()).select_from(versions).where(_IN_FLIGHT),
    "versions": sa.select(sa.func.count()).select_from(versions),
    "stateless": sa.select(sa.func.count())
    .select_from(versions)
    .where(versions.c.state.not_in([state.value for state in State])),
    "ownerless": sa.select(sa.func.count())
    .select_from(versions)
    .where(versions.c.state == State.LEASED.value, versions.c.owner.is_(None)),
}
"""Numbers of the catalog as a whole, by name: what `Snapshot.one` asks."""
