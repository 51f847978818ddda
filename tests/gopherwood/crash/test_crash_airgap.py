"""An export or an import that is killed at any of its system calls leaves nothing half, and the next run completes it.

As in test_crash.py the sweep takes a sample of the calls unless it is full (make test-crash).
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fakes import postgres, strace
from fakes.airgap import Gap, contents, modules
from gopherwood import export, importing
from gopherwood.catalog import Catalog
from gopherwood.config import Settings
from gopherwood.states import State
from gopherwood.store import open_store

MOVER = Path(__file__).parent / "mover.py"
NAMES = ["example.com/Mod@v1.0.0", "example.com/Mod@v1.1.0", "example.com/other/v2@v2.1.0"]
SAMPLE = 5

needs_strace = pytest.mark.skipif(
    bool(strace.why_not()), reason=f"left out: the crash sweep of bundles, because {strace.why_not()}"
)


@pytest.fixture(scope="module")
def gap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gap]:
    """Give a filled store, and its bundle in `folder`/good.tar and `folder`/good."""
    with Gap(tmp_path_factory.mktemp("gap")) as made:
        for name in NAMES:
            made.add(*name.split("@"))
        made.fill()
        for name in ("good.tar", "good"):
            export.run(made.here, made.folder / name, key=made.key_file)
        yield made


def environment(settings: Settings) -> dict[str, str]:
    said = {"HOME": settings.home, "UPSTREAM": settings.upstream, "SUMDB": settings.sumdb}
    if settings.catalog:
        said["CATALOG"] = settings.catalog
    own = {f"GOPHERWOOD_{name}": str(value) for name, value in said.items()}
    return own | {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", "GONOSUMDB": "none.example"}


def killed(settings: Settings, log: Path, *arguments: object, inject: str = "", calls: str = strace.CALLS) -> int:
    done = strace.run(MOVER, *map(str, arguments), log=log, env=environment(settings), inject=inject, calls=calls)
    return done.returncode


def points(log: Path) -> list[tuple[str, int]]:
    """Return system calls at which to strike: each a name, and the how manieth of that name it is."""
    found = strace.numbered(log)
    return found if strace.FULL else found[:: max(1, len(found) // SAMPLE)]


@needs_strace
@pytest.mark.parametrize("name", ["b.tar", "b"])
def test_a_killed_export_is_completed(gap: Gap, tmp_path: Path, name: str, struck: Callable[[int], None]) -> None:
    """Whatever call it dies at, nothing looks like a bundle; the same command then makes the same bytes."""
    line = ["export", "--to", tmp_path / name, "--key", gap.key_file]
    assert killed(gap.here, tmp_path / "log", *line) == 0
    good = contents_of(tmp_path / name)
    strikes = points(tmp_path / "log")
    struck(len(strikes))
    for call, number in strikes:
        remove(tmp_path / name)
        killed(gap.here, tmp_path / "log", *line, inject=f"signal=SIGKILL:when={number}", calls=call)
        found = contents_of(tmp_path / name)
        assert found == good or "bundle/manifest.jsonl" not in found
        export.run(gap.here, tmp_path / name, key=gap.key_file)
        assert {key: data for key, data in contents_of(tmp_path / name).items() if not key.endswith(".part")} == good


def contents_of(path: Path) -> dict[str, bytes]:
    """Return the files of a bundle; of a tar, its bytes."""
    if path.is_dir():
        return {each.relative_to(path).as_posix(): each.read_bytes() for each in path.rglob("*") if each.is_file()}
    return {"bundle/manifest.jsonl": path.read_bytes()} if path.exists() else {}


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@needs_strace
@pytest.mark.parametrize("name", ["good.tar", "good"])
def test_a_killed_import_is_completed(gap: Gap, tmp_path: Path, name: str, struck: Callable[[int], None]) -> None:
    """Whatever call it dies at, what is visible is whole; the next import does the rest at once, and nothing twice."""
    line = ["import", gap.folder / name, "--key", gap.vkey]
    first = replace(gap.there, home=tmp_path / "first")
    assert killed(first, tmp_path / "log", *line) == 0
    good = contents(first)
    strikes = points(tmp_path / "log")
    struck(len(strikes))
    for turn, (call, number) in enumerate(strikes):
        settings = replace(gap.there, home=tmp_path / f"home{turn}")
        killed(settings, tmp_path / "log", *line, inject=f"signal=SIGKILL:when={number}", calls=call)
        check_visible(settings, good)
        importing.run(settings, gap.folder / name, keys=[gap.vkey])
        assert contents(settings) == good
        with Catalog.open(settings) as catalog:
            assert catalog.counts()[State.PUBLISHED] == len(NAMES)
            assert len(catalog.events(kind="published")) == len(NAMES)
            assert (catalog.stale_lists(), catalog.live_tokens()) == ({}, set())


def check_visible(settings: Settings, good: dict[str, bytes]) -> None:
    """Assert that every file is whole, and that a mark means all parts."""
    objects = open_store(settings)
    found = {key: objects.read(key) for key in objects.keys("")}
    assert all(good.get(key) == data for key, data in found.items() if not key.endswith("/list"))
    for key in found:
        if key.endswith(".info"):
            assert {key.removesuffix(".info") + suffix for suffix in (".zip", ".mod")} <= found.keys()


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_two_imports_at_once(gap: Gap, tmp_path: Path, kind: str) -> None:
    """Two imports of one bundle share a catalog: everything is published once, neither fails."""
    url = postgres.server().url() if kind == "postgres" else ""
    settings = replace(gap.there, home=tmp_path / "home", catalog=url)
    line = [sys.executable, MOVER, "import", gap.folder / "good.tar", "--key", gap.vkey]
    both = [subprocess.Popen(line, env=environment(settings), stdout=subprocess.PIPE) for _ in range(2)]
    codes = sorted(process.wait(60) for process in both)
    for process in both:
        process.communicate()
    assert codes == [0, 99]
    assert modules(settings) == modules(gap.here)


def test_a_process_that_is_told_to_end(gap: Gap, tmp_path: Path) -> None:
    """An import that is told to stop gives its leases back, says what is left, and a later one does the rest."""
    import threading

    settings = replace(gap.there, home=tmp_path / "home", batch=1)
    stop = threading.Event()
    stop.set()
    result = importing.run(settings, gap.folder / "good.tar", keys=[gap.vkey], stop=stop)
    assert (result.imported, result.left, result.exit_code) == (0, len(NAMES), 1)
    assert importing.run(settings, gap.folder / "good.tar", keys=[gap.vkey]).imported == len(NAMES)
