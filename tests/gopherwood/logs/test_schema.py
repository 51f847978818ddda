"""The log as programs read it: every line of real commands has one form, and says whose work it is."""

import ast
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from gopherwood import errors, output
from gopherwood_airflow import trace

pytestmark = pytest.mark.xdist_group("logs")
ROOT = Path(__file__).resolve().parents[3]
SCHEMA = json.loads((ROOT / "tasks/gopherwood/log.schema.json").read_text())


@pytest.fixture(scope="module")
def said(lines: list[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines]


def test_every_line_has_the_form_of_the_schema(said: list[dict[str, Any]]) -> None:
    """Whatever a command says, its errors and a crash among it, is one JSON object a line."""
    validator = jsonschema.Draft202012Validator(SCHEMA)
    assert [error.message for line in said for error in validator.iter_errors(line)] == []
    assert {line["level"] for line in said} == {"info", "warning", "error", "critical"}


def test_the_last_line_says_how_it_ended(said: list[dict[str, Any]]) -> None:
    """The verb, what became of it, how long it took; and of an error what it was and what to do."""
    ends = [(line["verb"], line["outcome"], line["exit_code"]) for line in said if "outcome" in line]
    assert ends == [
        ("discover", "done", 0),
        ("fetch", "done", 0),
        ("validate", "done", 0),
        ("publish", "done", 0),
        ("audit", "integrity", 3),
        ("status", "failed", 1),
        ("status", "usage", 2),
        ("status", "failed", 1),
    ]
    usage, crash = [line for line in said if "outcome" in line][-2:]
    assert "no-such-module" in usage["error"]
    assert usage["hint"].startswith("name a")
    assert "ZeroDivisionError" in crash["traceback"]


def test_a_version_is_named_by_two_fields(said: list[dict[str, Any]]) -> None:
    """So that a query groups by module."""
    assert {(line["module"], line["version"]) for line in said if "module" in line} >= {
        ("example.com/bad", "v1.0.0"),
        ("example.com/cut", "v1.0.0"),
    }


def test_tasks_of_a_run_share_a_trace(said: list[dict[str, Any]]) -> None:
    """DAG, run, task and try are in each line; one trace for the run, a span for each task, none for what is none."""
    run = "scheduled__2026-03-01T12:00:00+00:00"
    of_run = {(line["dag"], line["run"], line["task"], line["try"], line["trace"]) for line in said if "trace" in line}
    expected = trace.traceparent("ingest", run).split("-")[1]
    assert of_run == {("ingest", run, task, n, expected) for n, task in enumerate(("fetch", "validate", "publish"), 1)}
    assert len({line["span"] for line in said if "span" in line}) == 3
    assert not [line for line in said if line["verb"] == "audit" and "trace" in line]


@pytest.mark.parametrize("text", ["", "00-" + "0" * 32 + "-1111111111111111-01", f"00-{'a' * 31}-{'b' * 16}-01", "x"])
def test_a_malformed_trace_is_none(text: str) -> None:
    """W3C Trace Context: all zeros, or another length, is invalid, and is not passed on."""
    assert "trace" not in output.context("fetch", {"TRACEPARENT": text})


def test_every_exit_code_has_a_word() -> None:
    """The last line of a command calls each code of errors.py by a word that the schema has."""
    codes = {code for name, code in vars(errors).items() if name.startswith("EXIT_")}
    assert set(output.OUTCOMES) == codes
    assert set(output.OUTCOMES.values()) | {"stopped"} == set(SCHEMA["properties"]["outcome"]["enum"])


def test_no_line_overwrites_whose_work_it_is() -> None:
    """No call adds a field that the log itself sets."""
    mine = {"time", "level", "event", "source", "verb", "dag", "task", "run", "try", "map_index", "trace", "span"}
    taken = []
    for path in [*(ROOT / "tasks").rglob("*.py"), *(ROOT / "serving").rglob("*.py")]:
        text = path.read_text()
        for node in ast.walk(ast.parse(text)) if "extra={" in text else ():
            if isinstance(node, ast.keyword) and node.arg == "extra" and isinstance(node.value, ast.Dict):
                keys = {key.value for key in node.value.keys if isinstance(key, ast.Constant)}
                taken += [f"{path.name}: {key}" for key in keys & mine]
    assert taken == []
