"""Experiments are files: those that come along are sound by our schema and by Chaos Toolkit, others are refused."""

import json
from pathlib import Path

import jsonschema
import pytest
from chaoslib.experiment import ensure_experiment_is_valid

from gopherwood.chaos import experiment as experiments
from gopherwood.errors import UsageError
from gopherwood.form import contradiction

SCHEMA = json.loads(experiments.SCHEMA.read_text())
SHIPPED = sorted(experiments.shipped())


def said(name: str = "serving-killed") -> dict:
    return json.loads(experiments.shipped()[name].read_text())


@pytest.mark.parametrize("name", SHIPPED)
def test_each_that_comes_along_is_one(name):
    """It is read, its steps can be made, and JSON Schema and `chaos validate` take it too."""
    found = experiments.find(name)
    assert found.name == name
    assert found.probes
    assert found.target in ("processes", "pods", "rehearsal")
    jsonschema.validate(said(name), SCHEMA)
    ensure_experiment_is_valid(said(name))


def test_all_that_was_promised_comes_along():
    """Serving, tasks in each of their instants, Airflow, the database, a node, the upstream, the disk, the clock."""
    named = {"serving-killed", "serving-pod-evicted", "serving-pod-deleted", "download-killed", "publish-killed"}
    named |= {"ledger-killed", "worker-killed", "scheduler-killed", "catalog-locked", "database-pod-deleted"}
    named |= {"node-drained", "disk-full", "clock-ahead", "task-pod-deleted"}
    named |= {f"upstream-{fault}" for fault in ("slow", "reset", "truncated", "down", "lying")}
    assert named <= set(SHIPPED)


def broken(**changes) -> dict:
    return said() | changes


PROVIDER = {"type": "python", "module": "gopherwood.chaos.actions.processes", "func": "kill", "arguments": {}}
WRONG = {
    "no title": ({name: each for name, each in said().items() if name != "title"}, "has no title"),
    "a word of somebody else's": (broken(controls=[]), "controls, which nobody knows"),
    "no probe": (broken(**{"steady-state-hypothesis": {"title": "x", "probes": []}}), "has 0 items"),
    "another module": (
        broken(method=[{"type": "action", "name": "x", "provider": PROVIDER | {"module": "os", "func": "abort"}}]),
        "module is 'os'",
    ),
    "a rollback": (broken(rollbacks=[{}]), "rollbacks has 1 items"),
    "no such target": (
        broken(extensions=[{"name": "gopherwood", "target": "moon", "guard": {}, "tolerate": {}}]),
        "target is 'moon'",
    ),
}
UNMADE = {
    "no such action": ({"func": "explode"}, "there is no explode"),
    "an imported name": ({"func": "dataclass"}, "there is no dataclass"),
    "other arguments": ({"arguments": {"whom": "x"}}, "kill: "),
    "a wrong argument": ({"arguments": {"role": "serving", "how": "HUG"}}, "KILL or TERM"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_none_is_refused(tmp_path: Path, name):
    """A file of another form is an error that says where, and JSON Schema agrees."""
    value, says = WRONG[name]
    file = tmp_path / "x.json"
    file.write_text(json.dumps(value))
    with pytest.raises(UsageError, match=says):
        experiments.read(file)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(value, SCHEMA)


@pytest.mark.parametrize("name", UNMADE)
def test_steps_that_cannot_be_made_are_refused(tmp_path: Path, name):
    """A function that there is not, or that takes other arguments, is found before anything begins."""
    change, says = UNMADE[name]
    file = tmp_path / "x.json"
    file.write_text(json.dumps(broken(method=[{"type": "action", "name": "x", "provider": PROVIDER | change}])))
    with pytest.raises((UsageError, TypeError), match=says):
        experiments.read(file)


def test_no_experiment_of_that_name():
    with pytest.raises(UsageError, match="no experiment is called 'x'"):
        experiments.find("x")


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        (True, {"type": "integer"}),
        (1, {"const": True}),
        ([1, "x"], {"type": "array", "items": {"type": "integer"}}),
        ("", {"type": "string", "minLength": 1}),
        (3, {"enum": [1, 2]}),
        ({"a": 1}, {"type": "object", "additionalProperties": {"type": "string"}}),
        ({"a": 0.5}, {"type": "object", "properties": {"a": {"type": "number", "minimum": 1}}}),
    ],
)
def test_our_few_words_of_json_schema_mean_what_they_mean(value, schema):
    """What JSON Schema refuses we refuse."""
    assert contradiction(value, schema, "it")
    assert not jsonschema.Draft202012Validator(schema).is_valid(value)
