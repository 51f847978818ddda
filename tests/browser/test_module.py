"""The page of a module as people see it, in Chromium: on a phone, in both colour schemes, without scripts."""

import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from fakes.goproxy import make_module
from fakes.site import Site
from gopherwood.facts import run

pytestmark = pytest.mark.browser
PATH = "example.com/seen/in/a/browser"
SOURCE = (
    "// Package browser is seen.\npackage browser\n\n// Look looks at something for a long while.\nfunc Look() {}\n"
)
README = (
    "# Seen\n\nA [link](browser.go), `code`, and a line\n\n    " + "x" * 200 + "\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
)


@pytest.fixture(scope="module", autouse=True)
def published(site: Site) -> None:
    """Publish a module and read it."""
    site.publish(PATH, "v1.0.0", make_module(PATH, "v1.0.0", {"browser.go": SOURCE, "README.md": README}))
    run(site.settings, (), None, threading.Event())


@pytest.fixture(params=["light", "dark"])
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Open a phone in each colour scheme, with scripts switched off; an error on the console fails the test."""
    context = browser.new_context(
        color_scheme=request.param, viewport={"width": 375, "height": 700}, java_script_enabled=False
    )
    page = context.new_page()
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    yield page
    context.close()
    assert errors == []


@pytest.mark.parametrize(
    ("tab", "says"),
    [
        ("", "A link"),
        ("docs", "Look looks at something"),
        ("code", "browser.go"),
        ("code&file=browser.go", "package browser"),
        ("versions", "v1.0.0"),
        ("imports", "It requires no other module."),
        ("importedby", "Used by 0 packages here"),
        ("trust", "go.mod"),
    ],
)
def test_each_tab_reads_well_on_a_phone(page: Page, site: Site, tab: str, says: str) -> None:
    """Its words are there, nothing sticks out, it is marked as the present one, and all it asks for is ours."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{site.url}/{PATH}?tab={tab}")
    assert says in page.inner_text("main")
    assert page.locator("a[aria-current=page]").count() == 1
    box = page.locator("main").bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= 375
    assert [url for url in asked if not url.startswith(site.url + "/")] == []


def test_readme_leads_to_the_bytes(page: Page, site: Site) -> None:
    """A relative link of the README opens that file in the viewer."""
    page.goto(f"{site.url}/{PATH}")
    page.get_by_role("link", name="link", exact=True).click()
    assert page.locator("#L1").inner_text() == "// Package browser is seen."
