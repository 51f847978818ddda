"""What a command says: log lines while it works, one result at its end.

Log lines go to stderr, the result to stdout, so `gopherwood status --json | jq .` needs no filter. On a terminal both
are for people; elsewhere (a pod, a pipe) each is one JSON object a line, which is what log collectors read. A result
is any dataclass with an `exit_code`; its fields are the JSON. With `--xcom` the result is also written where Airflow
looks for it.
"""

import dataclasses
import json
import logging
import os
import re
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any, Protocol, TextIO

from gopherwood.errors import (
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_INTEGRITY,
    EXIT_NO_VERDICT,
    EXIT_NOTHING_TO_DO,
    EXIT_USAGE,
    GopherwoodError,
)

AIRFLOW_XCOM = Path("/airflow/xcom/return.json")
"""Where the sidecar of a KubernetesPodOperator picks up a return value."""


class Result(Protocol):
    """The end of a command: what it did, in numbers, and its exit code (errors.py)."""

    @property
    def exit_code(self) -> int:
        """0, or one of the EXIT codes."""


_ORDINARY = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

OUTCOMES = {
    EXIT_DONE: "done",
    EXIT_NOTHING_TO_DO: "nothing",
    EXIT_FAILED: "failed",
    EXIT_USAGE: "usage",
    EXIT_INTEGRITY: "integrity",
    EXIT_NO_VERDICT: "no-verdict",
}
"""What the last line of a command calls its exit code."""

_CONTEXT = {"dag": "DAG_ID", "task": "TASK_ID", "run": "DAG_RUN_ID", "try": "TRY_NUMBER", "map_index": "MAP_INDEX"}
"""Fields of a line, and the variables AIRFLOW_CTX_... that they come from."""
_NUMBERS = frozenset({"try", "map_index"})
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}")


def extras(record: logging.LogRecord) -> dict[str, Any]:
    """Return what was passed to a log call as `extra=`.

    A module version is passed as `mv` and told as `module` and `version`: a log record of Python's has a `module` of
    its own.
    """
    given = {key: value for key, value in vars(record).items() if key not in _ORDINARY}
    if "mv" in given:
        path, _, version = str(given.pop("mv")).partition("@")
        given = {"module": path, "version": version} | given
    return given


def context(verb: str = "", environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Return whose work this process is, for each of its lines: the verb; in Airflow DAG, task, run and try; a trace.

    Authority: W3C Trace Context; a TRACEPARENT of another form is none.
    """
    found: dict[str, Any] = {"verb": verb} if verb else {}
    for name, variable in _CONTEXT.items():
        if text := environ.get(f"AIRFLOW_CTX_{variable}", ""):
            found[name] = int(text) if name in _NUMBERS and text.isdecimal() else text
    if match := _TRACEPARENT.fullmatch(environ.get("TRACEPARENT", "")):
        found |= {"trace": match[1], "span": match[2]}
    return found


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, event, source, whose work it is, then whatever the call site added.

    Its form is log.schema.json.
    """

    def __init__(self, about: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self._about = dict(about or {})

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "source": record.name,
            **self._about,
            **extras(record),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=_plain, ensure_ascii=False)


class Text(logging.Formatter):
    """`12:00:01 warning: event key=value ...`, for people."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line (more lines when there is a traceback)."""
        level = "" if record.levelno == logging.INFO else f" {record.levelname.lower()}:"
        told = extras(record)
        if "module" in told and "version" in told:
            told["module"] = f"{told['module']}@{told.pop('version')}"
        rest = "".join(f" {key}={value}" for key, value in told.items())
        line = f"{self.formatTime(record, '%H:%M:%S')}{level} {record.getMessage()}{rest}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def start_logging(style: str | None, stream: TextIO | None = None, *, verb: str = "") -> None:
    """Send the log to stderr; `style` is json, text, or None for what fits the stream."""
    stream = stream or sys.stderr
    style = style or ("text" if stream.isatty() else "json")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Text() if style == "text" else JsonLines(context(verb)))
    root = logging.getLogger("gopherwood")
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    root.propagate = False


def say_end(verb: str, code: int, seconds: float, error: Exception | None, *, stopped: bool = False) -> None:
    """Say how a command ended: its last line, as JSON; for people only what went wrong, and what to do about it."""
    root = logging.getLogger("gopherwood")
    if not isinstance(root.handlers[0].formatter, JsonLines):
        if isinstance(error, GopherwoodError):
            print(f"gopherwood {verb}: {error.diagnostics()}", file=sys.stderr)  # noqa: T201
        elif error is not None:
            traceback.print_exception(error)
        return
    outcome = "stopped" if stopped and code != EXIT_INTEGRITY else OUTCOMES.get(code, "failed")
    told: dict[str, Any] = {"outcome": outcome, "exit_code": code, "seconds": round(seconds, 3)}
    if isinstance(error, GopherwoodError):
        told |= {"error": str(error), "hint": error.hint, "reason": error.reason}
    level = logging.INFO if code in (EXIT_DONE, EXIT_NOTHING_TO_DO) else logging.ERROR
    crash = error if error is not None and not isinstance(error, GopherwoodError) else None
    root.log(logging.CRITICAL if crash else level, "crashed" if crash else "ended", extra=told, exc_info=crash)


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return to_dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    return str(value)


def to_dict(result: Any) -> dict[str, Any]:
    """Return the public fields of a result, and its exit code."""
    values = {spec.name: getattr(result, spec.name) for spec in dataclasses.fields(result) if spec.repr}
    return values | ({"exit_code": result.exit_code} if hasattr(result, "exit_code") else {})


def to_json(value: object) -> str:
    """Return one line of JSON for a result or a plain value."""
    return json.dumps(_keys(value), default=_plain, ensure_ascii=False)


def _keys(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = to_dict(value)
    return {str(key): _keys(item) for key, item in value.items()} if isinstance(value, Mapping) else value


def to_text(verb: str, result: object) -> str:
    """Return the result for people: its own `text()`, or on one line the fields that say something."""
    if own := getattr(result, "text", None):
        return str(own())
    if not dataclasses.is_dataclass(result):
        return to_json(result)
    fields = {key.replace("_", " "): value for key, value in to_dict(result).items() if value and key != "exit_code"}
    return f"{verb}: {', '.join(_words(key, value) for key, value in fields.items()) or 'nothing to do'}"


def _words(key: str, value: object) -> str:
    if value is True:
        return key
    if isinstance(value, Mapping):
        return f"{key} {', '.join(f'{name} {each}' for name, each in value.items())}"
    return f"{key} {value}"


def show(verb: str, result: object, *, as_json: bool | None, xcom: bool = False) -> None:
    """Print the result on stdout (`as_json` None: JSON unless stdout is a terminal) and hand it to Airflow."""
    as_json = not sys.stdout.isatty() if as_json is None else as_json
    print(to_json(result) if as_json else to_text(verb, result), flush=True)  # noqa: T201  # the one place that prints
    if xcom:
        write_xcom(to_json(result))


def write_xcom(text: str) -> None:
    """Write a return value where Airflow reads it: the file GOPHERWOOD_XCOM names, else the pod sidecar's."""
    path = Path(os.environ.get("GOPHERWOOD_XCOM") or AIRFLOW_XCOM)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
