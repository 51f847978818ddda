"""Verb `discover`: find module versions that somebody wants, and put them into the queue.

Where to look is a source, a function of its own file: `seed` (what a person names), `index` (the feed of a module
index), `updates` (new versions of what we hold), `closure` (what building it needs), `requests` (what clients missed;
tiles of checksum databases too, which are mirrored at once) and `sumdb` (the log of a checksum database). A source
yields batches; each is enqueued in one transaction with its cursor. What is known already stays as it is. Bad lines are
counted and reported, and never end a run.
"""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from gopherwood import errors
from gopherwood.catalog import Catalog
from gopherwood.config import Settings
from gopherwood.discover import feed, graph, misses, records, seed, updates
from gopherwood.discover.source import Ask, Bad, Batch, Source

SOURCES: dict[str, Source] = {
    "seed": seed.find,
    "index": feed.find,
    "updates": updates.find,
    "closure": graph.find,
    "requests": misses.find,
    "sumdb": records.find,
}
REPORTED = 100
"""Bad lines that a result names; the others are only counted."""
TRY_AGAIN = "Some may be had later: run it again. `gopherwood smoke` says whether the upstream (--upstream) answers."

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Result:
    """What a source led to."""

    source: str
    new: int = 0
    known: int = 0
    bad: int = 0
    tiles: int = 0
    """Tiles of checksum databases that clients missed and that are mirrored now."""
    reports: list[Bad] = field(default_factory=list)
    """The first of the bad ones."""

    @property
    def exit_code(self) -> int:
        """Nothing new is nothing to do, unless all there was is bad."""
        if self.new or self.tiles:
            return errors.EXIT_DONE
        return errors.EXIT_FAILED if self.bad and not self.known else errors.EXIT_NOTHING_TO_DO

    def text(self) -> str:
        """Return the counts, and a line for each bad one."""
        lines = [f"discover: {self.new} new, {self.known} known, {self.bad} bad, from source {self.source}"]
        if self.tiles:
            lines.append(f"  {self.tiles} tiles of checksum databases mirrored, which clients missed")
        lines += [f"  skipped {bad.what}: {bad.why}" for bad in self.reports]
        if self.bad > len(self.reports):
            lines.append(f"  and {self.bad - len(self.reports)} more")
        if any(bad.retry for bad in self.reports):
            lines.append(f"  {TRY_AGAIN}")
        if self.new:
            lines.append("  `gopherwood ingest` brings in what is queued")
        return "\n".join(lines)


def run(
    settings: Settings,
    source: str,
    *,
    catalog: Catalog | None = None,
    wanted: Sequence[str] = (),
    seeds: Sequence[str] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 100_000,
    stop: threading.Event | None = None,
) -> Result:
    """Enqueue what a source finds; `catalog`, when given, stays open.

    Raises UsageError and ConfigError for what cannot be read at all, UpstreamError when an index does not answer.
    """
    own = Catalog.ready(settings) if catalog is None else None
    ask = Ask(
        settings=settings,
        catalog=catalog or own,  # type: ignore[arg-type]
        wanted=wanted,
        seeds=seeds,
        since=since,
        until=until,
        limit=limit,
        stop=stop or threading.Event(),
    )
    try:
        with ask:
            return _enqueue(ask, source)
    finally:
        if own:
            own.close()


def _enqueue(ask: Ask, source: str) -> Result:
    result = Result(source)
    for batch in SOURCES[source](ask):
        result.bad += len(batch.bad)
        result.tiles += batch.tiles
        result.reports += islice(batch.bad, REPORTED - len(result.reports))
        for bad in batch.bad:
            log.warning("skipped", extra={"source_name": source, "what": bad.what, "why": bad.why})
        _add(ask, batch, result)
        if ask.stop.is_set():
            break
    return result


def _add(ask: Ask, batch: Batch, result: Result) -> None:
    if not batch.wanted and not batch.cursor:
        return
    enqueued = ask.catalog.enqueue(batch.wanted, source=result.source, cursor=batch.cursor)
    result.new += enqueued.new
    result.known += enqueued.known
