"""Work on versions that somebody has in hand: taken by name, and not in the order of the queue.

An import brings the bytes along, so it takes just these versions, whatever their state says of other sources: wanted,
failed, gone or rejected elsewhere. What is published, on its way, or held by somebody's lease is left alone. Fences are
those of the queue: each lease is another attempt.
"""

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from gopherwood.catalog.db import pieces
from gopherwood.catalog.moves import Move, transition
from gopherwood.catalog.queue import LEASED_FROM, SECOND, Queue, as_job
from gopherwood.catalog.schema import versions
from gopherwood.catalog.values import Job, Kind, Wanted
from gopherwood.module import ModuleVersion
from gopherwood.states import State

BROUGHT = frozenset({State.QUEUED, State.LEASED, State.FAILED, State.GONE, State.REJECTED})
"""States in which a version may be taken by who brings its bytes."""

NAMES = 200
"""Names in one query."""


class Claims(Queue):
    """The part of the catalog that takes versions by name."""

    def bring(self, brought: Sequence[Wanted], *, source: str, owner: str, seconds: float, heirs: str) -> list[Job]:
        """Lease these versions for `fetch`, due or not, new or known; what they were refused for before is forgotten.

        `source` and each `why` are kept as where they came from. Leases of owners whose names begin with `heirs` are
        taken over: the caller knows that they are dead.
        """
        why = {each.mv: each.why for each in brought}
        names = sorted(why)

        def work(connection: sa.Connection) -> list[Job]:
            now = self.now()
            common = {"state": State.QUEUED.value, "source": source, "changed_at": now, "first_observed": now}
            new = [{"path": mv.path, "version": mv.version, "why": why[mv], "ready_at": now, **common} for mv in names]
            self._insert_absent(connection, new)
            taken = [row for row in self._free(connection, names, heirs, now) if State(row.state) in BROUGHT]
            again = [Move(row.id, State(row.state), State.QUEUED) for row in taken if State(row.state) in _FINAL]
            transition(connection, again, now)
            origin = {"source": source, "reason": "", "detail": "", "failures": 0, "token": None}

            def said(row: Any) -> dict[str, Any]:
                return origin | {"why": why[ModuleVersion(row.path, row.version)]}

            return _take(connection, taken, State.LEASED, owner, now, seconds, said)

        return self._write(work)

    def claim(self, kind: Kind, names: Sequence[ModuleVersion], *, owner: str, seconds: float, heirs: str) -> list[Job]:
        """Lease those of these versions that wait for this kind of work, due or not; `heirs` as for `bring`."""
        states = LEASED_FROM[kind]

        def work(connection: sa.Connection) -> list[Job]:
            now = self.now()
            free = self._free(connection, sorted(names), heirs, now)
            waiting = [row for row in free if State(row.state) in states]
            return _take(connection, waiting, None, owner, now, seconds, lambda row: {"failures": row.failures})

        return self._write(work)

    def _free(
        self, connection: sa.Connection, names: Sequence[ModuleVersion], heirs: str, now: int
    ) -> list[sa.Row[Any]]:
        """Return the rows of these names that nobody alive holds, locked."""
        name = sa.tuple_(versions.c.path, versions.c.version)
        found: list[sa.Row[Any]] = []
        for piece in pieces(names, NAMES):
            query = sa.select(versions).where(name.in_([(mv.path, mv.version) for mv in piece]))
            rows = connection.execute(query.order_by(versions.c.id).with_for_update())
            found += [r for r in rows if r.owner is None or r.ready_at <= now or r.owner.startswith(heirs)]
        return found


_FINAL = frozenset({State.GONE, State.REJECTED})


def _take(
    connection: sa.Connection,
    rows: Sequence[sa.Row[Any]],
    state: State | None,
    owner: str,
    now: int,
    seconds: float,
    also: Callable[[Any], dict[str, Any]],
) -> list[Job]:
    """Lease locked rows: in this state, or in the one that each is in."""
    until = now + int(seconds * SECOND)
    moves = []
    for row in rows:
        old = State.QUEUED if State(row.state) in _FINAL else State(row.state)
        lease = {"owner": owner, "attempt": row.attempt + 1, "ready_at": until}
        moves.append(Move(row.id, old, state or old, lease | also(row)))
    transition(connection, moves, now)
    return [as_job(row, move) for row, move in zip(rows, moves, strict=True)]
