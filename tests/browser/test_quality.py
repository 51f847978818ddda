"""The reports of data quality as people read them, in Chromium, with every other host out of reach."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route

from fakes import sound
from fakes.site import Site
from gopherwood.catalog import Catalog, utc_now
from gopherwood.quality import verb

pytestmark = pytest.mark.browser
NASTY = "https://evil.example/<script>alert(1)</script>"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Run a server beside a platform that was sound yesterday, and is broken today."""
    home = tmp_path_factory.mktemp("quality") / "home"
    settings = sound.publish_all(home)
    for days in (3, 2, 1, 0):
        with Catalog.open(settings, clock=lambda days=days: utc_now() - timedelta(days=days)) as catalog:
            if not days:
                with catalog._transaction() as connection:
                    connection.exec_driver_sql("UPDATE versions SET h1 = NULL, time = 0 WHERE version = 'v1.0.0'")
                    connection.exec_driver_sql(
                        f"UPDATE versions SET state = 'leased', owner = '{NASTY}', ready_at = 1 WHERE sequence IS NULL"
                    )
            names = () if days != 2 else ("versions",)
            verb.run(settings, names, None, None, deferred=False, stop=threading.Event(), catalog=catalog)
    site = Site.new(home)
    site.settings = replace(settings, home=home)
    site.start(until="/healthz")
    yield site
    site.stop()


@pytest.fixture(params=[("light", 1200), ("dark", 375)], ids=["light-wide", "dark-phone"])
def page(browser: Browser, site: Site, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Open a tab in which every host but ours is blocked; an error on the console, or a way out, fails the test."""
    scheme, width = request.param
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
    tab = context.new_page()
    faults: list[str] = []

    def decide(route: Route) -> None:
        if route.request.url.startswith(site.url + "/"):
            route.continue_()
        else:
            faults.append(f"asked {route.request.url}")
            route.abort()

    tab.route("**/*", decide)
    tab.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    tab.on("dialog", lambda dialog: faults.append(dialog.message))
    yield tab
    context.close()
    assert faults == []


def fits(tab: Page) -> bool:
    return bool(tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def test_summary_says_what_failed_and_what_changed(page: Page, site: Site, request: pytest.FixtureRequest) -> None:
    """Score, failing rules with rows and links, changes since yesterday and trends; styled, and within the window."""
    page.goto(f"{site.url}/quality/")
    picture(page, "summary", request)
    text = page.inner_text("main")
    assert "rules that must hold do not" in text
    assert "h1-present" in page.inner_text(".stop-rule >> nth=0")
    assert page.get_attribute(".stop-rule a", "href") == "/example.com/low/@v/v1.0.0.info"
    assert "fails on" in page.inner_text("#changed ~ div")
    assert page.locator("svg.trend").count() > 3
    assert NASTY in text
    assert page.locator("script").count() == 0
    assert page.evaluate("getComputedStyle(document.querySelector('.cards')).display") == "grid"
    assert fits(page)


def test_data_docs_read_without_a_network(page: Page, site: Site, request: pytest.FixtureRequest) -> None:
    """Each data set's Data Docs show expectations, marks and samples, in our style, and ask nobody for anything."""
    page.goto(f"{site.url}/quality/")
    for name in page.locator(".cards h3").all_inner_texts():
        page.goto(f"{site.url}/quality/docs/{name}.html")
        assert page.locator("table").count() > 0
        assert page.locator("script, style, [style]").count() == 0
        assert fits(page), name
    page.goto(f"{site.url}/quality/docs/versions.html")
    picture(page, "docs", request)
    text = page.inner_text("main")
    assert "must belong to this set" in text
    assert "2 unexpected values found" in text
    assert page.evaluate("getComputedStyle(document.querySelector('.fa-times'), '::before').content") == '"✗"'


def test_links_of_the_summary_lead_somewhere(site: Site) -> None:
    """Every page that the summary leads to is there, under the policy of our own pages; and the JSON is JSON."""
    import json
    import re

    front = site.get("/quality/")
    for name in re.findall(r'href="([a-z0-9./_-]+)"', front.text):
        reply = site.get(f"/quality/{name}" if not name.startswith("/") else name)
        assert reply.status == 200, name
        if not name.startswith("/"):
            assert "default-src 'none'" in (reply.headers["content-security-policy"] or "")
    assert json.loads(site.get("/quality/summary.json").text)["data_sets"]["versions"]["rows"] == 5
    for nothing in ("nothing.html", "../catalog.db", "docs/", "%2e%2e/catalog.db"):
        assert site.get(f"/quality/{nothing}").status == 404


def picture(page: Page, name: str, request: pytest.FixtureRequest) -> None:
    """Leave a picture for people where GOPHERWOOD_PICTURES says."""
    import os

    if folder := os.environ.get("GOPHERWOOD_PICTURES"):
        page.screenshot(path=Path(folder) / f"{name}-{request.node.callspec.id}.png", full_page=True)
