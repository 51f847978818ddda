"""The access log: what a line says and never says, files that are finished and moved, and serving that never stops."""

import json
import os
import resource
import signal
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fakes import s3
from fakes.site import Site
from gopherwood import accesslog
from gopherwood.config import Settings
from gopherwood.objects import Objects, open_objects
from gopherwood_serving import metrics
from gopherwood_serving.accessfiles import Files, Stream

PATH = "github.com/Upper/logged"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture(scope="module")
def logged(make_site: Callable[..., Site]) -> Site:
    """Return a server of its own with one module version."""
    site = make_site("--workers", "2")
    site.publish(PATH, "v1.0.0")
    site.start()
    return site


def written(site: Site, want: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
    """Return all lines once they are what is wanted."""
    found: list[dict[str, Any]] = []

    def enough() -> bool:
        found[:] = [
            json.loads(line)
            for path in sorted((site.settings.home / "logs").glob("*/*.jsonl"))
            for line in path.read_text().splitlines()
        ]
        return want(found)

    site.wait(enough)
    return found


def test_a_line_says_what_was_asked_and_what_became_of_it(logged: Site) -> None:
    """Module, version, class of client, policy, miss, trace: every line fits the schema."""
    escaped = "/github.com/!upper/logged"
    go = {"User-Agent": "Go-http-client/1.1", "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    for _ in range(6):
        logged.get(f"{escaped}/@v/v1.0.0.info", go)
    logged.get(f"{escaped}/@v/v1.0.0.zip", method="HEAD")
    logged.get(f"{escaped}/@v/v1.0.0.mod", {"Range": "bytes=0-3", "User-Agent": "curl/8.1"})
    logged.get(f"/cached-only{escaped}/@v/v1.9.0.info", {"User-Agent": "kube-probe/1.30"})
    logged.get(f"{escaped}/@v/main.info", {"Disable-Module-Fetch": "true"})
    logged.get(f"{escaped}/@v/list", method="POST")
    lines = written(logged, lambda lines: len(lines) >= 11)
    for line in lines:
        jsonschema.validate(line, json.loads(accesslog.SCHEMA.read_text()))
        assert accesslog.parse(json.dumps(line).encode()) == accesslog.Line(**line)
    of = {(line["kind"], line["method"], line["status"]): line for line in lines}
    info = of["info", "GET", 200]
    assert (info["module"], info["version"], info["agent"], info["trace"]) == (PATH, "v1.0.0", "go", TRACE)
    assert {line["outcome"] for line in lines if line["kind"] == "info" and line["status"] == 200} >= {"hit"}
    assert (of["zip", "HEAD", 200]["bytes"], of["zip", "HEAD", 200]["agent"]) == (0, "none")
    assert (of["mod", "GET", 206]["bytes"], of["mod", "GET", 206]["agent"]) == (4, "tool")
    miss, query = of["info", "GET", 404], of["query", "GET", 404]
    assert (miss["miss"], miss["policy"], miss["version"], miss["agent"]) == (True, "cached-only", "v1.9.0", "probe")
    assert (query["policy"], query["version"], query["module"]) == ("disable-module-fetch", "main", PATH)
    assert (of["other", "other", 405]["module"], of["other", "other", 405]["miss"]) == ("", False)
    assert len({line["id"] for line in lines}) == len(lines)
    assert "address" not in info


def test_nothing_that_a_client_made_up_is_logged(logged: Site) -> None:
    """No query, no header's text, no control character, no invalid path; probes are left out."""
    secret = "hunter2"
    logged.get(f"/github.com/!upper/logged/@v/v1.0.0.info?token={secret}", {"User-Agent": f"{secret}/1"})
    logged.get(f"/{secret}%0a%1b[31m/@v/list", {"traceparent": f'00-{secret}"-x-01'})
    logged.get(f"/index?since={secret}", {"X-Request-Id": secret})
    logged.get("/healthz")
    written(logged, lambda lines: any(line["kind"] == "index" for line in lines))
    raw = b"".join(path.read_bytes() for path in (logged.settings.home / "logs").glob("*/*.jsonl"))
    assert secret.encode() not in raw
    assert not any(byte < 32 and byte != 10 for byte in raw)
    assert b'"probe","module"' not in raw


def test_words_of_the_log_are_those_of_the_metrics() -> None:
    """A class of requests or an outcome that serving knows is in the schema; probes alone are not logged."""
    known = json.loads(accesslog.SCHEMA.read_text())["properties"]
    assert set(known["kind"]["enum"]) == set(metrics.ROUTES) - {"probe"}
    assert known["outcome"]["enum"] == list(metrics.OUTCOMES)
    assert known["agent"]["enum"] == list(accesslog.AGENTS)


def test_serving_outlives_its_log(make_site: Callable[..., Site]) -> None:
    """A folder that cannot be, then files that may not grow: all is answered, lost lines are counted, none is torn.

    After kill -9 the reader gives every whole line, and counts what is none.
    """
    site = make_site()
    site.publish(PATH, "v1.0.0")
    logs = site.settings.home / "logs"
    logs.write_text("in the way")
    site.start()

    def answered(metric: str, more_than: float) -> bool:
        assert [site.get("/github.com/!upper/logged/@v/v1.0.0.info").status for _ in range(5)] == [200] * 5
        return site.metric(metric) > more_than

    site.wait(lambda: answered("access_log_lost_total", 0))
    logs.unlink()
    site.wait(lambda: answered("access_log_lines_total", 0))
    assert site.process is not None
    children = Path(f"/proc/{site.process.pid}/task/{site.process.pid}/children").read_text().split()
    limits = {int(pid): resource.prlimit(int(pid), resource.RLIMIT_FSIZE) for pid in children}
    for pid, (_, hard) in limits.items():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (300, hard))
    lost = site.metric("access_log_lost_total")
    site.wait(lambda: answered("access_log_lost_total", lost + 5))
    for pid, limit in limits.items():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, limit)
    site.wait(lambda: answered("access_log_lines_total", site.metric("access_log_lines_total") + 3))

    os.killpg(site.process.pid, signal.SIGKILL)
    site.process.wait(30)
    last = sorted(logs.glob("*/*.jsonl"))[-1]
    with last.open("ab") as file:
        file.write(b'{"time":"2026-03-01T12:00:')  # what a kill in the middle of a write would leave
    reading = accesslog.Reading()
    for path in logs.glob("*/*.jsonl"):
        with path.open("rb") as file:
            assert all(line.module == PATH for line in accesslog.lines(file, reading))
    assert reading.lines >= 10
    assert reading.skipped == 1


@pytest.fixture(params=["folder", "bucket"])
def logs(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    """Return a place for finished files."""
    if request.param == "folder":
        return open_objects(str(tmp_path / "kept"), settings=Settings())
    server = s3.server()
    return open_objects(server.bucket("logs"), settings=Settings(s3_endpoint=server.endpoint))


LINE = b'{"whole": true}\n'


def test_files_are_finished_by_size_and_moved(tmp_path: Path, logs: Objects) -> None:
    """Names sort by time and none is written twice; what a killed worker left is moved, what is in use is not."""
    left = tmp_path / accesslog.FileName(datetime(2026, 3, 1, 10, tzinfo=UTC), "host", "0" * 12).key
    left.parent.mkdir()
    left.write_bytes(LINE)
    ours, theirs = (Files(tmp_path, most_bytes=100, seconds=3600, store=logs) for _ in range(2))
    theirs.write(LINE)
    for _ in range(10):
        ours.write(LINE)
    ours.tick()
    assert not left.exists()
    assert len(list(tmp_path.glob("2*/*.jsonl"))) == 2  # those that are being written
    ours.close()
    theirs.close()
    keys = [file.key for file in accesslog.files(logs)]
    assert keys == sorted(keys)
    assert sum(logs.read(key).count(LINE) for key in keys) == 12
    assert len(keys) == 4
    assert list(tmp_path.glob("2*/*.jsonl")) == []


def test_a_file_is_finished_when_its_time_is_over_or_its_name_is_gone(tmp_path: Path) -> None:
    """The next line goes into a file that is there."""
    files = Files(tmp_path, most_bytes=1 << 20, seconds=0.05)
    files.write(LINE)
    time.sleep(0.06)
    files.write(LINE)
    assert len(list(tmp_path.glob("*/*.jsonl"))) == 2
    for path in tmp_path.glob("*/*.jsonl"):
        path.unlink()
    files.write(LINE)
    assert [path.read_bytes() for path in tmp_path.glob("*/*.jsonl")] == [LINE]
    files.close()


def test_processes_that_share_a_pipe_do_not_mix_lines() -> None:
    """However many lines each writes at once, every line that comes out is one that went in."""
    reader, writer = os.pipe()
    lines = [(letter * 300 + "\n").encode() for letter in "abcd"]
    threads = [threading.Thread(target=Stream(writer).write, args=(line * 500,)) for line in lines]
    for thread in threads:
        thread.start()
    threading.Thread(target=lambda: ([thread.join() for thread in threads], os.close(writer))).start()
    with os.fdopen(reader, "rb") as file:
        found = file.readlines()
    assert len(found) == 2000
    assert set(found) == set(lines)
