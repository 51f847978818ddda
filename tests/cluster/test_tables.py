"""The image with pandas, on a real cluster: the DAGs `quality` and `usage`, and what serving shows of the first."""

import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cluster.platform import Platform
from fakes import accesslog
from gopherwood.accesslog import open_logs

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800), pytest.mark.xdist_group("cluster")]


def run_to_its_end(platform: Platform, dag: str) -> None:
    """Run a DAG; each of its tasks succeeds."""
    run = platform.trigger(dag, logical_date=datetime.now(UTC).isoformat())
    states = {task: state for (task, _), (state, _) in platform.ended(dag, run).items()}
    failed = [platform.log(dag, run, task) for task, state in states.items() if state != "success"]
    assert set(states.values()) == {"success"}, failed


def test_tables_are_made_and_checked_in_pods(platform: Platform, images: dict[str, str], tmp_path: Path) -> None:
    """`quality` ends green and serving shows its report; `usage` counts what the access log of the last hour says."""
    platform.unpause("quality", "usage")
    run_to_its_end(platform, "quality")
    # Only now, since quality knows that nobody can have had these bytes in the last hour.
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    lines = [accesslog.line(hour, module="example.com/first") for _ in range(3)]
    written = accesslog.write(tmp_path, *lines, begun=hour)
    open_logs(platform.settings).create(str(written.relative_to(tmp_path)), written)
    run_to_its_end(platform, "usage")
    with (
        platform.cluster.forwarded("gopherwood-serving") as address,
        urllib.request.urlopen(f"{address}/quality/", timeout=30) as answer,
    ):
        assert "<h1>Data quality" in answer.read().decode()
    with platform.catalog as catalog:
        assert [each.count for each in catalog.downloads("example.com/first", since=hour.date())] == [3]
    ran = {each["message"] for each in platform.cluster.get("events", "--field-selector=reason=Pulled")}
    assert any(images["data"] in message for message in ran)
