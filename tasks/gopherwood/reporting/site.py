"""Where reports are kept, and their index: files below the folder of reports, which may be a bucket.

report.json of a run is written last of its files: a run has a report when it is there. The index is derived from those
files and written anew with each report; what another run has added meanwhile is found when the keys are looked at
again, so that two tests that end at once are both in it.
"""

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from gopherwood.config import Settings
from gopherwood.objects import MissingError, Objects, open_objects
from gopherwood.reporting.page import Cell, frame, table
from gopherwood.reporting.values import SCHEMA, VERDICTS, Head

FILE = "report.json"
INDEX = "index.json"
SHOWN = 200
"""Reports that the index page names; the JSON beside it has all."""
_KEPT = ("kind", "name", "scenario", "started", "finished", "verdict", "reason", "headline")
Report = Mapping[str, Any]


def publish(settings: Settings, head: Head, data: Report, html: str, files: Mapping[str, bytes] | None = None) -> str:
    """Write a report and the index anew; return where its page is. Raises StorageError."""
    objects = _open(settings)
    said = json.dumps(head.data() | dict(data), indent=1, default=str)
    others = {"index.html": html.encode(), **(files or {})}
    objects.replace_many([(f"{head.folder}/{name}", data) for name, data in sorted(others.items())])
    objects.replace(f"{head.folder}/{FILE}", said.encode())
    _write_index(objects, f"{head.folder}/{FILE}")
    return f"{settings.reports_url}/{head.folder}/index.html"


def former(settings: Settings, kind: str, scenario: str, environment: str, limit: int) -> list[Report]:
    """Return the last reports of a scenario in the environment of this name, whole, the newest first."""
    objects = _open(settings)
    known = [each for each in _entries(objects) if (each["kind"], each["scenario"]) == (kind, scenario)]
    alike = [each for each in known if each["environment"] == environment][:limit]
    return [_read(objects, f"{kind}/{each['name']}/{FILE}") for each in alike]


def read(settings: Settings, kind: str, name: str) -> Report:
    """Return the report of a run, nothing when there is none."""
    return _read(_open(settings), f"{kind}/{name}/{FILE}")


def _open(settings: Settings) -> Objects:
    return open_objects(settings.reports_url, mutable=True, settings=settings)


def _write_index(objects: Objects, written: str) -> None:
    """Write the index of what is there, till nothing was added while it was written."""
    before = None
    while (entries := _entries(objects, written)) != before:
        before = entries
        said = {"schema": SCHEMA, "reports": entries}
        page = index_page(entries).encode()
        objects.replace_many([(INDEX, json.dumps(said, indent=1).encode()), ("index.html", page)])


def _entries(objects: Objects, written: str = "") -> list[dict[str, Any]]:
    """Return an entry a report, the newest first: as the index has it, unless it is new or was `written` just now."""
    old = {f"{each['kind']}/{each['name']}/{FILE}": each for each in _read(objects, INDEX).get("reports", [])}
    old.pop(written, None)
    keys = [key for kind in VERDICTS for key in objects.keys(f"{kind}/") if key.endswith(f"/{FILE}")]
    found = [old.get(key) or _entry(_read(objects, key)) for key in keys]
    return sorted(filter(None, found), key=lambda each: (each["started"], each["name"]), reverse=True)


def _entry(report: Report) -> dict[str, Any]:
    """Return what the index keeps of a report; nothing of one that is none."""
    if any(not isinstance(report.get(name), str) for name in _KEPT[:6]):
        return {}
    environment = report.get("environment") or {}
    return {name: report.get(name, "") for name in _KEPT} | {"environment": environment.get("name", "")}


def _read(objects: Objects, key: str) -> Report:
    """Return a JSON object, an empty one for what is none."""
    try:
        found = json.loads(objects.read(key))
    except (MissingError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def index_page(entries: Sequence[Report]) -> str:
    """Return the page that names all reports."""
    rows = [
        (
            f"{each['started'][:16].replace('T', ' ')}",
            each["kind"],
            Cell(each["name"], link=f"{each['kind']}/{each['name']}/index.html"),
            Cell(each["verdict"], mark=VERDICTS.get(each["kind"], {}).get(each["verdict"], "")),
            each["headline"] if each["verdict"] == "pass" else each["reason"],
            each["environment"],
        )
        for each in entries[:SHOWN]
    ]
    more = f", of them the last {SHOWN}" if len(entries) > SHOWN else ""
    says = f'{len(entries):,} report{"s" * (len(entries) != 1)}{more}. As data: <a href="{INDEX}">{escape(INDEX)}</a>.'
    body = f'<header><h1>Load tests and chaos experiments</h1>\n<p class="soft">{says}</p></header>\n' + table(
        ("started (UTC)", "kind", "run", "verdict", "what it came to", "environment"), rows
    )
    return frame("Reports: load tests and chaos experiments", body)
