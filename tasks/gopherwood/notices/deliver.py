"""Delivering to one sink: what is due, in order, a delivery at a time, each settled before the next.

The order is that of the outbox, so what is told of a subject is told in order. Notices held in quiet hours come first
when those are over; one that is let through takes along what is held of its subject. A sink that fails is asked again
after a pause that doubles, or as it says itself (Retry-After); once it has failed for `give_up` seconds without a
break, what is older than that is dropped, and counted.
"""

import logging
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import takewhile

from gopherwood.catalog import Catalog, Message, Sink, StoredEvent
from gopherwood.notices import values
from gopherwood.notices.routes import Plan
from gopherwood.notices.values import Notice, SinkError, Told, UnwantedError

log = logging.getLogger(__name__)

LEASE = 180.0
"""Seconds; longer than any one delivery takes (time-outs of 15 seconds for each answer)."""
BATCH = 500
"""Events looked at together."""
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 600.0
POLL = 5.0
"""Seconds between two looks at an outbox in which nothing was due."""
SECOND = 1_000_000


class LostError(Exception):
    """Another notifier has the sink by now: nothing more is ours to do."""


@dataclass(frozen=True, slots=True)
class Unit:
    """What one event comes to at a sink: a notice, or none; and what of it is to be kept."""

    event: StoredEvent
    notice: Notice | None
    held: bool = False
    released: bool = False


class Delivery:
    """One sink in one run of one notifier. Not for two threads."""

    def __init__(self, catalog: Catalog, plan: Plan, name: str, owner: str) -> None:
        self._catalog = catalog
        self._plan = plan
        self._name = name
        self._owner = owner
        self._sink: values.Sink = plan.sinks[name]
        self.told = Told()

    def step(self) -> float:
        """Deliver what is due; return the seconds till there is more to do, 0 when there is.

        Raises StorageError.
        """
        state = self._catalog.take_sink(self._name, self._owner, LEASE)
        self.told.busy = state is None
        if state is None:
            return POLL
        self.told.problem = state.problem
        if (wait := state.not_before - self._catalog.now()) > 0:
            return wait / SECOND
        units = self._units(state)
        settled = 0
        try:
            for group in self._groups(units):
                fails, state = state.fails, self._settle(state, group)
                if state.fails > fails:
                    return self._failing(state, units[settled:])
                settled += len(group)
        except LostError:
            self.told.busy = True
            return POLL
        self.told.problem = state.problem
        return max(POLL, self._sink.every) if len(units) < BATCH else 0.0

    # --- what is due

    def _units(self, state: Sink) -> list[Unit]:
        now = self._catalog.clock()
        waiting = {each.id: each for each in self._catalog.held_notices(self._name)}
        units: list[Unit] = []
        for event in tuple(waiting.values()):
            told = self._plan.notice(self._name, event, now)
            if told is None or not told[1]:
                units.append(Unit(waiting.pop(event.id), told[0] if told else None, released=True))
        for event in self._catalog.untold(state, BATCH):
            told = self._plan.notice(self._name, event, now)
            if told is None:
                units.append(Unit(event, None))
            elif told[1]:
                units.append(Unit(event, None, held=True))
                waiting[event.id] = event
            else:
                units += self._of_subject(waiting, event)
                units.append(Unit(event, told[0]))
        return units

    def _of_subject(self, waiting: dict[int, StoredEvent], event: StoredEvent) -> Iterator[Unit]:
        """Yield what is held of an event's subject, and goes with it."""
        for each in [each for each in waiting.values() if each.event.subject == event.event.subject]:
            told = self._plan.notice(self._name, each, each.at)
            yield Unit(waiting.pop(each.id), told[0] if told else None, released=True)

    def _groups(self, units: Sequence[Unit]) -> Iterator[list[Unit]]:
        """Cut what is due into deliveries."""
        group: list[Unit] = []
        for unit in units:
            if unit.notice and not self._joins(group, unit.notice):
                yield group
                group = []
            group.append(unit)
        if group:
            yield group

    def _joins(self, group: Sequence[Unit], notice: Notice) -> bool:
        notices = _notices(group)
        if len(notices) < self._sink.most:
            return True
        before = notices[-1]
        same = (before.kind, before.channel, before.mention) == (notice.kind, notice.channel, notice.mention)
        return self._sink.folds and notice.folds and same

    # --- what became of it

    def _settle(self, state: Sink, group: Sequence[Unit]) -> Sink:
        """Deliver a group, and keep what became of it; raises LostError."""
        notices = _notices(group)
        messages: list[Message] = []
        dropped = 0
        try:
            if notices:
                messages = self._sink.deliver(notices, self._remembered)
        except UnwantedError as error:
            dropped = len(notices)
            log.error("notice dropped", extra={"sink": self._name, "notices": dropped, "problem": str(error)})
        except SinkError as error:
            return self._failed(state, error)
        if notices:
            state = replace(state, fails=0, failing_since=None, problem="", not_before=0)
        return self._keep(state, group, messages, dropped=dropped, delivered=len(notices) - dropped)

    def _keep(
        self, state: Sink, group: Sequence[Unit], messages: Sequence[Message] = (), *, dropped: int, delivered: int
    ) -> Sink:
        position = max((each.event.id for each in group if not each.released), default=state.position)
        state = replace(
            state,
            position=max(state.position, position),
            delivered=state.delivered + delivered,
            dropped=state.dropped + dropped,
        )
        # What was held and let go in the same run never was on the list.
        released = [each.event.id for each in group if each.released]
        held = [each.event.id for each in group if each.held and each.event.id not in released]
        if not self._catalog.settle_sink(state, LEASE, held=held, released=released, messages=messages):
            raise LostError
        self.told.delivered += delivered
        self.told.dropped += dropped
        self.told.held += len(held)
        return state

    def _failed(self, state: Sink, error: SinkError) -> Sink:
        now = self._catalog.now()
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(state.fails, 20)) * random.uniform(0.75, 1)  # noqa: S311
        pause = max(pause, error.retry_after or 0)
        says = str(error)[:500]
        log.warning("sink fails", extra={"sink": self._name, "problem": says, "again_in_seconds": round(pause, 1)})
        return replace(
            state,
            fails=state.fails + 1,
            failing_since=state.failing_since or now,
            problem=says,
            not_before=now + int(pause * SECOND),
        )

    def _failing(self, state: Sink, units: Sequence[Unit]) -> float:
        """Keep that a sink fails, and drop of what was due that which it has failed to take for too long.

        Return the seconds till the next try.
        """
        now = self._catalog.clock()
        late = now - timedelta(seconds=self._plan.give_up)
        old: list[Unit] = []
        if self._catalog.now() - (state.failing_since or 0) >= self._plan.give_up * SECOND:
            old += takewhile(lambda each: each.event.at <= late, units)
        lost = len(_notices(old))
        if lost:
            log.error("notices dropped", extra={"sink": self._name, "notices": lost, "problem": state.problem})
        self._keep(state, old, dropped=lost, delivered=0)
        self.told.problem = state.problem
        return (state.not_before - self._catalog.now()) / SECOND

    def _remembered(self, story: str) -> Message | None:
        return self._catalog.notice_message(self._name, story)


def _notices(group: Sequence[Unit]) -> list[Notice]:
    return [each.notice for each in group if each.notice]
