"""Are the bytes what was published? Scrubs, ledger, events, origins, quality, and who was told."""

from gopherwood_dashboards import Board, Panel
from gopherwood_dashboards.boards.shared import DAMAGED, age

SCRUBS = [(age("scrub_oldest"), "the part that waits longest"), (age("scrub_last"), "any part")]
LEDGER = [
    ("gopherwood_ledger_entries", "entries"),
    ("gopherwood_ledger_signed_entries", "signed"),
    ("gopherwood_published_total", "published"),
]
EVENTS = 'increase(gopherwood_events_total{kind!~"published|rejected"}[1h])'
TOLD = [
    ("gopherwood_notices_delivered_total", "{{sink}}, told"),
    ("gopherwood_notices_dropped_total", "{{sink}}, given up"),
]

BYTES = [
    DAMAGED,
    Panel("Mismatches, ever", "short", [("gopherwood_scrub_mismatches_total", "")], "stat", 4),
    Panel("Damages, ever", "short", [("gopherwood_damages_total", "")], "stat", 4),
    Panel("Published", "short", [("gopherwood_published_total", "")], "stat", 4),
    Panel(
        "Rules that stop, broken",
        "short",
        [("gopherwood_quality_broken_stops", "{{data_set}}")],
        "stat",
        8,
        bad_above=1,
    ),
    Panel("Read again", "Bps", [("rate(gopherwood_scrub_bytes_total[6h])", "over 6 h")], width=12),
    Panel("Since it was read", "s", SCRUBS, width=12, bad_above=3_456_000),
]
LOG = [
    Panel("Ledger", "short", LEDGER),
    Panel("Since the ledger grew", "s", [(age("ledger_last_entry"), "entry"), (age("ledger_head"), "signed head")]),
    Panel("Events, an hour", "short", [(EVENTS, "{{kind}}")]),
]
REST = [
    Panel("What was last seen at origins", "short", [("gopherwood_origins", "{{finding}}")], "bargauge"),
    Panel("Rules of data quality that hold", "percentunit", [("gopherwood_quality_score_ratio", "{{data_set}}")]),
    Panel("Since data sets were checked", "s", [(age("quality_run"), "{{data_set}}")]),
    Panel(
        "Notices that wait",
        "short",
        [("gopherwood_notices_waiting", "{{sink}}"), ("gopherwood_notices_held", "{{sink}}, held")],
    ),
    Panel("Notices", "short", TOLD),
    Panel("Since the access log was counted", "s", [(age("usage_rolled"), "counted")]),
]

TRUST = Board(
    "trust", "Store and trust", [("Bytes", BYTES), ("Ledger and events", LOG), ("Origins, quality, notices", REST)]
)
