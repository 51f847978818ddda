"""A platform of its own for an experiment that must strike where nobody should be struck: between two system calls.

It is a folder of the run with a catalog, a store and a staging area of its own; what we have published is its upstream,
served by a FaultProxy. Its commands are the real ones, as processes, so what is learned of them is true of ours. In the
end everything wanted must be published there, byte for byte what we have: then nothing was lost, and nothing changed.
"""

import contextlib
import ctypes
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from gopherwood import store
from gopherwood.audit import invariants
from gopherwood.catalog import Catalog
from gopherwood.chaos.faultproxy import FaultProxy
from gopherwood.chaos.stable import Forked, Stable
from gopherwood.chaos.values import InconclusiveError
from gopherwood.chaos.world import World
from gopherwood.config import PREFIX, Settings
from gopherwood.errors import EXIT_DONE, EXIT_FAILED, EXIT_NOTHING_TO_DO
from gopherwood.module import ModuleVersion
from gopherwood.objects import Objects
from gopherwood.states import State

LARGEST = 2 << 20
"""Bytes of a zip that is rehearsed with."""
LEASE = 3.0
"""Seconds of a lease: those of the dead are free soon."""
PATIENCE = 120.0
"""Seconds that one command may take."""
PR_SET_PDEATHSIG = 1
Child = subprocess.Popen[bytes] | Forked
ENDS = (EXIT_DONE, EXIT_FAILED, EXIT_NOTHING_TO_DO)
"""How a command may end while things go wrong on purpose."""


@dataclass(slots=True)
class Work:
    """What became of the work of a rehearsal."""

    wanted: int = 0
    meant: int = 1
    """Deeds that the experiment is about."""
    kills: int = 0
    """Deeds that were done."""
    published: int = 0
    lost: int = 0
    """Wanted, and not published in the end."""
    changed: int = 0
    """Published with other bytes than ours."""
    half: int = 0
    """Moments at which something was half visible."""
    duplicates: int = 0
    """Fetches beyond the first of a version."""
    rejected: int = 0
    """Versions that were refused for a while, because of what the upstream sent."""
    broken: list[str] = field(default_factory=list)
    """Invariants that did not hold after some deed, with when."""
    notes: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether nothing was lost, changed or half."""
        return bool(self.wanted) and not (self.lost or self.changed or self.half or self.broken)

    def facts(self) -> dict[str, Any]:
        """Return it for the journal."""
        return {spec.name: getattr(self, spec.name) for spec in fields(self)} | {"good": self.is_good}


def choose(world: World, number: int) -> list[ModuleVersion]:
    """Return published versions to rehearse with, drawn by the seed. Raises InconclusiveError when there are none."""
    known = [ModuleVersion(each.path, each.version) for each in world.catalog.published_since(limit=2000)]
    rows = world.catalog.rows_of(known)
    small = sorted(mv for mv in known if (rows[mv].facts.get("zip_size") or 0) <= LARGEST)
    if not small:
        raise InconclusiveError("nothing small is published, so there is nothing to rehearse with")
    return random.Random(world.seed).sample(small, min(number, len(small)))  # noqa: S311


class Rehearsal:
    """One such platform; use it as a context manager, which removes it."""

    def __init__(
        self,
        world: World,
        wanted: Sequence[ModuleVersion],
        work: Work,
        name: str = "home",
        stable: Stable | None = None,
    ) -> None:
        self._world = world
        self.wanted = list(wanted)
        self.work = work
        work.wanted += len(self.wanted)
        self.folder = folder(world.settings, world.journal.run)
        self.proxy = FaultProxy(world.objects)
        home = self.folder / name
        settings = Settings(
            home=home, upstream=self.proxy.url, sumdb="off", direct="off", lease_seconds=LEASE, timeout=5, batch=8
        )
        self.settings = settings
        self._owns_stable = stable is None
        self._stable = stable or Stable()
        self._children: list[Child] = []

    def __enter__(self) -> Self:
        shutil.rmtree(self.settings.home, ignore_errors=True)
        self.settings.home.mkdir(parents=True)
        self.list = self.settings.home.with_suffix(".txt")
        self.list.write_text("".join(f"{mv}\n" for mv in self.wanted))
        self.proxy.__enter__()
        if self._owns_stable:
            self._stable.__enter__()
        self.catalog = Catalog.ready(self.settings)
        self.objects: Objects = store.open_store(self.settings)
        return self

    def __exit__(self, *_: object) -> None:
        for child in self._children:
            kill(child)
        if self._owns_stable:
            self._stable.__exit__()
        self.catalog.close()
        self.proxy.__exit__()
        shutil.rmtree(self.settings.home, ignore_errors=True)

    # --- commands ---------------------------------------------------------------------------------------------------

    @property
    def environ(self) -> dict[str, str]:
        """The environment of its commands: nothing of our settings is in it, nor of the user's Go."""
        clean = {name: text for name, text in os.environ.items() if not name.startswith((PREFIX, "GO"))}
        own = {f"{PREFIX}{spec.name.upper()}": str(getattr(self.settings, spec.name)) for spec in fields(Settings)}
        return clean | {name: text for name, text in own.items() if text}

    def command(self, *arguments: str) -> list[str]:
        """Return a command line of ours."""
        return [sys.executable, "-m", "gopherwood", *arguments]

    def start(self, command: Sequence[str]) -> "subprocess.Popen[bytes]":
        """Start a command of its own session, which dies with us; its log is `<home>.log`."""
        with self.log.open("ab") as log:
            child = subprocess.Popen(
                command,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_us,
            )
        self._children.append(child)
        return child

    def fork(self, *arguments: str) -> Forked:
        """Start a command of ours from the stable: what `start` does, without the time for imports."""
        child = self._stable.start(arguments, self.environ, self.log)
        self._children.append(child)
        return child

    def run(self, *arguments: str, fine: Sequence[int] = (EXIT_DONE, EXIT_NOTHING_TO_DO)) -> int:
        """Run a command of ours to its end; return its exit code. Raises InconclusiveError for one that is not fine."""
        code = self.finish(self.fork(*arguments))
        if code not in fine:
            raise InconclusiveError(
                f"gopherwood {arguments[0]} of the rehearsal ended with {code}: {self.last_words()}"
            )
        return code

    def finish(self, child: Child, seconds: float = PATIENCE) -> int:
        """Wait for a command, and look at the stop button meanwhile; return its exit code."""
        while seconds > 0:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return child.wait(0.1)
            self._world.check()
            seconds -= 0.1
        kill(child)
        raise InconclusiveError(f"a command of the rehearsal did not end: {self.last_words()}")

    @property
    def log(self) -> Path:
        """What its commands said."""
        return self.settings.home.with_suffix(".log")

    def last_words(self) -> str:
        """Return the end of the log."""
        lines = self.log.read_text(errors="replace").strip().splitlines() if self.log.exists() else []
        return " / ".join(lines[-3:])[-500:]

    def wait_for(self, condition: Callable[[], bool], child: Child, seconds: float) -> bool:
        """Wait till something holds; False when the command has ended or the time is over before."""
        pause = threading.Event()
        while seconds > 0 and child.poll() is None:
            if condition():
                return True
            self._world.check()
            pause.wait(0.01)
            seconds -= 0.01
        return condition()

    # --- what it came to ----------------------------------------------------------------------------------------------

    def look(self, when: str) -> None:
        """Check the invariants, after something was done."""
        found = invariants.check(self.settings, self.catalog, self.objects, stop=threading.Event())
        self.work.half += "nothing-half-visible" in found.broken
        self.work.broken += [f"{name} {when}" for name in found.broken]

    def drain(self) -> None:
        """Bring everything wanted in, whatever was refused before, and compare it with what we have."""
        for _ in range(3):
            self.run("ingest", str(self.list), "--workers", "1", "--json", fine=ENDS)
            if self.catalog.counts()[State.PUBLISHED] >= len(self.wanted):
                break
            self.run("requeue", "*", "--json", fine=ENDS)
        self.look("in the end")
        self.compare()

    def compare(self) -> None:
        """Compare what was published with what we have, byte for byte."""
        rows = self.catalog.rows_of(self.wanted)
        for mv in self.wanted:
            row = rows.get(mv)
            if row is None or row.state is not State.PUBLISHED:
                self.work.lost += 1
                self.work.notes.append(f"{mv} is {row.state.value + ': ' + row.detail if row else 'unknown'}")
                continue
            self.work.published += 1
            self.work.duplicates += max(0, row.attempt - 3)  # fetch, validate and publish lease it once each
            self.work.changed += any(self._differs(store.key(mv, suffix)) for suffix in store.SUFFIXES)

    def _differs(self, key: str) -> bool:
        return self.objects.size(key) is None or self.objects.read(key) != self._world.objects.read(key)


def folder(settings: Settings, run: str) -> Path:
    """Return the folder of a run's rehearsals."""
    return settings.home.absolute() / "chaos" / run


def remove(settings: Settings, run: str) -> None:
    """Remove what a run's rehearsals have left."""
    shutil.rmtree(folder(settings, run), ignore_errors=True)


def kill(child: Child) -> None:
    """Kill a command and all it started, and wait for it."""
    if child.poll() is None:
        for one in (os.killpg, os.kill):  # one that has hardly begun leads no group yet
            with contextlib.suppress(ProcessLookupError, PermissionError):
                one(child.pid, signal.SIGKILL)
    child.wait()


def _die_with_us() -> None:
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
