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
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any, Protocol, TextIO

AIRFLOW_XCOM = Path("/airflow/xcom/return.json")
"""Where the sidecar of a KubernetesPodOperator picks up a return value."""


class Result(Protocol):
    """The end of a command: what it did, in numbers, and its exit code (errors.py)."""

    @property
    def exit_code(self) -> int:
        """0, or one of the EXIT codes."""


_ORDINARY = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def extras(record: logging.LogRecord) -> dict[str, Any]:
    """Return what was passed to a log call as `extra=`.

    A module version is passed as `mv` and printed as `module`: a log record of Python's has a `module` of its own.
    """
    given = {key: value for key, value in vars(record).items() if key not in _ORDINARY}
    return {"module" if key == "mv" else key: value for key, value in given.items()}


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, event, source, then whatever the call site added."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "source": record.name,
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
        rest = "".join(f" {key}={value}" for key, value in extras(record).items())
        line = f"{self.formatTime(record, '%H:%M:%S')}{level} {record.getMessage()}{rest}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def start_logging(style: str | None, stream: TextIO | None = None) -> None:
    """Send the log to stderr; `style` is json, text, or None for what fits the stream."""
    stream = stream or sys.stderr
    style = style or ("text" if stream.isatty() else "json")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Text() if style == "text" else JsonLines())
    root = logging.getLogger("gopherwood")
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    root.propagate = False


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
