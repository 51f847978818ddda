"""A publish that is killed, or whose disk fails, at any of its system calls, is completed by the next one.

`kill -9` says nothing about fsync: the page cache survives it. So the order of system calls is checked too. By default
the sweep takes a sample of the calls; GOPHERWOOD_CRASH_SWEEP=full (make test-crash) takes every one.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fakes import logged, strace, valid
from gopherwood import publish, store
from gopherwood.catalog import Catalog
from gopherwood.config import Settings
from gopherwood.ledger import verify
from gopherwood.module import ModuleVersion
from gopherwood.objects import open_objects
from gopherwood.staging import Staging
from gopherwood.states import State

pytestmark = pytest.mark.skipif(
    bool(strace.why_not()), reason=f"left out: the crash sweep of publish, because {strace.why_not()}"
)

PUBLISHER = Path(__file__).parent / "publisher.py"
MVS = [ModuleVersion("example.com/Mod", "v1.0.0"), ModuleVersion("example.com/other/v2", "v2.1.0")]
PARTS = 4
"""The sweep is cut into so many tests, which run beside each other."""
SAMPLE = 6
"""Points in each part, unless the sweep is full."""
CHECKPOINT = store.checkpoint_key(logged.NAME)


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    """Return a home with a key in which two versions are valid; tests copy it."""
    home = tmp_path_factory.mktemp("ready") / "home"
    valid.make_valid(Settings(home=home), MVS)
    (home / "ledger.key").write_text(logged.SECRET)
    return home


@pytest.fixture(scope="module")
def every_call(ready, tmp_path_factory):
    """Return each system call of interest that a publish makes: its name, and the how manieth of that name it is."""
    home = shutil.copytree(ready, tmp_path_factory.mktemp("count") / "home")
    assert run(home).returncode == 0
    return strace.numbered(home / "strace")


def environment(home: Path) -> dict[str, str]:
    # The lease of the dead ends at once, so that the next run need not wait for it.
    settings = {"GOPHERWOOD_HOME": str(home), "GOPHERWOOD_LEASE_SECONDS": "0.001", "PATH": os.environ["PATH"]}
    return settings | {"PYTHONDONTWRITEBYTECODE": "1"}  # a first run would make calls that the next one does not


def run(home: Path, *arguments: str, inject: str = "", calls: str = strace.CALLS):
    return strace.run(PUBLISHER, *arguments, log=home / "strace", env=environment(home), inject=inject, calls=calls)


def points(every_call: list[tuple[str, int]], part: int) -> list[tuple[str, int]]:
    """Return the system calls at which this part of the sweep strikes, spread over the whole publish."""
    mine = every_call[part::PARTS]
    return mine if strace.FULL else mine[:: max(1, len(mine) // SAMPLE)]


def expected() -> dict[str, bytes]:
    files = {store.key(mv, suffix): data for mv in MVS for suffix, data in valid.files(mv).items()}
    return files | {store.list_key(mv.path): f"{mv.version}\n".encode() for mv in MVS}


def check_visible(home: Path) -> None:
    """Assert that nothing half is to be seen.

    Every file is whole, a mark means all parts and an entry, a list names only marks, and the ledger is consistent.
    """
    objects = store.open_store(Settings(home=home))
    found = {key: objects.read(key) for key in objects.keys("")}
    found.pop(CHECKPOINT, None)
    assert found.items() <= expected().items()
    with Catalog.open(Settings(home=home)) as catalog:
        entries = catalog.ledger_known(MVS)
    for mv in MVS:
        if store.key(mv, ".info") in found:
            assert {store.key(mv, suffix) for suffix in store.SUFFIXES} <= found.keys()
            assert mv in entries
        if store.list_key(mv.path) in found:
            assert store.key(mv, ".info") in found
    assert verify.run(Settings(home=home)).wrong == 0


def check_completed(home: Path) -> None:
    """Assert that the next run finishes everything, once, and that nothing is left behind."""
    settings = Settings(home=home)
    publish.run(settings)
    objects = store.open_store(settings)
    found = {key: objects.read(key) for key in objects.keys("")}
    with Catalog.open(settings) as catalog:
        assert found == expected() | {CHECKPOINT: catalog.ledger_head(len(MVS)).checkpoint}
        assert catalog.counts()[State.PUBLISHED] == len(MVS)
        assert sorted(event.event.subject for event in catalog.events()) == sorted(map(str, MVS))
        assert (catalog.stale_lists(), catalog.live_tokens()) == ({}, set())
    verified = verify.run(settings)
    assert (verified.size, verified.files, verified.found) == (len(MVS), len(MVS), [])
    objects.sweep(0)
    Staging(open_objects(settings.staging_url, mutable=True, settings=settings)).sweep(set(), 0)
    left = [path for name in ("store/.tmp", "staging") for path in (home / name).rglob("*") if path.is_file()]
    assert left == []


@pytest.mark.parametrize("part", range(PARTS))
def test_killed_at_any_call(ready, every_call, tmp_path, part, struck: Callable[[int], None]):
    """SIGKILL at a system call leaves nothing half visible, and the next run publishes every byte, once."""
    struck(len(points(every_call, part)))
    for name, number in points(every_call, part):
        home = shutil.copytree(ready, tmp_path / f"{name}{number}")
        killed = run(home, inject=f"signal=SIGKILL:when={number}", calls=name)
        assert killed.returncode != 0, f"survived {name} number {number}"
        check_visible(home)
        check_completed(home)


@pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
@pytest.mark.parametrize("part", range(PARTS))
def test_disk_fails_at_any_call(ready, every_call, tmp_path, part, error, struck: Callable[[int], None]):
    """A disk that fails at one system call, or from then on, is a clear StorageError; nothing half is visible."""
    mine = points(every_call, part)[:: 1 if strace.FULL else 2]
    struck(len(mine))
    for name, number in mine:
        home = shutil.copytree(ready, tmp_path / f"{name}{number}")
        lasting = "+" if error == "ENOSPC" and name != "write" else ""  # by write it says what went wrong
        failed = run(home, inject=f"error={error}:when={number}{lasting}", calls=name)
        assert failed.returncode == 0 or failed.stdout.startswith("StorageError: "), failed.stdout + failed.stderr
        assert "Traceback" not in failed.stderr
        check_visible(home)
        check_completed(home)


def violations(calls: list[strace.Call], home: Path) -> list[str]:
    """Return where the order of system calls could lose or show something half after a power failure."""
    wrong: list[str] = []
    synced: set[str] = set()
    unsynced_folders: set[str] = set()
    linked: set[Path] = set()
    for call in calls:
        if call.name in ("fsync", "fdatasync"):
            synced.add(call.paths[0])
            unsynced_folders.discard(call.paths[0])
        elif call.name in ("link", "linkat", "rename") and call.paths[-1].startswith(f"{home}/store/"):
            source, target = call.paths[0], Path(call.paths[-1])
            if source not in synced:
                wrong.append(f"{target} exists before its bytes are durable")
            content = {target.with_suffix(suffix) for suffix in store.CONTENT}
            if target.suffix == ".info" and (str(target.parent) in unsynced_folders or not content <= linked):
                wrong.append(f"{target} exists before the names of its content are durable")
            linked.add(target)
            unsynced_folders.add(str(target.parent))
        elif call.name == "pwrite64" and call.paths[0].endswith("catalog.db-wal") and unsynced_folders:
            wrong.append(f"the catalog is written before the names in {sorted(unsynced_folders)} are durable")
    return wrong


def test_order_of_system_calls(ready, tmp_path):
    """Bytes are durable before their name, content before the mark, the mark before the catalog says published."""
    home = shutil.copytree(ready, tmp_path / "home")
    assert run(home).returncode == 0
    calls = strace.calls(home / "strace")
    assert sum(call.name == "link" and call.paths[-1].endswith(".info") for call in calls) == len(MVS)
    assert violations(calls, home) == []


def test_the_order_check_notices_missing_syncs(ready, tmp_path):
    """Without its fsyncs, as under eatmydata, the same publish fails the check of the order."""
    home = shutil.copytree(ready, tmp_path / "home")
    assert run(home, "--no-fsync").returncode == 0
    wrong = violations(strace.calls(home / "strace"), home)
    assert any("before its bytes are durable" in line for line in wrong)
    assert any("before the names of its content" in line for line in wrong)
