"""The catalog: what state every module version is in, and everything else that must be remembered between two runs.

One class, put together from its parts: `queue` (enqueue, lease, finish), `reads` (questions) and `notes` (cursors,
misses, tree heads, events), over `db` (SQLite or PostgreSQL). Import everything from here. A catalog is safe to use
from many threads; each process opens its own.
"""

from gopherwood.catalog.claims import Claims
from gopherwood.catalog.db import Clock, utc_now
from gopherwood.catalog.notes import Notes
from gopherwood.catalog.reads import Reads
from gopherwood.catalog.values import (
    LEASE_EXPIRED,
    TOO_MANY_ATTEMPTS,
    Enqueued,
    Event,
    Evidence,
    Facts,
    Finished,
    IndexEntry,
    Job,
    Kind,
    Miss,
    Outcome,
    PublishedVersion,
    Selector,
    StoredEvent,
    VersionRow,
    Wanted,
)

__all__ = [
    "LEASE_EXPIRED",
    "TOO_MANY_ATTEMPTS",
    "Catalog",
    "Clock",
    "Enqueued",
    "Event",
    "Evidence",
    "Facts",
    "Finished",
    "IndexEntry",
    "Job",
    "Kind",
    "Miss",
    "Outcome",
    "PublishedVersion",
    "Selector",
    "StoredEvent",
    "VersionRow",
    "Wanted",
    "utc_now",
]


class Catalog(Claims, Reads, Notes):
    """The whole catalog; open it with `Catalog.open(settings)`, then `migrate()` once, and `close()` it."""
