"""The report of a load test as people read it, in Chromium: its own style, no script; what was named stays a text."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, Page

from fakes.site import Site
from gopherwood import reporting
from gopherwood.loadtest import drawing, report
from gopherwood.loadtest.generators import Observed
from gopherwood.loadtest.measure import Measured
from gopherwood.loadtest.outcome import Outcome
from gopherwood.loadtest.scrape import Look, Sample
from gopherwood.loadtest.slo import Check
from gopherwood.loadtest.verdict import Judged

pytestmark = pytest.mark.browser
AT = datetime(2026, 11, 25, 12, tzinfo=UTC)
NASTY = "<script>document.title = 'x'</script>"


@pytest.fixture(scope="module")
def address(site: Site) -> str:
    """Publish a report of ten seconds; return where it is."""
    measured = Measured(seconds=10, cpu_seconds=1)
    for number in range(200):
        at = number / 20
        measured.expect(at)
        measured.begin(at, 0.0)
        measured.end(
            "zip" if number % 3 else "mod", at, 0.0, 0.001 * (1 + number % 50), 100, NASTY if number == 7 else ""
        )
    observed = Observed(measured, Look(), Look(), [Sample(at, 0.1 * at, 10**8) for at in range(10)])
    judged = Judged([Check("arrivals on time", "99 %", "98 %", False)], [Check("p99", "5 ms", NASTY, True)], [])
    outcome = Outcome({"url": NASTY}, {}, "", "", [], [], {}, lambda page: drawing.draw(page, observed, 10.0))
    name, ended = "ui-nasty", AT + timedelta(seconds=10)
    head = reporting.Head("load", name, "ui", AT, ended, "invalid", "late", environment=reporting.here())
    reporting.publish(site.settings, head, report.data(outcome, judged), report.page(head, outcome, judged))
    return f"{site.url}/reports/load/{name}/"


@pytest.fixture(params=[("light", 1200), ("dark", 375)], ids=["light-wide", "dark-phone"])
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Open a tab; an error on its console fails the test."""
    scheme, width = request.param
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
    tab = context.new_page()
    faults: list[str] = []
    tab.on("console", lambda message: faults.append(message.text) if "favicon" not in message.location["url"] else None)
    yield tab
    context.close()
    assert faults == []


def test_a_report_is_read_as_it_was_written(page: Page, address: str) -> None:
    """Verdict and reason first, plots drawn, its own style allowed, whatever was named a text; within the window."""
    page.goto(address)
    assert page.title() == "Load test: people and programs at the front door"
    assert page.inner_text(".verdict") == "invalid"
    assert "says nothing of the platform" in page.inner_text("main")
    assert page.evaluate("getComputedStyle(document.querySelector('.cards')).display") == "grid"
    assert page.locator("svg.plot").count() == 5
    stroke = page.evaluate("getComputedStyle(document.querySelector('polyline.c0')).stroke")
    assert stroke in ("rgb(10, 90, 138)", "rgb(127, 193, 238)")
    assert NASTY in page.inner_text("main")
    assert page.locator("script").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.click("summary")
    assert page.locator("details tbody tr").count() == 10
    page.click("header a >> nth=0")
    assert "ui-nasty" in page.inner_text("tbody")
