"""The alerts: each fires when it should and not when all is well, says what to do, and reaches whom it should."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from gopherwood import cli
from monitoring.values import ENVIRONMENTS, ROOT, alerts, groups, merged

REQUESTS = 'gopherwood_serving_request_seconds_count{route="%s",outcome="%s",worker="1"}'
FAST_ENOUGH = 'gopherwood_serving_request_seconds_bucket{route="info",outcome="hit",worker="1",le="0.1"}'
FRESH = 'gopherwood_freshness_seconds_bucket{le="7200"}'
DAY = 86_400
DAG = 'gopherwood_dag_last_success_timestamp_seconds{dag_id="%s"}'


def errors(per_minute: float, of: int = 1000) -> dict[str, str]:
    return {REQUESTS % ("zip", "hit"): f"0+{of}x300", REQUESTS % ("zip", "error"): f"0+{per_minute}x300"}


def slow(per_minute: float) -> dict[str, str]:
    return {REQUESTS % ("info", "hit"): "0+1000x300", FAST_ENOUGH: f"0+{1000 - per_minute}x300"}


def late(per_minute: float) -> dict[str, str]:
    return {"gopherwood_freshness_seconds_count": "0+100x300", FRESH: f"0+{100 - per_minute}x300"}


ALL_IS_WELL = {
    **errors(0.5),
    **slow(1),
    **late(1),
    "gopherwood_scrub_mismatches_total": "7x300",  # found and healed last year
    "gopherwood_open_damages": "0x300",
    "gopherwood_scrub_oldest_timestamp_seconds": f"{-30 * DAY}x300",
    'gopherwood_events_total{kind="conflict"}': "3x300",
    'gopherwood_events_total{kind="integrity"}': "0x300",
    'gopherwood_events_total{kind="published"}': "0+50x300",
    "gopherwood_published_total": "100+50x300",
    "gopherwood_ledger_entries": "100+50x300",
    "gopherwood_ledger_signed_entries": "100+50x300",
    "gopherwood_queue_oldest_seconds": "3600x300",
    "gopherwood_index_read_until_timestamp_seconds": "0+60x300",
    "gopherwood_expired_leases_total": "5+0.1x300",
    DAG % "ingest": "0+60x300",
    DAG % "audit": f"{-20 * 3600}x300",
    'gopherwood_quality_broken_stops{data_set="versions"}': "0x300",
    'gopherwood_notices_oldest_seconds{sink="ops"}': "60x300",
    'gopherwood_notices_dropped_total{sink="ops"}': "4x300",
    "gopherwood_serving_access_log_lost_total": "9x300",
    "gopherwood_serving_sequence": "0+50x300",
    'gopherwood_exporter_up{source="catalog"}': "1x300",
}
FIRES = [
    ("GopherwoodErrorsBurnFast", errors(20), "90m"),
    ("GopherwoodErrorsBurnSlow", errors(3.5), "4h"),
    ("GopherwoodSlowBurnFast", slow(200), "90m"),
    ("GopherwoodSlowBurnSlow", slow(35), "4h"),
    ("GopherwoodLateBurnFast", late(40), "4h"),
    ("GopherwoodLateBurnSlow", late(8), "5h"),
    ("GopherwoodMismatch", {"gopherwood_scrub_mismatches_total": "7x60 8x300"}, "65m"),
    ("GopherwoodDamageOpen", {"gopherwood_open_damages": "1x300"}, "3h"),
    ("GopherwoodScrubOverdue", {"gopherwood_scrub_oldest_timestamp_seconds": f"{-41 * DAY}x300"}, "90m"),
    ("GopherwoodIntegrity", {'gopherwood_events_total{kind="conflict"}': "3x60 4x300"}, "65m"),
    ("GopherwoodIntegrity", {'gopherwood_events_total{kind="integrity"}': "0x60 1x300"}, "65m"),
    ("GopherwoodLedgerBehind", {"gopherwood_ledger_entries": "90+50x300"}, "90m"),
    ("GopherwoodLedgerUnsigned", {"gopherwood_ledger_signed_entries": "100x300"}, "90m"),
    ("GopherwoodQueueOld", {"gopherwood_queue_oldest_seconds": "15000x300"}, "90m"),
    ("GopherwoodQueueStuck", {"gopherwood_queue_oldest_seconds": "50000x300"}, "90m"),
    ("GopherwoodIndexBehind", {"gopherwood_index_read_until_timestamp_seconds": f"{-2 * 3600}x300"}, "90m"),
    ("GopherwoodWorkersDie", {"gopherwood_expired_leases_total": "0+1x300"}, "90m"),
    ("GopherwoodDagLate", {DAG % "ingest": f"{-3 * 3600}x300"}, "90m"),
    ("GopherwoodDagLate", {DAG % "audit": f"{-26 * 3600}x300"}, "90m"),
    ("GopherwoodQualityStop", {'gopherwood_quality_broken_stops{data_set="versions"}': "2x300"}, "90m"),
    ("GopherwoodNoticesLate", {'gopherwood_notices_oldest_seconds{sink="ops"}': "3600x300"}, "90m"),
    ("GopherwoodNoticesDropped", {'gopherwood_notices_dropped_total{sink="ops"}': "4x60 9x300"}, "65m"),
    ("GopherwoodAccessLogLost", {"gopherwood_serving_access_log_lost_total": "9x60 99x300"}, "65m"),
    ("GopherwoodServingDown", {"gopherwood_serving_sequence": "1x10"}, "90m"),
    ("GopherwoodExporterDown", {'gopherwood_exporter_up{source="catalog"}': "1x10"}, "90m"),
    ("GopherwoodSourceDown", {'gopherwood_exporter_up{source="catalog"}': "0x300"}, "90m"),
]


def run(*command: str | Path) -> str:
    """Run a tool; its complaint is the failure."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file of the rules as Prometheus reads them."""
    file = tmp_path_factory.mktemp("rules") / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": groups()}))
    return file


def _test(series: dict[str, str], at: str, expression: str, count: int) -> dict[str, Any]:
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {"expr": expression, "eval_time": at, "exp_samples": [{"labels": "{}", "value": count}] if count else []}
        ],
    }


def test_each_alert_fires_when_it_should_and_only_then(rules: Path) -> None:
    """By `promtool test rules`: with what is wrong for it, it fires; when all is well none does, at any time."""
    file = rules.with_name("tests.yaml")
    calm = [_test(ALL_IS_WELL, at, "ALERTS", 0) for at in ("30m", "90m", "5h")]
    fires = [
        _test(ALL_IS_WELL | series, at, f'count(ALERTS{{alertname="{name}",alertstate="firing"}})', 1)
        for name, series, at in FIRES
    ]
    file.write_text(yaml.safe_dump({"rule_files": [str(rules)], "evaluation_interval": "5m", "tests": calm + fires}))
    run("promtool", "test", "rules", file)
    assert {name for name, _, _ in FIRES} == {rule["alert"] for rule in alerts()}


def test_rules_are_ones_that_prometheus_takes(rules: Path) -> None:
    """By `promtool check rules`, the templates of annotations among them."""
    run("promtool", "check", "rules", "--lint=all", "--lint-fatal", rules)


def test_each_alert_has_its_page() -> None:
    """The runbook's section says what it means, three commands or more to begin with, and when to wake somebody."""
    page = (ROOT / "docs/runbooks.md").read_text()
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", page, re.DOTALL | re.MULTILINE))
    for rule in alerts():
        name = rule["alert"]
        assert rule["annotations"]["runbook_url"] == f"docs/runbooks.md#{name.lower()}"
        text = sections.get(name, "")
        assert "**Means**" in text, name
        assert "**Wake somebody**" in text, name
        commands = [
            line for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL) for line in block.splitlines()
        ]
        assert len([line for line in commands if line.startswith("$ ")]) >= 3, name
    assert set(sections) == {rule["alert"] for rule in alerts()}


def test_commands_of_the_runbooks_are_commands() -> None:
    """What somebody types at 03:00 is parsed by the real parser."""
    parser = cli.build_parser()
    for line in re.findall(r"^\$ gopherwood (.*)$", (ROOT / "docs/runbooks.md").read_text(), re.MULTILINE):
        parser.parse_args(line.replace("MODULE@VERSION", "example.com/m@v1.0.0").split())


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_routes_lead_to_whom_they_should(environment: str, tmp_path: Path) -> None:
    """By amtool: a page to those on call, a warning to the channel, nothing from where nobody is to be woken."""
    config = tmp_path / "alertmanager.yaml"
    config.write_text(yaml.safe_dump(merged(environment)["alertmanager"]["config"]))
    run("amtool", "check-config", config)
    for rule in alerts():
        labels = {"alertname": rule["alert"], **rule["labels"]}
        given = [f"{name}={text}" for name, text in labels.items()]
        found = run("amtool", "config", "routes", "test", f"--config.file={config}", *given).strip()
        assert found == ("nobody" if environment in ("dev", "ci") else rule["labels"]["severity"]), rule["alert"]


def test_every_alert_says_how_much_it_matters() -> None:
    """A severity that is routed, a summary of one line."""
    for rule in alerts():
        assert rule["labels"]["severity"] in ("page", "warn")
        assert "\n" not in rule["annotations"]["summary"]
