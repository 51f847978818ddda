"""Reports of tests that are made against the platform: one form for load tests and chaos experiments alike.

A test says what it is and how it ended (`Head`), builds a page of tables and plots (`Page`, `chart`), and publishes
both together with whatever else it has (`publish`):

    name = name_of("kill-serving", started)
    head = Head("chaos", name, "kill-serving", started, finished, "pass", environment=here())
    page = Page(head, "Chaos: a serving pod is evicted under load")
    page.figures([Figure("failed downloads", "0", mark="good")])
    page.section("What clients saw")
    page.plot(chart("Requests a second", [Line("answered", points)], x=Axis("seconds"), y=Axis("requests/s")))
    page.table(["pod", "node", "ready after"], rows, numbers={2})
    where = publish(settings, head, {"victims": [...]}, page.html(), {"journal.json": data})

`publish` writes `<kind>/<name>/` below the folder of reports (`GOPHERWOOD_REPORTS`, a folder or a bucket): report.json
(the head's fields and the test's own, report.schema.json), index.html (one file without a script, a font or a picture
of anybody's), and the rest; then the index of all reports, which serving shows at `/reports/`. Only one set of marks is
known: "good", "warn", "stop", or none. Every text is escaped here, so that callers pass plain text.
"""

from gopherwood.reporting.page import Cell, Figure, Page
from gopherwood.reporting.site import former, publish, read
from gopherwood.reporting.svg import Axis, Line, Mark, chart, percentile_place
from gopherwood.reporting.values import SCHEMA, VERDICTS, Head, fit, here, name_of

__all__ = [
    "SCHEMA",
    "VERDICTS",
    "Axis",
    "Cell",
    "Figure",
    "Head",
    "Line",
    "Mark",
    "Page",
    "chart",
    "fit",
    "former",
    "here",
    "name_of",
    "percentile_place",
    "publish",
    "read",
]
