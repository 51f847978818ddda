"""The notifier of the tasks' chart: off unless asked for, one of it, locked in as task pods are, no secret rendered."""

import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from chart.render import HelmError, lock_for_golden, template
from gopherwood import cli

ROUTES = '[sinks.ops]\nkind = "slack"\ntoken = "env:SLACK_TOKEN"\nchannel = "#ops"\n'


def rendered(folder: Path, routes: str = ROUTES, more: tuple[str, ...] = ()) -> dict[str, Any]:
    """Render the chart with a notifier; return its objects by kind."""
    (folder / "routes.toml").write_text(routes)
    more = ("--set", "notify.enabled=true", "--set-file", f"notify.routes={folder}/routes.toml", *more)
    objects = template("tasks", lock_for_golden(folder), more=more)
    return {each["kind"]: each for each in objects if each["metadata"]["name"].startswith("gopherwood-notify")}


def test_the_notifier_is_one_and_locked_in(tmp_path: Path) -> None:
    """One pod that no other overlaps, no token, no root; its command is one that the program takes; it may go out."""
    objects = rendered(tmp_path)
    for each in objects.values():
        kubernetes_validate.validate(each, "1.34", strict=True)
    deployment = objects["Deployment"]["spec"]
    pod = deployment["template"]["spec"]
    (container,) = pod["containers"]
    assert (deployment["replicas"], deployment["strategy"]["type"]) == (1, "Recreate")
    assert (pod["automountServiceAccountToken"], pod["securityContext"]["runAsNonRoot"]) == (False, True)
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert cli.build_parser().parse_args(container["command"][1:]).follow is True
    assert tomllib.loads(objects["ConfigMap"]["data"]["notices.toml"])["sinks"]["ops"]["token"] == "env:SLACK_TOKEN"
    assert {"secretRef": {"name": "gopherwood-notify"}} in container["envFrom"]


def test_a_notifier_that_tells_of_runs_reaches_airflow(tmp_path: Path) -> None:
    """It is told where Airflow is, and may go to the port of its pods, which other task pods may not."""
    objects = rendered(tmp_path, more=("--set", "notify.airflow.url=http://airflow-api-server:8080"))
    (container,) = objects["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert {"name": "GOPHERWOOD_AIRFLOW_URL", "value": "http://airflow-api-server:8080"} in container["env"]
    policy = objects["NetworkPolicy"]
    kubernetes_validate.validate(policy, "1.34", strict=True)
    assert policy["spec"]["egress"] == [{"ports": [{"protocol": "TCP", "port": 8080}]}]
    assert policy["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "notify"


def test_a_notifier_without_routes_is_refused(tmp_path: Path) -> None:
    """It would tell nobody of anything, and start again and again."""
    with pytest.raises(HelmError, match=r"notify\.routes is empty"):
        rendered(tmp_path, "")
