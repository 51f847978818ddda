"""Reports of load tests and of chaos experiments: that each says what it is, when it was, and how it ended.

A report is a file `<kind>/<name>/report.json` below the folder of reports (`GOPHERWOOD_REPORTS`), an object with

    schema    1
    kind      load or chaos
    name      of the scenario or experiment
    started, finished    ISO 8601, with a zone
    verdict   load: pass, fail, invalid; chaos: pass, fail, inconclusive, refused, dry-run
    reason    a sentence, where the verdict is not pass
    environment          what it was run against, for comparison with former runs; optional

and whatever else the report's own page shows.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from gopherwood.objects import open_objects
from gopherwood.quality.rules import STOP, WARN, Cut, DataSet, Piece, Table, sound

VERDICTS = {
    "load": frozenset({"pass", "fail", "invalid"}),
    "chaos": frozenset({"pass", "fail", "inconclusive", "refused", "dry-run"}),
}
SCHEMA = 1
FILE = "/report.json"
COLUMNS = ("readable", "schema", "verdict", "reason", "times", "passed")


def cut(cut: Cut) -> Iterator[Piece]:
    """Yield a row a report; with an interval, those that finished in it."""
    objects = open_objects(cut.settings.reports_url, mutable=True, settings=cut.settings)
    keys = sorted(key for kind in VERDICTS for key in objects.keys(f"{kind}/") if key.endswith(FILE))
    reports = [(key, _read(objects.read(key))) for key in keys]
    taken = [(key, report) for key, report in reports if cut.is_whole or _is_inside(cut, report)]
    said = [_faults(key.partition("/")[0], report) for key, report in taken]
    columns: dict[str, list[Any]] = {name: [each[name] for each in said] for name in COLUMNS}
    yield "reports", {"report": [key for key, _ in taken], **columns}


def _read(data: bytes) -> Mapping[str, Any]:
    """Return a report, nothing for what is none."""
    try:
        report = json.loads(data)
    except ValueError:
        return {}
    return report if isinstance(report, dict) else {}


def _is_inside(cut: Cut, report: Mapping[str, Any]) -> bool:
    since, until = cut.day
    finished = _time(report.get("finished"))
    return finished is not None and since <= finished < until


def _faults(kind: str, report: Mapping[str, Any]) -> dict[str, str]:
    """Say what is wrong with a report, by column."""
    if not report:
        return dict.fromkeys(COLUMNS, "") | {"readable": "no JSON object"}
    verdict = report.get("verdict")
    is_known = verdict in VERDICTS[kind]
    begun, ended = _time(report.get("started")), _time(report.get("finished"))
    is_this = report.get("schema") == SCHEMA and report.get("kind") == kind and bool(report.get("name"))
    return {
        "readable": "",
        "schema": "" if is_this else f"schema {report.get('schema')!r}, kind {report.get('kind')!r}, or no name",
        "verdict": "" if is_known else f"{verdict!r} is none of {', '.join(sorted(VERDICTS[kind]))}",
        "reason": "" if verdict == "pass" or report.get("reason") else f"{verdict}, and no reason",
        "times": "" if begun and ended and begun <= ended else f"{report.get('started')} to {report.get('finished')}",
        "passed": f"{report.get('reason') or 'fail'}" if verdict == "fail" else "",
    }


def _time(text: object) -> datetime | None:
    try:
        time = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return time if time.tzinfo else None


DATA_SET = DataSet(
    "reports",
    "The reports of load tests and chaos experiments.",
    cut,
    (
        Table(
            "reports",
            ("report",),
            (
                sound("report-readable", STOP, "A report that cannot be read proves nothing.", "readable"),
                sound("report-schema", STOP, "A report of another form cannot be compared.", "schema"),
                sound("report-verdict", STOP, "A test that came to no verdict was not a test.", "verdict"),
                sound("report-reason", WARN, "A verdict that is not pass must say why.", "reason"),
                sound("report-times", WARN, "A run that ended before it began was not measured.", "times"),
                sound("report-passed", WARN, "The platform did not do what it promises.", "passed"),
            ),
        ),
    ),
)
