"""Reports: what is written, that a reader may trust the page, and that the index has all of them."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jsonschema
import pytest

from gopherwood import reporting
from gopherwood.config import Settings
from gopherwood.objects import open_objects
from gopherwood.quality.datasets.reports import VERDICTS as CHECKED
from gopherwood.quality.datasets.reports import _faults
from gopherwood.reporting import Axis, Cell, Figure, Head, Line, Mark, Page, chart

AT = datetime(2026, 11, 25, 10, tzinfo=UTC)
NASTY = '<script>alert("1")</script>'
COMMON = json.loads(Path(str(reporting.__file__)).with_name("report.schema.json").read_text())


def head(name: str = "kill-1", minutes: int = 0, **changes: object) -> Head:
    started = AT + timedelta(minutes=minutes)
    known = Head("chaos", name, "kill", started, started + timedelta(seconds=9), "pass", environment={"name": "here"})
    return replace(known, **changes)  # type: ignore[arg-type]


def publish(settings: Settings, head: Head) -> str:
    return reporting.publish(settings, head, {"more": [1]}, Page(head, NASTY).html(), {"journal.json": b"[]"})


def test_a_report_is_what_its_schema_and_the_checks_of_data_quality_say(tmp_path: Path) -> None:
    """report.json fits its schema, and the data set that looks at every report finds no fault in it."""
    settings = Settings(home=tmp_path)
    where = publish(settings, head(environment=reporting.here(), verdict="refused", reason="a window"))
    assert where == f"{settings.reports_url}/chaos/kill-1/index.html"
    said = json.loads(open_objects(settings.reports_url, settings=settings).read("chaos/kill-1/report.json"))
    jsonschema.validate(said, COMMON)
    assert set(_faults("chaos", said).values()) == {""}
    assert said["more"] == [1]
    assert {kind: set(verdicts) for kind, verdicts in reporting.VERDICTS.items()} == CHECKED
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(said | {"reason": ""}, COMMON)
    with pytest.raises(ValueError, match="no reason"):
        head(verdict="fail")


def test_the_index_has_every_report_once_and_the_newest_first(tmp_path: Path) -> None:
    """A run that is published again is known by its last word, and what is no report is left out."""
    settings = Settings(home=tmp_path)
    objects = open_objects(settings.reports_url, mutable=True, settings=settings)
    objects.replace("load/broken/report.json", b"{")
    for number in range(3):
        publish(settings, head(f"kill-{number}", minutes=number, environment={"name": f"env-{number % 2}"}))
    publish(settings, head("kill-0", verdict="fail", reason=NASTY, environment={"name": "env-0"}))
    listed = json.loads(objects.read("index.json"))["reports"]
    assert [(each["name"], each["verdict"]) for each in listed] == [
        ("kill-2", "pass"),
        ("kill-1", "pass"),
        ("kill-0", "fail"),
    ]
    page = objects.read("index.html").decode()
    assert 'href="chaos/kill-2/index.html"' in page
    assert NASTY not in page
    names = [each["name"] for each in reporting.former(settings, "chaos", "kill", "env-0", limit=5)]
    assert names == ["kill-2", "kill-0"]


def test_a_page_is_one_file_and_escapes_whatever_it_is_given() -> None:
    """No script, no other host, nothing to load: a text that a stranger named stays a text."""
    page = Page(head(reason=NASTY, environment={"name": NASTY}), NASTY)
    page.section(NASTY, NASTY)
    page.figures([Figure(NASTY, NASTY, NASTY, "good")])
    page.table([NASTY], [[Cell(NASTY, link='"x')], [NASTY]], numbers={0}, folded=NASTY)
    page.plot(chart(NASTY, [Line(NASTY, [(0, 1)])], x=Axis(NASTY), y=Axis(NASTY), marks=[Mark(0, NASTY)]))
    html = page.html()
    assert "<script" not in html
    assert "alert(" in html
    assert re.findall(r'(?:href|src)="([^"]*)"', html) == ["../../index.html", "report.json", "&quot;x"]
    assert html.count("<style>") == 1
    assert "url(" not in html


@pytest.mark.parametrize("scale", ["linear", "log", "percentile"])
@pytest.mark.parametrize("values", [[], [0.0], [5.0], [0.001, 7.0, 3000.0], [1.0, None, 2.0], [99.0, 101.0]])
def test_a_plot_stays_in_its_frame_whatever_it_shows(scale: str, values: list[float | None]) -> None:
    """Every point, tick and label lies inside of the picture; a gap is a gap."""
    points = [(float(x), y) for x, y in enumerate(values)]
    figure = chart("t", [Line("a", points), Line("b", points)], x=Axis("x", scale), y=Axis("y", "log"))  # type: ignore[arg-type]
    for x, y in re.findall(r"([\d.-]+),([\d.-]+)", " ".join(re.findall(r'points="([^"]+)"', figure))):
        assert 0 <= float(x) <= 760, figure
        assert 0 <= float(y) <= 260, figure
    assert all(0 <= float(at) <= 760 for at in re.findall(r'<text class="tick mid" x="([\d.-]+)"', figure))
    assert figure.count("<polyline") == 2 * (1 + (None in values) if values else 0)


def test_percentiles_are_told_by_their_nines() -> None:
    """The axis says 0, 90, 99 and 99.9 at even steps."""
    points = [(reporting.percentile_place(each), each) for each in (0, 50, 90, 99, 99.9)]
    figure = chart("t", [Line("a", points)], x=Axis("x", "percentile"), y=Axis("y"))
    assert re.findall(r'"tick mid"[^>]*>([^<]+)<', figure) == ["0", "90", "99", "99.9"]
