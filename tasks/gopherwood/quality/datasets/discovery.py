"""Discovery: that the module index was read without a gap, and that it says the same when it is asked again.

Each reading of the index leaves a row in the catalog: the interval, and how many entries there were. Some of those
intervals are read again now, so that the counts are compared with the index itself and not only with each other.
"""

from collections.abc import Iterator
from datetime import timedelta

from gopherwood import index
from gopherwood.catalog import IndexRead
from gopherwood.errors import UpstreamError
from gopherwood.http import Client, redact
from gopherwood.quality.rules import WARN, Cut, DataSet, Drift, Piece, Rule, Table, sound

DAYS = timedelta(days=30)
"""How far back gaps are looked for when no interval is named."""
ASKED_AGAIN = 3
"""Intervals that are read again in a run: more would double the load on the index."""


def cut(cut: Cut) -> Iterator[Piece]:
    """Yield the readings of the interval, or of the last month, and the gaps between them."""
    since, until = cut.day
    reads = cut.snapshot.index_reads(since if cut.since else until - DAYS, until)
    latest = {(read.name, read.since, read.until): read for read in reads}
    taken = sorted(latest.values(), key=lambda read: (read.name, read.since))
    again = _again(cut, taken)
    yield (
        "readings",
        {
            "index": [read.name for read in taken],
            "since": [read.since.isoformat() for read in taken],
            "until": [read.until.isoformat() for read in taken],
            "entries": [read.entries for read in taken],
            "distinct": [read.distinct for read in taken],
            "bad": [read.bad for read in taken],
            "index_says": [again.get(id(read)) for read in taken],
        },
    )
    gaps = list(_gaps(taken))
    yield "gaps", {"index": [name for name, _ in gaps], "gap": [gap for _, gap in gaps]}
    hours = sum((read.until - read.since).total_seconds() for read in taken) / 3600
    if hours:
        cut.measures["entries-an-hour"] = sum(read.entries for read in taken) / hours
    found = {row["source"]: row["number"] for row in cut.snapshot.observed(since, until)}
    if found:
        cut.measures["sources"] = {source: number / sum(found.values()) for source, number in found.items()}


def _gaps(reads: list[IndexRead]) -> Iterator[tuple[str, str]]:
    """Yield where one reading ends before the next begins; an interval may be read in any order, and twice."""
    end: IndexRead | None = None
    for read in reads:
        if end is not None and end.name == read.name and read.since > end.until:
            yield read.name, f"{end.until.isoformat()} to {read.since.isoformat()}"
        if end is None or end.name != read.name or read.until > end.until:
            end = read


def _again(cut: Cut, reads: list[IndexRead]) -> dict[int, int]:
    """Read some intervals again: the newest and, another each day, older ones. Nothing, when the index is silent."""
    base = cut.settings.index
    mine = [read for read in reads if base and read.name == f"index {redact(base)}"]
    if not mine:
        return {}
    day = cut.day[1].toordinal()
    chosen = {id(read): read for read in (mine[-1], *(mine[(day * 7 + n) % len(mine)] for n in range(ASKED_AGAIN - 1)))}
    counts: dict[int, int] = {}
    with Client(cut.settings) as client:
        for number, read in chosen.items():
            try:
                entries = index.read(base, client, read.since, read.until)
                counts[number] = sum(isinstance(entry, index.Entry) for entry in entries)
            except UpstreamError:
                break
    return counts


def _equal(name: str, one: str, other: str, why: str) -> Rule:
    columns = {"column_A": one, "column_B": other, "ignore_row_if": "either_value_is_missing"}
    return Rule(name, WARN, why, "expect_column_pair_values_to_be_equal", columns)


DATA_SET = DataSet(
    "discovery",
    "What the module index gave, interval by interval.",
    cut,
    (
        Table(
            "readings",
            ("index", "since", "until"),
            (
                _equal("index-says-the-same", "entries", "index_says", "Asked again, the index has another number."),
                _equal("no-duplicates", "entries", "distinct", "The index named a version twice in an interval."),
                Rule(
                    "all-readable",
                    WARN,
                    "Lines of the index that cannot be read are versions that nobody gets.",
                    "expect_column_values_to_be_between",
                    {"column": "bad", "max_value": 0},
                ),
            ),
        ),
        Table("gaps", ("index",), (sound("no-gaps", WARN, "What appeared in a gap is known to nobody.", "gap"),)),
    ),
    (
        Drift("entries-an-hour", "The index gives far more or less than usual."),
        Drift("sources", "Versions are found by other sources than usual."),
    ),
)
