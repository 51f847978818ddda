"""What a person, or a log, sees of an ingestion: where the versions are, how many are left, what was refused and why.

All of it is read from the catalog, so it tells the truth whoever does the work: our own workers, those of another
run, or pods. On a terminal it is a bar that moves; elsewhere a line of JSON every few seconds, and one for each
refusal.
"""

import logging
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Protocol, Self

from gopherwood.catalog import Catalog, VersionRow
from gopherwood.states import OPEN, State

log = logging.getLogger("gopherwood.ingest")

REFUSED = (State.REJECTED, State.GONE, State.FAILED, State.HELD)
LOOK_BACK = 200
"""Refusals looked at each time; more of them between two looks are only counted."""
EVERY = 2.0
"""Seconds between two JSON lines."""
DRAW_EVERY, DRAW_WAITING = 0.2, 0.5
"""Seconds between two drawings of the bar: while versions move, and while all that is left waits for a retry."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The queue at one moment, and what changed since the last one."""

    counts: dict[State, int]
    before: dict[State, int]
    """The counts when this run began."""
    refused: list[VersionRow]
    """Refusals since the last snapshot, the oldest first."""
    last: VersionRow | None
    """The version that changed last."""
    next_try: datetime | None = None
    """When the first of the failed versions is due; None while others are worked on, or it is due already."""

    @property
    def left(self) -> int:
        """Versions with work left to do."""
        return sum(self.counts[state] for state in OPEN)

    def since_start(self, state: State) -> int:
        """Return how many more versions are in a state than when this run began."""
        return self.counts[state] - self.before[state]

    @property
    def waits(self) -> float:
        """Seconds till the next try, when that is all that happens; else 0."""
        return (self.next_try - datetime.now(UTC)).total_seconds() if self.next_try else 0.0

    def waiting(self) -> str:
        """Say what the run waits for, and that nobody has to."""
        failed = self.counts[State.FAILED]
        them = "it" if failed == 1 else "them"
        return f"{failed} failed, next try in {max(1, math.ceil(self.waits))} s; Ctrl-C leaves {them} for the next run"


class Watch:
    """Takes snapshots of a catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._before = catalog.counts()
        self._seen: dict[int, datetime] = {}
        self._refused: list[int] = []
        self._since = datetime.now(UTC)

    def look(self) -> Snapshot:
        """Return a snapshot."""
        counts = self._catalog.counts()
        refused = [counts[state] for state in REFUSED]
        fresh = self._fresh() if refused != self._refused else []
        self._refused = refused
        last = self._catalog.recent(limit=1)
        return Snapshot(counts, self._before, fresh, last[0] if last else None, self._next_try(counts))

    def _next_try(self, counts: dict[State, int]) -> datetime | None:
        if not counts[State.FAILED] or counts[State.FAILED] != sum(counts[state] for state in OPEN):
            return None
        ready = self._catalog.next_ready()
        return ready if ready and ready > datetime.now(UTC) else None

    def _fresh(self) -> list[VersionRow]:
        fresh = []
        for row in reversed(self._catalog.recent(REFUSED, limit=LOOK_BACK)):
            # What has failed before this run is tried again in it, so it is told too.
            concerns_us = row.changed_at >= self._since or row.state is State.FAILED
            if concerns_us and self._seen.get(row.id) != row.changed_at:
                self._seen[row.id] = row.changed_at
                fresh.append(row)
        return fresh


class Progress(Protocol):
    """Shows snapshots."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None: ...

    def show(self, snapshot: Snapshot) -> None:
        """Show one."""


def for_terminal() -> bool:
    """Tell whether a person watches."""
    return sys.stderr.isatty()


class Lines:
    """One log line for each refusal, and one every few seconds for the whole."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told_at = 0.0
        self._told: dict[State, int] = {}
        self._next_try: datetime | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def show(self, snapshot: Snapshot) -> None:
        """Log what is new."""
        for row in snapshot.refused:
            log.warning(row.state.value, extra={"mv": str(row.mv), "reason": row.reason, "detail": row.detail})
        if snapshot.next_try and snapshot.next_try != self._next_try:
            self._next_try = snapshot.next_try
            log.info(
                "waiting", extra={"failed": snapshot.counts[State.FAILED], "next_try": snapshot.next_try.isoformat()}
            )
        now = self._clock()
        if snapshot.counts == self._told or (self._told and snapshot.left and now - self._told_at < EVERY):
            return
        self._told, self._told_at = snapshot.counts, now
        where = {state.value: count for state, count in snapshot.counts.items() if count}
        last = {"module": str(snapshot.last.mv), "state": snapshot.last.state.value} if snapshot.last else None
        log.info("progress", extra={"left": snapshot.left, **where, "last": last})


class Terminal:
    """A bar, with the refusals above it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._console = Console(stderr=True, highlight=False)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[where]}", markup=False),
            console=self._console,
            auto_refresh=False,  # drawn when there is something to see: a log of a terminal stays readable
        )
        self._clock = clock
        self._drawn_at = -DRAW_WAITING
        self._task = self._bar.add_task("ingest", total=None, where="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, snapshot: Snapshot) -> None:
        """Move the bar."""
        for row in snapshot.refused:
            self._console.print(f"{row.state} {row.mv}: {row.reason}: {row.detail}", markup=False, style="yellow")
        done = sum(snapshot.since_start(state) for state in (State.PUBLISHED, State.REJECTED, State.GONE))
        self._bar.update(self._task, completed=done, total=done + snapshot.left, where=_where(snapshot))
        now = self._clock()
        if not snapshot.left or now - self._drawn_at >= (DRAW_WAITING if snapshot.next_try else DRAW_EVERY):
            self._drawn_at = now
            self._bar.refresh()


OPEN_IN_ORDER = (State.QUEUED, State.LEASED, State.STAGED, State.VALID, State.FAILED)


def _where(snapshot: Snapshot) -> str:
    """Return in words where the open versions are."""
    if snapshot.next_try:
        return snapshot.waiting()
    where = ", ".join(f"{snapshot.counts[state]} {state}" for state in OPEN_IN_ORDER if snapshot.counts[state])
    last = f"  {snapshot.last.state} {snapshot.last.mv}" if snapshot.last and snapshot.left else ""
    return f"{where}{last}"
