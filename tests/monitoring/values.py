"""The values of helm-values/*/monitoring.yaml as helm lays them over each other, and what is in them."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
VALUES = ROOT / "helm-values"
ENVIRONMENTS = [each["name"] for each in json.loads((VALUES / "environments.json").read_text())]


@cache
def merged(environment: str) -> dict[str, Any]:
    """Return the values of an environment."""
    below, above = (yaml.safe_load((VALUES / name / "monitoring.yaml").read_text()) for name in ("base", environment))
    return _over(below, above)


def groups() -> list[dict[str, Any]]:
    """Return the groups of rules."""
    found: list[dict[str, Any]] = merged("production")["additionalPrometheusRulesMap"]["gopherwood"]["groups"]
    return found


def alerts() -> list[dict[str, Any]]:
    """Return the alerting rules."""
    return [rule for group in groups() for rule in group["rules"] if "alert" in rule]


def metrics_of(expression: str) -> set[str]:
    """Return the names of metrics in an expression: of ours, and of what records them."""
    bare = re.sub(r'"[^"]*"', '""', expression)
    return set(re.findall(r"\b(?:gopherwood|process|airflow|kube|container|node)[_:][a-zA-Z0-9_:]*", bare))


def _over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    both = {key: _over(below[key], above[key]) for key in below.keys() & above.keys() if isinstance(above[key], dict)}
    return below | above | both
