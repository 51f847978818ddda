"""The pipeline on a real cluster, run by Airflow in a pod: from a module index to `go`."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cluster.platform import Platform
from gopherwood.module import ModuleVersion
from gopherwood.states import State
from gopherwood.store import key

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800), pytest.mark.xdist_group("cluster")]
VANISHING = {"fetch", "validate"}
"""Tasks of `ingest` whose nodes may vanish."""


def upstream_has(platform: Platform, name: str, count: int) -> list[ModuleVersion]:
    """Let the upstream have some versions of a module."""
    return [platform.outside.add(f"example.com/{name}", f"v1.{number}.0") for number in range(count)]


def published(platform: Platform, mvs: list[ModuleVersion]) -> None:
    """See that versions are published, each once, as the upstream has them."""
    with platform.catalog as catalog:
        entries = catalog.ledger_known(mvs)
        states = {row.state for row in catalog.rows_of(mvs).values()}
        logged = [each.mv for each in catalog.ledger_entries(0, 1_000)]
    assert states == {State.PUBLISHED}
    assert set(entries) == set(mvs)
    assert len(logged) == len(set(logged))
    for mv in mvs:
        for suffix in (".zip", ".mod"):
            theirs = platform.outside.upstream.files[platform.outside.upstream.key(mv.path, mv.version, suffix)]
            assert platform.store.read(key(mv, suffix)) == theirs


def test_from_the_index_to_go(platform: Platform, tmp_path: Path) -> None:
    """`discover` reads the hour's index, its asset starts `ingest`, pods run on their pools, `go` has the module."""
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    mvs = upstream_has(platform, "indexed", 3)
    for mv in mvs:
        platform.outside.index.add(mv.path, mv.version, f"{hour - timedelta(minutes=30):%Y-%m-%dT%H:%M:%SZ}")
    before = {run["dag_run_id"] for run in platform.runs("ingest")}
    platform.unpause("discover")
    found = platform.trigger("discover", logical_date=datetime.now(UTC).isoformat())
    tasks = platform.ended("discover", found)
    assert tasks["index", -1] == ("success", 1), platform.log("discover", found, "index")
    assert platform.outside.index.pages

    def by_asset() -> list[str]:
        new = [run for run in platform.runs("ingest") if run["dag_run_id"] not in before]
        return [str(run["dag_run_id"]) for run in new if run["run_type"] == "asset_triggered"]

    for run in platform.wait(by_asset, 240):
        platform.ended("ingest", run)
    ends = {run: platform.ended("ingest", run) for run in by_asset()}  # `requests` may have found something, too
    for task in (("plan", -1), ("fetch", 0), ("validate", -1), ("publish", -1)):
        done = [run for run, tasks in ends.items() if tasks.get(task, ("", 0))[0] == "success"]
        assert done, task
        # What a task's state alone does not prove: that the triggerer saw the pod's end, and what it was.
        for run in done:
            says = platform.log("ingest", run, task[0], ends[run][task][1], task[1])
            assert "the trigger says: success" in says
    published(platform, mvs)
    landed = dict(platform.landed())
    assert landed.keys() >= {"index", "plan", "fetch", "validate", "publish"}
    for task, pool in landed.items():
        assert pool == ("pvm-pool" if task in VANISHING else "default-pool"), task
    got = json.loads(platform.go(tmp_path, "mod", "download", "-json", f"{mvs[-1].path}@latest"))
    assert got["Version"] == mvs[-1].version
    assert got["Sum"] == platform.outside.sums[mvs[-1]][0]
