"""The verb fetch against a real upstream, a real catalog and a real staging area."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fakes import catalogs
from fakes.goproxy import GoProxy, Module, cut_in_headers, reset, slow, status, truncated, unsized, wrong_bytes
from gopherwood import fetch, http
from gopherwood.catalog import Catalog, Outcome
from gopherwood.config import Settings
from gopherwood.errors import EXIT_DONE, EXIT_FAILED, EXIT_NOTHING_TO_DO, StorageError
from gopherwood.module import ModuleVersion
from gopherwood.objects import open_objects
from gopherwood.staging import Staging
from gopherwood.states import State

M = "example.com/m"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "FIRST_PAUSE", 0.001)


@pytest.fixture
def proxy() -> Iterator[GoProxy]:
    with GoProxy() as proxy:
        yield proxy


@pytest.fixture
def settings(tmp_path: Path, proxy: GoProxy) -> Settings:
    return Settings(home=tmp_path, upstream=proxy.url, concurrency=4, batch=5, timeout=5)


@pytest.fixture
def queue(settings: Settings) -> Iterator[Catalog]:
    catalogs.make(settings.catalog_url)
    with Catalog.open(settings) as catalog:
        yield catalog


def want(queue: Catalog, proxy: GoProxy, count: int, *, serve: bool = True) -> dict[ModuleVersion, Module | None]:
    """Serve so many versions and queue them."""
    made = {ModuleVersion(M, f"v1.{n}.0"): proxy.add(M, f"v1.{n}.0") if serve else None for n in range(count)}
    queue.enqueue(made, source="test")
    return made


def staged(settings: Settings, queue: Catalog, mv: ModuleVersion) -> Module:
    row = queue.state_of(mv)
    assert row is not None
    assert row.token is not None
    files = Staging(open_objects(settings.staging_url, mutable=True, settings=settings)).files(row.token)
    return Module(*(files[suffix].read_bytes() for suffix in fetch.SUFFIXES))


def state(queue: Catalog, version: str) -> tuple[State, str]:
    row = queue.state_of(ModuleVersion(M, version))
    assert row is not None
    return row.state, row.reason


def folders(settings: Settings) -> list[Path]:
    """Return what lies in staging."""
    return list((settings.home / "staging").rglob("*.zip*"))


def test_everything_wanted_is_staged(settings: Settings, queue: Catalog, proxy: GoProxy) -> None:
    """Thirty versions over six batches: every byte as the upstream has it, each file asked for once."""
    made = want(queue, proxy, 30)
    result = fetch.run(settings)
    assert (result.staged, result.exit_code) == (30, EXIT_DONE)
    assert {mv: staged(settings, queue, mv) for mv in made} == made
    assert set(proxy.requests.values()) == {1}
    assert proxy.connections <= settings.concurrency


def test_an_empty_queue_is_nothing_to_do(settings: Settings, queue: Catalog) -> None:
    """Exit 99, which Airflow shows as skipped."""
    assert fetch.run(settings).exit_code == EXIT_NOTHING_TO_DO


def test_the_limit_is_kept(settings: Settings, queue: Catalog, proxy: GoProxy) -> None:
    """No more versions than asked for are leased."""
    want(queue, proxy, 12)
    assert fetch.run(settings, limit=7).staged == 7
    assert queue.counts()[State.QUEUED] == 5


@pytest.mark.parametrize("code", [404, 410])
def test_what_the_upstream_does_not_have_is_gone(settings: Settings, queue: Catalog, proxy: GoProxy, code: int) -> None:
    """Gone is an outcome for good: the run is done."""
    want(queue, proxy, 2)
    proxy.fail(f"{M}/@v/v1.0.0.info", status(code))
    result = fetch.run(settings)
    assert (result.staged, result.gone, result.exit_code) == (1, 1, EXIT_DONE)
    assert state(queue, "v1.0.0") == (State.GONE, "not-found")


@pytest.mark.parametrize("fault", [truncated, reset, cut_in_headers, status(500)])
@pytest.mark.parametrize("suffix", fetch.SUFFIXES)
def test_a_broken_upstream_is_tried_again_later(
    settings: Settings, queue: Catalog, proxy: GoProxy, suffix: str, fault: object
) -> None:
    """The version has failed with its reason, and nothing half is left in staging."""
    want(queue, proxy, 1)
    proxy.fail(f"{M}/@v/v1.0.0{suffix}", fault)  # type: ignore[arg-type]
    result = fetch.run(settings)
    assert (result.failed, result.exit_code, state(queue, "v1.0.0")[0]) == (1, EXIT_FAILED, State.FAILED)
    assert folders(settings) == []


def test_a_403_of_an_upstream_that_serves_us_is_gone(settings: Settings, queue: Catalog, proxy: GoProxy) -> None:
    """After an .info that was served, a 403 for the zip can only mean that it is missing."""
    want(queue, proxy, 1)
    proxy.fail(f"{M}/@v/v1.0.0.zip", status(403))
    assert fetch.run(settings).gone == 1


def test_a_passing_fault_is_not_even_seen(settings: Settings, queue: Catalog, proxy: GoProxy) -> None:
    """Two cut replies and a third that is whole: staged."""
    made = want(queue, proxy, 1)
    proxy.fail(f"{M}/@v/v1.0.0.zip", truncated, times=2)
    assert fetch.run(settings).staged == 1
    assert staged(settings, queue, ModuleVersion(M, "v1.0.0")) == made[ModuleVersion(M, "v1.0.0")]


def test_retry_after_is_when_it_is_tried_again(settings: Settings, queue: Catalog, proxy: GoProxy) -> None:
    """The upstream's own word on when, not ours."""
    want(queue, proxy, 1)
    proxy.fail(f"{M}/@v/v1.0.0.mod", status(429, retry_after="3000"))
    fetch.run(settings)
    row = queue.state_of(ModuleVersion(M, "v1.0.0"))
    assert row is not None
    assert (row.ready_at - row.changed_at).total_seconds() == pytest.approx(3000, abs=30)


def test_too_large_is_rejected(settings: Settings, queue: Catalog, proxy: GoProxy) -> None:
    """A limit of the module format is a rule, and trying again would not help."""
    want(queue, proxy, 1)
    proxy.files[f"{M}/@v/v1.0.0.mod"] = bytes((16 << 20) + 1)
    result = fetch.run(settings)
    assert (result.rejected, result.exit_code, state(queue, "v1.0.0")) == (1, EXIT_DONE, (State.REJECTED, "too-large"))


@pytest.mark.parametrize("fault", [wrong_bytes, unsized])
def test_content_is_not_judged_here(settings: Settings, queue: Catalog, proxy: GoProxy, fault: object) -> None:
    """A flipped bit, or a zip without a length, is validate's to find: it is staged."""
    want(queue, proxy, 1)
    proxy.fail(f"{M}/@v/v1.0.0.zip", fault)  # type: ignore[arg-type]
    assert fetch.run(settings).staged == 1


def test_an_outage_ends_the_run(settings: Settings, queue: Catalog, proxy: GoProxy) -> None:
    """When nothing works any more, most of the queue keeps its attempts for a better day."""
    want(queue, proxy, 100)
    for n in range(100):
        proxy.fail(f"{M}/@v/v1.{n}.0.info", status(503))
    result = fetch.run(replace(settings, concurrency=2))
    assert (result.exit_code, "out" in result.stopped) == (EXIT_FAILED, True)
    assert queue.counts()[State.QUEUED] > 50
    assert queue.counts()[State.LEASED] == 0


def test_no_staging_area_ends_the_run(settings: Settings, queue: Catalog, proxy: GoProxy) -> None:
    """An error of ours is raised, and all leases are given back uncounted."""
    want(queue, proxy, 20)
    (settings.home / "staging").write_text("in the way")
    with pytest.raises(StorageError):
        fetch.run(replace(settings, concurrency=1))
    row = queue.state_of(ModuleVersion(M, "v1.0.0"))
    assert row is not None
    assert (queue.counts()[State.QUEUED], row.failures) == (20, 0)


def test_stop_gives_back_what_is_unfinished(
    settings: Settings, queue: Catalog, proxy: GoProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What hangs is cut off after the grace; its attempt does not count, and another run picks it up."""
    monkeypatch.setattr(fetch, "GRACE_SECONDS", 0.2)
    made = want(queue, proxy, 6)
    proxy.fail(f"{M}/@v/v1.3.0.zip", slow(60), times=1)
    stop = threading.Event()
    seen: list[Outcome] = []
    threading.Timer(0.3, stop.set).start()
    result = fetch.run(replace(settings, timeout=60), stop=stop, progress=seen.append)
    assert (result.stopped, result.exit_code, result.staged) == ("told to stop", EXIT_FAILED, 5)
    row = queue.state_of(ModuleVersion(M, "v1.3.0"))
    assert row is not None
    assert (row.state, row.failures, row.owner, len(seen)) == (State.QUEUED, 0, None, 5)
    assert fetch.run(settings).staged == 1
    assert {mv: staged(settings, queue, mv) for mv in made} == made


def test_leases_are_renewed(settings: Settings, queue: Catalog, proxy: GoProxy) -> None:
    """A download longer than the lease keeps it: nobody else gets the version meanwhile."""
    want(queue, proxy, 1)
    proxy.fail(f"{M}/@v/v1.0.0.zip", slow(3.2))
    settings = replace(settings, lease_seconds=2.0)
    results: list[fetch.Result] = []
    thread = threading.Thread(target=lambda: results.append(fetch.run(settings)))
    thread.start()
    time.sleep(2.6)
    assert queue.lease("fetch", owner="other", limit=10, seconds=60) == []
    thread.join()
    assert (results[0].staged, results[0].lost) == (1, 0)


def test_a_lost_lease_is_dropped(settings: Settings, queue: Catalog, proxy: GoProxy) -> None:
    """When somebody else holds it by now, our outcome does not count and our files go."""
    want(queue, proxy, 1)
    hold = threading.Event()

    class TakenOver(Catalog):
        def finish(self, outcomes):  # type: ignore[no-untyped-def]
            if not hold.is_set():
                hold.set()
                queue.release(outcomes[0].job.owner)
                queue.lease("fetch", owner="other", limit=1, seconds=60)
            return super().finish(outcomes)

    with TakenOver.open(settings) as catalog:
        result = fetch.run(settings, catalog=catalog)
    assert (result.lost, result.staged, folders(settings)) == (1, 0, [])


PROGRAM = "import sys; from pathlib import Path; from gopherwood import fetch; from gopherwood.config import Settings\n"
PROGRAM += (
    "fetch.run(Settings(home=Path(sys.argv[1]), upstream=sys.argv[2], concurrency=4, batch=5, lease_seconds=1.0))"
)


def test_sigkill_loses_nothing(settings: Settings, queue: Catalog, proxy: GoProxy) -> None:
    """Killed in the middle: when the leases have ended another run stages everything."""
    made = want(queue, proxy, 12)
    proxy.fail(f"{M}/@v/v1.7.0.zip", slow(60), times=1)
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(settings.home), proxy.url])
    while not proxy.requests[f"{M}/@v/v1.7.0.zip"]:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 30
    while queue.counts()[State.STAGED] < 12 and time.monotonic() < deadline:
        fetch.run(settings)
        time.sleep(0.1)
    assert {mv: staged(settings, queue, mv) for mv in made} == made


def test_two_workers_share_the_queue(settings: Settings, queue: Catalog, proxy: GoProxy) -> None:
    """Two runs at once fetch everything, and nothing twice."""
    want(queue, proxy, 60)
    results: list[fetch.Result] = []
    threads = [threading.Thread(target=lambda: results.append(fetch.run(settings))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(result.staged for result in results) == 60
    assert set(proxy.requests.values()) == {1}
