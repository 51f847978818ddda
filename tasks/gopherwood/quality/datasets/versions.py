"""Everything published: that it is whole, proved and named once, that lists only grow, and that times make sense.

Validation sees one version when it comes in. This sees all of them, as the catalog, the ledger and the store have them
today: what was lost, changed or half restored since.
"""

import hashlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import chain, groupby
from typing import Any

from gopherwood import gate, pseudo, semver, store
from gopherwood.catalog import ListDigest, Page, Row
from gopherwood.catalog.schema import from_micros, to_micros
from gopherwood.module import ModuleVersion
from gopherwood.quality import listing
from gopherwood.quality.rules import STOP, WARN, Cut, DataSet, Drift, Piece, Rule, Table, frame, iso, sound

GO_BEGAN = to_micros(datetime(2009, 11, 10, tzinfo=UTC))
DAY = 24 * 3600 * 1_000_000
HOUR = DAY // 24
CLOCKS = 60 * 1_000_000
"""Microseconds by which clocks of machines may differ."""
PLAIN = ("path", "version", "h1", "go_mod_h1", "ledger_h1", "ledger_go_mod_h1", "checked", "refused")
BOUNDS = (10_000, 100_000, 1_000_000, 10_000_000)
"""Bytes up to which a zip is of each of SIZES but the last."""
SIZES = ("up to 10 KB", "up to 100 KB", "up to 1 MB", "up to 10 MB", "larger")
EACH_DIGEST = 16

Facts = Mapping[str, Any]


def cut(cut: Cut) -> Iterator[Piece]:
    """Yield pages of versions and their lists; of everything also orphans, open damages and the totals."""
    tally = _Tally()
    with ExitStack() as stack:
        files = stack.enter_context(listing.listed(store.open_store(cut.settings))) if cut.is_whole else None
        strays: list[Iterator[listing.Name]] = []
        for page in cut.snapshot.published(cut.page, cut.since, cut.until):
            rows = list(page.rows)
            tally.add(rows, cut.snapshot.now)
            there = files.files(page.after, page.through) if files else None
            yield "versions", _columns(rows, cut.snapshot.now, there)
            if there is not None:
                names = {(row["path"], row["version"]) for row in rows}
                strays.append(iter(there.keys() - names))
                yield "lists", _lists(cut, page, rows)
        cut.measures.update(tally.measures(cut.is_whole))
        if files:
            yield "files", {"key": list(files.orphans(cut.catalog, chain.from_iterable(strays)))}
    if cut.is_whole:
        yield "ledger", frame(cut.snapshot.unlogged(), ("path", "version", "number"))
        damages = frame(cut.snapshot.damages(), ("path", "version", "suffix", "kind"))
        yield "damages", damages
        yield "totals", _totals(cut)


def _columns(rows: list[Row], now: int, there: Mapping[listing.Name, int] | None) -> dict[str, list[Any]]:
    columns = frame(rows, PLAIN)
    names = [ModuleVersion(row["path"], row["version"]) for row in rows]
    for name, rule in gate.RULES.items():
        columns[name] = [rule(mv, row) for mv, row in zip(names, rows, strict=True)]
    seen = [there.get((mv.path, mv.version), 0) if there is not None else 7 for mv in names]
    columns["files-stored"] = [listing.missing(files) for files in seen]
    columns["published_ahead"] = [(row["published_at"] - now) // 1_000_000 for row in rows]
    columns["published_after"] = [(row["published_at"] - row["first_observed"]) // 1_000_000 for row in rows]
    columns["time-not-in-future"] = [iso(row["time"]) if (row["time"] or 0) > now + DAY else "" for row in rows]
    columns["time-after-2009"] = [iso(row["time"]) if _is_before_go(row["time"]) else "" for row in rows]
    columns["pseudo-version-time"] = [_commit_time(row["version"], row["time"]) for row in rows]
    late: dict[listing.Name, str] = {}
    for _, group in groupby(rows, key=lambda row: row["path"]):
        late |= _out_of_order(list(group))
    columns["release-order"] = [late.get((mv.path, mv.version), "") for mv in names]
    return columns


def _is_before_go(time: int | None) -> bool:
    return time is not None and time < GO_BEGAN


def _commit_time(version: str, time: int | None) -> str:
    """Say how the time in a pseudo-version differs from its commit's."""
    if time is None or not pseudo.is_pseudo_version(version):
        return ""
    said = pseudo.pseudo_version_time(version)
    commit = from_micros(time).replace(microsecond=0)
    return "" if said == commit else f"the commit is of {commit.isoformat()}"


def _out_of_order(rows: list[Row]) -> dict[listing.Name, str]:
    """Say which releases of a module are older than a lower one of the same minor version.

    Between minor versions, old ones are mended after new ones came; within one, a tag that is older than the one
    below it was moved or made up. Pre-releases and pseudo-versions are not compared.
    """
    lines: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        version = row["version"]
        if row["time"] is not None and semver.is_valid(version) and not semver.prerelease(version):
            lines.setdefault((row["path"], semver.major_minor(version)), []).append(row)
    late: dict[listing.Name, str] = {}
    for line in lines.values():
        newest: Row | None = None
        for row in sorted(line, key=lambda row: semver.key(row["version"])) if len(line) > 1 else ():
            if newest is not None and row["time"] < newest["time"]:
                late[row["path"], row["version"]] = (
                    f"of {iso(row['time'])}, {newest['version']} of {iso(newest['time'])}"
                )
            else:
                newest = row
    return late


def _lists(cut: Cut, page: Page, rows: list[Row]) -> dict[str, list[Any]]:
    """Compare each module's list with the digest of what the former snapshot had; remember those that are whole."""
    former = cut.catalog.list_digests(page.after, page.through)
    groups = {path: list(group) for path, group in groupby(rows, key=lambda row: row["path"])}
    shrunk: list[str] = []
    fresh: list[ListDigest] = []
    paths = sorted(groups.keys() | former.keys())
    for path in paths:
        versions = groups.get(path, [])
        before = former.get(path)
        problem = "" if before is None else _shrunk(before, versions)
        shrunk.append(problem)
        last = max((row["sequence"] or 0 for row in versions), default=0)
        if not problem and (before is None or last > before.sequence):
            fresh.append(digest_of(path, versions, last))
    cut.catalog.set_list_digests(fresh)  # a list that shrank keeps its former digest, and stays red till it is mended
    return {"path": paths, "list-only-grows": shrunk}


def _shrunk(before: ListDigest, rows: Iterable[Row]) -> str:
    then = [row for row in rows if (row["sequence"] or 0) <= before.sequence]
    if len(then) < before.versions:
        return f"{before.versions - len(then)} of {before.versions} versions are gone"
    same = digest_of(before.path, then, before.sequence).digest == before.digest
    return "" if same else "what was published has another name or hash now"


def digest_of(path: str, rows: Iterable[Row], sequence: int) -> ListDigest:
    """Return the digest of a module's list: of names and hashes, in the order of publishing."""
    lines = sorted(f"{row['sequence']} {row['version']} {row['h1']} {row['go_mod_h1']}\n" for row in rows)
    digest = hashlib.blake2b("".join(lines).encode(), digest_size=EACH_DIGEST).hexdigest()
    return ListDigest(path, len(lines), sequence, digest)


def _totals(cut: Cut) -> dict[str, list[Any]]:
    one = cut.snapshot.one
    published, last = cut.snapshot.extent()
    ledger = one("ledger")
    return {
        "of": ["the whole catalog"],
        "published": [published],
        "sequence": [last],
        "counter": [one("counter")],
        "logged": [ledger - one("in_flight")],
        "ledger": [ledger],
        "ledger_last": [one("ledger_last")],
        "ledger_head": [one("ledger_head") or None],
        "late": [one("late")],
        "evidence_orphans": [one("evidence_orphans")],
        "origin_orphans": [one("origin_orphans")],
    }


class _Tally:
    """What pages add up to: measures for drift and trends."""

    def __init__(self) -> None:
        self.rows = self.pseudo = self.bytes = self.last_day = self.modules = 0
        self.sizes: Counter[str] = Counter()
        self.sources: Counter[str] = Counter()

    def add(self, rows: list[Row], now: int) -> None:
        """Count a page."""
        self.rows += len(rows)
        self.modules += len({row["path"] for row in rows})
        self.pseudo += sum(pseudo.is_pseudo_version(row["version"]) for row in rows)
        self.bytes += sum(row["zip_size"] or 0 for row in rows)
        self.last_day += sum(row["published_at"] >= now - DAY for row in rows)
        self.sizes.update(SIZES[bisect_left(BOUNDS, row["zip_size"] or 0)] for row in rows)
        self.sources.update(row["source"] for row in rows)

    def measures(self, is_whole: bool) -> dict[str, float | Mapping[str, float]]:
        """Return the measures; an empty data set has but its size."""
        found: dict[str, float | Mapping[str, float]] = {"published": self.rows}
        if is_whole:
            found["published-in-a-day"] = self.last_day
        if self.rows:
            found |= {
                "modules": self.modules,
                "mean-zip-size": self.bytes / self.rows,
                "pseudo-versions": self.pseudo / self.rows,
                "zip-sizes": {name: number / self.rows for name, number in self.sizes.items()},
                "sources": {name: number / self.rows for name, number in self.sources.items()},
            }
        return found


def _zero(name: str, column: str, why: str) -> Rule:
    return Rule(name, STOP, why, "expect_column_values_to_be_between", {"column": column, "max_value": 0})


def _none(name: str, column: str, why: str) -> Rule:
    """Return the rule that a table has no row, so that each row it has is a sample of what is wrong."""
    return Rule(name, STOP, why, "expect_column_values_to_be_null", {"column": column})


def _equal(name: str, one: str, other: str, why: str) -> Rule:
    columns = {"column_A": one, "column_B": other, "ignore_row_if": "either_value_is_missing"}
    return Rule(name, STOP, why, "expect_column_pair_values_to_be_equal", columns)


VERSIONS = Table(
    "versions",
    ("path", "version"),
    (
        sound("version-canonical", STOP, "A version in another form than Go's is a second name for the same thing."),
        sound("h1-present", STOP, "Without both h1 hashes nobody's go.sum can be answered for."),
        sound("files-recorded", STOP, "Sizes and digests are what a scrub compares the store with."),
        sound("files-stored", STOP, "A version that is published and not whole in the store breaks builds."),
        Rule(
            "evidence-present", STOP, "Every published version must show which rules passed it.",
            "expect_column_values_to_be_in_set", {"column": "checked", "value_set": [True]},
        ),
        Rule(
            "evidence-passed", STOP, "The last word of a rule was no, and the version was published all the same.",
            "expect_column_values_to_be_in_set", {"column": "refused", "value_set": [False]},
        ),
        Rule(
            "one-row-a-name", STOP, "A name that is there twice may have two contents.",
            "expect_compound_columns_to_be_unique", {"column_list": ["path", "version"]},
        ),
        Rule(
            "in-ledger", STOP, "What is not in the ledger was published in secret.",
            "expect_column_values_to_not_be_null", {"column": "ledger_h1"},
        ),
        _equal("one-h1-a-name", "h1", "ledger_h1", "Two hashes for one name: catalog or ledger was changed."),
        _equal("one-go-mod-h1-a-name", "go_mod_h1", "ledger_go_mod_h1", "Two go.mod hashes for one name."),
        Rule(
            "published-not-in-future", STOP, "The index feed would stand still till then: a clock was wrong.",
            "expect_column_values_to_be_between", {"column": "published_ahead", "max_value": 60},
        ),
        Rule(
            "published-after-observed", WARN, "Published before it was first wanted: a clock went back.",
            "expect_column_values_to_be_between", {"column": "published_after", "min_value": -60},
        ),
        sound("time-not-in-future", WARN, "A commit time to come is made up, and sorts before all others."),
        sound("time-after-2009", WARN, "Nothing in Go is older than Go: the commit time is made up."),
        sound("pseudo-version-time", WARN, "A pseudo-version says its commit's time; another sorts it wrongly."),
        sound("release-order", WARN, "A release older than a lower one of its line: a tag was moved, or made up."),
    ),
)  # fmt: skip
TABLES = (
    VERSIONS,
    Table(
        "lists",
        ("path",),
        (sound("list-only-grows", STOP, "A version that a list had and has no more breaks whoever chose it."),),
    ),
    Table(
        "files", ("key",), (_none("no-orphan-files", "key", "A file that nobody published: a catalog that forgot."),)
    ),
    Table(
        "ledger",
        ("path", "version"),
        (_none("no-orphan-entries", "number", "The ledger promises a version that is neither published nor coming."),),
    ),
    Table(
        "damages",
        ("path", "version", "suffix", "kind"),
        (_none("no-open-damage", "kind", "An audit found it damaged, and no copy has healed it yet."),),
    ),
    Table(
        "totals",
        ("of",),
        (
            _equal("ledger-size", "published", "logged", "The ledger has more or fewer versions than are published."),
            _equal("ledger-whole", "ledger", "ledger_last", "Numbers of the ledger are missing in between."),
            _equal("sequence-whole", "published", "sequence", "Numbers of the index feed are missing in between."),
            _equal("sequence-counted", "counter", "sequence", "The next publish would give a number twice."),
            _equal("ledger-signed", "ledger", "ledger_head", "Entries that no signed head covers prove nothing."),
            _zero("published-in-order", "late", "Whoever reads the index feed by time would miss versions."),
            _zero("no-orphan-evidence", "evidence_orphans", "Evidence of versions that are not there: rows were lost."),
            _zero("no-orphan-origins", "origin_orphans", "Origins of versions that are not there: rows were lost."),
        ),
    ),
)

DATA_SET = DataSet(
    "versions",
    "Every published version, its lists, its entry in the ledger and its files.",
    cut,
    TABLES,
    (
        Drift("published-in-a-day", "Far more or fewer than usual were published: a source broke or overflowed."),
        Drift("mean-zip-size", "Zips are of another size than usual: content of another kind comes in."),
        Drift("pseudo-versions", "The share of pseudo-versions moved: discovery names commits, or misses releases."),
        Drift("zip-sizes", "The distribution of sizes moved: content of another kind comes in."),
        Drift("sources", "Versions come from other sources than usual: one has fallen silent, or overflows."),
    ),
)
