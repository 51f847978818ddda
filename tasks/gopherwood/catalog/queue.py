"""The queue in the catalog: enqueue, lease, finish, and the one function through which every state changes.

A lease is a row's `owner`, its `attempt` (a number that grows with each lease) and `ready_at` (when the lease ends, and
the row may be leased again). An outcome counts only with the same owner and attempt, so a worker that was too slow can
neither overwrite nor publish what its successor does. Evidence and outbox events are written in the transaction
of the transition that causes them. docs/adr/0002 has the reasons.
"""

import logging
import random
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from gopherwood.catalog.db import PIECE, Database, insert_into, pieces
from gopherwood.catalog.moves import (
    Move,
    columns_of,
    count,
    facts_of,
    number_published,
    set_cursor,
    transition,
    write_events,
    write_evidence,
)
from gopherwood.catalog.schema import to_micros, versions
from gopherwood.catalog.values import (
    LEASE_EXPIRED,
    TOO_MANY_ATTEMPTS,
    Enqueued,
    Event,
    Finished,
    Job,
    Kind,
    Outcome,
    Selector,
    Wanted,
)
from gopherwood.errors import UsageError
from gopherwood.module import ModuleVersion, match_prefix_patterns
from gopherwood.states import State

log = logging.getLogger(__name__)

SECOND = 1_000_000
"""Microseconds in a second."""

FIRST_PAUSE, LONGEST_PAUSE = 15 * SECOND, 3600 * SECOND
"""After a failure: the first pause, doubled each time up to the longest, and up to a quarter longer by chance."""

GONE_PAUSE = 3600 * SECOND
"""How long the upstream's "not there" is believed before another enqueue of the same version asks again."""

LEASED_FROM: dict[Kind, tuple[State, ...]] = {
    "fetch": (State.LEASED, State.FAILED, State.QUEUED),
    "validate": (State.STAGED,),
    "publish": (State.VALID,),
}
"""Which rows each kind of work takes, the oldest debts first: leases that expired, retries, then new ones."""

KEEPS_TOKEN = frozenset({State.LEASED, State.STAGED, State.VALID})
"""States in which staged files are needed; leaving them forgets the token unless the outcome says to keep it."""


class Queue(Database):
    """The queue's half of the catalog."""

    def enqueue(
        self, wanted: Iterable[ModuleVersion | Wanted], *, source: str, cursor: tuple[str, str] | None = None
    ) -> Enqueued:
        """Queue the versions that are not known yet and move the cursor (name, value), in one transaction.

        A version found gone an hour ago or longer is tried again; every other known one is left as it is.
        """
        why = {(w.mv.path, w.mv.version): w.why for w in map(_as_wanted, wanted)}
        names = sorted(why)  # everybody inserts in the same order, so two never wait for each other

        def work(connection: sa.Connection) -> Enqueued:
            now = self.now()
            common = {"state": State.QUEUED.value, "source": source, "changed_at": now, "first_observed": now}
            rows = [{"path": p, "version": v, "why": why[p, v], "ready_at": now, **common} for p, v in names]
            new = self._insert_absent(connection, rows)
            revived = self._revive(connection, set(names) - new, now) if len(new) < len(names) else 0
            if cursor is not None:
                set_cursor(connection, *cursor, now)
            return Enqueued(len(new), len(names) - len(new), revived)

        return self._write(work)

    def lease(self, kind: Kind, *, owner: str, limit: int, seconds: float) -> list[Job]:
        """Take up to `limit` versions that are due for this kind of work, for `seconds`.

        `owner` must be unique to the worker. Leases that ended are taken over, counted as a failure of their version;
        one that has killed too many workers is rejected instead.
        """
        jobs, expired = self._write(lambda connection: self._lease(connection, kind, owner, limit, seconds))
        for row in expired:
            extra = {"owner": row.owner, "attempt": row.attempt}
            log.warning("lease of %s@%s by %s expired, work returns", row.path, row.version, row.owner, extra=extra)
        return jobs

    def renew(self, owner: str, ids: Sequence[int], seconds: float) -> int:
        """Let leases that are still the owner's end `seconds` from now; return how many are."""

        def work(connection: sa.Connection) -> int:
            until = self.now() + int(seconds * SECOND)
            mine = versions.c.owner == owner
            statements = (
                versions.update().where(versions.c.id.in_(piece), mine).values(ready_at=until)
                for piece in pieces(sorted(ids))
            )
            return sum(connection.execute(statement).rowcount for statement in statements)

        return self._write(work)

    def release(self, owner: str) -> int:
        """Give all leases of this owner back, without counting the attempt; return how many there were."""

        def work(connection: sa.Connection) -> int:
            now = self.now()
            query = sa.select(versions.c.id, versions.c.state).where(versions.c.owner == owner)
            rows = connection.execute(query.order_by(versions.c.id).with_for_update()).all()
            moves = []
            for row in rows:
                state = State(row.state)
                after = State.QUEUED if state is State.LEASED else state
                moves.append(Move(row.id, state, after, {"owner": None, "ready_at": now}))
            transition(connection, moves, now)
            return len(moves)

        return self._write(work)

    def finish(self, outcomes: Sequence[Outcome]) -> Finished:
        """Record what became of leased versions, with evidence and events, in one transaction.

        Outcomes of leases that were lost meanwhile are dropped and named in the result. A version that becomes
        PUBLISHED gets its sequence number and time of publishing, both larger than any before, in the order of commits.
        """
        return self._write(lambda connection: self._finish(connection, outcomes))

    def requeue(self, selector: Selector) -> int:
        """Queue rejected, gone or failed versions again, their failures forgotten; return how many."""
        if not (selector.versions or selector.paths or selector.reason):
            raise UsageError("nothing is selected to be queued again", hint="name versions, path patterns or a reason")

        def work(connection: sa.Connection) -> int:
            now = self.now()
            again = {"reason": "", "detail": "", "failures": 0, "ready_at": now, "token": None}
            moves = [Move(id_, old, State.QUEUED, again) for id_, old in _selected(connection, selector)]
            transition(connection, moves, now)
            return len(moves)

        return self._write(work)

    def _insert_absent(self, connection: sa.Connection, rows: list[dict[str, Any]]) -> set[tuple[str, str]]:
        insert = insert_into(connection, versions)
        statement = insert.on_conflict_do_nothing().returning(versions.c.path, versions.c.version)
        if not rows:
            return set()
        return {(row.path, row.version) for row in connection.execute(statement, rows)}

    def _revive(self, connection: sa.Connection, known: set[tuple[str, str]], now: int) -> int:
        due = sa.and_(versions.c.state == State.GONE.value, versions.c.ready_at <= now)
        if not connection.execute(sa.select(sa.exists().where(due))).scalar():
            return 0
        columns = sa.select(versions.c.id, versions.c.path, versions.c.version)
        moves = []
        for piece in pieces(sorted({path for path, _ in known})):
            query = columns.where(due, versions.c.path.in_(piece)).order_by(versions.c.id).with_for_update()
            for row in connection.execute(query):
                if (row.path, row.version) in known:
                    moves.append(Move(row.id, State.GONE, State.QUEUED, {"ready_at": now, "reason": "", "failures": 0}))
        transition(connection, moves, now)
        return len(moves)

    def _lease(
        self, connection: sa.Connection, kind: Kind, owner: str, limit: int, seconds: float
    ) -> tuple[list[Job], list[sa.Row[Any]]]:
        now = self.now()
        rows: list[sa.Row[Any]] = []
        for state in LEASED_FROM[kind]:
            query = sa.select(versions).where(versions.c.state == state.value, versions.c.ready_at <= now)
            query = query.order_by(versions.c.ready_at, versions.c.id).limit(limit - len(rows))
            rows += connection.execute(query.with_for_update(skip_locked=True)).all() if len(rows) < limit else []
        expired = [row for row in rows if row.owner is not None]
        if expired:
            count(connection, "expired-leases", len(expired), now)
        doomed = {row.id for row in expired if row.failures + 1 >= self.max_attempts}
        self._give_up(connection, [row for row in rows if row.id in doomed], now)
        taken = [row for row in rows if row.id not in doomed]
        after = State.LEASED if kind == "fetch" else None
        until = now + int(seconds * SECOND)
        moves = [
            Move(
                row.id,
                State(row.state),
                after or State(row.state),
                {
                    "owner": owner,
                    "attempt": row.attempt + 1,
                    "failures": row.failures + (row.owner is not None),
                    "ready_at": until,
                },
            )
            for row in taken
        ]
        transition(connection, moves, now)
        return [as_job(row, move) for row, move in zip(taken, moves, strict=True)], expired

    def _give_up(self, connection: sa.Connection, rows: Sequence[sa.Row[Any]], now: int) -> None:
        detail = f"{LEASE_EXPIRED}: the worker that held it never came back, {self.max_attempts} times"
        values = {"owner": None, "token": None, "reason": TOO_MANY_ATTEMPTS, "detail": detail}
        moves = [Move(row.id, State(row.state), State.REJECTED, values) for row in rows]
        transition(connection, moves, now)
        write_events(
            connection,
            [
                Event("rejected", f"{row.path}@{row.version}", {"reason": TOO_MANY_ATTEMPTS, "detail": detail})
                for row in rows
            ],
            now,
        )

    def _finish(self, connection: sa.Connection, outcomes: Sequence[Outcome]) -> Finished:
        now = self.now()
        held = self._held(connection, [outcome.job for outcome in outcomes])
        valid = [o for o in outcomes if held.get(o.job.id) == (o.job.owner, o.job.attempt, o.job.state)]
        lost = [outcome.job.id for outcome in outcomes if outcome.job.id not in {o.job.id for o in valid}]
        moves = [self._move(outcome, now) for outcome in valid]
        pairs = zip(valid, moves, strict=True)
        number_published(connection, [(o.job.mv.path, m) for o, m in pairs if m.new is State.PUBLISHED], now)
        transition(connection, moves, now)
        write_evidence(connection, valid, now)
        events = [e for outcome, move in zip(valid, moves, strict=True) for e in _events(outcome, move)]
        write_events(connection, events, now)
        exhausted = [move.id for move in moves if move.values["reason"] == TOO_MANY_ATTEMPTS]
        return Finished(len(valid), lost, exhausted)

    def _held(self, connection: sa.Connection, jobs: Sequence[Job]) -> dict[int, tuple[str | None, int, State]]:
        columns = sa.select(versions.c.id, versions.c.owner, versions.c.attempt, versions.c.state)
        found: dict[int, tuple[str | None, int, State]] = {}
        for piece in pieces(sorted(job.id for job in jobs)):  # locked in one order, so two never wait for each other
            query = columns.where(versions.c.id.in_(piece)).order_by(versions.c.id).with_for_update()
            found |= {row.id: (row.owner, row.attempt, State(row.state)) for row in connection.execute(query)}
        return found

    def _move(self, outcome: Outcome, now: int) -> Move:
        job, state, reason, detail = outcome.job, outcome.state, outcome.reason, outcome.detail
        again = state is State.FAILED or state is job.state
        failures = job.failures + 1 if again else job.failures
        if again and failures >= self.max_attempts:
            state, reason, detail = State.REJECTED, TOO_MANY_ATTEMPTS, f"{reason}: {detail}"
        values = {"owner": None, "reason": reason, "detail": detail, "failures": failures, **columns_of(outcome.facts)}
        values["ready_at"] = _ready_at(outcome, state, failures, now)
        if state not in KEEPS_TOKEN and not outcome.keep_staged:
            values["token"] = None
        return Move(job.id, job.state, state, values)


def _as_wanted(item: ModuleVersion | Wanted) -> Wanted:
    return item if isinstance(item, Wanted) else Wanted(item)


def as_job(row: sa.Row[Any], move: Move) -> Job:
    """Return the work that a row became by a move that leased it."""
    values = move.values
    return Job(
        id=row.id,
        mv=ModuleVersion(row.path, row.version),
        owner=values["owner"],
        attempt=values["attempt"],
        failures=values["failures"],
        state=move.new,
        token=values.get("token", row.token),
        source=values.get("source", row.source),
        facts=facts_of(row),
    )


def _ready_at(outcome: Outcome, state: State, failures: int, now: int) -> int:
    if outcome.retry_at is not None:
        return to_micros(outcome.retry_at)
    if state is State.FAILED or state is outcome.job.state:
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(failures - 1, 20))
        return now + int(pause * random.uniform(1.0, 1.25))  # noqa: S311
    return now + GONE_PAUSE if state is State.GONE else now


def _events(outcome: Outcome, move: Move) -> list[Event]:
    """Return the outcome's events, and the one that its new state is worth, unless it brings that itself."""
    events = list(outcome.events)
    kind = {State.PUBLISHED: "published", State.REJECTED: "rejected"}.get(move.new)
    if kind and all(event.kind != kind for event in events):
        keys = ("sequence",) if kind == "published" else ("reason", "detail")
        events.append(Event(kind, str(outcome.job.mv), {key: move.values[key] for key in keys}))
    return events


def _selected(connection: sa.Connection, selector: Selector) -> list[tuple[int, State]]:
    wanted = {(mv.path, mv.version) for mv in selector.versions}
    query = sa.select(versions.c.id, versions.c.path, versions.c.version, versions.c.state)
    query = query.where(versions.c.state.in_([state.value for state in selector.states]), versions.c.owner.is_(None))
    if selector.reason:
        query = query.where(versions.c.reason == selector.reason)
    if 0 < len(wanted) <= PIECE:
        query = query.where(versions.c.path.in_(sorted({path for path, _ in wanted})))
    found = []
    for row in connection.execute(query.order_by(versions.c.id).with_for_update()):
        matches = not selector.paths or match_prefix_patterns(selector.paths, row.path)
        if matches and (not wanted or (row.path, row.version) in wanted):
            found.append((row.id, State(row.state)))
    return found
