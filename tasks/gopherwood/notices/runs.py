"""What became of Airflow's runs, as events: failed, ended for its time limit, recovered; and an Airflow that is silent.

It is read, not listened to: whatever dies, the next look finds what happened meanwhile (docs/adr/0016). The place up to
which runs were told moves in the transaction that writes the events, so each is told once. Runs whose end became
visible late are found by looking back a little, and known by name and time.

There is no event for each retry, nor for each failure of what fails anyway: a DAG that is red says so again only when
other tasks fail, or after REPEAT; the run that succeeds ends the story.
"""

import json
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from gopherwood.catalog import Catalog, Event
from gopherwood.errors import TheirsError
from gopherwood.notices.airflow import Airflow, Ended, FailedTask

log = logging.getLogger(__name__)

CURSOR = "airflow-runs"
POLL = 15.0
"""Seconds between two looks."""
OVERLAP = timedelta(minutes=2)
"""How long before the last end that was seen another may lie that is not: a transaction of Airflow's takes a while."""
REPEAT = timedelta(hours=6)
"""After which a DAG that goes on failing is told of again."""
SILENT = timedelta(minutes=5)
"""How long Airflow may say nothing, or be unable to begin runs, before that is told."""


@dataclass(slots=True)
class Red:
    """A DAG whose last run failed."""

    since: str
    told: str
    """When people were last told."""
    failed: int = 0
    tasks: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Place:
    """What is remembered between two looks. Times are ISO 8601."""

    through: str
    """The latest end of a run that was seen."""
    seen: dict[str, str] = field(default_factory=dict)
    """Runs that ended shortly before it, with their ends."""
    red: dict[str, Red] = field(default_factory=dict)
    silent: str = ""
    """Since when Airflow has said nothing."""
    silence_told: bool = False

    @classmethod
    def parse(cls, text: str) -> "Place":
        """Return what `text` is of."""
        values = json.loads(text)
        return cls(**(values | {"red": {dag: Red(**red) for dag, red in values["red"].items()}}))

    def text(self) -> str:
        """Return it as it is kept."""
        return json.dumps(asdict(self), sort_keys=True)


class Runs:
    """Tells of the runs of one Airflow."""

    def __init__(self, catalog: Catalog, airflow: Airflow) -> None:
        self._catalog = catalog
        self._airflow = airflow

    def look(self) -> int:
        """Write events for what happened since the last look; return how many. Raises StorageError.

        The first look of all only finds the place to begin.
        """
        now, was = self._catalog.clock(), self._catalog.cursor(CURSOR)
        place = Place(now.isoformat()) if was is None else Place.parse(was)
        try:
            problem = self._airflow.problem()
            events = list(self._ended(place, now, is_first=was is None))
        except (TheirsError, KeyError, TypeError, ValueError) as error:  # what it says may be of another version
            problem, events = f"{error}", []
            place = Place(now.isoformat()) if was is None else Place.parse(was)
        events += self._silence(place, problem, now)
        value = place.text()
        if value == was or not self._catalog.emit_from(CURSOR, was, value, events):
            return 0
        return len(events)

    def _ended(self, place: Place, now: datetime, *, is_first: bool) -> Iterator[Event]:
        since = datetime.fromisoformat(place.through) - OVERLAP
        for run in self._airflow.ended(since):
            name, at = f"{run.dag} {run.run}", run.at.isoformat()
            if place.seen.get(name) != at:
                place.seen[name] = at
                if not is_first:
                    yield from self._judged(place, run, now)
            place.through = max(place.through, at, key=datetime.fromisoformat)
        limit = datetime.fromisoformat(place.through) - OVERLAP
        place.seen = {name: at for name, at in place.seen.items() if datetime.fromisoformat(at) >= limit}

    def _judged(self, place: Place, run: Ended, now: datetime) -> Iterator[Event]:
        subject, red = f"DAG {run.dag}", place.red.get(run.dag)
        if run.state == "success":
            if red:
                del place.red[run.dag]
                said = {"failed": red.failed, "since": red.since, "run": run.run, "page": self._airflow.page(run)}
                yield Event("run-recovered", subject, said)
            return
        tasks = self._airflow.failed_tasks(run)
        names = [str(task) for task in tasks]
        red = red or Red(run.at.isoformat(), "")
        red.failed += 1
        place.red[run.dag] = red
        if not red.told or names != red.tasks or now - datetime.fromisoformat(red.told) >= REPEAT:
            red.told, red.tasks = now.isoformat(), names
            yield self._failed(subject, run, tasks, red)

    def _failed(self, subject: str, run: Ended, tasks: list[FailedTask], red: Red) -> Event:
        limit = self._airflow.limit(run.dag)
        is_late = limit is not None and run.seconds >= limit.total_seconds()
        first = tasks[0] if tasks else None
        said: dict[str, Any] = {
            "dag": run.dag,
            "run": run.run,
            "state": run.state,
            "seconds": int(run.seconds),
            "limit": str(limit) if limit else "",
            "failed": red.failed,
            "tasks": ", ".join(red.tasks) or "no task",
            "tries": first.tries if first else 0,
            "last_lines": " / ".join(self._airflow.last_lines(run, first)) if first else "",
            "page": self._airflow.page(run, first),
        }
        return Event("run-late" if is_late else "run-failed", subject, said)

    def _silence(self, place: Place, problem: str, now: datetime) -> Iterator[Event]:
        if not problem:
            if place.silence_told:
                yield Event("airflow-back", "Airflow", {"since": place.silent})
            place.silent, place.silence_told = "", False
            return
        log.warning("Airflow cannot be asked, or begins no runs", extra={"problem": problem})
        place.silent = place.silent or now.isoformat()
        if not place.silence_told and now - datetime.fromisoformat(place.silent) >= SILENT:
            place.silence_told = True
            yield Event("airflow-silent", "Airflow", {"since": place.silent, "detail": problem})
