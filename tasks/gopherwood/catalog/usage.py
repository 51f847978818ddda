"""How often versions are downloaded, and which parts of the access log have been counted.

A file of the log has lines of some hours; an hour is *stale* while a file has brought lines for it that are not counted
yet. Counting an hour begins at its first line again, so it may be done any number of times. Downloads are kept by day,
the files of usage have the hours (docs/usage.md).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

import sqlalchemy as sa

from gopherwood.catalog.db import Database, insert_into, pieces
from gopherwood.catalog.schema import downloads, from_micros, to_micros, usage_files, usage_hours, usage_parts


@dataclass(frozen=True, slots=True)
class Downloads:
    """How often a version was downloaded on a day, UTC."""

    path: str
    version: str
    day: date
    count: int


@dataclass(frozen=True, slots=True)
class UsageHour:
    """An hour of the access log."""

    begins: datetime
    stale: bool
    """Whether it has lines that are not counted."""
    lines: int
    """That were counted."""
    rolled_at: datetime | None


class Usage(Database):
    """The catalog's half about usage."""

    def downloads(
        self, path: str, version: str = "", *, since: date | None = None, until: date | None = None
    ) -> list[Downloads]:
        """Return the downloads of a module or of one version, by day and version; `until` is the first day without."""
        query = sa.select(downloads).where(downloads.c.path == path, *_between(since, until))
        if version:
            query = query.where(downloads.c.version == version)
        with self._reading() as connection:
            rows = connection.execute(query.order_by(downloads.c.day, downloads.c.version)).all()
        return [Downloads(row.path, row.version, from_micros(row.day).date(), row.times) for row in rows]

    def top_downloads(
        self, limit: int = 100, *, since: date | None = None, until: date | None = None
    ) -> list[tuple[str, int]]:
        """Return the modules that are downloaded most, each with how often: of all its versions."""
        times = sa.func.sum(downloads.c.times)
        query = sa.select(downloads.c.path, times).where(*_between(since, until)).group_by(downloads.c.path)
        with self._reading() as connection:
            rows = connection.execute(query.order_by(times.desc(), downloads.c.path).limit(limit)).all()
        return [(row[0], int(row[1])) for row in rows]

    def downloads_of(
        self, paths: Iterable[str], *, since: date | None = None, until: date | None = None
    ) -> dict[str, int]:
        """Return how often each of these modules was downloaded; one that never was is not named. For ranking."""
        found: dict[str, int] = {}
        times = sa.func.sum(downloads.c.times)
        with self._reading() as connection:
            for piece in pieces(sorted(set(paths))):
                query = sa.select(downloads.c.path, times).where(downloads.c.path.in_(piece), *_between(since, until))
                found |= {row[0]: int(row[1]) for row in connection.execute(query.group_by(downloads.c.path))}
        return found

    def set_downloads(self, day: date, counts: Mapping[tuple[str, str], int]) -> int:
        """Make these the downloads (path, version) -> times of a day; return how many rows had to change."""
        at = _micros(day)

        def work(connection: sa.Connection) -> int:
            query = sa.select(downloads).where(downloads.c.day == at)
            known = {(row.path, row.version): row.times for row in connection.execute(query)}
            gone = [{"path_": path, "version_": version} for path, version in sorted(known.keys() - counts.keys())]
            news = sorted(name for name, times in counts.items() if known.get(name) != times)
            named = (downloads.c.path == sa.bindparam("path_"), downloads.c.version == sa.bindparam("version_"))
            if gone:
                connection.execute(downloads.delete().where(downloads.c.day == at, *named), gone)
            if news:
                insert = insert_into(connection, downloads)
                statement = insert.on_conflict_do_update(
                    index_elements=["path", "version", "day"], set_={"times": insert.excluded.times}
                )
                rows = [{"path": name[0], "version": name[1], "day": at, "times": counts[name]} for name in news]
                connection.execute(statement, rows)
            return len(gone) + len(news)

        return self._write(work)

    def log_files(self) -> dict[str, int]:
        """Return the files of the access log that have been looked through, each with its size then."""
        with self._reading() as connection:
            return {row.name: row.size for row in connection.execute(sa.select(usage_files))}

    def note_log_file(self, name: str, size: int, lines: Mapping[datetime, int]) -> None:
        """Remember of which hours a file has how many lines. Hours for which it has more than before become stale."""
        hours = {to_micros(hour): count for hour, count in lines.items()}

        def work(connection: sa.Connection) -> None:
            parts = sa.select(usage_parts.c.hour, usage_parts.c.lines).where(usage_parts.c.name == name)
            known = {row.hour: row.lines for row in connection.execute(parts)}
            changed = sorted(hour for hour, count in hours.items() if known.get(hour) != count)
            _upsert(connection, usage_files, ["name"], [{"name": name, "size": size}])
            rows = [{"name": name, "hour": hour, "lines": hours[hour]} for hour in changed]
            _upsert(connection, usage_parts, ["name", "hour"], rows)
            _upsert(connection, usage_hours, ["hour"], [{"hour": hour, "stale": True} for hour in changed])

        self._write(work)

    def log_files_of(self, hour: datetime) -> list[str]:
        """Return the files that have lines of an hour, by name."""
        query = sa.select(usage_parts.c.name).where(usage_parts.c.hour == to_micros(hour))
        with self._reading() as connection:
            return [str(name) for name in connection.execute(query.order_by(usage_parts.c.name)).scalars()]

    def usage_hours(
        self, since: datetime | None = None, until: datetime | None = None, *, stale: bool = False
    ) -> list[UsageHour]:
        """Return the hours, in order, that the log has lines of; those that are `stale` alone, if asked so."""
        query = sa.select(usage_hours).order_by(usage_hours.c.hour)
        if since:
            query = query.where(usage_hours.c.hour >= to_micros(since))
        if until:
            query = query.where(usage_hours.c.hour < to_micros(until))
        if stale:
            query = query.where(usage_hours.c.stale)
        with self._reading() as connection:
            return [_hour(row) for row in connection.execute(query)]

    def hour_rolled(self, hour: datetime, lines: int | None) -> None:
        """Mark an hour as counted, with its lines; without (None) as one that cannot be counted again."""
        values = {"stale": False} | ({} if lines is None else {"lines": lines, "rolled_at": self.now()})
        named = usage_hours.update().where(usage_hours.c.hour == to_micros(hour))
        self._write(lambda connection: connection.execute(named.values(values)))


def _upsert(connection: sa.Connection, table: sa.Table, key: list[str], rows: list[dict[str, Any]]) -> None:
    if rows:
        insert = insert_into(connection, table)
        others = {name: insert.excluded[name] for name in rows[0] if name not in key}
        connection.execute(insert.on_conflict_do_update(index_elements=key, set_=others), rows)


def _between(since: date | None, until: date | None) -> list[sa.ColumnElement[bool]]:
    first = [downloads.c.day >= _micros(since)] if since else []
    return first + ([downloads.c.day < _micros(until)] if until else [])


def _micros(day: date) -> int:
    return to_micros(datetime.combine(day, time(), UTC))


def _hour(row: Any) -> UsageHour:
    at = None if row.rolled_at is None else from_micros(row.rolled_at)
    return UsageHour(from_micros(row.hour), bool(row.stale), row.lines, at)
