"""Questions to the catalog that change nothing: for people, reports and serving."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from gopherwood import semver
from gopherwood.catalog.db import Database, pieces
from gopherwood.catalog.moves import facts_of
from gopherwood.catalog.schema import counters, evidence, from_micros, to_micros, versions
from gopherwood.catalog.values import Evidence, IndexEntry, PublishedVersion, VersionRow
from gopherwood.module import ModuleVersion
from gopherwood.scaling import Backlog
from gopherwood.states import OPEN, State


class Reads(Database):
    """The reading half of the catalog."""

    def counts(self) -> dict[State, int]:
        """Return how many versions are in each state, all states named."""
        query = sa.select(versions.c.state, sa.func.count()).group_by(versions.c.state)
        with self._reading() as connection:
            found = {row[0]: row[1] for row in connection.execute(query)}
        return {state: found.get(state.value, 0) for state in State}

    def reasons(self) -> dict[str, int]:
        """Return how many versions that are not published carry each reason, the commonest first."""
        number = sa.func.count()
        query = sa.select(versions.c.reason, number).where(versions.c.reason != "").group_by(versions.c.reason)
        with self._reading() as connection:
            return {row[0]: row[1] for row in connection.execute(query.order_by(number.desc(), versions.c.reason))}

    def open_count(self) -> int:
        """Return how many versions have work left to do."""
        query = sa.select(sa.func.count()).where(_in_states(OPEN))
        with self._reading() as connection:
            return int(connection.execute(query).scalar_one())

    def backlog(self, states: Collection[State] = OPEN) -> Backlog:
        """Return what waits for workers in these states: how much, for how long, and how much is held by some."""
        now, ready_at, count = self.now(), versions.c.ready_at, sa.func.count()
        due = count.filter(ready_at <= now)
        held = count.filter(ready_at > now, versions.c.owner.is_not(None))
        oldest = sa.func.min(ready_at).filter(ready_at <= now)
        with self._reading() as connection:
            row = connection.execute(sa.select(due, held, oldest).where(_in_states(states))).one()
        return Backlog(row[0], row[1], timedelta(microseconds=0 if row[2] is None else now - row[2]))

    def next_ready(self) -> datetime | None:
        """Return when the next open version may be leased (in the past: now); None when nothing is open."""
        return self._oldest(versions.c.ready_at)

    def oldest_open_age(self) -> timedelta | None:
        """Return for how long the oldest open version has been wanted; None when nothing is open."""
        oldest = self._oldest(versions.c.first_observed)
        return None if oldest is None else self.clock() - oldest

    def counter(self, name: str) -> int:
        """Return a counter, such as `published` or `expired-leases`."""
        query = sa.select(counters.c.value).where(counters.c.name == name)
        with self._reading() as connection:
            return int(connection.execute(query).scalar() or 0)

    def counters(self, *names: str) -> dict[str, int]:
        """Return some counters at one moment."""
        query = sa.select(counters.c.name, counters.c.value).where(counters.c.name.in_(names))
        with self._reading() as connection:
            return dict.fromkeys(names, 0) | {row.name: int(row.value) for row in connection.execute(query)}

    def recent(self, states: Collection[State] = (), *, limit: int = 20) -> list[VersionRow]:
        """Return the versions that changed last, the latest first; of these states only, if any is named."""
        query = sa.select(versions).order_by(versions.c.changed_at.desc(), versions.c.id.desc()).limit(limit)
        if states:
            query = query.where(_in_states(states))
        with self._reading() as connection:
            return [_version_row(row) for row in connection.execute(query)]

    def state_of(self, mv: ModuleVersion) -> VersionRow | None:
        """Return everything known of one version, None when it was never wanted."""
        query = sa.select(versions).where(versions.c.path == mv.path, versions.c.version == mv.version)
        with self._reading() as connection:
            row = connection.execute(query).first()
        return None if row is None else _version_row(row)

    def evidence_of(self, mv: ModuleVersion) -> list[Evidence]:
        """Return what the rules said of a version in all attempts, the oldest first."""
        named = sa.and_(versions.c.path == mv.path, versions.c.version == mv.version)
        query = sa.select(evidence.c.rule, evidence.c.ok, evidence.c.detail)
        query = query.join(versions, versions.c.id == evidence.c.version_id).where(named)
        with self._reading() as connection:
            rows = connection.execute(query.order_by(evidence.c.attempt, evidence.c.number)).all()
        return [Evidence(row.rule, bool(row.ok), row.detail) for row in rows]

    def last_words(self, ids: Sequence[int]) -> dict[int, dict[str, bool]]:
        """Return what each rule has last said of each of these versions: yes or no, in whatever attempt."""
        columns = (evidence.c.version_id, evidence.c.rule, evidence.c.ok)
        ordered = sa.select(*columns).order_by(evidence.c.version_id, evidence.c.attempt, evidence.c.number)
        words: dict[int, dict[str, bool]] = {}
        with self._reading() as connection:
            for piece in pieces(ids):
                for number, rule, ok in connection.execute(ordered.where(evidence.c.version_id.in_(piece))):
                    words.setdefault(number, {})[rule] = bool(ok)
        return words

    def versions(self, path: str) -> list[PublishedVersion]:
        """Return the published versions of a module path, the lowest first."""
        query = sa.select(versions).where(versions.c.path == path, versions.c.state == State.PUBLISHED.value)
        with self._reading() as connection:
            found = [_published(row) for row in connection.execute(query)]
        return sorted(found, key=lambda each: semver.key(each.version))

    def listed(self, paths: Sequence[str]) -> dict[str, list[str]]:
        """Return the published versions of each of these module paths, in no promised order."""
        found: dict[str, list[str]] = {path: [] for path in paths}
        query = sa.select(versions.c.path, versions.c.version).where(versions.c.state == State.PUBLISHED.value)
        with self._reading() as connection:
            for piece in pieces(sorted(found)):
                for row in connection.execute(query.where(versions.c.path.in_(piece))):
                    found[row.path].append(row.version)
        return found

    def published_rows(self, paths: Sequence[str]) -> list[VersionRow]:
        """Return all that is known of the published versions of these module paths, sorted by name."""
        query = sa.select(versions).where(versions.c.state == State.PUBLISHED.value)
        found: list[VersionRow] = []
        with self._reading() as connection:
            for piece in pieces(sorted(paths)):
                named = query.where(versions.c.path.in_(piece)).order_by(versions.c.path, versions.c.version)
                found += [_version_row(row) for row in connection.execute(named)]
        return found

    def paths(self) -> list[str]:
        """Return all module paths with a published version, sorted."""
        query = sa.select(versions.c.path).where(versions.c.state == State.PUBLISHED.value).distinct()
        with self._reading() as connection:
            return list(connection.execute(query.order_by(versions.c.path)).scalars())

    def published_since(self, since: datetime | None = None, limit: int = 2000, *, after: int = 0) -> list[IndexEntry]:
        """Return what was published at `since` or later, the oldest first, at most `limit`.

        No two entries share a timestamp and none appears later before one already served, so whoever asks again with
        the last timestamp seen misses nothing. `after` skips sequence numbers up to it.
        """
        query = sa.select(versions.c.path, versions.c.version, versions.c.published_at)
        query = query.where(versions.c.sequence > after).order_by(versions.c.published_at).limit(limit)
        if since is not None:
            query = query.where(versions.c.published_at >= to_micros(since))
        with self._reading() as connection:
            rows = connection.execute(query).all()
        return [IndexEntry(row.path, row.version, from_micros(row.published_at)) for row in rows]

    def rows_of(self, mvs: Sequence[ModuleVersion]) -> dict[ModuleVersion, VersionRow]:
        """Return everything known of each of these versions; one that was never wanted is left out."""
        name = sa.tuple_(versions.c.path, versions.c.version)
        found = {}
        with self._reading() as connection:
            for piece in pieces(mvs, 200):
                query = sa.select(versions).where(name.in_([(mv.path, mv.version) for mv in piece]))
                for row in connection.execute(query):
                    found[ModuleVersion(row.path, row.version)] = _version_row(row)
        return found

    def last_published(self) -> tuple[int, datetime | None]:
        """Return the last sequence number, and when it was given; 0 and None before the first."""
        query = sa.select(counters.c.value, counters.c.at).where(counters.c.name == "published")
        with self._reading() as connection:
            row = connection.execute(query).first()
        return (0, None) if row is None or not row.value else (row.value, from_micros(row.at))

    def sequence_before(self, time: datetime) -> int:
        """Return the last sequence number that was given before a time, 0 when none was."""
        query = sa.select(sa.func.max(versions.c.sequence)).where(versions.c.published_at < to_micros(time))
        with self._reading() as connection:
            return int(connection.execute(query).scalar() or 0)

    def published_between(
        self, after: int, through: int, *, start: ModuleVersion | None = None, limit: int = 1_000
    ) -> list[VersionRow]:
        """Return published versions with a sequence number above `after`, up to `through`, sorted by name.

        The next page starts behind the last version of this one. Pages fit together whatever is published meanwhile.
        """
        query = sa.select(versions).where(versions.c.sequence > after, versions.c.sequence <= through)
        if start is not None:
            query = query.where(sa.tuple_(versions.c.path, versions.c.version) > sa.tuple_(start.path, start.version))
        with self._reading() as connection:
            rows = connection.execute(query.order_by(versions.c.path, versions.c.version).limit(limit)).all()
        return [_version_row(row) for row in rows]

    def live_tokens(self) -> set[str]:
        """Return the tokens of staging that some version still needs."""
        query = sa.select(versions.c.token).where(versions.c.token.is_not(None))
        with self._reading() as connection:
            return set(connection.execute(query).scalars())

    def _oldest(self, column: sa.Column[Any]) -> datetime | None:
        query = sa.select(sa.func.min(column)).where(_in_states(OPEN))
        with self._reading() as connection:
            micros = connection.execute(query).scalar()
        return None if micros is None else from_micros(micros)


def _in_states(states: Any) -> sa.ColumnElement[bool]:
    return versions.c.state.in_([state.value for state in states])


def _published(row: Any) -> PublishedVersion:
    return PublishedVersion(
        version=row.version,
        time=None if row.time is None else from_micros(row.time),
        published_at=from_micros(row.published_at),
        first_observed=from_micros(row.first_observed),
        sequence=row.sequence,
        h1=row.h1 or "",
        go_mod_h1=row.go_mod_h1 or "",
        zip_size=row.zip_size or 0,
        mod_size=row.mod_size or 0,
    )


def _version_row(row: Any) -> VersionRow:
    return VersionRow(
        id=row.id,
        mv=ModuleVersion(row.path, row.version),
        state=State(row.state),
        reason=row.reason,
        detail=row.detail,
        source=row.source,
        why=row.why,
        owner=row.owner,
        attempt=row.attempt,
        failures=row.failures,
        token=row.token,
        ready_at=from_micros(row.ready_at),
        changed_at=from_micros(row.changed_at),
        first_observed=from_micros(row.first_observed),
        published_at=None if row.published_at is None else from_micros(row.published_at),
        sequence=row.sequence,
        facts=facts_of(row),
    )
