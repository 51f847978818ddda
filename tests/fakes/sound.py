"""A small platform in which everything is as it should be: real versions, brought in by the real commands."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Event

from fakes import accesslog
from fakes.goproxy import GoProxy
from fakes.index import Index
from gopherwood import discover, fetch, publish, usage, validate
from gopherwood.catalog import Catalog, utc_now
from gopherwood.config import Settings
from gopherwood.module import ModuleVersion

PSEUDO = "v0.0.0-20200102030405-abcdefabcdef"
VERSIONS = {
    ("example.com/low", "v1.0.0"): "2020-01-01T00:00:00Z",
    ("example.com/low", "v1.0.1"): "2020-02-01T00:00:00Z",
    ("example.com/low", "v1.1.0"): "2020-03-01T00:00:00Z",
    ("example.com/top", "v1.0.0"): "2020-04-01T00:00:00Z",
    ("example.com/commit", PSEUDO): "2020-01-02T03:04:05Z",
}
REPORT = {
    "schema": 1,
    "kind": "load",
    "name": "ui",
    "started": "2026-01-01T00:00:00Z",
    "finished": "2026-01-01T00:10:00Z",
    "verdict": "pass",
}


def publish_all(home: Path, catalog: str = "") -> Settings:
    """Bring in VERSIONS, one of which requires another, queue one more, and leave the report of a load test.

    The catalog is a file below `home`, or at the URL that is given.
    """
    with GoProxy() as proxy, Index() as index:
        settings = Settings(home=home, catalog=catalog, upstream=proxy.url, sumdb="off", index=index.url, timeout=5)
        for (path, version), time in VERSIONS.items():
            needs = "require example.com/low v1.0.1\n" if path.endswith("/top") else ""
            proxy.add(path, version, {"go.mod": f"module {path}\n\ngo 1.21\n{needs}"}, time=time)
        now = utc_now()
        for number, (path, version) in enumerate(VERSIONS):
            index.add(path, version, (now - timedelta(minutes=90 - number)).isoformat().replace("+00:00", "Z"))
        with Catalog.ready(settings):
            pass
        for hours in (2, 1):
            since, until = now - timedelta(hours=hours), now - timedelta(hours=hours - 1)
            discover.run(settings, "index", since=since, until=until)
        fetch.run(settings)
        validate.run(settings)
        publish.run(settings)
        discover.run(settings, "seed", wanted=["example.com/low@v1.9.9"])
        ask(settings)
    report = home / "reports/load/ui/report.json"
    report.parent.mkdir(parents=True)
    report.write_text(json.dumps(REPORT))
    return replace(settings, index="")


def ask(settings: Settings) -> None:
    """Let somebody ask for what is held, and for what is not, and count it."""
    now = utc_now()
    low = ModuleVersion("example.com/low", "v1.0.0")
    with Catalog.open(settings) as catalog:
        size = catalog.rows_of([low])[low].facts["zip_size"]
    lines = (
        *(accesslog.line(now, module=low.path, version=low.version, bytes=size) for _ in range(3)),
        accesslog.line(now, kind="list", module=low.path, version="", bytes=21),
        accesslog.miss(now, module=low.path),
    )
    accesslog.write(settings.access_log_folder, *lines, begun=now)
    usage.run(settings, None, None, top=3, stop=Event())


def copy_of(table: str, where: str) -> tuple[str, ...]:
    """Return statements that put a row of a table in a second time, for tests that break what no index lets through."""
    return (
        f"CREATE TABLE copied AS SELECT * FROM {table} WHERE {where}",
        "UPDATE copied SET id = 99, sequence = 99",
        f"INSERT INTO {table} SELECT * FROM copied",
    )
