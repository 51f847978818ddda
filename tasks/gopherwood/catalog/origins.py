"""Origins in the catalog: where each published version comes from, what was seen there, and when to look again.

A row is leased like one of the queue: `due_at` is when it may be, `owner` is the lease, and the result of a worker that
lost its lease is dropped. Work is leased by repository, for one question answers for all versions of it. A look that
got no answer changes nothing but when the next one is: the last real finding stands. Every look is a row of history;
what changed is an event, in the same transaction. docs/audit.md says what each finding means.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from gopherwood.catalog.db import Database, insert_into, insert_rows, pieces
from gopherwood.catalog.moves import set_cursor, write_events
from gopherwood.catalog.schema import cursors, from_micros, origin_checks, origins, to_micros, versions
from gopherwood.catalog.values import Event
from gopherwood.module import ModuleVersion

CURSOR = "origins"
"""The sequence number up to which published versions have a row here."""

SECOND = 1_000_000


class Finding(StrEnum):
    """What a look at an origin came to; also the state of an origin, which only real findings change."""

    NEW = "new"
    """Not a finding: nobody has looked yet."""
    BASELINE = "baseline"
    """The first look at a version whose upstream named no commit: later looks are held to what it saw."""
    UNCHANGED = "unchanged"
    MOVED = "moved"
    MOVED_SAME_CONTENT = "moved-same-content"
    GONE = "gone"
    """The repository is there, the tag or commit is not."""
    REPOSITORY_GONE = "repository-gone"
    RENAMED = "renamed"
    UNREACHABLE = "unreachable"
    """No answer: never a state."""
    UNSUPPORTED = "unsupported"
    """Not git, or nobody says where it is."""
    REFUSED = "refused"
    """It leads where we do not go."""


EVENTS: Mapping[Finding, str] = {
    Finding.MOVED: "origin-moved",
    Finding.MOVED_SAME_CONTENT: "origin-moved",
    Finding.GONE: "origin-gone",
    Finding.REPOSITORY_GONE: "origin-gone",
    Finding.RENAMED: "origin-renamed",
}
"""The findings that are worth telling somebody, and as what kind of event."""

OF_REPOSITORY = frozenset({Finding.REPOSITORY_GONE, Finding.RENAMED})
"""Findings about a repository as a whole: one event tells of all its versions."""

SILENT = frozenset({Finding.UNREACHABLE})


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrigin:
    """An origin to remember; see the table for what the fields are."""

    id: int
    repository: str
    due_at: datetime
    vcs: str = ""
    subdir: str = ""
    ref: str = ""
    hash: str = ""
    known: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginRow:
    """Everything the catalog knows of one origin."""

    id: int
    mv: ModuleVersion
    published_at: datetime
    h1: str
    repository: str
    vcs: str
    subdir: str
    ref: str
    hash: str
    """The commit that it is held to: the upstream's word, or what the first look saw."""
    known: str
    state: Finding
    found: str
    """The commit that the last answer named."""
    renamed_to: str
    detail: str
    evidence: str
    """The key in the store under which a difference is kept."""
    baseline_at: datetime | None
    checked_at: datetime | None
    changed_at: datetime | None
    due_at: datetime
    fails: int
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a look at one origin came to. `changes` are columns that it learned, such as `hash` or `repository`."""

    row: OriginRow
    finding: Finding
    due_at: datetime
    found: str = ""
    detail: str = ""
    evidence: str = ""
    renamed_to: str = ""
    changes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OriginCheck:
    """A row of an origin's history."""

    at: datetime
    finding: Finding
    found: str
    detail: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Published:
    """A published version that has no origin yet."""

    id: int
    mv: ModuleVersion
    published_at: datetime
    sequence: int
    origin: Mapping[str, Any]


class Origins(Database):
    """The part of the catalog that looks back."""

    def without_origin(self, limit: int = 1_000) -> list[Published]:
        """Return published versions beyond the cursor, in order of publishing."""
        cursor = sa.select(cursors.c.value).where(cursors.c.name == CURSOR)
        with self._reading() as connection:
            after = int(connection.execute(cursor).scalar() or 0)
            query = sa.select(versions).where(versions.c.sequence > after).order_by(versions.c.sequence).limit(limit)
            return [_published(row) for row in connection.execute(query)]

    def add_origins(self, new: Sequence[NewOrigin], up_to: int) -> None:
        """Remember origins, and move the cursor to the sequence number `up_to`; what is known stays as it is."""
        rows = [
            {
                "version_id": each.id,
                "repository": each.repository,
                "vcs": each.vcs,
                "subdir": each.subdir,
                "ref": each.ref,
                "hash": each.hash,
                "known": each.known,
                "state": Finding.NEW.value,
                "due_at": to_micros(each.due_at),
            }
            for each in sorted(new, key=lambda each: each.id)
        ]

        def work(connection: sa.Connection) -> None:
            if rows:
                connection.execute(insert_into(connection, origins).on_conflict_do_nothing(), rows)
            set_cursor(connection, CURSOR, str(up_to), self.now())

        self._write(work)

    def lease_origins(self, owner: str, *, limit: int, seconds: float) -> list[OriginRow]:
        """Lease what is due of the repository that has been due longest; empty when nothing is.

        `owner` is new for each lease.
        """

        def work(connection: sa.Connection) -> list[OriginRow]:
            _one_at_a_time(connection)
            now = self.now()
            due = origins.c.due_at <= now
            first = sa.select(origins.c.repository).where(due).order_by(origins.c.due_at, origins.c.version_id).limit(1)
            repository = connection.execute(first).scalar()
            if repository is None:
                return []
            mine = sa.select(origins.c.version_id).where(due, origins.c.repository == repository)
            mine = mine.order_by(origins.c.due_at, origins.c.version_id).limit(limit).with_for_update()
            ids = list(connection.execute(mine).scalars())
            changed = {"owner": owner, "due_at": now + round(seconds * SECOND)}
            for piece in pieces(ids):
                connection.execute(origins.update().where(origins.c.version_id.in_(piece)).values(changed))
            rows = _select().where(origins.c.owner == owner, origins.c.repository == repository)
            return [_row(row) for row in connection.execute(rows.order_by(origins.c.version_id))]

        return self._write(work)

    def release_origins(self, owner: str) -> None:
        """Give back a lease, with nothing decided: its rows are due at once."""
        statement = origins.update().where(origins.c.owner == owner).values(owner=None, due_at=self.now())
        self._write(lambda connection: connection.execute(statement))

    def finish_origins(self, owner: str, looks: Sequence[Look]) -> list[Look]:
        """Write down what looks came to, with history and events; return those that changed something worth telling.

        What `owner` leases no more is dropped. When a repository as a whole changed, all of it is due at once.
        """

        def work(connection: sa.Connection) -> list[Look]:
            _one_at_a_time(connection)
            now = self.now()
            held = _held_by(connection, owner)
            kept = sorted((look for look in looks if look.row.id in held), key=lambda look: look.row.id)
            told = [look for look in kept if _is_news(look)]
            write_events(connection, _events(connection, told), now)
            for look in kept:
                connection.execute(
                    origins.update().where(origins.c.version_id == look.row.id).values(_values(look, now))
                )
            insert_rows(connection, origin_checks, [_check(look, now) for look in kept])
            for repository, finding in {(look.row.repository, look.finding) for look in told}:
                if finding in OF_REPOSITORY:
                    others = (origins.c.repository == repository, origins.c.state != finding.value)
                    waiting = (origins.c.owner.is_(None), origins.c.due_at > now)
                    connection.execute(origins.update().where(*others, *waiting).values(due_at=now))
            return told

        return self._write(work)

    def origin_of(self, mv: ModuleVersion) -> OriginRow | None:
        """Return where a version comes from and what was seen there, None when nobody has asked yet."""
        query = _select().where(versions.c.path == mv.path, versions.c.version == mv.version)
        with self._reading() as connection:
            row = connection.execute(query).first()
        return None if row is None else _row(row)

    def origin_history(self, mv: ModuleVersion, limit: int = 1_000) -> list[OriginCheck]:
        """Return the looks at a version's origin, the oldest first."""
        named = sa.and_(versions.c.path == mv.path, versions.c.version == mv.version)
        query = sa.select(origin_checks).join(versions, versions.c.id == origin_checks.c.version_id).where(named)
        with self._reading() as connection:
            rows = connection.execute(query.order_by(origin_checks.c.id).limit(limit)).all()
        return [OriginCheck(from_micros(r.at), Finding(r.finding), r.found, r.detail, r.evidence) for r in rows]

    def origin_states(self) -> dict[Finding, int]:
        """Return how many origins are in each state that any is in."""
        query = sa.select(origins.c.state, sa.func.count()).group_by(origins.c.state)
        with self._reading() as connection:
            return {Finding(row[0]): row[1] for row in connection.execute(query)}

    def origins_in(self, states: Iterable[Finding], limit: int = 1_000) -> list[OriginRow]:
        """Return the origins in these states, those that changed last first."""
        query = _select().where(origins.c.state.in_([state.value for state in states]))
        query = query.order_by(origins.c.changed_at.desc(), origins.c.version_id).limit(limit)
        with self._reading() as connection:
            return [_row(row) for row in connection.execute(query)]

    def next_origin(self) -> datetime | None:
        """Return when the next origin is due, None when there is none."""
        with self._reading() as connection:
            micros = connection.execute(sa.select(sa.func.min(origins.c.due_at))).scalar()
        return None if micros is None else from_micros(micros)


def _one_at_a_time(connection: sa.Connection) -> None:
    """Let no two lease or finish at the same moment: a repository is one lease, and what became of it one event.

    SQLite has one writer anyway. Both are short beside the question that comes between them.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended("gopherwood origins", 0))))


def _held_by(connection: sa.Connection, owner: str) -> set[int]:
    """Return the ids that `owner` leases, with their rows locked."""
    query = sa.select(origins.c.version_id).where(origins.c.owner == owner).order_by(origins.c.version_id)
    return set(connection.execute(query.with_for_update()).scalars())


def _events(connection: sa.Connection, told: Sequence[Look]) -> list[Event]:
    """Return what to tell: of a repository as a whole only if it was not told before, for other versions of it."""
    events = [_event(look) for look in told if look.finding not in OF_REPOSITORY]
    groups: dict[tuple[str, Finding], list[Look]] = {}
    for look in told:
        if look.finding in OF_REPOSITORY:
            groups.setdefault((look.row.repository, look.finding), []).append(look)
    for (repository, finding), looks in groups.items():
        there = (origins.c.repository == repository, origins.c.renamed_to == looks[0].renamed_to)
        same = (*there, origins.c.state == finding.value)
        if connection.execute(sa.select(origins.c.version_id).where(*same).limit(1)).first() is None:
            events.append(_event_of_repository(repository, finding, looks))
    return events


def _is_news(look: Look) -> bool:
    """Tell whether a look is worth telling: a state that was not there before, or is about something else by now."""
    if look.finding not in EVENTS:
        return False
    row = look.row
    return (look.finding, look.found, look.renamed_to) != (row.state, row.found, row.renamed_to)


def _event(look: Look) -> Event:
    row = look.row
    payload = {
        "finding": look.finding.value,
        "repository": row.repository,
        "ref": row.ref,
        "hash": look.changes.get("hash", row.hash),
        "found": look.found,
        "renamed_to": look.renamed_to,
        "detail": look.detail,
        "evidence": look.evidence,
    }
    return Event(EVENTS[look.finding], str(row.mv), payload)


def _event_of_repository(repository: str, finding: Finding, looks: Sequence[Look]) -> Event:
    payload = {
        "finding": finding.value,
        "repository": repository,
        "renamed_to": looks[0].renamed_to,
        "detail": looks[0].detail,
        "versions": [str(look.row.mv) for look in looks[:100]],
        "count": len(looks),
    }
    return Event(EVENTS[finding], repository, payload)


def _values(look: Look, now: int) -> dict[str, Any]:
    values: dict[str, Any] = {"owner": None, "due_at": to_micros(look.due_at), **look.changes}
    if look.finding in SILENT:
        return values | {"fails": look.row.fails + 1, "problem": look.detail}
    values |= {"state": look.finding.value, "found": look.found, "renamed_to": look.renamed_to, "detail": look.detail}
    values |= {"evidence": look.evidence, "checked_at": now, "fails": 0, "problem": ""}
    if "hash" in look.changes:
        values["baseline_at"] = now
    if (look.finding, look.found) != (look.row.state, look.row.found):
        values["changed_at"] = now
    return values


def _check(look: Look, now: int) -> dict[str, Any]:
    return {
        "version_id": look.row.id,
        "at": now,
        "finding": look.finding.value,
        "found": look.found,
        "detail": look.detail,
        "evidence": look.evidence,
    }


def _select() -> sa.Select[Any]:
    columns = (versions.c.path, versions.c.version, versions.c.published_at, versions.c.h1)
    return sa.select(origins, *columns).join(versions, versions.c.id == origins.c.version_id)


def _published(row: Any) -> Published:
    origin = json.loads(row.origin) if row.origin else {}
    at = from_micros(row.published_at)
    return Published(row.id, ModuleVersion(row.path, row.version), at, row.sequence, origin)


def _row(row: Any) -> OriginRow:
    return OriginRow(
        id=row.version_id,
        mv=ModuleVersion(row.path, row.version),
        published_at=from_micros(row.published_at),
        h1=row.h1 or "",
        repository=row.repository,
        vcs=row.vcs,
        subdir=row.subdir,
        ref=row.ref,
        hash=row._mapping["hash"],
        known=row.known,
        state=Finding(row.state),
        found=row.found,
        renamed_to=row.renamed_to,
        detail=row.detail,
        evidence=row.evidence,
        baseline_at=_time(row.baseline_at),
        checked_at=_time(row.checked_at),
        changed_at=_time(row.changed_at),
        due_at=from_micros(row.due_at),
        fails=row.fails,
        problem=row.problem,
    )


def _time(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)
