"""What a task of ours is, wherever it runs: a command line, made from arguments, parameters and a condition.

Exit codes are the whole contract between a command and Airflow: 0 done, 99 nothing to do (skipped), 2 bad usage or
configuration and 3 integrity (failed at once: no retry cures them), anything else failed and tried again.
"""

import json
import logging
from typing import Any

from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

PROGRAM = ("gopherwood",)
SKIPPED = 99
NO_RETRY = {
    2: "bad usage or configuration",
    3: "integrity: stop, and look before anything runs again",
    4: "no verdict: the test could not measure, and nothing is known of what it was about",
}
FALSE = frozenset({"", "false", "none", "0", "[]", "{}"})
"""What a template may render to (in any case of letters) that means no."""

KNOWN_HERE = frozenset(
    ("time", "level", "event", "source", "verb", "dag", "task", "run", "try", "map_index", "trace", "span")
)
"""Fields of a line that the log of a task need not repeat: it is the log of that task."""

TEMPLATE_FIELDS = ("arguments", "more_arguments", "only_if")


class CommandLine:
    """The command-line part of a task; mixed into the operator that runs it."""

    arguments: list[str]
    more_arguments: str
    only_if: str

    def command_line(self) -> list[str]:
        """Return the arguments, all strings; AirflowSkipException when the condition says no."""
        if self.only_if is not None and str(self.only_if).strip().lower() in FALSE:
            raise AirflowSkipException("nothing to do: the task's condition does not hold")
        more = json.loads(self.more_arguments or "null") or []
        return [str(argument) for argument in [*self.arguments, *more]]


def failure(code: int, what: str) -> AirflowException | None:
    """Return the exception that tells Airflow what an exit code means; None for 0."""
    if code == 0:
        return None
    if code == SKIPPED:
        return AirflowSkipException(f"{what}: nothing to do")
    if code in NO_RETRY:
        return AirflowFailException(f"{what} ended with exit code {code} ({NO_RETRY[code]})")
    if code < 0:
        return AirflowException(f"{what} was ended by signal {-code}")
    return AirflowException(f"{what} failed with exit code {code}")


def readable(line: str) -> tuple[int, str]:
    """Return the level and the text of a line of a command's log: our JSON, or anything else as it is."""
    try:
        record = json.loads(line) if line.startswith("{") else None
    except ValueError:
        record = None
    if not isinstance(record, dict) or "event" not in record:
        return logging.INFO, line
    level = logging.getLevelNamesMapping().get(str(record.get("level")).upper(), logging.INFO)
    if "module" in record and "version" in record:
        record["module"] = f"{record['module']}@{record.pop('version')}"
    rest = "".join(f" {key}={value}" for key, value in record.items() if key not in KNOWN_HERE)
    return level, f"{record['event']}{rest}"


def result(text: str) -> Any:
    """Return what a command handed over as its result (JSON), None for nothing."""
    return json.loads(text) if text.strip() else None
