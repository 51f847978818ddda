"""Source `index`: the feed of a module index, in order of time.

With `--since`/`--until` (an Airflow data interval) it reads exactly that interval, so a backfill or a rerun reads
what is missing and nothing else. Without, it goes on where the last run ended: the cursor, the timestamp of the last
entry seen, moves in the transaction that enqueues the entries. Entries with the same timestamp may be seen twice; the
catalog knows them by then. What was read of a feed that then breaks off is kept, cursor included: the error follows it.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from gopherwood import index
from gopherwood.catalog import IndexRead
from gopherwood.discover.source import Ask, Bad, Batch
from gopherwood.errors import GopherwoodError
from gopherwood.http import redact
from gopherwood.module import ModuleVersion

log = logging.getLogger(__name__)

PAGE = 2000
"""Entries enqueued in one transaction."""


def find(ask: Ask) -> Iterator[Batch]:
    """Yield what the index lists, a batch a page; nothing, when no index is set."""
    base = ask.settings.index
    if not base:
        log.info("no module index is set (GOPHERWOOD_INDEX)")
        return
    name = f"index {redact(base)}"
    interval = ask.since is not None or ask.until is not None
    since = ask.since
    if not interval and (cursor := ask.catalog.cursor(name)):
        since = datetime.fromisoformat(cursor)
    wanted: list[ModuleVersion] = []
    bad: list[Bad] = []
    last: datetime | None = None
    seen = _Seen(is_closed=ask.until is not None)

    def batch() -> Batch:
        moved = (name, last.isoformat()) if last and not interval else None
        return Batch(tuple(wanted), tuple(bad), moved)

    try:
        for entry in index.read(base, ask.client, since, ask.until):
            if isinstance(entry, index.BadLine):
                bad.append(Bad(entry.text[:200], entry.why))
                seen.bad += 1
            else:
                wanted.append(ModuleVersion(entry.path, entry.version))
                last = entry.timestamp
                seen.add(wanted[-1], last)
            if len(wanted) + len(bad) >= PAGE:
                yield batch()
                wanted.clear()
                bad.clear()
    except GopherwoodError:
        yield batch()
        raise
    yield batch()
    seen.record(ask, name, since)


@dataclass(slots=True)
class _Seen:
    """What a reading of the index came to: checks of data quality compare it with another one (quality/datasets)."""

    is_closed: bool
    entries: int = 0
    bad: int = 0
    first: datetime | None = None
    last: datetime | None = None
    names: set[ModuleVersion] = field(default_factory=set)

    def add(self, mv: ModuleVersion, at: datetime) -> None:
        self.entries += 1
        self.first, self.last = self.first or at, at
        if self.is_closed:  # without an end this may be all that ever was: too many names to remember
            self.names.add(mv)

    def record(self, ask: Ask, name: str, since: datetime | None) -> None:
        """Keep it, unless the interval is not over, or was not read to its end."""
        begin, end = since or self.first, ask.until or self.last
        if begin and end and begin < end <= ask.catalog.clock() and not ask.stop.is_set():
            distinct = len(self.names) if self.is_closed else self.entries
            ask.catalog.record_index_read(IndexRead(name, begin, end, self.entries, distinct, self.bad))
