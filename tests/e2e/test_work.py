"""work, as a Deployment runs it: stands ready, drains what is queued meanwhile, may be ended any way at any time."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.goproxy import GoProxy, status
from gopherwood import fetch
from gopherwood.catalog import Catalog
from gopherwood.config import Settings
from gopherwood.ingest.pace import ENOUGH, Outage
from gopherwood.ingest.standing import Standing
from gopherwood.module import ModuleVersion
from gopherwood.states import State

VERSIONS = [ModuleVersion(f"example.com/m{n % 7}", f"v1.{n}.0") for n in range(40)]
Start = Callable[[int], "list[subprocess.Popen[str]]"]


@pytest.fixture
def proxy() -> Iterator[GoProxy]:
    """Serve forty versions of seven modules."""
    with GoProxy() as server:
        for mv in VERSIONS:
            server.add(mv.path, mv.version)
        yield server


@pytest.fixture
def settings(tmp_path: Path, proxy: GoProxy) -> Settings:
    return Settings(home=tmp_path / "home", upstream=proxy.url, sumdb="off", lease_seconds=2, batch=5)


@pytest.fixture
def start(settings: Settings, tmp_path: Path) -> Iterator[Start]:
    """Give a way to start some `gopherwood work` and wait till all are ready; what is left at the end is killed."""
    started = []
    given = {name: str(getattr(settings, name)) for name in ("home", "upstream", "sumdb", "lease_seconds", "batch")}
    environ = os.environ | {f"GOPHERWOOD_{name.upper()}": text for name, text in given.items()}

    def begin(count: int) -> "list[subprocess.Popen[str]]":
        pulses = [tmp_path / f"pulse{number}" for number in range(count)]
        for pulse in pulses:
            command = [sys.executable, "-m", "gopherwood", "work", "--pulse", str(pulse)]
            started.append(subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True))
        wait_for(lambda: all(pulse.exists() for pulse in pulses))
        return started

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait till something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_killed_or_told_to_end_nothing_is_lost_or_done_twice(start: Start, settings: Settings) -> None:
    """Two stand ready before there is work; one is killed in the middle of it; the other gives back what it holds."""
    victim, other = start(2)
    with Catalog.open(settings) as catalog:
        catalog.enqueue(VERSIONS[:25], source="test")
        wait_for(lambda: catalog.counts()[State.PUBLISHED] > 0)
        victim.kill()
        wait_for(lambda: not catalog.open_count())
        assert catalog.counts()[State.PUBLISHED] == catalog.counter("published") == 25
        catalog.enqueue(VERSIONS[25:], source="test")
        wait_for(lambda: catalog.backlog().held > 0)
        other.terminate()
        said = other.communicate(timeout=30)[1]
        assert (other.returncode, '"event": "ended"' in said) == (0, True), said
        rows = catalog.rows_of(VERSIONS[25:]).values()
        assert {(row.owner, row.failures) for row in rows} == {(None, 0)}
        assert len(rows) == len(VERSIONS) - 25


def test_an_upstream_that_is_out_is_asked_by_one_version(settings: Settings, proxy: GoProxy) -> None:
    """The first batch fails; then one version at a time is tried, ever later; once it answers, all of them are."""
    now = 0.0
    for mv in VERSIONS:
        proxy.fail(proxy.key(mv.path, mv.version, ".info"), status(401))
    with Catalog.ready(settings) as catalog, Standing.open(replace(settings, batch=20), 0, threading.Event()) as worker:
        catalog.enqueue(VERSIONS, source="test")
        worker.outage = Outage(lambda: now)
        for _ in range(4):
            worker.check()
        assert catalog.counts()[State.FAILED] == 20
        for tried in (21, 22, 23):
            now += Outage.LONGEST
            worker.check()
            worker.check()
            assert catalog.counts()[State.FAILED] == tried
        proxy.heal()
        now += Outage.LONGEST
        while worker.check():
            pass
        assert catalog.counts()[State.VALID] == len(VERSIONS) - 23


def test_few_that_fail_are_no_outage() -> None:
    """Below a number that chance could explain, or with one that did not fail, the next batch is a whole one."""
    outage = Outage(lambda: 0.0)
    assert not outage.learn(fetch.Result(failed=ENOUGH - 1), told_to_stop=False)
    assert not outage.learn(fetch.Result(failed=99, gone=1), told_to_stop=False)
    assert not outage.learn(fetch.Result(failed=3, stopped="told to stop"), told_to_stop=True)
    assert outage.limit(100) == 100
    assert outage.learn(fetch.Result(failed=ENOUGH), told_to_stop=False)
    assert outage.limit(100) == 0
