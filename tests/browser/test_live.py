"""The live page as people see it, in Chromium, while versions are published."""

import pytest
from playwright.sync_api import Browser, expect

from fakes.site import Site

pytestmark = pytest.mark.browser
PHONE = {"width": 375, "height": 700}


def test_numbers_and_lines_follow_an_ingest(browser: Browser, site: Site) -> None:
    """Published versions are counted up and named as they come, a line is drawn; nobody else is asked."""
    page = browser.new_page(viewport=PHONE)
    errors: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{site.url}/status/live")
    expect(page.locator("#standing")).to_have_text("live", timeout=20_000)
    before = int(page.inner_text("#published"))
    for number in range(3):
        site.publish("example.com/live", f"v1.{number}.0")
        expect(page.locator("#published")).to_have_text(str(before + number + 1), timeout=20_000)
    expect(page.locator("#newest li").first).to_have_text("example.com/live@v1.2.0")
    assert page.get_attribute("#newest li a", "href") == "/example.com/live@v1.2.0"
    assert len((page.get_attribute("#published-line", "points") or "").split()) >= 3
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.close()
    assert errors == []
    assert [url for url in asked if not url.startswith(site.url + "/")] == []


def test_numbers_are_there_without_scripts(browser: Browser, site: Site) -> None:
    """The page is loaded anew by itself, and says what the catalog says."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site.url}/status/live")
    assert int(page.inner_text("#published")) == len(site.catalog.published_since())
    assert page.locator("meta[http-equiv=refresh]").count() == 1
    context.close()
