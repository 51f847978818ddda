"""The folder of reports that serving shows at /quality/: the summary, the same as JSON, Data Docs, a page a day.

All of it is one round of replaced files below `quality/` of the reports (`GOPHERWOOD_REPORTS`), which may be a bucket.
A run over an interval leaves its results in the catalog and the pages alone: they are about everything.
"""

import json
from collections.abc import Iterable, Sequence

from gopherwood.catalog import Catalog
from gopherwood.config import Settings
from gopherwood.objects import open_objects
from gopherwood.quality import datasets, docs, summary
from gopherwood.quality.check import Checked

FOLDER = "quality/"
RUNS = 60
"""Runs of a data set that are read for trends and for the last one of yesterday."""
DAYS = 60
"""Days that the page names; the pages of older ones stay."""


def write(settings: Settings, catalog: Catalog, checked: Sequence[Checked]) -> str:
    """Write the pages anew; return where they are, "" when nothing was checked as a whole."""
    whole = [found for found in checked if found.run.is_whole]
    if not whole:
        return ""
    known = datasets.all_of_them()
    runs = {name: catalog.quality_runs(name, limit=RUNS, whole=True) for name in known}
    history = {name: found for name, found in runs.items() if found}
    day = max(found.run.at for found in whole).date().isoformat()
    objects = open_objects(settings.reports_url, mutable=True, settings=settings)
    said = json.dumps(summary.data(history), indent=1, default=str)
    others = _days(objects.keys(FOLDER), day)
    files = {
        "index.html": summary.html(history, known, others, "summary.json"),
        "summary.json": said,
        f"{day}.html": summary.html(history, known, others, f"{day}.json"),
        f"{day}.json": said,
        "style.css": (summary.HERE / "style.css").read_text(),
    }
    files |= {f"docs/{found.run.data_set}.html": docs.page(found.run.data_set, found.validated) for found in whole}
    objects.replace_many([(FOLDER + name, text.encode()) for name, text in sorted(files.items())])
    return f"{settings.reports_url}/{FOLDER}index.html"


def _days(keys: Iterable[str], today: str) -> list[str]:
    names = {key.removeprefix(FOLDER) for key in keys}
    days = {name.removesuffix(".html") for name in names if name[:2] == "20" and name.endswith(".html")}
    return sorted(days - {today}, reverse=True)[:DAYS]
