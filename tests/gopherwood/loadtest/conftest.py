"""A real server with something published and an access log to play, and a way to run load tests against it."""

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fakes import accesslog
from fakes.site import Site
from gopherwood import loadtest, reporting
from gopherwood.cli import build_parser
from gopherwood.loadtest.verb import Result
from gopherwood.objects import open_objects

BEGUN = datetime(2026, 3, 1, 12, tzinfo=UTC)
FILES = [Path(str(module.__file__)).with_name("report.schema.json") for module in (loadtest, reporting)]
"""The schemas of report.json."""
Run = Callable[..., tuple[Result, dict[str, Any]]]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Run a server that has published ten modules, beside a log of three seconds."""
    site = Site.new(tmp_path_factory.mktemp("load"))
    site.environ = {"GOPHERWOOD_ACCESS_LOG": "off"}  # of its own: what is played is what stands below
    for number in range(10):
        site.publish(f"example.com/Load{number}", "v1.0.0")
    lines = [
        accesslog.line(
            BEGUN + timedelta(seconds=number / 40),
            kind=("mod", "info", "zip", "list")[number % 4],
            module=f"example.com/Load{number % 10}",
            version="v1.0.0" if number % 4 < 3 else "",
        )
        for number in range(120)
    ]
    lines.append(accesslog.miss(BEGUN + timedelta(seconds=1), module="example.com/nobody", version="v0.9.9"))
    lines.append(accesslog.line(BEGUN, kind="sumdb", module="", version=""))
    lines.append(accesslog.line(BEGUN, agent="probe"))
    accesslog.write(site.settings.home / "logs", *lines, begun=BEGUN)
    site.start()
    yield site
    site.stop()


@pytest.fixture
def run(site: Site) -> Run:
    """Run a load test against the server; return its result and report.json, which fits its schemas."""

    def run(scenario: str, *flags: str, url: bool = True) -> tuple[Result, dict[str, Any]]:
        where = ["--url", site.url] if url else []
        args = build_parser().parse_args(["loadtest", scenario, *where, "--watch", "0", *flags])
        result = loadtest.run(site.settings, args, threading.Event())
        objects = open_objects(site.settings.reports_url, settings=site.settings)
        report = json.loads(objects.read(f"load/{result.name}/report.json"))
        for file in FILES:
            jsonschema.validate(report, json.loads(file.read_text()))
        return result, report

    return run


@pytest.fixture
def replay(run: Run) -> Run:
    """Play the log."""
    until = (BEGUN + timedelta(seconds=10)).isoformat()
    return lambda *flags: run("replay", "--since", BEGUN.isoformat(), "--until", until, *flags)
