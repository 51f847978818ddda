"""Verb `ingest`: discover, fetch, validate and publish, till the queue is drained. What a person types first.

It enqueues what is wanted, sets as many workers to it as there are cores and work, shows how it goes, and ends when
nothing is left, or when all that is left waits for a retry that is too far off. Everything is in the catalog: run it
again, after Ctrl-C or a crash, and it goes on where it was; what is published is never fetched again.
"""

import os
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from gopherwood import discover, errors
from gopherwood.catalog import Catalog, VersionRow
from gopherwood.config import Settings
from gopherwood.discover.source import Bad
from gopherwood.ingest import progress
from gopherwood.ingest.crew import Crew
from gopherwood.module import ModuleVersion
from gopherwood.states import State
from gopherwood.upstream import Upstream

WORTH_A_WORKER = 100
"""Open versions that are worth one more worker process."""
LOOK_EVERY = 0.2
"""Seconds between two looks at the queue."""
SMALLEST_BATCH = 4
LEASE = 60.0
"""Seconds of a worker's leases at most: they are renewed while it lives, and free soon after it was killed."""


@dataclass(slots=True)
class Result:
    """What an ingestion led to."""

    new: int = 0
    published: int = 0
    rejected: int = 0
    gone: int = 0
    left: int = 0
    """Still open: waiting for a retry, or not done when we were told to stop."""
    bad: list[Bad] = field(default_factory=list)
    """What was asked for and names nothing."""
    refused: list[dict[str, str]] = field(default_factory=list)
    seconds: float = 0.0
    worst: int = errors.EXIT_DONE
    """The worst exit code of a worker."""

    @property
    def exit_code(self) -> int:
        """3 for an integrity failure; 1 when something is left or could not be had; 99 when there was nothing to do."""
        if self.worst:
            return self.worst
        if self.left or self.bad:
            return errors.EXIT_FAILED
        done = self.new + self.published + self.rejected + self.gone
        return errors.EXIT_DONE if done else errors.EXIT_NOTHING_TO_DO

    def text(self) -> str:
        """Return the summary, and a line for each version that was refused."""
        rows = (("published", self.published), ("rejected", self.rejected), ("gone", self.gone), ("left", self.left))
        counts = ", ".join(f"{count} {name}" for name, count in rows if count or name == "published")
        lines = [f"ingest: {self.new} new, {counts}, in {self.seconds:.1f} s"]
        lines += [f"  {row['state']} {row['module']}: {row['reason']}: {row['detail']}" for row in self.refused]
        lines += [f"  skipped {bad.what}: {bad.why}" for bad in self.bad]
        return "\n".join(lines)


def run(
    settings: Settings,
    *,
    wanted: Sequence[str] = (),
    seeds: Sequence[str] = (),
    closure: bool = False,
    limit: int = 100_000,
    workers: int | None = None,
    wait: float = 120.0,
    style: str | None = None,
    stop: threading.Event | None = None,
) -> Result:
    """Ingest what is wanted and all that is open already; with `closure` also what building the wanted needs.

    `limit` bounds the versions that `closure` adds, `wait` the seconds spent waiting for retries. Raises UsageError.
    """
    stop = stop or threading.Event()
    started = time.monotonic()
    result = Result()
    with Catalog.open(settings) as catalog:
        catalog.migrate()
        watch = progress.Watch(catalog)
        show = progress.Terminal() if style != "json" and progress.for_terminal() else progress.Lines()
        if wanted or seeds:
            source = "closure" if closure else "seed"
            found = discover.run(settings, source, catalog=catalog, wanted=wanted, seeds=seeds, limit=limit, stop=stop)
            result.new, result.bad = found.new, found.reports
        with show:
            run = _Run(settings, catalog, watch, show, stop, wait)
            run.drain(workers)
        last = watch.look()
        result.refused = run.refused()
    result.published = last.since_start(State.PUBLISHED)
    result.rejected = last.since_start(State.REJECTED)
    result.gone = last.since_start(State.GONE)
    result.left = last.left
    result.worst = run.exit_code
    result.seconds = round(time.monotonic() - started, 3)
    return result


class _Run:
    """Drains the queue with crews of workers."""

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        watch: progress.Watch,
        show: progress.Progress,
        stop: threading.Event,
        wait: float,
    ) -> None:
        self._settings = settings
        self._catalog = catalog
        self._watch = watch
        self._show = show
        self._stop = stop
        self._wait = wait
        self._refused: set[ModuleVersion] = set()
        self.exit_code = errors.EXIT_DONE

    def refused(self) -> list[dict[str, str]]:
        """Return what was refused in the end, each version once: a failure that was made good is none.

        What waits for a person, because a checksum database contradicts itself, is refused too, though it stays staged.
        """
        rows = (self._catalog.state_of(mv) for mv in sorted(self._refused))
        lines = [_line(row) for row in rows if row and row.state in progress.REFUSED]
        staged = self._catalog.recent([State.STAGED], limit=progress.LOOK_BACK)
        return lines + [_line(row) for row in staged if row.reason == errors.ProofError.reason]

    def drain(self, workers: int | None) -> None:
        """Set workers to the queue till nothing is left that is worth waiting for."""
        open_count = self._catalog.open_count()
        if not open_count:
            return
        with closing(Upstream.from_settings(self._settings)) as upstream:
            if upstream.is_off:
                self._wait = 0.0  # no retry of this run could end otherwise
        size = workers or max(1, min(os.cpu_count() or 1, -(-open_count // WORTH_A_WORKER)))
        with Crew(self._crew_settings(open_count, size), size, self._style) as crew:
            while self._look() and not self._stop.wait(LOOK_EVERY):
                if not crew.check():
                    break
        self.exit_code = max(self.exit_code, crew.exit_code)
        self._look()

    def _crew_settings(self, open_count: int, size: int) -> Settings:
        """Return the settings of workers: batches that share a short queue fairly, leases that a crash frees soon."""
        batch = min(self._settings.batch, max(SMALLEST_BATCH, -(-open_count // (4 * size))))
        return replace(self._settings, batch=batch, lease_seconds=min(LEASE, self._settings.lease_seconds))

    @property
    def _style(self) -> str:
        return "text" if isinstance(self._show, progress.Terminal) else "json"

    def _look(self) -> bool:
        """Show where things are; tell whether it is worth waiting for more."""
        snapshot = self._watch.look()
        self._show.show(snapshot)
        self._refused |= {row.mv for row in snapshot.refused}
        ready = self._catalog.next_ready()
        if not snapshot.left or ready is None:
            return False
        if snapshot.counts[State.LEASED]:
            return True
        # What is staged or valid may be leased too: that ends by itself, and soon.
        only_retries = snapshot.counts[State.FAILED] == snapshot.left
        bound = self._wait if only_retries else max(self._wait, LEASE)
        return (ready - datetime.now(UTC)).total_seconds() <= bound


def _line(row: VersionRow) -> dict[str, str]:
    return {"module": str(row.mv), "state": row.state.value, "reason": row.reason, "detail": row.detail}
