"""The platform's standing as JSON: what the view in Airflow's UI, or any other program, is told."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest

from fakes.site import Site
from gopherwood.catalog import IndexRead, QualityRun, RuleResult
from gopherwood.module import ModuleVersion

PATH = "/-/status.json"


@pytest.fixture(scope="module")
def busy(make_site: Callable[..., Site]) -> Site:
    """Return a site at which something of everything has happened."""
    site = make_site()
    site.publish("example.com/good", "v1.0.0")
    site.publish("example.com/good", "v1.1.0")
    site.reject("example.com/bad", "v1.0.0", "go-mod-path", "it names <another> module " + "x" * 1000)
    site.catalog.enqueue([ModuleVersion("example.com/next", "v1.0.0")], source="test")
    now = datetime.now(UTC)
    site.catalog.record_index_read(IndexRead("i", now - timedelta(hours=2), now - timedelta(hours=1), 7, 5, 0))
    results = (RuleResult("h1-present", "stop", False, 2, 1), RuleResult("release-order", "warn", True, 2))
    site.catalog.record_quality(QualityRun(data_set="versions", at=now, rows=2, results=results))
    report = site.settings.home / "reports/chaos/pods/report.json"
    report.parent.mkdir(parents=True)
    said = {"name": "pods", "finished": "2026-10-01T00:00:00Z", "verdict": "fail", "reason": "one was lost"}
    report.write_text(json.dumps(said))
    (report.parents[1] / "torn").mkdir()
    (report.parents[1] / "torn/report.json").write_text("{")
    site.start()
    return site


def test_it_says_what_is_where_and_what_became_of_it(busy: Site) -> None:
    """Queue by state, age, throughput, freshness, refusals with reasons, and how the last checks and tests ended."""
    reply = busy.get(PATH)
    said = json.loads(reply.body)
    assert (reply.status, reply.headers["Cache-Control"]) == (200, "no-store")
    assert (said["states"]["published"], said["states"]["queued"], said["open"], said["due"]) == (2, 1, 1, 1)
    assert (said["published_in_a_day"], sum(said["published_by_hour"]), len(said["published_by_hour"])) == (2, 2, 24)
    assert datetime.fromisoformat(said["last_published"]) <= datetime.fromisoformat(said["at"])
    assert said["refused_by_reason"] == [{"state": "rejected", "reason": "go-mod-path", "versions": 1}]
    (refused,) = said["refused_last"]
    assert (refused["path"], refused["detail"][:24]) == ("example.com/bad", "it names <another> modul")
    assert len(reply.body) < 4096
    checked = said["quality"]["versions"]
    assert (checked["score"], checked["stops"], checked["warnings"]) == (25, ["h1-present"], [])
    first, torn = said["tests"]["chaos"]
    assert (first["name"], first["verdict"], first["reason"], torn["verdict"]) == ("pods", "fail", "one was lost", "")


def test_it_says_what_was_done_in_an_interval(busy: Site) -> None:
    """Each interval that is asked for gets what was done in it, and nothing of what was done before."""
    now = datetime.now(UTC)
    times = [(now - timedelta(hours=first), now - timedelta(hours=last)) for first, last in ((1, -1), (3, 2))]
    query = "&".join(f"between={quote(f'{since.isoformat()}/{until.isoformat()}')}" for since, until in times)
    said = json.loads(busy.get(f"{PATH}?{query}").body)
    lately, before = said["between"]
    assert {name: lately[name] for name in ("published", "refused", "read", "checked", "stops", "warnings")} == {
        "published": 2,
        "refused": 1,
        "read": 5,
        "checked": 1,
        "stops": 1,
        "warnings": 0,
    }
    assert set(before.values()) == {0}


def test_it_costs_the_catalog_nothing_for_some_seconds(busy: Site) -> None:
    """Asked again at once, it repeats what it said: a page that is left open by many is no burden."""
    before = busy.get(PATH).body
    busy.catalog.enqueue([ModuleVersion("example.com/unseen", "v1.0.0")], source="test")
    assert busy.get(PATH).body == before


@pytest.mark.parametrize("query", ["between=x", "between=2026-01-01T00:00:00Z", "between=a/b/c", "between=x&" * 26])
def test_nonsense_is_refused_with_what_to_write(busy: Site, query: str) -> None:
    """A query that cannot be understood is a 400 that shows the form."""
    reply = busy.get(f"{PATH}?{query}")
    assert (reply.status, "between=<time>/<time>" in reply.text) == (400, True)
