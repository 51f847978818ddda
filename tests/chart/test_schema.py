"""Values: what cannot be meant is refused before anything is installed, with words that say what to do."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from chart.render import CHARTS, DIGEST, HelmError, lock_for_golden, template
from gopherwood.config import Settings


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    """Return a lock that every image is in."""
    return lock_for_golden(tmp_path)


def schema(chart: str) -> Any:
    """Return a chart's schema."""
    return json.loads((CHARTS[chart] / "values.schema.json").read_text())


def open_objects(node: Any, where: str = "") -> list[str]:
    """List the objects of a schema that would take any key."""
    found = []
    if isinstance(node, dict):
        if (
            node.get("type") == "object"
            and node.get("additionalProperties", True) is True
            and "maxProperties" not in node
        ):
            found.append(where)
        for key, value in node.items():
            found += open_objects(value, f"{where}/{key}")
    return found


@pytest.mark.parametrize("chart", CHARTS)
def test_schema_is_closed(chart: str) -> None:
    """No object takes a key that it does not name; maps of texts take texts."""
    assert open_objects(schema(chart)) == []


def test_every_setting_of_tasks_can_be_given() -> None:
    """Each field of config.py is in the tasks' schema, but what is secret, of serving, or of one machine alone."""
    ours = {spec.name for spec in fields(Settings) if not spec.name.startswith(("serving_", "airflow_"))}
    assert set(schema("tasks")["properties"]["settings"]["properties"]) == ours - {"catalog", "ledger_key"}


@pytest.mark.parametrize(
    ("chart", "key"), [(chart, key) for chart in CHARTS for key in schema(chart)["properties"] if key != "global"]
)
def test_a_typo_is_refused(chart: str, key: str, lock: Path) -> None:
    """One letter too many in any top-level key, and helm names it."""
    with pytest.raises(HelmError, match=f"'{key}x' not allowed"):
        template(chart, lock, more=("--set", f"{key}x=1"))


@pytest.mark.parametrize(
    ("chart", "key", "says"),
    [
        ("serving", "proxy.enable=true", "'enable' not allowed"),
        ("serving", "store.volume.sise=1Gi", "'sise' not allowed"),
        ("serving", "settings.serving_grase=1", "'serving_grase' not allowed"),
        ("serving", "resources.limits.cpus=1", "'cpus' not allowed"),
        ("serving", "replicas=0", "replicas"),
        ("serving", "store.url=http://bucket", "store"),
        ("serving", "store.volume.size=10GB", "size"),
        ("serving", "images.serving.digest=sha256:abc", "digest"),
        ("serving", "existingSecret=", "existingSecret"),
        ("tasks", "networkPolicy.database.prot=1", "'prot' not allowed"),
        ("tasks", "settings.catalog=x", "'catalog' not allowed"),
        ("tasks", "airflow.serviceAccounts=null", "serviceAccounts"),
    ],
)
def test_nonsense_is_refused(chart: str, key: str, says: str, lock: Path) -> None:
    """A nested typo, a number or a form that cannot be; a secret setting where it would be readable."""
    with pytest.raises(HelmError, match=says):
        template(chart, lock, more=("--set", key))


@pytest.mark.parametrize("chart", CHARTS)
def test_a_tag_alone_is_refused(chart: str) -> None:
    """Without a digest nothing is installed, unless somebody says that tags will do."""
    names = {"serving": ("serving", "proxy"), "tasks": ("tasks",)}[chart]
    tag = ("--set", ",".join(f"images.{name}.tag=v1" for name in names))
    with pytest.raises(HelmError, match=r"has no digest: give the environment's release\.lock"):
        template(chart, more=tag)
    assert template(chart, more=(*tag, "--set", "allowTags=true"))


@pytest.mark.parametrize("chart", CHARTS)
def test_a_lock_of_another_chart_is_refused(chart: str, lock: Path) -> None:
    """The chart of a release and its images go together."""
    with pytest.raises(HelmError, match=r"release\.lock is of version 9\.9\.9 of this chart"):
        template(chart, lock, more=("--set", f"release.charts.{chart}=9.9.9"))


def test_long_names_are_cut(lock: Path) -> None:
    """Whatever a release is called, names stay within a DNS label."""
    rendered = template("serving", lock, release="x" * 53)
    assert max(len(each["metadata"]["name"]) for each in rendered) <= 63
    assert DIGEST in str(rendered)


def test_optional_parts_are_rendered(lock: Path) -> None:
    """Ingress and ServiceMonitor are there when asked for, and the app alone when the proxy is not."""
    more = (
        "--set",
        "ingress.enabled=true,ingress.host=modules.example,serviceMonitor.enabled=true,proxy.enabled=false",
    )
    rendered = template("serving", lock, more=more)
    kinds = {each["kind"] for each in rendered}
    assert {"Ingress", "ServiceMonitor"} <= kinds
    deployment = next(each for each in rendered if each["kind"] == "Deployment")
    service = next(each for each in rendered if each["kind"] == "Service")
    assert [each["name"] for each in deployment["spec"]["template"]["spec"]["containers"]] == ["serving"]
    assert service["spec"]["ports"][0]["targetPort"] == "app"


def test_changed_settings_replace_the_pods(lock: Path) -> None:
    """A setting, the proxy's configuration or a new revision of the secret changes the pods' template."""
    seen = {
        json.dumps(next(e for e in template("serving", lock, more=("--set", more)) if e["kind"] == "Deployment"))
        for more in ("replicas=2", "settings.sumdb=off", "proxy.workers=3", "secretRevision=b")
    }
    assert len(seen) == 4
