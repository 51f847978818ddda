"""The exporter of the tasks' chart: off unless asked for, locked in as task pods are, and reached by scrapers alone."""

import json
from pathlib import Path
from typing import Any

import kubernetes_validate

from chart.render import lock_for_golden, template
from gopherwood import cli

AIRFLOW = "exporter.airflow.url=http://airflow-api-server.airflow:8080"


def rendered(folder: Path, *more: str) -> dict[str, Any]:
    """Render the chart with an exporter; return its objects by kind."""
    values = ",".join(("exporter.enabled=true", "exporter.serviceMonitor.enabled=true", *more))
    objects = template("tasks", lock_for_golden(folder), more=("--set", values))
    return {each["kind"]: each for each in objects if each["metadata"]["name"] == "gopherwood-exporter"}


def test_the_exporter_is_one_and_locked_in(tmp_path: Path) -> None:
    """No token, no root; its command is one that the program takes, at the port that is probed and served."""
    objects = rendered(tmp_path)
    for each in objects.values():
        if each["kind"] != "ServiceMonitor":
            kubernetes_validate.validate(each, "1.34", strict=True)
    deployment = objects["Deployment"]["spec"]
    pod = deployment["template"]["spec"]
    (container,) = pod["containers"]
    assert (deployment["replicas"], pod["automountServiceAccountToken"]) == (1, False)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    listen = cli.build_parser().parse_args(container["command"][1:]).listen
    assert listen == f"0.0.0.0:{container['ports'][0]['containerPort']}"
    assert objects["Service"]["spec"]["selector"].items() <= deployment["template"]["metadata"]["labels"].items()
    monitored = objects["ServiceMonitor"]["spec"]
    assert monitored["selector"]["matchLabels"].items() <= objects["Service"]["metadata"]["labels"].items()
    assert monitored["endpoints"][0]["port"] == objects["Service"]["spec"]["ports"][0]["name"]


def test_the_way_to_airflow_is_open_only_where_it_is_asked(tmp_path: Path) -> None:
    """Without a URL neither variable nor secret nor way; the password is in no manifest."""
    without, given = rendered(tmp_path), rendered(tmp_path, AIRFLOW)
    assert "AIRFLOW" not in json.dumps(without)
    assert without["NetworkPolicy"]["spec"]["egress"] == []
    assert given["NetworkPolicy"]["spec"]["egress"] == [{"ports": [{"protocol": "TCP", "port": 8080}]}]
    (container,) = given["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert {"secretRef": {"name": "gopherwood-exporter"}} in container["envFrom"]
    assert "PASSWORD" not in json.dumps(given)
