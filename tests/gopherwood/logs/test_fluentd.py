"""FluentD's rules on real lines: each becomes a record, tracebacks are one, and no secret gets through."""

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from fakes import fluentd
from gopherwood import output

pytestmark = pytest.mark.xdist_group("logs")
ROOT = Path(__file__).resolve().parents[3]
VALUES = ROOT / "helm-values"
SCHEMA = json.loads((ROOT / "tasks/gopherwood/log.schema.json").read_text())
ENVIRONMENTS = [each["name"] for each in json.loads((VALUES / "environments.json").read_text())]
SECRETS = {
    "postgresql+psycopg://gopherwood:hunter2hunter2@db:5432/x failed": "hunter2hunter2",
    "PRIVATE+KEY+gopherwood.box+a0a9dd9a+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZfUXvfUEVTZ5k0a": "AYEKFALVFGyNhPJEMzD1QIDr",
    "posting with xoxb-123456789012-abcdefABCDEF": "abcdefABCDEF",
    "https://hooks.slack.com/services/T000/B000/abcdefgh12345678": "abcdefgh12345678",
    "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG": "wJalrXUtnFEMI",
    "Authorization: Bearer abcdefgh.ijklmnop": "abcdefgh.ijklmnop",
    "Proxy-Authorization: Basic dXNlcjpwYXNz": "dXNlcjpwYXNz",
    "token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZG1pbiJ9.c2lnbmF0dXJl": "eyJzdWIiOiJhZG1pbiJ9",
    "{'password': 'correct-horse', 'user': 'x'}": "correct-horse",
    'login {"access_token": "abc-def-ghi"}': "abc-def-ghi",
    "s3://b/k?X-Amz-Signature=0123456789abcdef&x=1": "0123456789abcdef",
}


def merged(environment: str) -> fluentd.Section:
    """Return the configuration of an environment: the base's files, and those that it replaces."""
    files: dict[str, str] = {}
    for name in ("base", environment):
        files |= yaml.safe_load((VALUES / name / "logging.yaml").read_text()).get("fileConfigs", {})
    return fluentd.parse("".join(text for _, text in sorted(files.items())))


@pytest.fixture(scope="module")
def rules() -> fluentd.Section:
    return merged("production")


def records(rules: fluentd.Section, lines: list[str]) -> list[dict[str, Any]]:
    """Put lines through all rules, as the container runtime wrote them."""
    source = rules.by_id("pods").sections[0].regexp("expression")
    written = [f"2026-11-25T10:58:26.259123456+00:00 stderr F {line}" for line in lines]
    logs = [match["log"] for match in map(source.match, written) if match]
    assert logs == lines
    whole = fluentd.joined(rules.by_id("tracebacks"), logs)
    return [fluentd.read(rules.by_id("lines"), fluentd.masked(rules.by_id("masks"), line)) for line in whole]


def test_real_lines_become_records_of_the_schema(rules: fluentd.Section, lines: list[str]) -> None:
    """Nothing of them is lost or changed on the way."""
    found = records(rules, lines)
    assert found == [json.loads(line) for line in lines]
    jsonschema.validate(found, {"type": "array", "items": SCHEMA})


def test_what_python_says_when_it_dies_is_one_record(rules: fluentd.Section, lines: list[str]) -> None:
    """A traceback of many lines, between two lines of ours, is one event; those are what they were."""
    died = subprocess.run([sys.executable, "-c", "def f(): 1 / 0\nf()"], capture_output=True, text=True)
    traceback = died.stderr.splitlines()
    assert len(traceback) >= 4
    before, event, after = records(rules, [lines[0], *traceback, lines[1]])
    assert (before, after) == (json.loads(lines[0]), json.loads(lines[1]))
    assert event == {"event": "\n".join(traceback)}


@pytest.mark.parametrize("text", SECRETS)
def test_secrets_are_masked(rules: fluentd.Section, text: str) -> None:
    """In our own lines and in anybody else's; what is left of ours is still JSON, and says the rest."""
    record = logging.LogRecord("gopherwood.x", logging.ERROR, "", 0, "failed", (), None)
    record.detail = text
    line = output.JsonLines({"verb": "fetch"}).format(record)
    ours, theirs = records(rules, [line, text])
    assert SECRETS[text] not in json.dumps([ours, theirs])
    assert "xxxxx" in ours["detail"]
    assert (ours["event"], ours["verb"]) == ("failed", "fetch")


def test_what_is_no_secret_stays(rules: fluentd.Section, lines: list[str]) -> None:
    """Hashes, module paths, keys that are public."""
    kept = [
        "h1:abcdefabcdefabcdefabcdefabcdefabcdefabcdef= example.com/basic@v1.0.0",
        "gopherwood.box+a0a9dd9a+Afj4IdS/J+1YS5oqIUzes1StjJLWIP2n0vL5B+PTWU7Z",
        "https://example.com/a/b?c=d at 10.0.0.1:8080",
    ]
    assert [record["event"] for record in records(rules, kept)] == kept
    assert "hunter2" not in "".join(lines)  # our own programs say none in the first place


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_environment_has_whole_rules(environment: str) -> None:
    """Each label that something is sent to is there; what is kept for sending has bounds, and drops what is oldest."""
    rules = merged(environment)
    wanted = {each["@label"] for name in ("source", "match", "store") for each in rules.all(name)} - {""}
    assert wanted <= {each.argument for each in rules.all("label")}
    for buffer in rules.all("buffer"):
        assert (buffer["overflow_action"], buffer["total_limit_size"]) == ("drop_oldest_chunk", "512m")
        assert buffer["retry_timeout"]


def test_the_sidecar_has_the_same_rules(lines: list[str]) -> None:
    """It reads files, whose lines are whole, and goes on with the rules of the node's."""
    values = yaml.safe_load((VALUES / "base/logging-sidecar.yaml").read_text())
    source = fluentd.parse(values["fluent.conf"]).by_id("file")
    assert source["@label"] == "@POD"
    taken = [source.sections[0].regexp("expression").match(line) for line in lines]
    assert [match["log"] for match in taken if match] == lines
    assert values["container"]["restartPolicy"] == "Always"
