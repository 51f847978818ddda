"""Reports that commands wrote, as serving shows them, and what a load test reads of serving's cost."""

import re

from fakes.site import Site
from gopherwood.objects import open_objects

PAGE = b"<!doctype html><head><style>p { color: red }</style></head><p>ok</p><style>p { color: blue }</style>"


def test_a_report_is_shown_with_its_own_style_and_no_other(site: Site) -> None:
    """The policy names the style in the head by its hash; a script, or a style that was slipped in, is not allowed."""
    reports = open_objects(site.settings.reports_url, mutable=True, settings=site.settings)
    reports.replace_many([("load/run-1/index.html", PAGE), ("load/run-1/report.json", b"{}"), ("index.html", b"all")])
    reports.replace_many([("load/run-1/zip.hgrm", b"Value\n"), ("load/run-1/secret.key", b"no report")])
    page = site.get("/reports/load/run-1/")
    assert (page.status, page.body) == (200, PAGE)
    policy = page.headers["Content-Security-Policy"] or ""
    assert re.findall(r"sha256-[^']+", policy) == ["sha256-ngewhhP73WDIbgwseeu52VAAJgKdGUsu1IUQQsAm8m4="]
    assert "default-src 'none'" in policy
    assert "script" not in policy
    assert site.get("/reports/").text == "all"
    assert site.get("/reports/load/run-1/report.json").headers["Content-Type"] == "application/json"
    assert (site.get("/reports/load/run-1/zip.hgrm").headers["Content-Type"] or "").startswith("text/plain")
    for nothing in ("load/run-1/secret.key", "load/", "../catalog.db", "load//index.html", "load/run-1/none.html"):
        assert site.get(f"/reports/{nothing}").status == 404


def test_a_scrape_tells_what_the_worker_costs(site: Site) -> None:
    """Processor time grows, memory is that of a Python process, and the number of workers is known."""
    first, second = (site.get("/metrics").text for _ in range(2))

    def value(text: str, name: str) -> float:
        return float(re.search(rf'^{name}{{worker="1"}} (\S+)$', text, re.MULTILINE)[1])  # type: ignore[index]

    assert 0 < value(first, "process_cpu_seconds_total") < value(second, "process_cpu_seconds_total")
    assert 10e6 < value(second, "process_resident_memory_bytes") < 2e9
    assert value(second, "process_start_time_seconds") == value(first, "process_start_time_seconds") > 1.7e9
    assert value(second, "gopherwood_serving_workers") == 1
