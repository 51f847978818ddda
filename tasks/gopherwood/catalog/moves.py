"""Changes to the rows of a version: the one function that makes transitions, and what is written along with one.

Everything here works inside a transaction of its caller, which holds the rows locked.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from gopherwood.catalog.db import insert_into, insert_rows
from gopherwood.catalog.schema import counters, cursors, evidence, from_micros, outbox, stale_lists, to_micros, versions
from gopherwood.catalog.values import Event, Facts, Outcome
from gopherwood.errors import IntegrityError
from gopherwood.states import FOLLOWERS, State

FACTS = ("time", "h1", "go_mod_h1", "zip_size", "mod_size", "zip_sha256", "info_sha256", "origin", "token")
"""What an outcome may say about a version."""


@dataclass(slots=True)
class Move:
    """One row on its way from a state to the next, with the columns that change."""

    id: int
    old: State
    new: State
    values: dict[str, Any] = field(default_factory=dict)


def transition(connection: sa.Connection, moves: Sequence[Move], now: int) -> None:
    """Move rows to their next states: nothing else writes `state`. The caller holds the rows locked.

    Raises IntegrityError, and the transaction ends, when a state may not follow (states.FOLLOWERS).
    """
    groups: dict[frozenset[str], list[dict[str, Any]]] = defaultdict(list)
    for move in moves:
        if move.new is not move.old and move.new not in FOLLOWERS[move.old]:
            raise IntegrityError(f"a version that is {move.old} cannot become {move.new}")
        row = {"id_": move.id, "state": move.new.value, "changed_at": now, **move.values}
        groups[frozenset(row)].append(row)
    for columns, rows in groups.items():
        connection.execute(_update(columns), rows)


@lru_cache(maxsize=256)
def _update(columns: frozenset[str]) -> sa.Update:
    values: dict[str, Any] = {name: sa.bindparam(name) for name in columns if name != "id_"}
    return versions.update().where(versions.c.id == sa.bindparam("id_")).values(values)


def number_published(connection: sa.Connection, moves: Sequence[tuple[str, Move]], now: int) -> None:
    """Give moves to PUBLISHED, each with its module path, their numbers and times, and note the lists to rewrite.

    The counter stays locked till the commit, so the order of numbers is the order of commits. A clock may stand still
    or go back; the times of a feed may not, so each is later than the one before.
    """
    if not moves:
        return
    count(connection, "published", 0, 0)
    row = counters.c.name == "published"
    last = connection.execute(sa.select(counters.c.value, counters.c.at).where(row).with_for_update()).one()
    first_at = max(now, last.at + 1)
    touched: dict[str, int] = {}
    for offset, (path, move) in enumerate(moves):
        touched[path] = last.value + 1 + offset
        move.values |= {"sequence": touched[path], "published_at": first_at + offset}
    total = {"value": last.value + len(moves), "at": first_at + len(moves) - 1}
    connection.execute(counters.update().where(row).values(total))
    insert = insert_into(connection, stale_lists)
    statement = insert.on_conflict_do_update(index_elements=["path"], set_={"sequence": insert.excluded.sequence})
    connection.execute(statement, [{"path": path, "sequence": sequence} for path, sequence in sorted(touched.items())])


def count(connection: sa.Connection, name: str, more: int, now: int) -> None:
    """Add to a counter, which is made when it is not there; adding 0 leaves its time alone."""
    insert = insert_into(connection, counters).values(name=name, value=more, at=now)
    changed = {"value": counters.c.value + more, "at": now} if more else {"value": counters.c.value}
    connection.execute(insert.on_conflict_do_update(index_elements=["name"], set_=changed))


def set_cursor(connection: sa.Connection, name: str, value: str, now: int) -> None:
    """Move a cursor within a transaction."""
    insert = insert_into(connection, cursors).values(name=name, value=value, at=now)
    connection.execute(insert.on_conflict_do_update(index_elements=["name"], set_={"value": value, "at": now}))


def write_evidence(connection: sa.Connection, outcomes: Iterable[Outcome], now: int) -> None:
    """Write a row for each rule that an outcome reports on, in its order."""
    rows = [
        {
            "version_id": outcome.job.id,
            "attempt": outcome.job.attempt,
            "number": number,
            "rule": item.rule,
            "ok": item.ok,
            "detail": item.detail,
            "at": now,
        }
        for outcome in outcomes
        for number, item in enumerate(outcome.evidence)
    ]
    insert_rows(connection, evidence, rows)


def write_events(connection: sa.Connection, events: Iterable[Event], now: int) -> None:
    """Put events into the outbox."""
    rows = [
        {"at": now, "kind": e.kind, "subject": e.subject, "payload": json.dumps(dict(e.payload), sort_keys=True)}
        for e in events
    ]
    insert_rows(connection, outbox, rows)


def facts_of(row: Any) -> Facts:
    """Return what a row of `versions` says about its version, as an outcome would say it."""
    facts = {name: getattr(row, name) for name in FACTS if name != "token" and getattr(row, name) is not None}
    if "time" in facts:
        facts["time"] = from_micros(facts["time"])
    if "origin" in facts:
        facts["origin"] = json.loads(facts["origin"])
    return facts


def columns_of(facts: Facts) -> dict[str, Any]:
    """Return the columns that keep these facts; raises ValueError for a name that is no fact."""
    if unknown := facts.keys() - set(FACTS):
        raise ValueError(f"no such facts: {', '.join(sorted(unknown))}")
    columns = dict(facts)
    if columns.get("time") is not None:
        columns["time"] = to_micros(columns["time"])
    if columns.get("origin") is not None:
        columns["origin"] = json.dumps(columns["origin"])
    return columns
