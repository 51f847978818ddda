"""The home page as people see it, in Chromium."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from fakes.site import Site

pytestmark = pytest.mark.browser


@pytest.fixture(params=["light", "dark"])
def page(browser: Browser, site: Site, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Load the home page on a phone, in each colour scheme; an error on the console fails the test."""
    context = browser.new_context(color_scheme=request.param, viewport={"width": 375, "height": 700})
    page = context.new_page()
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(site.url + "/")
    yield page
    context.close()
    assert errors == []


def luminance(page: Page, selector: str, kind: str) -> float:
    """Return the relative luminance (WCAG 2) of an element's computed colour."""
    script = "([s, k]) => getComputedStyle(document.querySelector(s))[k].match(/[0-9.]+/g).slice(0, 3).map(Number)"
    parts = [channel / 255 for channel in page.evaluate(script, [selector, kind])]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_tells_how_to_use_it(page: Page, site: Site) -> None:
    """The first thing to see is the GOPROXY line with this very address."""
    assert f"export GOPROXY={site.url},off" in page.inner_text("main")


def test_fits_a_phone(page: Page) -> None:
    """Nothing sticks out at 375 pixels."""
    assert page.evaluate("document.documentElement.scrollWidth") <= 375


@pytest.mark.parametrize("selector", ["main", "a", ".lead"])
def test_is_readable(page: Page, selector: str) -> None:
    """Text stands out from the page by 4.5 to 1 or more (WCAG AA)."""
    dark, light = sorted([luminance(page, selector, "color"), luminance(page, "body", "backgroundColor")])
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_asks_nobody_else(browser: Browser, site: Site) -> None:
    """Every request of the page goes to the site itself."""
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(site.url + "/")
    page.close()
    assert asked
    assert [url for url in asked if not url.startswith(site.url + "/")] == []


def test_reads_without_scripts(browser: Browser, site: Site) -> None:
    """The page holds no script, so it works where scripts are switched off."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(site.url + "/")
    assert page.locator("script").count() == 0
    assert page.locator("h1").inner_text() == "Gopherwood"
    context.close()
