"""What happened lately, in numbers: for people who look at the platform as a whole, and at one run of a DAG.

Every question is bounded by an interval that an index covers, or by a number of rows: a page must not cost more because
the repository grew. What is said of an interval is what was done in it, whoever did it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from gopherwood.catalog.db import Database
from gopherwood.catalog.schema import (
    from_micros,
    index_reads,
    origin_checks,
    quality_results,
    quality_runs,
    scrubs,
    to_micros,
    usage_hours,
    versions,
)
from gopherwood.module import ModuleVersion
from gopherwood.states import State

REFUSED = (State.REJECTED.value, State.GONE.value, State.HELD.value)
"""States in which a version is not to be had, and nobody works on it."""
MOST_CHANGED = 20_000
"""Versions that changed last among which refusals are looked for."""
HOUR = 3_600_000_000
"""Microseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What was done in an interval."""

    published: int
    refused: int
    """Versions that were rejected, gone or held, and still are."""
    read: int
    """Distinct entries that module indexes gave."""
    checked: int
    """Data sets that were checked; what they came to is in the next two."""
    stops: int
    """Rules that must hold, and did not."""
    warnings: int
    counted: int
    """Lines of the access log that were counted."""
    scrubbed: int
    """Versions whose bytes were read again."""
    damaged: int
    """Of these, with a file that was damaged."""
    origins: int
    """Looks at repositories that versions came from."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A version that was refused, and why."""

    mv: ModuleVersion
    state: State
    reason: str
    detail: str
    at: datetime


class Lately(Database):
    """The catalog's half about what happened lately."""

    def activity(self, since: datetime, until: datetime) -> Activity:
        """Return what was done from `since` on, and before `until`."""
        begin, end = to_micros(since), to_micros(until)

        def within(column: Any) -> Any:
            return sa.and_(column >= begin, column < end)

        count = sa.func.count()
        changed = (within(versions.c.changed_at), versions.c.state.in_(REFUSED))
        broken = quality_results.join(quality_runs, quality_runs.c.id == quality_results.c.run_id)
        failed = (within(quality_runs.c.at), sa.not_(quality_results.c.ok))
        rules = sa.select(
            count.filter(quality_results.c.severity == "stop"), count.filter(quality_results.c.severity != "stop")
        )
        rounds = sa.select(_sum(scrubs.c.versions), _sum(scrubs.c.damaged)).where(within(scrubs.c.finished_at))
        with self._reading() as connection:

            def number(query: Any) -> int:
                return int(connection.execute(query).scalar_one())

            stops, warnings = connection.execute(rules.select_from(broken).where(*failed)).one()
            scrubbed, damaged = connection.execute(rounds).one()
            return Activity(
                published=number(sa.select(count).where(within(versions.c.published_at))),
                refused=number(sa.select(count).where(*changed)),
                read=number(sa.select(_sum(index_reads.c.distinct)).where(within(index_reads.c.at))),
                checked=number(sa.select(count).select_from(quality_runs).where(within(quality_runs.c.at))),
                stops=stops,
                warnings=warnings,
                counted=number(sa.select(_sum(usage_hours.c.lines)).where(within(usage_hours.c.rolled_at))),
                scrubbed=int(scrubbed),
                damaged=int(damaged),
                origins=number(sa.select(count).select_from(origin_checks).where(within(origin_checks.c.at))),
            )

    def published_by_hour(self, until: datetime, hours: int = 24) -> list[int]:
        """Return how many versions were published in each of the hours before a time, the earliest first."""
        begin = to_micros(until - timedelta(hours=hours))
        hour = ((versions.c.published_at - begin) // HOUR).label("hour")
        query = sa.select(hour, sa.func.count()).where(
            versions.c.published_at >= begin, versions.c.published_at < to_micros(until)
        )
        found = [0] * hours
        with self._reading() as connection:
            for number, times in connection.execute(query.group_by(hour)):
                found[int(number)] = times
        return found

    def reasons_since(self, since: datetime) -> dict[tuple[str, str], int]:
        """Return how many versions were refused since a time, by state and reason, the commonest first.

        Counted among the MOST_CHANGED versions that changed last.
        """
        last, number = _changed(since), sa.func.count()
        query = sa.select(last.c.state, last.c.reason, number).where(last.c.state.in_(REFUSED))
        query = query.group_by(last.c.state, last.c.reason).order_by(number.desc(), last.c.reason)
        with self._reading() as connection:
            return {(row[0], row[1]): row[2] for row in connection.execute(query)}

    def refused_since(self, since: datetime, limit: int) -> list[Refusal]:
        """Return the versions that were refused last, but not before a time, the latest first.

        Looked for among the MOST_CHANGED versions that changed last.
        """
        last = _changed(since)
        query = sa.select(last).where(last.c.state.in_(REFUSED)).order_by(last.c.changed_at.desc(), last.c.id.desc())
        with self._reading() as connection:
            return [
                Refusal(
                    ModuleVersion(row.path, row.version),
                    State(row.state),
                    row.reason,
                    row.detail,
                    from_micros(row.changed_at),
                )
                for row in connection.execute(query.limit(limit))
            ]

    def checked_data_sets(self) -> list[str]:
        """Return the data sets that were ever checked as a whole, by name."""
        whole = (quality_runs.c.since.is_(None), quality_runs.c.until.is_(None))
        query = sa.select(quality_runs.c.data_set).where(*whole).distinct().order_by(quality_runs.c.data_set)
        with self._reading() as connection:
            return list(connection.execute(query).scalars())


def _changed(since: datetime) -> Any:
    """Return the versions that changed since a time, up to MOST_CHANGED, as a table."""
    names = ("id", "path", "version", "state", "reason", "detail", "changed_at")
    recent = sa.select(*(versions.c[name] for name in names)).where(versions.c.changed_at >= to_micros(since))
    return recent.order_by(versions.c.changed_at.desc()).limit(MOST_CHANGED).subquery()


def _sum(column: Any) -> Any:
    return sa.func.coalesce(sa.func.sum(column), 0)
