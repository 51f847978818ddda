"""Each verdict of a load test, made for real: a server that is well, one that stalls, a generator that stalls."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fakes.paused import children, paused
from fakes.site import Site
from gopherwood import loadtest
from gopherwood.catalog import Catalog
from gopherwood.cli import build_parser
from gopherwood.errors import EXIT_NO_VERDICT, UsageError
from gopherwood.loadtest.verb import Result

Run = Callable[..., tuple[Result, dict[str, Any]]]
GENEROUS = """
[replay]
p99_ms = {p99}
errors = 0.0
throughput = 0.05
[ui]
p99_ms = 20000
errors = 0.0
throughput = 0.05
[validity]
on_time = 0.0
"""
"""Thresholds for machines where others are at work."""


@pytest.fixture
def slo(tmp_path: Path) -> Path:
    file = tmp_path / "slo.toml"
    file.write_text(GENEROUS.format(p99=20_000))
    return file


def test_a_replay_passes_and_leaves_a_report_and_an_event(site: Site, replay: Run, slo: Path) -> None:
    """Every recorded request is played and its bytes are checked; page, histograms, index and event tell of it."""
    misses = site.metric("misses_noted_total")
    result, report = replay("--slo", str(slo), "--speed", "3", "--name", "Game Day 1")
    assert (result.verdict, result.exit_code, result.name) == ("pass", 0, "game-day-1")
    assert report["requests"]["intended"] == report["requests"]["answered"] == 121
    assert report["requests"]["bodies_checked"] == 120
    assert report["left_out"] == {"sumdb: no path in the log": 1, "probe: no client's": 1}
    assert report["serving"]["requests"] == {"mod": 30, "info": 31, "zip": 30, "list": 30}
    assert report["serving"]["cpu_seconds"] > 0
    assert set(report["files"]) == {f"{kind}.hgrm" for kind in ("all", "info", "list", "mod", "zip")}
    page = site.get("/reports/load/game-day-1/")
    assert "Load test" in page.text
    assert "#[Mean" in site.get("/reports/load/game-day-1/zip.hgrm").text
    assert "load/game-day-1/index.html" in site.get("/reports/").text
    with Catalog.open(site.settings) as catalog:
        (event,) = [each.event for each in catalog.events(kind="load-pass") if each.event.subject == "game-day-1"]
    assert event.payload["scenario"] == "replay"
    assert site.metric("misses_noted_total") == misses  # a replayed miss is nobody's wish


def test_a_server_that_stalls_fails_though_few_requests_met_it(site: Site, replay: Run, tmp_path: Path) -> None:
    """The stall is charged to each request that was meant to be made meanwhile; a `verdict` says so again."""
    assert site.process is not None
    slo = tmp_path / "strict.toml"
    slo.write_text(GENEROUS.format(p99=400))
    worker = int(Path(f"/proc/{site.process.pid}/task/{site.process.pid}/children").read_text().split()[-1])
    with paused(site, lambda: [worker], 0.8):
        result, report = replay("--slo", str(slo), "--defer-verdict")
    assert (result.verdict, result.exit_code) == ("fail", 0)
    assert "p99" in result.reason
    assert report["classes"]["all"]["latency_ms"]["p90"] > 300
    args = build_parser().parse_args(["loadtest", "verdict", "--name", result.name])
    again = loadtest.run(site.settings, args, threading.Event())
    assert (again.exit_code, again.reason) == (1, result.reason)


def test_a_generator_that_stalls_makes_the_run_invalid(site: Site, replay: Run) -> None:
    """Arrivals that were late say nothing of the server: no pass, no failure, an exit code of its own."""
    with paused(site, lambda: children("loadtest.player"), 0.8):
        result, _ = replay("--defer-verdict")
    assert (result.verdict, result.exit_code) == ("invalid", EXIT_NO_VERDICT)
    assert "arrivals on time" in result.reason


def test_load_of_others_makes_the_run_invalid(site: Site, replay: Run, slo: Path) -> None:
    """What serving counted is not what the generator made: the figures are of both, or of neither."""

    def ask() -> list[int]:
        for _ in range(30):
            site.get("/example.com/!load1/@v/list")
        return []

    with paused(site, ask, 0):
        result, _ = replay("--slo", str(slo))
    assert result.verdict == "invalid"
    assert "serving's own count: 151" in result.reason


def test_a_population_asks_evenly(run: Run, slo: Path) -> None:
    """Users come one after the other from the first second on, all of them, and each comes again in its turn."""
    result, report = run("ui", "--users", "40", "--rate", "20", "--duration", "4", "--slo", str(slo))
    assert (result.verdict, result.reason) == ("pass", "")
    assert [each["intended"] for each in report["timeline"]] == [20, 20, 20, 20]
    assert report["requests"]["answered"] == 80
    assert report["source"] == "the model, over 10 versions"


def test_clients_with_empty_caches_build(site: Site, run: Run) -> None:
    """Real `go` commands download everything, and serving has counted a zip for each version and client."""
    result, report = run("build", "--clients", "2", "--modules", "5")
    assert (result.verdict, result.reason) == ("pass", "")
    assert [each["versions"] for each in report["downloads"]] == [5, 5]
    assert report["serving"]["requests"]["zip"] == 10


def test_load_is_never_sent_to_a_guess(site: Site, run: Run) -> None:
    """Without a URL nothing is asked, though one is in the settings."""
    with pytest.raises(UsageError, match="which serving"):
        run("ui", url=False)


def test_importing_the_verb_patches_nothing() -> None:
    """Locust changes the process that imports it; that is never ours."""
    code = "import gopherwood.loadtest.verb, sys, socket; print([n for n in ('gevent', 'locust') if n in sys.modules])"
    environ = os.environ | {"PYTHONPATH": str(Path(str(loadtest.__file__)).parents[2])}

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environ, check=True)
    assert done.stdout.strip() == "[]"
