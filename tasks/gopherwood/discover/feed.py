"""Source `index`: the feed of a module index, in order of time.

With `--since`/`--until` (an Airflow data interval) it reads exactly that interval, so a backfill or a rerun reads
what is missing and nothing else. Without, it goes on where the last run ended: the cursor, the timestamp of the last
entry seen, moves in the transaction that enqueues the entries. Entries with the same timestamp may be seen twice; the
catalog knows them by then.
"""

import logging
from collections.abc import Iterator
from datetime import datetime

from gopherwood import index
from gopherwood.discover.source import Ask, Bad, Batch
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

    def batch() -> Batch:
        moved = (name, last.isoformat()) if last and not interval else None
        return Batch(tuple(wanted), tuple(bad), moved)

    for entry in index.read(base, ask.client, since, ask.until):
        if isinstance(entry, index.BadLine):
            bad.append(Bad(entry.text[:200], entry.why))
        else:
            wanted.append(ModuleVersion(entry.path, entry.version))
            last = entry.timestamp
        if len(wanted) + len(bad) >= PAGE:
            yield batch()
            wanted.clear()
            bad.clear()
    yield batch()
