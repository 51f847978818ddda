"""One pass of the pipeline over the synthetic modules: the real `gopherwood ingest`, a process, in its own home."""

import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import sqlalchemy as sa

from gopherwood.catalog import Catalog
from gopherwood.config import PREFIX, Settings
from gopherwood.errors import OursError, StoppedError
from gopherwood.loadtest.synthetic.upstream import Synthetic
from gopherwood.module import ModuleVersion
from gopherwood.states import State

PUBLISHED = (".info", ".mod", ".zip")
"""Ends of the files whose bytes may never change; lists are derived, and follow the catalog."""
TICK = 1.0


class PassError(OursError):
    """The pipeline ended in a way that no pass of a test explains."""

    reason = "pass"


@dataclass(slots=True)
class Pass:
    """What a pass came to."""

    name: str
    exit_code: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    """Of the pipeline's processes."""
    upstream: dict[str, float] = field(default_factory=dict)
    """What it asked the upstream for: requests, bytes, and the upstream's own processor time."""
    published: list[tuple[float, int]] = field(default_factory=list)
    """Versions that were published so many seconds after its start."""


@dataclass(frozen=True, slots=True)
class Home:
    """A home that is the test's alone: catalog, store and staging, and an upstream to copy from."""

    settings: Settings
    seed: Path
    workers: int | None = None

    def with_catalog(self, name: str) -> "Home":
        """Return the same store with another, empty catalog: what a lost catalog, or a second site's, would be."""
        return replace(self, settings=replace(self.settings, catalog=f"sqlite:///{self.settings.home / name}"))

    def ingest(self, name: str, upstream: Synthetic, sumdb: str, stop: threading.Event) -> Pass:
        """Ingest all of the seed; raises StoppedError when `stop` is set."""
        settings = replace(self.settings, upstream=upstream.url, sumdb=sumdb)
        command = [sys.executable, "-m", "gopherwood", "ingest", str(self.seed), "--wait", "5"]
        command += ["--workers", str(self.workers)] if self.workers else []
        done = Pass(name)
        with Catalog.open(settings) as catalog:
            catalog.migrate()
            before, cpu, started = upstream.stats(), _cpu_of_children(), time.monotonic()
            with _watch(done, catalog, started):
                done.exit_code = _run(command, _environment(settings), stop)
            done.seconds = time.monotonic() - started
        after = upstream.stats()
        done.cpu_seconds = _cpu_of_children() - cpu
        names = ("requests", "bytes", "missing", "cpu_seconds")
        done.upstream = {each: after.get(each, 0) - before.get(each, 0) for each in names}
        return done

    def digests(self) -> dict[str, str]:
        """Return the SHA-256 of each published file, by its key."""
        store = Path(self.settings.home / "store")
        files = [path for path in store.rglob("*") if path.suffix in PUBLISHED and ".tmp" not in path.parts]
        return {path.relative_to(store).as_posix(): _digest(path) for path in sorted(files)}

    def rows(self) -> dict[str, int]:
        """Return how many rows each table of the catalog has."""
        with Catalog.open(self.settings) as catalog, catalog.engine.connect() as connection:
            names = sa.inspect(connection).get_table_names()
            count = sa.select(sa.func.count())
            return {each: connection.execute(count.select_from(sa.table(each))).scalar_one() for each in sorted(names)}

    def conflicts(self) -> set[str]:
        """Return the versions about which the catalog raised a conflict."""
        with Catalog.open(self.settings) as catalog:
            return {stored.event.subject for stored in catalog.events(limit=1_000_000, kind="conflict")}

    def published(self) -> dict[str, str]:
        """Return the h1 of each published version, by its name."""
        with Catalog.open(self.settings) as catalog:
            found, after = dict[str, str](), 0
            while page := catalog.published_since(limit=2_000, after=after):
                rows = catalog.rows_of([ModuleVersion(entry.path, entry.version) for entry in page])
                found |= {str(mv): str(row.facts.get("h1", "")) for mv, row in rows.items()}
                after += len(page)
            return found


@contextmanager
def _watch(done: Pass, catalog: Catalog, started: float) -> Iterator[None]:
    """Note how many are published, once a second, in a thread."""
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(TICK):
            done.published.append((time.monotonic() - started, catalog.counts()[State.PUBLISHED]))

    watcher = threading.Thread(target=look, name="watcher", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join(30)
        done.published.append((time.monotonic() - started, catalog.counts()[State.PUBLISHED]))


def _run(command: list[str], environment: Mapping[str, str], stop: threading.Event) -> int:
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
    )
    try:
        while process.poll() is None:
            if stop.wait(0.02):
                raise StoppedError("stopped in the middle of a load test")
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
    return process.returncode


def _environment(settings: Settings) -> dict[str, str]:
    """Return what the pipeline is told: nothing of the platform's own, so that none of it can be reached."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    roots = f"{Path(__file__).parents[2]}{os.pathsep}{os.environ.get('PYTHONPATH', '')}".rstrip(os.pathsep)
    told = {"HOME": str(settings.home), "CATALOG": settings.catalog_url, "UPSTREAM": settings.upstream}
    told |= {"SUMDB": settings.sumdb, "DIRECT": "off"}
    return (
        outside
        | {"PYTHONPATH": roots, "GONOSUMDB": "", "GOPRIVATE": ""}
        | {f"{PREFIX}{name}": value for name, value in told.items()}
    )


def _cpu_of_children() -> float:
    used = os.times()
    return used.children_user + used.children_system


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
