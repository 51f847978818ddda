"""Airflow's UI as people use it for Gopherwood, in Chromium, with every other host out of reach.

One platform for all: its `quality` runs are green with all rules kept, green with a warning, and red with a broken rule
that must hold; then its pages are looked at, and the notifier's word is read.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import pytest
from playwright.sync_api import Browser, ConsoleMessage, FrameLocator, Page, Route

from fakes.goproxy import GoProxy
from fakes.index import Index
from fakes.up import Up, wait_for
from gopherwood.catalog import Catalog
from gopherwood.up import airflow

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1500)]
PATIENCE = 60_000
"""Milliseconds that a page may take on a busy machine."""
WARNS = "UPDATE versions SET time = 0 WHERE path = 'example.com/good' AND version = 'v1.0.0'"
"""Breaks `time-after-2009`, which warns: nothing in Go is older than Go."""
STOPS = "UPDATE versions SET h1 = NULL WHERE path = 'example.com/good' AND version = 'v1.1.0'"
"""Breaks `h1-present`, which must hold."""
NOTICES = '[sinks.feed]\nkind = "atom"\n\n[[routes]]\nevents = ["run-*", "airflow-*"]\nto = ["feed"]\n'


@dataclass
class Platform:
    """A platform, and its runs of `quality`: by word, the id of the run."""

    up: Up
    runs: dict[str, str] = field(default_factory=dict)

    def check(self, word: str) -> None:
        """Run `quality` to its end."""
        self.runs[word] = run = self.up.api.trigger("quality", {})
        wait_for(lambda: self.up.api.state("quality", run) in ("success", "failed"), 400)

    def is_idle(self) -> bool:
        """Tell whether no run of `quality` is left, as one that an ingestion caused.

        Such a one is made only when no other is going, some seconds after the last has ended: so look twice.
        """
        for pause in (0, 15):
            time.sleep(pause)
            if self.up.api.get("/api/v2/dags/quality/dagRuns?state=queued&state=running")["total_entries"]:
                return False
        return True

    def spoil(self, statement: str) -> None:
        """Change the catalog behind everybody's back."""
        with Catalog.open(self.up.settings) as catalog, catalog._transaction() as connection:
            connection.exec_driver_sql(statement)

    def states(self, word: str) -> dict[str, str]:
        """Return the state of a run, and of each of its tasks, as Airflow's API has them."""
        at = f"/api/v2/dags/quality/dagRuns/{self.runs[word]}"
        tasks = self.up.api.get(f"{at}/taskInstances")["task_instances"]
        return {task["task_id"]: task["state"] for task in tasks} | {"run": self.up.api.get(at)["state"]}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Start a platform, check its data, break it a little, check, break it in earnest, and check."""
    folder = tmp_path_factory.mktemp("up")
    with GoProxy() as upstream, Index() as index:
        for version in ("v1.0.0", "v1.1.0"):
            upstream.add("example.com/good", version)
        upstream.add("example.com/bad", "v1.0.0", {"go.mod": "module example.com/other\n"})
        (folder / "seed.txt").write_text("example.com/good@v1.0.0\nexample.com/good@v1.1.0\nexample.com/bad@v1.0.0\n")
        (folder / "home").mkdir()
        (folder / "home" / "notices.toml").write_text(NOTICES)
        made = Platform(Up(folder / "home", upstream, index))
        made.up.start(patience=600)
        try:
            wait_for(made.is_idle, 400)  # the run that the first ingestion causes
            made.check("sound")
            made.spoil(WARNS)
            made.check("warned")
            made.spoil(STOPS)
            made.check("stopped")
            wait_for(made.is_idle, 400)
            yield made
        finally:
            made.up.stop()


@pytest.fixture(scope="module")
def login(browser: Browser, platform: Platform) -> Any:
    """Log in to Airflow by its form; return what the browser keeps of it."""
    context = browser.new_context()
    context.set_default_timeout(PATIENCE)
    tab = context.new_page()
    tab.goto(airflow.url(platform.up.settings))
    tab.fill("input[name=username]", airflow.USER)
    tab.fill("input[name=password]", airflow.password(platform.up.settings))
    tab.click("button[type=submit]")
    tab.wait_for_selector("nav, a[href='/dags']")
    kept = context.storage_state()
    context.close()
    return kept


LOOKS = {"light": ("light", 1300), "dark": ("dark", 1300), "phone": ("light", 400)}
each_look = pytest.mark.parametrize("page", LOOKS, indirect=True)
one_look = pytest.mark.parametrize("page", ["dark"], indirect=True)


@pytest.fixture
def page(browser: Browser, platform: Platform, login: Any, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Open a tab that is logged in, with every host but ours blocked; a fault of a page of ours fails the test."""
    scheme, width = LOOKS[request.param]
    context = browser.new_context(
        color_scheme=scheme,  # type: ignore[arg-type]  # one of two words
        viewport={"width": width, "height": 900},
        storage_state=login,
    )
    context.set_default_timeout(PATIENCE)
    ours = (airflow.url(platform.up.settings), f"http://127.0.0.1:{platform.up.serving_port}")
    faults: list[str] = []

    def decide(route: Route) -> None:
        if route.request.url.startswith(ours):
            route.continue_()
            return
        if "/gopherwood/" in route.request.frame.url:
            faults.append(f"asked {route.request.url}")
        route.abort()

    def hear(told: ConsoleMessage) -> None:
        if told.type == "error" and "/gopherwood/" in told.location["url"]:
            faults.append(told.text)

    context.route("**/*", decide)
    context.on("console", hear)
    yield context.new_page()
    context.close()
    assert faults == []


def opened(tab: Page, platform: Platform, path: str) -> FrameLocator:
    """Open a page of Airflow's that has one of ours in it; return that."""
    tab.goto(airflow.url(platform.up.settings) + path)
    inner = tab.frame_locator("iframe")
    inner.locator("h1").wait_for()
    return inner


def picture(tab: Page, name: str, request: pytest.FixtureRequest) -> None:
    """Leave a picture for people where GOPHERWOOD_PICTURES says."""
    if folder := os.environ.get("GOPHERWOOD_PICTURES"):
        tab.screenshot(path=Path(folder) / f"{name}-{request.node.callspec.id}.png")


def contrast(inner: FrameLocator, selector: str) -> float:
    """Return how far a text stands out from the page (WCAG 2)."""
    script = """element => {
        const light = text => { const [r, g, b] = text.match(/[0-9.]+/g).slice(0, 3).map(Number).map(c => c / 255)
            .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4); return 0.2126*r + 0.7152*g + 0.0722*b };
        const [a, b] = [getComputedStyle(element).color, getComputedStyle(document.body).backgroundColor].map(light);
        return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) }"""
    return float(inner.locator(selector).first.evaluate(script))


def test_a_stop_rule_turns_the_run_red_and_a_warning_does_not(platform: Platform) -> None:
    """Real runs in Airflow: green when all holds, green with a warning, red by its verdict, which is tried once."""
    green = {"check": "success", "verdict": "success", "run": "success"}
    assert (platform.states("sound"), platform.states("warned")) == (green, green)
    assert platform.states("stopped") == green | {"verdict": "failed", "run": "failed"}
    with Catalog.open(platform.up.settings) as catalog:
        stopped, warned, sound = catalog.quality_runs("versions", limit=3)
    assert (sound.broken("stop"), sound.broken("warn")) == ([], [])
    assert ([each.rule for each in warned.broken("warn")], warned.broken("stop")) == (["time-after-2009"], [])
    assert "h1-present" in [each.rule for each in stopped.broken("stop")]


@each_look
def test_the_view_says_what_is_where(page: Page, platform: Platform, request: pytest.FixtureRequest) -> None:
    """Numbers, refusals, rules that do not hold and last runs are readable in each scheme and width."""
    inner = opened(page, platform, "/plugin/modules")
    picture(page, "modules", request)
    text = inner.locator("main").inner_text()
    assert "example.com/bad@v1.0.0" in text
    assert any("h1-present" in words for words in inner.locator(".bad").all_inner_texts())
    assert "time-after-2009" in text
    assert "failed in verdict" in text
    assert (
        min(contrast(inner, each) for each in ("main", "a", ".soft", ".bad", ".warn", ".good", "th", "caption")) >= 4.5
    )
    assert inner.locator("body").evaluate("body => body.scrollWidth <= window.innerWidth")


@one_look
def test_links_leave_the_frame(page: Page, platform: Platform) -> None:
    """A link to a DAG opens in Airflow's own window, and one to a report in a new tab, which shows it."""
    inner = opened(page, platform, "/plugin/modules")
    with page.context.expect_page() as opening:
        inner.get_by_role("link", name="The report").click()
    report = opening.value
    report.wait_for_load_state()
    assert "rules that must hold do not" in report.inner_text("main")
    inner.get_by_role("link", name="quality", exact=True).click()
    page.wait_for_url("**/dags/quality")
    assert page.locator("iframe").count() == 0


@one_look
def test_a_dag_has_a_tab_of_ours(page: Page, platform: Platform, request: pytest.FixtureRequest) -> None:
    """Each run with its words: what was checked and what was broken, and in which task it failed."""
    inner = opened(page, platform, "/dags/quality/plugin/gopherwood")
    picture(page, "quality", request)
    first = inner.locator("tbody tr").first.inner_text()
    assert "failed in verdict" in first
    assert inner.locator("td[data-title='rules broken']").first.inner_text() != "0"
    inner = opened(page, platform, "/dags/ingest/plugin/gopherwood")
    picture(page, "ingest", request)
    counts = {name: inner.locator(f"td[data-title={name}]").last.inner_text() for name in ("published", "refused")}
    assert counts == {"published": "2", "refused": "1"}


@one_look
def test_a_task_has_a_button_to_its_report(page: Page, platform: Platform, request: pytest.FixtureRequest) -> None:
    """The red verdict leads to the report of its day, in a new tab."""
    run = quote(platform.runs["stopped"])
    page.goto(f"{airflow.url(platform.up.settings)}/dags/quality/runs/{run}/tasks/verdict/details")
    button = page.get_by_role("link", name="Report", exact=True)
    button.wait_for()
    picture(page, "task", request)
    with page.context.expect_page() as opening:
        button.click()
    opening.value.wait_for_load_state()
    assert "h1-present" in opening.value.inner_text("main")


def test_people_are_told_of_the_red_run(platform: Platform) -> None:
    """The notifier has read it from Airflow: DAG, task, last lines of its log, and a page that is there."""

    def told() -> list[dict[str, Any]]:
        with Catalog.open(platform.up.settings) as catalog:
            return [dict(each.event.payload) for each in catalog.events(kind="run-failed")]

    (said,) = wait_for(told)
    assert (said["dag"], said["tasks"], said["tries"]) == ("quality", "verdict", 1)
    assert "exit code 3" in said["last_lines"]
    assert said["page"].endswith("/tasks/verdict")
    feed = platform.up.home / "reports/feeds/all.atom"
    assert "DAG quality: a run failed, in verdict" in wait_for(lambda: feed.exists() and feed.read_text())


def serves(process: psutil.Process, platform: Platform) -> bool:
    """Tell whether a process listens on the port of serving."""
    try:
        return platform.up.serving_port in {each.laddr.port for each in process.net_connections("inet") if each.laddr}
    except psutil.Error:
        return False


def test_without_serving_the_view_says_what_to_do(platform: Platform) -> None:
    """A serving that hangs holds up nobody for long: the view says where it asked, and shows Airflow's part."""
    serving = [
        each for each in psutil.Process(platform.up.process.pid).children(recursive=True) if serves(each, platform)
    ]
    assert serving
    for each in serving:
        each.suspend()
    try:
        text = wait_for(lambda: "Serving does not answer" in (said := platform.up.page("modules")[1]) and said)
    finally:
        for each in serving:
            each.resume()
    assert f"http://127.0.0.1:{platform.up.serving_port}/-/status.json" in text
    assert "GOPHERWOOD_SERVING_URL" in text
    assert "/dags/quality/runs/" in text
