"""The journal of a run: what was meant, written before it is done, and what was done, written after it.

It lies with the report, in the folder (or bucket) of reports, and is durable before each deed: a runner that was killed
in between has left word of what must be undone, and whoever comes next undoes it (`gopherwood chaos --roll-back`). One
process at a time writes it, the one whose turn it is.
"""

import json
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Self

from gopherwood.config import Settings
from gopherwood.objects import MissingError, Objects, open_objects

FOLDER = "chaos"
FILE = "journal.json"

Record = Mapping[str, Any]


class Journal:
    """A run's journal; `add` is durable when it returns. Raises StorageError."""

    def __init__(self, objects: Objects, run: str, head: dict[str, Any], records: list[dict[str, Any]]) -> None:
        self._objects = objects
        self.run = run
        self.head = head
        """What the run is: experiment, seed, begin."""
        self.records = records
        self._lock = threading.Lock()

    @classmethod
    def begin(cls, settings: Settings, run: str, **head: Any) -> Self:
        """Begin the journal of a run that has none."""
        journal = cls(_open(settings), run, {"run": run, "started": now()} | head, [])
        journal._write()
        return journal

    @classmethod
    def read(cls, settings: Settings, run: str) -> Self | None:
        """Return the journal of a run, None when there is none."""
        objects = _open(settings)
        try:
            said = json.loads(objects.read(f"{FOLDER}/{run}/{FILE}"))
        except MissingError:
            return None
        return cls(objects, run, {name: each for name, each in said.items() if name != "records"}, said["records"])

    def add(self, what: str, **facts: Any) -> dict[str, Any]:
        """Note something; it is durable when this returns."""
        record = {"at": now(), "what": what} | facts
        with self._lock:
            self.records.append(record)
            self._write()
        return record

    def last(self, what: str) -> dict[str, Any] | None:
        """Return the last record of a kind, None when there is none."""
        return next((each for each in reversed(self.records) if each["what"] == what), None)

    def all(self, what: str) -> list[dict[str, Any]]:
        """Return the records of a kind."""
        return [each for each in self.records if each["what"] == what]

    def to_undo(self) -> list[dict[str, Any]]:
        """Return what was begun and not undone, the last first."""
        undone = {each["deed"] for each in self.all("undone")}
        return [each for each in reversed(self.all("begin")) if each["deed"] not in undone]

    @property
    def is_over(self) -> bool:
        """Whether the run has come to its report."""
        return self.last("end") is not None

    def put(self, name: str, data: bytes) -> None:
        """Keep a file beside the journal."""
        self._objects.replace(f"{FOLDER}/{self.run}/{name}", data)

    def get(self, name: str) -> bytes | None:
        """Return a file beside the journal, None when it is not there."""
        try:
            return self._objects.read(f"{FOLDER}/{self.run}/{name}")
        except MissingError:
            return None

    def to_json(self) -> bytes:
        """Return the journal."""
        return json.dumps(self.head | {"records": self.records}, indent=1, default=str).encode()

    def _write(self) -> None:
        self._objects.replace(f"{FOLDER}/{self.run}/{FILE}", self.to_json())


def unfinished(settings: Settings) -> list[str]:
    """Return the runs that have a journal without an end, the oldest name first."""
    names = sorted(key.split("/")[1] for key in _open(settings).keys(f"{FOLDER}/") if key.endswith(f"/{FILE}"))
    return [name for name in names if (journal := Journal.read(settings, name)) and not journal.is_over]


def now() -> str:
    """Return the present time, as a journal has it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _open(settings: Settings) -> Objects:
    return open_objects(settings.reports_url, mutable=True, settings=settings)
