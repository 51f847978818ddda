"""Files of an access log, as serving would have written them."""

import itertools
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gopherwood import accesslog

HOUR = datetime(2026, 3, 1, 12, tzinfo=UTC)
_serial = itertools.count(1)


def line(at: datetime = HOUR, **fields: Any) -> bytes:
    """Return a line: a whole zip of example.com/m@v1.0.0 for the `go` command, unless said otherwise."""
    usual = {
        "kind": "zip",
        "module": "example.com/m",
        "version": "v1.0.0",
        "method": "GET",
        "status": 200,
        "outcome": "hit",
        "bytes": 1000,
        "miss": False,
        "micros": 100,
        "id": f"0123456789ab-{next(_serial)}",
        "agent": "go",
        "policy": "",
        "trace": "",
    }
    return json.dumps({"time": accesslog.time_text(at), **usual, **fields}).encode() + b"\n"


def miss(at: datetime = HOUR, **fields: Any) -> bytes:
    """Return a line about a version that is not held."""
    return line(
        at, **{"kind": "info", "version": "v9.9.9", "status": 404, "outcome": "not_found", "miss": True} | fields
    )


def write(logs: Path, *lines: bytes, begun: datetime = HOUR) -> Path:
    """Write a file of these lines; return it."""
    path = logs / accesslog.FileName(begun, "pod-1", f"{next(_serial):012x}").key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(lines))
    return path


def day(logs: Path) -> None:
    """Write a day in the life of a small repository: an hour before noon, and the hour after it."""
    for number, hour in enumerate((HOUR - timedelta(hours=1), HOUR)):
        at = [hour + timedelta(seconds=each) for each in range(60)]
        write(
            logs,
            *(line(each, micros=100 + 10 * index, agent="go") for index, each in enumerate(at[: 20 + 20 * number])),
            *(line(each, module="example.com/other", version="v0.2.0", agent="proxy") for each in at[:10]),
            *(line(each, kind="list", version="", status=200, bytes=7, agent="bot") for each in at[:5]),
            *(line(each, kind="info", micros=900_000, outcome="ok", agent="browser") for each in at[:3]),
            *(miss(each, module="example.com/wanted") for each in at[: 4 + number]),
            *(miss(each, module="example.com/refused", policy="cached-only") for each in at[:2]),
            line(at[0], agent="load"),
            begun=hour,
        )
