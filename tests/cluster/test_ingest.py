"""The pipeline on a real cluster, run by Airflow in a pod: from a module index to `go`, through kills and a drain."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chart.render import CHARTS
from cluster.asking import Load
from cluster.outside import waiting
from cluster.platform import Platform, kill
from gopherwood.module import ModuleVersion
from gopherwood.states import State
from gopherwood.store import key

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800), pytest.mark.xdist_group("cluster")]
VANISHING = {"fetch", "validate", "read"}
"""Tasks of `ingest` whose nodes may vanish."""


def upstream_has(platform: Platform, name: str, count: int) -> list[ModuleVersion]:
    """Let the upstream have some versions of a module."""
    return [platform.outside.add(f"example.com/{name}", f"v1.{number}.0") for number in range(count)]


def there(platform: Platform, mv: ModuleVersion, suffix: str) -> bool:
    """Say whether a file of a version is in the store."""
    return platform.store.size(key(mv, suffix)) is not None


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


def test_a_pod_killed_in_each_stage_loses_and_repeats_nothing(platform: Platform) -> None:
    """SIGKILL while fetching, validating and publishing: the next tries end as if nothing had been."""
    mvs = upstream_has(platform, "killed", 6)
    first, last = mvs[0], mvs[-1]
    outside = platform.outside
    with platform.catalog as catalog:
        before = catalog.ledger_entries(0, 1_000)
    run = platform.trigger("ingest", conf={"modules": [str(mv) for mv in mvs], "max_workers": 1})
    with outside.held(outside.upstream.key(last.path, last.version, ".zip")) as gate:
        assert gate.arrived.wait(240)
        kill(platform.pod("fetch"))
    looked_up = f"sumdb/{outside.log.name}/lookup/{first}"
    with outside.held(looked_up) as gate:
        assert gate.arrived.wait(240)
        assert not there(platform, first, ".zip")
        with outside.table_held(platform.settings.catalog, "ledger") as connection:
            kill(platform.pod("validate"))
            gate.open.set()
            # Zip and .mod are in the bucket, and nobody sees them: the entry in the ledger is still to come.
            platform.wait(lambda: waiting(connection, "ledger"), 240)
            assert there(platform, first, ".zip")
            assert not there(platform, first, ".info")
            kill(platform.pod("publish"))
    tasks = platform.ended("ingest", run, 480)
    for name, index in (("fetch", 0), ("validate", -1), ("publish", -1)):
        assert tasks[name, index] == ("success", 2)
        assert "killed by SIGKILL (exit code 137)" in platform.log("ingest", run, name, index=index)
    published(platform, mvs)
    with platform.catalog as catalog:
        after = catalog.ledger_entries(0, 1_000)
    assert after[: len(before)] == before
    assert len(after) == len(before) + len(mvs)


def test_a_drained_node_takes_nothing_with_it(platform: Platform) -> None:
    """Its fetch pod and its serving pod go on elsewhere, and serving answers every request meanwhile."""
    chart = ("gopherwood-serving", CHARTS["serving"])
    platform.helm(
        "upgrade", *chart, "--reuse-values", "--set", "nodePool=pvm-pool", "--wait"
    )  # two nodes, a pod on each
    mvs = upstream_has(platform, "drained", 2)
    outside = platform.outside
    with outside.held(outside.upstream.key(mvs[0].path, mvs[0].version, ".zip")) as gate:
        run = platform.trigger("ingest", conf={"modules": [str(mv) for mv in mvs], "max_workers": 1})
        assert gate.arrived.wait(240)
        node = platform.pod("fetch")["spec"]["nodeName"]
        asking = Load(platform.cluster, "load-drain", ["/example.com/first/@v/list"])
        moved = {name for name, on in platform.serving().items() if on == node}
        platform.kubectl("drain", node, "--delete-emptydir-data", "--force", "--timeout=180s")
    try:
        tasks = platform.ended("ingest", run, 480)
    finally:
        platform.kubectl("uncordon", node)
    assert tasks["fetch", 0] == ("success", 2)
    published(platform, mvs)
    assert asking.report()["failures"] == {}
    assert moved
    assert not moved & platform.serving().keys()
