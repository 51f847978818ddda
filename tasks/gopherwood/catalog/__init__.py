"""The catalog: what state every module version is in, and everything else that must be remembered between two runs.

One class, put together from its parts: `queue` (enqueue, lease, finish), `reads` (questions), `notes` (cursors, misses,
tree heads, events), `notices` (which sink was told what), `damages` and `scrubs` (what audits find and have seen),
`ledger` (our transparency log), `origins` (where versions come from), `quality` (what checks of all of it said),
`signals` (for whoever watches), `snapshots` (all of it at one moment), `turns` (what one at a time may do), `usage`
(downloads), `facts` (what versions contain) and `activity` (what happened lately), over `db` (SQLite or PostgreSQL).
Import everything from here. A catalog is safe to use from many threads; each process opens its own.
"""

from gopherwood.catalog.activity import Activity, Lately, Refusal
from gopherwood.catalog.claims import Claims
from gopherwood.catalog.damages import Damages
from gopherwood.catalog.db import Clock, utc_now
from gopherwood.catalog.facts import FactsKept, FactsRow, ModuleRow, PackageRow
from gopherwood.catalog.ledger import Ledger
from gopherwood.catalog.notes import Notes
from gopherwood.catalog.notices import Message, Notices, Sink
from gopherwood.catalog.origins import Finding, Look, NewOrigin, OriginCheck, OriginRow, Origins
from gopherwood.catalog.quality import ListDigest, Measures, Quality, QualityRun, RuleResult
from gopherwood.catalog.reads import Reads
from gopherwood.catalog.scrubs import Scrubs, part_of
from gopherwood.catalog.signals import Delays, Scrubbed, Signals, SinkLag, Tally
from gopherwood.catalog.snapshots import Page, Row, Snapshot, Snapshots
from gopherwood.catalog.turns import Turn, Turns
from gopherwood.catalog.usage import Downloads, Usage, UsageHour
from gopherwood.catalog.values import (
    LEASE_EXPIRED,
    SUMDB_MISS,
    TOO_MANY_ATTEMPTS,
    Appended,
    Damage,
    Enqueued,
    Event,
    Evidence,
    Facts,
    Finished,
    HeadSigner,
    IndexEntry,
    IndexRead,
    Job,
    Kind,
    LedgerEntry,
    LedgerExtent,
    LedgerHead,
    Miss,
    Outcome,
    PublishedVersion,
    Round,
    Selector,
    StoredEvent,
    VersionRow,
    Wanted,
)

__all__ = [
    "LEASE_EXPIRED",
    "SUMDB_MISS",
    "TOO_MANY_ATTEMPTS",
    "Activity",
    "Appended",
    "Catalog",
    "Clock",
    "Damage",
    "Delays",
    "Downloads",
    "Enqueued",
    "Event",
    "Evidence",
    "Facts",
    "FactsRow",
    "Finding",
    "Finished",
    "HeadSigner",
    "IndexEntry",
    "IndexRead",
    "Job",
    "Kind",
    "LedgerEntry",
    "LedgerExtent",
    "LedgerHead",
    "ListDigest",
    "Look",
    "Measures",
    "Message",
    "Miss",
    "ModuleRow",
    "NewOrigin",
    "OriginCheck",
    "OriginRow",
    "Outcome",
    "PackageRow",
    "Page",
    "PublishedVersion",
    "QualityRun",
    "Refusal",
    "Round",
    "Row",
    "RuleResult",
    "Scrubbed",
    "Selector",
    "Sink",
    "SinkLag",
    "Snapshot",
    "StoredEvent",
    "Tally",
    "Turn",
    "UsageHour",
    "VersionRow",
    "Wanted",
    "part_of",
    "utc_now",
]


class Catalog(
    Claims,
    Reads,
    Notes,
    Notices,
    Damages,
    Scrubs,
    Ledger,
    Origins,
    Quality,
    Signals,
    Snapshots,
    Turns,
    Usage,
    FactsKept,
    Lately,
):
    """The whole catalog; open it with `Catalog.open(settings)`, then `migrate()` once, and `close()` it."""
