"""What every report says of itself: which test it was, when, where, and how it ended."""

import os
import platform
import re
import secrets
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gopherwood import __version__

SCHEMA = 1
"""Of report.json; report.schema.json describes it."""

VERDICTS: Mapping[str, Mapping[str, str]] = {
    "load": {"pass": "good", "fail": "stop", "invalid": "warn"},
    "chaos": {"pass": "good", "fail": "stop", "inconclusive": "warn", "refused": "warn", "dry-run": ""},
}
"""The kinds of tests, the verdicts that each may come to, and how a verdict is marked."""

_UNFIT = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Head:
    """What a report is about. Times have a zone."""

    kind: str
    name: str
    """Of this run: a folder below its kind (`name_of`)."""
    scenario: str
    """Of the test: the same in each of its runs."""
    started: datetime
    finished: datetime
    verdict: str
    reason: str = ""
    """A sentence; must say why, where the verdict is not pass."""
    headline: str = ""
    """What the index shows of the result: a few figures."""
    environment: Mapping[str, Any] = field(default_factory=dict)
    """Where it ran (`here`); runs are compared with those of the same `name`."""

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS[self.kind]:
            raise ValueError(f"{self.verdict!r} is no verdict of {self.kind}")
        if self.verdict != "pass" and not self.reason:
            raise ValueError(f"{self.verdict}, and no reason")

    @property
    def folder(self) -> str:
        """Where its files are, below the folder of reports."""
        return f"{self.kind}/{self.name}"

    @property
    def mark(self) -> str:
        """How its verdict is marked."""
        return VERDICTS[self.kind][self.verdict]

    def data(self) -> dict[str, Any]:
        """Return the fields that every report.json has."""
        return {
            "schema": SCHEMA,
            "kind": self.kind,
            "name": self.name,
            "scenario": self.scenario,
            "started": self.started.astimezone(UTC).isoformat(),
            "finished": self.finished.astimezone(UTC).isoformat(),
            "verdict": self.verdict,
            "reason": self.reason,
            "headline": self.headline,
            "environment": dict(self.environment),
        }


def name_of(scenario: str, started: datetime) -> str:
    """Return a name for a run: names of a scenario sort by time, and no two are alike."""
    return f"{fit(scenario)}-{started.astimezone(UTC):%Y%m%dt%H%M%Sz}-{secrets.token_hex(2)}"


def fit(text: str) -> str:
    """Return a text as a part of a name: small letters, digits and dashes."""
    return _UNFIT.sub("-", text.lower()).strip("-")[:90].strip("-") or "x"


def here(name: str = "") -> dict[str, Any]:
    """Return where this process runs; `name` is by what runs are compared (default: kind of machine and cores)."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {
        "name": name or f"{platform.machine()}, {cores} cores",
        "host": platform.node(),
        "system": platform.platform(),
        "processor": _processor(),
        "cores": cores,
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "load": [round(each, 2) for each in os.getloadavg()],
        "python": platform.python_version(),
        "gopherwood": __version__,
        "commit": _commit(),
    }


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor()
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1] if found else platform.processor()


def _commit() -> str:
    """Return the commit of the checkout that this code is in, "-dirty" when it was changed; "" outside of one."""
    root = Path(__file__).resolve().parents[3]
    if not (root / ".git").exists():
        return ""
    command = ["git", "-C", str(root), "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=False).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""
