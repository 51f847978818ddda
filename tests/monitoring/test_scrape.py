"""What panels, rules and alerts ask is there: in a real Prometheus that scrapes the real programs, in use."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import gopherwood_dashboards
from fakes import sound
from fakes.airflowapi import AirflowApi
from fakes.exporter import Exporter
from fakes.prometheus import Prometheus
from fakes.site import Site
from gopherwood import cli
from gopherwood.catalog import Event, QualityRun, RuleResult, utc_now
from gopherwood.config import Settings
from gopherwood_dashboards import boards
from monitoring.values import VALUES, alerts, groups, metrics_of

OF_OTHERS = {
    # kube-state-metrics: docs/metrics/workload/pod-metrics.md and docs/metrics/cluster/node-metrics.md
    "kube_pod_status_phase",
    "kube_pod_container_status_restarts_total",
    "kube_pod_container_status_last_terminated_reason",
    "kube_pod_container_resource_limits",
    "kube_node_labels",
    "kube_node_status_condition",
    # cAdvisor, in the kubelet: docs/storage/prometheus.md
    "container_memory_working_set_bytes",
    "container_cpu_usage_seconds_total",
    "container_cpu_cfs_throttled_periods_total",
    "container_cpu_cfs_periods_total",
    # node_exporter, the collector `filesystem`
    "node_filesystem_avail_bytes",
    "node_filesystem_size_bytes",
    # Airflow: Metrics, by way of the chart's statsd-exporter, which writes dots as underscores
    "airflow_executor_running_tasks",
    "airflow_executor_queued_tasks",
    "airflow_scheduler_heartbeat",
    "airflow_dag_processing_import_errors",
}
"""Metrics of programs that are not at hand, as their documentation names them."""

BOARDS = {path.stem: json.loads(path.read_text()) for path in sorted((VALUES / "base/dashboards").glob("*.json"))}
PANELS = [
    (f"{name}: {panel['title']}", panel)
    for name, board in BOARDS.items()
    for panel in board["panels"]
    if panel["type"] != "row"
]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return the settings of a platform that has done a little of everything."""
    home = tmp_path_factory.mktemp("scrape") / "home"
    cli.main(["ledger", "key", "--home", str(home), "--log", "text"])
    settings = sound.publish_all(home)
    cli.main(["audit", "--scrub", "--all", "--home", str(home), "--log", "text"])
    return settings


@pytest.fixture(scope="module")
def prometheus(platform: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Return a Prometheus that has scraped them for a while, under a little traffic."""
    ended = {"success": (utc_now() - timedelta(hours=1)).isoformat(), "failed": utc_now().isoformat()}
    site = Site.new(platform.home)
    site.catalog.take_sink("ops", "me", 60)
    site.catalog.emit(Event("conflict", "example.com/low@v1.0.0"))
    site.catalog.record_quality(QualityRun(data_set="versions", at=utc_now(), results=[RuleResult("r", "stop", True)]))
    with ExitStack() as stack:
        api = stack.enter_context(AirflowApi(ends=dict.fromkeys(("ingest", "audit"), ended)))
        stack.callback(site.stop)
        site.start()
        who = {"GOPHERWOOD_AIRFLOW_USER": "admin", "GOPHERWOOD_AIRFLOW_PASSWORD": "secret"}
        exporter = stack.enter_context(Exporter(platform, GOPHERWOOD_AIRFLOW_URL=api.url, **who))
        jobs = {"gopherwood-serving": f"127.0.0.1:{site.port}", "gopherwood-exporter": exporter.url[7:]}
        scraper = stack.enter_context(Prometheus(tmp_path_factory.mktemp("prometheus"), jobs, groups()))
        asked = iter(range(1_000_000))

        def enough() -> bool:
            site.get("/example.com/low/@v/v1.0.0.info")
            site.get("/example.com/low/@v/list")
            site.get(f"/example.com/low/@v/v9.9.{next(asked)}.zip")
            return bool(scraper.query("gopherwood:serving_slow:ratio_rate5m")) and next(asked) > 20

        scraper.wait(enough)
        exporter_grew = "count_over_time(gopherwood_published_total[1m]) > 3"
        scraper.wait(lambda: bool(scraper.query(exporter_grew)))
        yield scraper


@pytest.fixture(scope="module")
def names(prometheus: Prometheus) -> set[str]:
    return prometheus.names()


def asks(panel: dict[str, Any]) -> list[str]:
    return [target["expr"].replace("$__rate_interval", "1m") for target in panel["targets"]]


def test_every_metric_that_somebody_asks_for_is_there(names: set[str]) -> None:
    """Of panels, recording rules and alerts: scraped from our own programs, or documented by others."""
    rules = [rule["expr"] for group in groups() for rule in group["rules"]]
    wanted = {name for expr in rules for name in metrics_of(expr)}
    wanted |= {name for _, panel in PANELS for expr in asks(panel) for name in metrics_of(expr)}
    assert sorted(wanted - names - OF_OTHERS) == []
    assert sorted(OF_OTHERS - wanted) == []


def test_every_panel_gets_an_answer(prometheus: Prometheus) -> None:
    """Each expression parses; those about our own programs have data."""
    empty = []
    for title, panel in PANELS:
        for expr in asks(panel):
            found = prometheus.query(expr)
            if not found and not metrics_of(expr) & OF_OTHERS:
                empty.append(f"{title}: {expr}")
    assert empty == []


def test_nothing_is_alarming_about_a_sound_platform(prometheus: Prometheus) -> None:
    """The alerts that are pending or firing are those that the platform of the test gives reason for."""
    told = {sample["metric"]["alertname"] for sample in prometheus.query("ALERTS")}
    assert told <= {"GopherwoodIntegrity"}
    for rule in alerts():
        prometheus.query(rule["expr"])


def test_names_and_units_are_as_prometheus_asks(prometheus: Prometheus) -> None:
    """By promtool's linter, of what the programs say."""
    targets = {sample["metric"]["instance"] for sample in prometheus.query('up{job=~"gopherwood.*"} == 1')}
    assert len(targets) == 2
    for target in sorted(targets):
        done = subprocess.run(["curl", "-sf", f"http://{target}/metrics"], capture_output=True, check=True)
        said = subprocess.run(["promtool", "check", "metrics"], input=done.stdout, capture_output=True)
        assert said.stderr.decode() == ""


def covered(at: dict[str, int]) -> list[tuple[int, int]]:
    """Return the cells of the grid that a panel covers."""
    return [(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])]


def test_dashboards_are_ones_that_people_can_use() -> None:
    """Each has an id of its own that lasts; each panel has a unit, a legend, and a place that no other has."""
    assert len({board["uid"] for board in BOARDS.values()}) == len(BOARDS) == 5
    assert all(board["uid"] == name and len(name) <= 40 for name, board in BOARDS.items())
    for title, panel in PANELS:
        assert panel["fieldConfig"]["defaults"]["unit"], title
        assert all(target["legendFormat"] for target in panel["targets"]), title
    for board in BOARDS.values():
        cells = [cell for panel in board["panels"] for cell in covered(panel["gridPos"])]
        assert len(cells) == len(set(cells))
        assert max(x for x, _ in cells) < 24


def test_dashboards_are_as_generated() -> None:
    """Nobody edits the JSON: `make dashboards` writes it."""
    for board in boards.BOARDS:
        file: Path = VALUES / "base/dashboards" / f"{board.uid}.json"
        assert file.read_text() == gopherwood_dashboards.render(board), "look at it, then: make dashboards"
