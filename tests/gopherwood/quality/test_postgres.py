"""`gopherwood quality` with the catalog in PostgreSQL: the same moment, the same pages, the same words as on SQLite."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes import postgres, sound
from fakes.valid import make_valid
from gopherwood import cli, publish
from gopherwood.catalog import Catalog
from gopherwood.config import Settings
from gopherwood.errors import EXIT_DONE, EXIT_INTEGRITY
from gopherwood.module import ModuleVersion
from gopherwood.quality import datasets

pytestmark = pytest.mark.xdist_group("quality")  # one process pays for the import of the library

BROKEN = (
    "UPDATE versions SET h1 = NULL WHERE path = 'example.com/low' AND version = 'v1.0.0'",
    "UPDATE versions SET published_at = published_at - 60000000 WHERE sequence = 3",
    "UPDATE versions SET failures = 8 WHERE version = 'v1.9.9'",
    "UPDATE versions SET state = 'rejected' WHERE version = 'v1.0.1'",
    "UPDATE index_reads SET bad = 2",
    "UPDATE evidence SET version_id = 99 WHERE version_id = 1",
)
"""One statement for each way in which a data set asks the database: rows, joins, windows, counts."""


@pytest.fixture
def cluster(tmp_path: Path) -> Settings:
    """Return a sound platform whose catalog is in PostgreSQL."""
    return sound.publish_all(tmp_path / "cluster", postgres.server().url())


def quality(settings: Settings, *flags: str) -> int:
    """Run the command, and return its exit code."""
    return cli.main(["--home", str(settings.home), "--catalog", settings.catalog_url, "quality", *flags])


def failing(settings: Settings) -> set[str]:
    """Return the rules that the last run of each data set found broken."""
    with Catalog.open(settings) as catalog:
        runs = [run for name in datasets.all_of_them() for run in catalog.quality_runs(name, limit=1)]
    assert {run.data_set for run in runs} == set(datasets.all_of_them())
    return {f"{run.data_set}/{result.rule}" for run in runs for result in run.results if not result.ok}


def test_everything_holds_and_is_reported(cluster: Settings) -> None:
    """Every data set is checked, kept, told of in the digest, and on the pages."""
    assert quality(cluster) == EXIT_DONE
    assert failing(cluster) == set()
    pages = json.loads((cluster.home / "reports/quality/summary.json").read_text())
    assert pages["data_sets"]["versions"]["rows"] == len(sound.VERSIONS)
    assert quality(cluster, "--verdict") == EXIT_DONE
    with Catalog.open(cluster) as catalog:
        assert [stored.event.kind for stored in catalog.events(kind="quality-digest")] == ["quality-digest"]


def test_what_is_broken_fails_as_on_sqlite(cluster: Settings, platform: Settings) -> None:
    """The same statements break the same rules of both, and each stop rule is an event."""
    for settings in (cluster, platform):
        with Catalog.open(settings) as catalog, catalog._transaction() as connection:
            assert all(connection.exec_driver_sql(statement).rowcount for statement in BROKEN)
        assert quality(settings) == EXIT_INTEGRITY
    assert failing(cluster) == failing(platform)
    wanted = {"h1-present", "published-in-order", "tries-counted", "requirement-servable", "all-readable"}
    assert wanted <= {name.partition("/")[2] for name in failing(cluster)}
    with Catalog.open(cluster) as catalog:
        told = {stored.event.subject for stored in catalog.events(kind="quality-failed")}
    assert {"versions/h1-present", "queue/tries-counted"} <= told <= failing(cluster)


def test_a_snapshot_is_of_one_moment(cluster: Settings) -> None:
    """What is published while the checks run is not seen by them, page after page."""
    with Catalog.open(cluster) as catalog, catalog.snapshot() as snapshot:
        pages: Iterator[object] = snapshot.published(2)
        first = next(pages)
        make_valid(cluster, [ModuleVersion("example.com/zz", "v1.0.0")])
        assert publish.run(cluster).published == 2  # what was queued, too
        rows = [row["path"] for page in (first, *pages) for row in page.rows]  # type: ignore[attr-defined]
        assert (len(rows), "example.com/zz" in rows) == (len(sound.VERSIONS), False)
        assert snapshot.extent()[0] == len(sound.VERSIONS)
