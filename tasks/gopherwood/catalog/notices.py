"""Which sink of notices was told what: a cursor a sink over the outbox, leased by the one notifier that tells it.

A sink's cursor moves in the transaction that keeps what telling it has changed (the message to edit next time, what is
held for later, the counters), fenced by the lease: a notifier that was taken for dead moves nothing. So one killed
between a delivery and its settling repeats that delivery, and no other.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from gopherwood.catalog.db import Database, insert_into
from gopherwood.catalog.schema import from_micros, notice_messages, notice_sinks, notices_held, outbox
from gopherwood.catalog.values import Event, StoredEvent

SECOND = 1_000_000

GAP_SECONDS = 60
"""How long a number that is missing in the outbox may yet appear: on PostgreSQL a transaction with a lower number may
commit after one with a higher. Older gaps are of transactions that were rolled back; none of ours lasts so long."""

MESSAGE_DAYS = 30
"""After so long a message is not edited any more, and forgotten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sink:
    """A sink as the catalog knows it. Times are microseconds since 1970."""

    name: str
    position: int
    """The event up to which all are settled: delivered, dropped, held, or not for this sink."""
    owner: str | None
    not_before: int = 0
    """When it wants to be asked again."""
    failing_since: int | None = None
    """When the first try failed since the last that did not."""
    fails: int = 0
    problem: str = ""
    delivered: int = 0
    dropped: int = 0
    """Notices that were given up, in all."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message that tells a story and may be edited: where it is, its number there, and its lines so far."""

    story: str
    channel: str
    number: str
    lines: tuple[str, ...]
    ended: bool = False
    """Whether the story is told; what follows begins another."""


class Notices(Database):
    """The catalog's half about who was told."""

    def take_sink(self, name: str, owner: str, seconds: float) -> Sink | None:
        """Lease a sink, or renew the lease; None when another notifier has it.

        A sink that nobody knew begins with what happens from now on.
        """

        def work(connection: sa.Connection) -> Sink | None:
            now = self.now()
            last = sa.select(sa.func.coalesce(sa.func.max(outbox.c.id), 0)).scalar_subquery()
            absent = insert_into(connection, notice_sinks).values(name=name, position=last, at=now)
            connection.execute(absent.on_conflict_do_nothing())
            free = sa.or_(notice_sinks.c.owner == owner, notice_sinks.c.lease_until <= now)
            lease = {"owner": owner, "lease_until": now + int(seconds * SECOND)}
            taken = notice_sinks.update().where(notice_sinks.c.name == name, free).values(lease)
            row = connection.execute(taken.returning(*notice_sinks.c)).one_or_none()
            return None if row is None else _sink(row)

        return self._write(work)

    def settle_sink(
        self,
        sink: Sink,
        seconds: float,
        *,
        held: Sequence[int] = (),
        released: Sequence[int] = (),
        messages: Sequence[Message] = (),
    ) -> bool:
        """Keep what became of a sink and renew its lease; False when another notifier has it by now.

        `held` and `released` are events that wait from now on, and no more; `messages` are those that were written.
        """

        def work(connection: sa.Connection) -> bool:
            now = self.now()
            mine = (notice_sinks.c.name == sink.name, notice_sinks.c.owner == sink.owner)
            values = {name: getattr(sink, name) for name in _KEPT}
            values |= {"lease_until": now + int(seconds * SECOND), "at": now}
            if not connection.execute(notice_sinks.update().where(*mine).values(values)).rowcount:
                return False
            if held:
                rows = [{"sink": sink.name, "event_id": each} for each in held]
                connection.execute(insert_into(connection, notices_held).on_conflict_do_nothing(), rows)
            if released:
                gone = (notices_held.c.sink == sink.name, notices_held.c.event_id.in_(released))
                connection.execute(notices_held.delete().where(*gone))
            for message in messages:
                _keep(connection, sink.name, message, now)
            return True

        return self._write(work)

    def give_back_sinks(self, owner: str) -> None:
        """End the leases of a notifier that stops."""
        mine = notice_sinks.update().where(notice_sinks.c.owner == owner)
        self._write(lambda connection: connection.execute(mine.values(owner=None, lease_until=0)))

    def sinks(self) -> list[Sink]:
        """Return every sink that was ever told of anything, by name."""
        with self._reading() as connection:
            return [_sink(row) for row in connection.execute(sa.select(notice_sinks).order_by(notice_sinks.c.name))]

    def untold(self, sink: Sink, limit: int) -> list[StoredEvent]:
        """Return the events after a sink's position, in order, up to a number that may yet appear."""
        query = sa.select(outbox).where(outbox.c.id > sink.position).order_by(outbox.c.id).limit(limit)
        with self._reading() as connection:
            rows = connection.execute(query).all()
        found: list[StoredEvent] = []
        settled, expected = self.now() - GAP_SECONDS * SECOND, sink.position + 1
        for row in rows:
            if row.id != expected and row.at > settled:
                break
            found.append(_stored(row))
            expected = row.id + 1
        return found

    def held_notices(self, sink: str) -> list[StoredEvent]:
        """Return the events that wait for the end of a sink's quiet hours, in order."""
        query = sa.select(outbox).join(notices_held, notices_held.c.event_id == outbox.c.id)
        with self._reading() as connection:
            rows = connection.execute(query.where(notices_held.c.sink == sink).order_by(outbox.c.id))
            return [_stored(row) for row in rows]

    def notice_message(self, sink: str, story: str) -> Message | None:
        """Return the message that tells a story there, if there is one that may still be edited."""
        since = self.now() - MESSAGE_DAYS * 86_400 * SECOND
        this = (notice_messages.c.sink == sink, notice_messages.c.story == story, notice_messages.c.at > since)
        with self._reading() as connection:
            row = connection.execute(sa.select(notice_messages).where(*this)).one_or_none()
        return None if row is None else Message(row.story, row.channel, row.number, tuple(json.loads(row.lines)))


_KEPT = ("position", "not_before", "failing_since", "fails", "problem", "delivered", "dropped")


def _keep(connection: sa.Connection, sink: str, message: Message, now: int) -> None:
    """Remember a message for the next line of its story; forget one whose story is told, and those that are old."""
    old = notice_messages.c.at <= now - MESSAGE_DAYS * 86_400 * SECOND
    this = sa.and_(notice_messages.c.sink == sink, notice_messages.c.story == message.story)
    connection.execute(notice_messages.delete().where(sa.or_(old, this)))
    if not message.ended:
        lines = json.dumps(message.lines)
        values = {"channel": message.channel, "number": message.number, "lines": lines, "at": now}
        connection.execute(notice_messages.insert().values(sink=sink, story=message.story, **values))


def _sink(row: Any) -> Sink:
    return Sink(**{name: getattr(row, name) for name in ("name", "owner", *_KEPT)})


def _stored(row: Any) -> StoredEvent:
    return StoredEvent(row.id, from_micros(row.at), Event(row.kind, row.subject, json.loads(row.payload)))
