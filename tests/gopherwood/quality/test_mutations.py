"""Every rule fails on data that was broken on purpose, in one way a rule; and none fails on sound data.

A case breaks a copy of a sound platform, as a bug or a careless hand might, and names the rule that must notice.
"""

import json
import os
import time
from collections.abc import Callable
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fakes import sound
from fakes.index import Index
from gopherwood.catalog import Catalog, QualityRun, utc_now
from gopherwood.config import Settings
from gopherwood.quality import datasets
from gopherwood.quality.rules import Cut, DataSet

pytestmark = pytest.mark.xdist_group("quality")  # one process pays for the import of the library

LOW = "path = 'example.com/low' AND version = 'v1.0.0'"
HOUR = 3_600_000_000
SETS = datasets.all_of_them()


def sql(*statements: str) -> Callable[[Settings], None]:
    """Break the catalog by statements, each of which must change something."""

    def run(settings: Settings) -> None:
        with Catalog.open(settings) as catalog, catalog._transaction() as connection:
            for statement in statements:
                assert connection.exec_driver_sql(statement).rowcount != 0, statement

    return run


def published(change: str, where: str = LOW) -> Callable[[Settings], None]:
    """Change the row of a published version."""
    return sql(f"UPDATE versions SET {change} WHERE {where}")


def queued(change: str) -> Callable[[Settings], None]:
    """Change the row of the version that waits."""
    return sql(f"UPDATE versions SET {change} WHERE version = 'v1.9.9'")


def stored(key: str, data: bytes | None) -> Callable[[Settings], None]:
    """Put a file into the store that is two hours old, or take one away."""

    def run(settings: Settings) -> None:
        path = settings.home / "store" / key
        if data is None:
            path.unlink()
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(data)
        os.utime(path, (time.time() - 7200,) * 2)

    return run


def counted(**changes: object) -> Callable[[Settings], None]:
    """Change the row of whole zips in the file of the hour."""

    def run(settings: Settings) -> None:
        (path,) = (settings.home / "store/usage/requests").glob("*/*.parquet")
        rows = pq.read_table(path, partitioning=None)
        listed = [row | changes if row["kind"] == "zip" else row for row in rows.to_pylist()]
        pq.write_table(pa.Table.from_pylist(listed, schema=rows.schema), path)

    return run


def report(**changes: object) -> Callable[[Settings], None]:
    """Change the report of the load test."""
    return lambda settings: written(settings, json.dumps(sound.REPORT | changes))


def written(settings: Settings, text: str) -> None:
    (settings.home / "reports/load/ui/report.json").write_text(text)


def shrunk(settings: Settings) -> None:
    """Look once, then lose a version."""
    failing(settings, "versions", "list-only-grows")
    sql(f"DELETE FROM versions WHERE {LOW}")(settings)


def drifted(measure: str, data_set: str) -> Callable[[Settings], None]:
    """Let the last six runs have measured something else."""

    def run(settings: Settings) -> None:
        former = {"of another kind": 1.0} if measure in ("zip-sizes", "sources", "reasons") else 7_000_000.0
        with Catalog.open(settings) as catalog:
            for _ in range(6):
                catalog.record_quality(QualityRun(data_set=data_set, at=utc_now(), measures={measure: former}))
            catalog._write(lambda connection: connection.exec_driver_sql(REFUSED))

    return run


REFUSED = (
    f"UPDATE versions SET state = 'rejected', reason = 'invalid-zip', changed_at = {time.time_ns() // 1000 - HOUR} "
    "WHERE version = 'v1.9.9'"
)

BROKEN = {
    "versions": {
        "version-canonical": sql(f"UPDATE versions SET version = 'v1.0' WHERE {LOW}"),
        "h1-present": published("h1 = NULL"),
        "files-recorded": published("zip_size = 0"),
        "files-stored": stored("example.com/low/@v/v1.0.0.zip", None),
        "evidence-present": sql(f"DELETE FROM evidence WHERE version_id = (SELECT id FROM versions WHERE {LOW})"),
        "evidence-passed": sql(
            f"UPDATE evidence SET ok = 0 WHERE attempt = (SELECT attempt FROM versions WHERE {LOW})"
        ),
        "one-row-a-name": sql("DROP INDEX versions_name", *sound.copy_of("versions", LOW)),
        "in-ledger": sql(f"DELETE FROM ledger WHERE {LOW}"),
        "one-h1-a-name": published("h1 = 'h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='"),
        "one-go-mod-h1-a-name": published("go_mod_h1 = 'h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='"),
        "published-not-in-future": published(f"published_at = published_at + {HOUR}", "sequence = 5"),
        "published-after-observed": published(f"first_observed = published_at + {HOUR}"),
        "time-not-in-future": published("time = 4000000000000000"),
        "time-after-2009": published("time = 0"),
        "pseudo-version-time": published(f"time = time + {HOUR}", "path = 'example.com/commit'"),
        "release-order": published(f"time = time - {HOUR * 24 * 90}", "version = 'v1.0.1'"),
        "list-only-grows": shrunk,
        "no-orphan-files": stored("example.com/lost/@v/v1.0.0.zip", b"?"),
        "no-orphan-entries": sql(f"UPDATE versions SET state = 'rejected' WHERE {LOW}"),
        "no-open-damage": sql(
            "INSERT INTO damages (path, version, suffix, kind, expected, found, found_at, change) "
            "VALUES ('example.com/low', 'v1.0.0', '.zip', 'changed', 'a', 'b', 1, 1)"
        ),
        "ledger-size": sql(
            "INSERT INTO ledger SELECT 5, 'example.com/x', version, h1, go_mod_h1, at FROM ledger LIMIT 1"
        ),
        "ledger-whole": sql("UPDATE ledger SET number = 9 WHERE number = 4"),
        "ledger-signed": sql("INSERT INTO ledger_heads VALUES (3, 'root', 'note', 'checkpoint', 1)"),
        "sequence-whole": published("sequence = 9", "sequence = 5"),
        "sequence-counted": sql("UPDATE counters SET value = 3 WHERE name = 'published'"),
        "published-in-order": published("published_at = published_at - 60000000", "sequence = 3"),
        "no-orphan-evidence": sql("UPDATE evidence SET version_id = 99 WHERE version_id = 1"),
        "no-orphan-origins": sql(
            "INSERT INTO origins (version_id, repository, state, due_at) VALUES (99, 'x', 'new', 0)"
        ),
    },
    "queue": {
        "lease-ends": queued("state = 'leased', owner = 'w', ready_at = ready_at + 1000000000000"),
        "lease-has-owner": queued("state = 'leased'"),
        "lease-taken-over": queued(f"state = 'leased', owner = 'w', ready_at = ready_at - {2 * HOUR}"),
        "tries-counted": queued("failures = 8"),
        "wait-bounded": queued(f"first_observed = first_observed - {8 * 24 * HOUR}"),
    },
    "discovery": {
        "index-says-the-same": lambda settings: None,
        "no-duplicates": sql('UPDATE index_reads SET "distinct" = "distinct" - 1 WHERE id = 1'),
        "all-readable": sql("UPDATE index_reads SET bad = 2"),
        "no-gaps": sql(f"UPDATE index_reads SET since = since + {HOUR // 2} WHERE id = 2"),
    },
    "closure": {
        "go-mod-readable": stored("example.com/top/@v/v1.0.0.mod", b'module "x'),
        "requirement-servable": sql("UPDATE versions SET state = 'rejected' WHERE version = 'v1.0.1'"),
    },
    "usage": {
        "counts-positive": counted(requests=0),
        "bytes-add-up": counted(bytes=7),
        "sent-what-is-held": published("state = 'held'"),
        "agent-possible": counted(agent="martian"),
        "hours-counted": sql(f"UPDATE usage_hours SET stale = 1, hour = hour - {8 * HOUR}"),
    },
    "reports": {
        "report-readable": lambda settings: written(settings, "{"),
        "report-schema": report(schema=7),
        "report-verdict": report(verdict="splendid"),
        "report-reason": report(verdict="invalid"),
        "report-times": report(finished="2020-01-01T00:00:00Z"),
        "report-passed": report(verdict="fail", reason="p99 above 1 s"),
    },
}
for name, found in SETS.items():
    BROKEN[name] |= {f"drift-{each.measure}": drifted(each.measure, name) for each in found.drifts}
CASES = [(data_set, rule) for data_set, rules in BROKEN.items() for rule in rules]


def failing(settings: Settings, name: str, rule: str | None = None) -> set[str]:
    """Return the rules of a data set that fail; only one rule is checked, where one is named."""
    from gopherwood.quality.check import check  # not by every process that collects tests: it takes seconds

    found: DataSet = SETS[name]
    if rule:
        rules = {table.name: tuple(each for each in table.rules if each.name == rule) for table in found.tables}
        tables = tuple(replace(table, rules=rules[table.name]) for table in found.tables if rules[table.name])
        drifts = tuple(each for each in found.drifts if rule == f"drift-{each.measure}")
        found = replace(found, tables=tables or (replace(found.tables[-1], rules=()),), drifts=drifts)
    with Catalog.open(settings) as catalog, catalog.snapshot() as snapshot:
        run = check(found, Cut(settings, catalog, snapshot, page=10 if rule else 2)).run
    return {result.rule for result in run.results if not result.ok}


def test_a_case_for_each_rule() -> None:
    """A rule without a case here has never been seen to fail."""
    assert {(name, rule.name) for name, found in SETS.items() for rule in found.rules} == set(CASES)


@pytest.mark.parametrize("name", sorted(SETS))
def test_sound_data_passes(platform: Settings, name: str) -> None:
    """Nothing fails where everything is as it should be, page after page of two rows."""
    assert failing(platform, name) == set()


@pytest.mark.parametrize(("name", "rule"), CASES, ids=[f"{name}-{rule}" for name, rule in CASES])
def test_broken_data_fails(platform: Settings, name: str, rule: str) -> None:
    """The rule notices."""
    BROKEN[name][rule](platform)
    if rule == "index-says-the-same":
        with Index() as index:
            sql(f"UPDATE index_reads SET name = 'index {index.url}'")(platform)
            assert rule in failing(replace(platform, index=index.url), name, rule)
        return
    assert rule in failing(platform, name, rule)
