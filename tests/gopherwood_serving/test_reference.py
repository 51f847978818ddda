"""docs/serving.md is complete: every setting, metric, route and outcome is in it."""

import re
from dataclasses import fields
from pathlib import Path

from fakes.site import Site
from gopherwood.config import Settings
from gopherwood_serving.metrics import OUTCOMES, ROUTES

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "serving.md").read_text()


def test_every_setting_is_explained() -> None:
    """Each GOPHERWOOD_SERVING_ variable has its row, with its default."""
    specs = [spec for spec in fields(Settings) if spec.name.startswith("serving_")]
    rows = dict(re.findall(r"^\| `GOPHERWOOD_(SERVING_\w+)`[^|]*\| (\S+) \|", TEXT, re.MULTILINE))
    assert {spec.name.upper(): str(spec.default).removesuffix(".0") for spec in specs} == rows


def test_every_metric_is_explained(site: Site) -> None:
    """Each name that a scrape shows is in the table, whole or without its prefix."""
    names = set(re.findall(r"^# TYPE gopherwood_serving(_\S+)", site.get("/metrics").text, re.MULTILINE))
    assert names
    assert {name for name in names if f"{name}`" not in TEXT} == set()


def test_every_label_is_explained() -> None:
    """Each class of request and each outcome is named."""
    assert [label for label in (*ROUTES, *OUTCOMES) if not re.search(rf"\b{label}\b", TEXT)] == []
