"""Probes and metrics: what an orchestrator and a Prometheus see."""

import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from fakes.site import Site
from gopherwood.module import ModuleVersion

LINE = re.compile(r'[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9.e+-]+')


def test_alive_and_ready(site: Site) -> None:
    """Both say so in a word, and no cache keeps it."""
    assert (site.get("/healthz").status, site.get("/healthz").text) == (200, "ok\n")
    ready = site.get("/readyz")
    assert (ready.status, ready.text, ready.headers["Cache-Control"]) == (200, "ready\n", "no-store")


def test_not_ready_while_the_store_lacks_what_is_published(make_site: Callable[..., Site]) -> None:
    """A store that is not there (a volume not mounted) is noticed; files in memory go on being served."""
    broken = make_site()
    broken.publish("example.com/m", "v1.0.0")
    broken.start()
    assert broken.get("/example.com/m/@v/v1.0.0.mod").status == 200
    store = Path(str(broken.objects.local_path("x"))).parent
    shutil.move(store, store.with_name("elsewhere"))
    assert broken.get("/readyz").status == 503
    assert "example.com/m@v1.0.0 is not in the store" in broken.get("/readyz").text
    assert broken.get("/example.com/m/@v/v1.0.0.mod").status == 200


def test_without_tables_it_lives_and_says_what_to_do(make_site: Callable[..., Site]) -> None:
    """A catalog that was never migrated: 503 for what needs it, /readyz tells why, the process lives."""
    bare = make_site()
    bare.catalog.close()
    for file in bare.settings.home.glob("catalog.db*"):
        file.unlink()
    bare.start(until="/healthz")
    ready, versions = bare.get("/readyz"), bare.get("/example.com/m/@v/list")
    assert (ready.status, "must be migrated first" in ready.text) == (503, True)
    assert (versions.status, versions.headers["Retry-After"]) == (503, "5")


def test_metrics_are_well_formed(site: Site) -> None:
    """Every line is a comment or a sample, and buckets add up to the count."""
    site.publish("example.com/measured", "v1.0.0")
    for _ in range(3):
        site.get("/example.com/measured/@v/list")
    text = site.get("/metrics").text
    assert [line for line in text.splitlines() if not line.startswith("# ") and not LINE.fullmatch(line)] == []
    labels = 'route="list",outcome="hit",worker="1"'
    buckets = re.findall(rf'_bucket{{{labels},le="([^"]+)"}} (\d+)', text)
    count = re.search(rf"request_seconds_count{{{labels}}} (\d+)", text)
    assert count is not None
    assert buckets[-1] == ("+Inf", count[1])
    assert sorted(int(number) for _, number in buckets) == [int(number) for _, number in buckets]


def test_a_scrape_tells_what_waits_for_workers(make_site: Callable[..., Site]) -> None:
    """The signal that workers are scaled by, as it is now; not a number when the catalog does not know it."""
    site = make_site()
    site.start()
    assert (site.metric("queue_due"), site.metric("queue_workers")) == (0, 0)
    site.catalog.enqueue([ModuleVersion("example.com/m", f"v1.0.{n}") for n in range(201)], source="test")
    site.catalog.lease("fetch", owner="somebody", limit=1, seconds=60)
    assert [site.metric(name) for name in ("queue_due", "queue_held", "queue_workers")] == [200, 1, 2]
    assert site.metric("queue_oldest_seconds") > 0
    with site.catalog.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE versions RENAME TO hidden")
    assert math.isnan(site.metric("queue_due"))


def test_no_client_can_make_a_label(site: Site) -> None:
    """Paths, methods and versions of a client's choice add no series."""

    def series() -> set[str]:
        return set(re.findall(r"^gopherwood\S+", site.get("/metrics").text, re.MULTILINE))

    for path in ("/example.com/a/@v/list", "/nonsense", "/index?since=x", "/"):
        site.get(path)
    site.get("/", method="BREW")
    before = series()
    for number in range(20):
        site.get(f"/example.com/label{number}/@v/list")
        site.get(f"/nonsense{number}", method=f"BREW{number}")
    assert series() == before
