"""Things that one at a time may do, over all machines: a lease with an owner and an end, kept as a cursor.

Unlike `Catalog.lock` it outlives a process, so that the steps of one experiment may be many processes; and it ends by
itself, so that one whose owner died is free again.
"""

import json
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from gopherwood.catalog.db import Database, insert_into
from gopherwood.catalog.schema import cursors, from_micros

PREFIX = "turn:"
SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Turn:
    """Whose turn it is, and how long."""

    owner: str
    until: datetime


class Turns(Database):
    """The catalog's half about turns."""

    def take_turn(self, name: str, owner: str, seconds: float) -> Turn:
        """Take a turn, or renew one's own; return whose it is now: another's, when he came first."""

        def work(connection: sa.Connection) -> Turn:
            now = self.now()
            key = cursors.c.name == PREFIX + name
            free = json.dumps({"owner": "", "until": 0})
            absent = insert_into(connection, cursors).values(name=PREFIX + name, value=free, at=now)
            connection.execute(absent.on_conflict_do_nothing())
            kept = json.loads(connection.execute(sa.select(cursors.c.value).where(key).with_for_update()).scalar_one())
            if kept["owner"] not in ("", owner) and kept["until"] > now:
                return Turn(kept["owner"], from_micros(kept["until"]))
            until = now + int(seconds * SECOND)
            mine = json.dumps({"owner": owner, "until": until})
            connection.execute(cursors.update().where(key).values(value=mine, at=now))
            return Turn(owner, from_micros(until))

        return self._write(work)

    def give_back_turn(self, name: str, owner: str) -> None:
        """End one's own turn; another's is left alone."""

        def work(connection: sa.Connection) -> None:
            key = cursors.c.name == PREFIX + name
            kept = connection.execute(sa.select(cursors.c.value).where(key).with_for_update()).scalar()
            if kept is not None and json.loads(kept)["owner"] == owner:
                connection.execute(cursors.delete().where(key))

        self._write(work)
