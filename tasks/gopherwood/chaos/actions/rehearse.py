"""Rehearsals: an ingestion that is killed anywhere, or that the world fails in some way, and must lose nothing by it.

See rehearsal.py for where it happens. `killed` strikes at instants drawn by the seed, in the middle of a download, at a
system call of a publish (strace), or between the ledger's commit and the first commit mark; `failed_upstream` lets the
upstream fail; `full_disk` gives it a disk that is too small (a tmpfs in a namespace of its own); `wrong_clock` lets it
live in another time for a while (libfaketime). What a machine has not is said, and nothing is done.
"""

import random
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gopherwood.chaos.actions import Facts
from gopherwood.chaos.faultproxy import FAULTS
from gopherwood.chaos.rehearsal import ENDS, Rehearsal, Work, choose, kill
from gopherwood.chaos.stable import Stable
from gopherwood.chaos.values import GuardError, InconclusiveError
from gopherwood.chaos.world import World

READY = b"ready to work"
CALLS = "write,pwrite64,fsync,fdatasync,link,linkat,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,chmod"
"""System calls by which a publish changes a disk."""
_CALL = re.compile(r"^(?:\d+ +)?(\w+)\(", re.MULTILINE)


def killed(at: str, times: int = 1, versions: int = 20, longest_seconds: float = 300.0) -> "Killed":
    """Make the rehearsal that is killed so many times, at `random`, `download`, `call` or `ledger`."""
    if at not in ("random", "download", "call", "ledger"):
        raise TypeError(f"at is random, download, call or ledger, not {at!r}")
    return Killed(at, times, versions, longest_seconds)


def failed_upstream(fault: str, versions: int = 20) -> "FailedUpstream":
    """Make the rehearsal whose upstream fails in one way for a while."""
    if fault not in FAULTS:
        raise TypeError(f"fault is one of {', '.join(FAULTS)}, not {fault!r}")
    return FailedUpstream(fault, versions)


def full_disk(kilobytes: int, versions: int = 20) -> "FullDisk":
    """Make the rehearsal on a disk with so many kilobytes left, which somebody makes room on once it was full."""
    return FullDisk(kilobytes, versions)


def wrong_clock(offset: str, versions: int = 10) -> "WrongClock":
    """Make the rehearsal in which one command lives in another time, such as `+40d` or `-2h`."""
    if not re.fullmatch(r"[+-]\d+[smhd]", offset):
        raise TypeError(f"{offset!r} is no offset such as +40d or -2h")
    return WrongClock(offset, versions)


@dataclass(frozen=True, slots=True)
class Killed:
    """An ingestion that is killed."""

    at: str
    times: int
    versions: int
    longest: float

    @property
    def says(self) -> str:
        """What it does."""
        where = {
            "random": "at instants drawn by the seed",
            "download": "in the middle of a download",
            "call": "at system calls of a publish drawn by the seed",
            "ledger": "between the commit of the ledger and the first commit mark",
        }[self.at]
        return f"kill the ingestion of a rehearsal with {self.versions} versions {self.times} times, {where}"

    def possible(self, world: World) -> None:
        """Refuse without strace, where that is needed."""
        if self.at in ("call", "ledger"):
            _need_strace()

    def perform(self, world: World) -> Facts:
        """Kill it so often, in one rehearsal after the other; each ends with everything published and compared."""
        work, killer = Work(meant=self.times), Killer(random.Random(world.seed))  # noqa: S311
        strike: Callable[[Rehearsal], bool] = getattr(killer, f"at_{self.at}")
        end, number, wanted = time.monotonic() + self.longest, 0, choose(world, self.versions)
        with Stable() as stable:
            while work.kills < self.times and time.monotonic() < end:
                number += 1
                if number > 2 * self.times + 5:
                    raise InconclusiveError("the ingestion was over before it could be killed, again and again")
                with Rehearsal(world, wanted, work, f"home{number}", stable) as rehearsal:
                    while work.kills < self.times and time.monotonic() < end and strike(rehearsal):
                        work.kills += 1
                        rehearsal.look(f"after kill {work.kills}")
                        # A publish that was killed is gone on with once: its leases would have to end first.
                        if self.at in ("call", "ledger") or not rehearsal.catalog.open_count():
                            break
                    rehearsal.drain()
        if work.kills < self.times:
            work.notes.append(f"{work.kills} of {self.times} kills: its time was over")
        return work.facts()


class Killer:
    """Kills an ingestion once, in one of four ways; each returns False when there was nothing to be killed."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._span = 0.6
        """Seconds in which a worker has something to do, as learned so far: instants are drawn from it."""

    def at_random(self, rehearsal: Rehearsal) -> bool:
        """Start a worker, and kill it at an instant while it has something to do."""
        if not rehearsal.catalog.open_count():
            rehearsal.run("discover", str(rehearsal.list), "--json", fine=ENDS)
        before = rehearsal.log.stat().st_size if rehearsal.log.exists() else 0
        child = rehearsal.fork("work")
        if not rehearsal.wait_for(lambda: READY in rehearsal.log.read_bytes()[before:], child, 30):
            raise InconclusiveError(f"the worker did not get ready: {rehearsal.last_words()}")
        begun, instant = time.monotonic(), self._rng.uniform(0, self._span)
        rehearsal.wait_for(lambda: time.monotonic() - begun >= instant, child, 30)
        kill(child)
        # What is drawn should fall into the work, and now and then reach its end.
        is_done = not rehearsal.catalog.open_count()
        self._span = min(3.0, max(0.1, self._span * (0.6 if is_done else 1.08)))
        return True

    def at_download(self, rehearsal: Rehearsal) -> bool:
        """Let the upstream pause in the middle of a body, and kill the fetch there."""
        rehearsal.run("discover", str(rehearsal.list), "--json", fine=ENDS)
        rehearsal.proxy.fail("slow")
        child = rehearsal.fork("fetch")
        met = rehearsal.wait_for(lambda: rehearsal.proxy.paused.acquire(blocking=False), child, 30)
        kill(child)
        rehearsal.proxy.heal()
        return met

    def at_call(self, rehearsal: Rehearsal) -> bool:
        """Write down the system calls of a publish of a copy, then kill one at a call drawn from them."""
        if not _staged(rehearsal):
            return False
        copy, log = rehearsal.folder / "copy", rehearsal.folder / "calls"
        shutil.copytree(rehearsal.settings.home, copy)
        publish = [*rehearsal.command("publish", "--json"), "--home", str(copy)]
        publish += ["--store", str(copy / "store"), "--staging", str(copy / "staging")]
        rehearsal.finish(rehearsal.start(["strace", "-f", "-o", str(log), "-e", f"trace={CALLS}", *publish]))
        shutil.rmtree(copy)
        seen: Counter[str] = Counter()
        points = []
        for name in _CALL.findall(log.read_text()):
            seen[name] += 1
            points.append((name, seen[name]))
        name, number = self._rng.choice(points)
        _strace(rehearsal, f"inject={name}:signal=SIGKILL:when={number}", name)
        rehearsal.work.notes.append(f"killed at {name} number {number} of {seen[name]}")
        return True

    def at_ledger(self, rehearsal: Rehearsal) -> bool:
        """Kill a publish as it is about to link its first mark: content is linked, the ledger is committed."""
        there = min(_staged(rehearsal), rehearsal.settings.batch)
        if not there:
            return False
        logged, marks = rehearsal.catalog.ledger_size(), _marks(rehearsal)
        _strace(rehearsal, f"inject=link,linkat:signal=SIGKILL:when={2 * there + 1}", "link,linkat")
        entries, shown = rehearsal.catalog.ledger_size() - logged, _marks(rehearsal) - marks
        if entries < there or shown:
            says = f"{entries} entries and {shown} marks: the kill was not between the ledger and the marks"
            raise InconclusiveError(says)
        rehearsal.work.notes.append(f"{entries} versions were in the ledger, and none of them visible")
        return True


def _marks(rehearsal: Rehearsal) -> int:
    return sum(key.endswith(".info") for key in rehearsal.objects.keys(""))


def _staged(rehearsal: Rehearsal) -> int:
    """Bring everything wanted to the state `valid`; return how many versions that are."""
    rehearsal.run("discover", str(rehearsal.list), "--json", fine=ENDS)
    for verb in ("fetch", "validate"):
        rehearsal.run(verb, "--json", fine=ENDS)
    return rehearsal.catalog.open_count()


def _strace(rehearsal: Rehearsal, fault: str, calls: str) -> None:
    """Run a publish that is killed at one of its system calls."""
    publish = rehearsal.command("publish", "--json")
    child = rehearsal.start(["strace", "-f", "-o", "/dev/null", "-e", f"trace={calls}", "-e", fault, *publish])
    rehearsal.finish(child)


@dataclass(frozen=True, slots=True)
class FailedUpstream:
    """An ingestion whose upstream fails."""

    fault: str
    versions: int

    @property
    def says(self) -> str:
        """What it does."""
        return f"let the upstream of a rehearsal with {self.versions} versions be {self.fault} for a while"

    def possible(self, world: World) -> None:
        """Refuse nowhere."""

    def perform(self, world: World) -> Facts:
        """Ingest while it fails, look, heal it, and ingest again."""
        work = Work()
        with Rehearsal(world, choose(world, self.versions), work) as rehearsal:
            rehearsal.proxy.pause = 1.0
            rehearsal.proxy.fail(self.fault)
            rehearsal.run("ingest", str(rehearsal.list), "--workers", "1", "--wait", "0", "--json", fine=ENDS)
            work.kills = sum(rehearsal.proxy.failed.values())
            work.rejected = sum(
                count for state, count in rehearsal.catalog.counts().items() if state.value in ("rejected", "gone")
            )
            rehearsal.look(f"while the upstream was {self.fault}")
            rehearsal.proxy.heal()
            rehearsal.drain()
        work.notes.append(f"{work.kills} answers were {self.fault}, {work.rejected} versions refused for it")
        return work.facts()


@dataclass(frozen=True, slots=True)
class FullDisk:
    """An ingestion that fills its disk."""

    kilobytes: int
    versions: int

    @property
    def says(self) -> str:
        """What it does."""
        return f"leave a rehearsal with {self.versions} versions {self.kilobytes} KB of its disk, and later all of it"

    def possible(self, world: World) -> None:
        """Refuse where no tmpfs may be mounted in a namespace of our own."""
        command = [*_NAMESPACE, "sh", "-c", "mount -t tmpfs none /mnt"]
        if shutil.which("unshare") is None or subprocess.run(command, capture_output=True, check=False).returncode:
            raise GuardError("no small disk can be made here: that needs Linux, and user namespaces (unshare -Urm)")

    def perform(self, world: World) -> Facts:
        """Fill it, make it larger, go on; all in one namespace, as the disk is gone with that."""
        work = Work()
        with Rehearsal(world, choose(world, self.versions), work) as rehearsal:
            home, out = rehearsal.settings.home, rehearsal.folder / "out"
            out.mkdir()
            rehearsal.catalog.close()
            program = f"{sys.executable} -m gopherwood"
            shell = _FULL.format(home=home, left=self.kilobytes, out=out, list=rehearsal.list, program=program)
            code = rehearsal.finish(rehearsal.start([*_NAMESPACE, "sh", "-c", shell]))
            said = (out / "said").read_text(errors="replace") if (out / "said").exists() else ""
            if code or not any(words in said for words in ("No space left", "is full")):
                raise InconclusiveError(f"the disk was never full: {said[-300:]}")
            shutil.copytree(out / "home", home, dirs_exist_ok=True)
            work.kills = 1
            work.notes += [line for line in said.splitlines() if "exit code" in line and "{" not in line]
            rehearsal.drain()
            shutil.rmtree(out)
        return work.facts()


_NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")
_FULL = """
set -u
mount -t tmpfs -o size=256m none {home} || exit 9
{program} discover {list} --json >> {out}/said 2>&1
dd if=/dev/zero of={home}/ballast bs=4k 2> /dev/null
truncate -s -{left}k {home}/ballast || exit 9
{program} ingest {list} --workers 1 --wait 0 --json >> {out}/said 2>&1
echo "while full: exit code $?" >> {out}/said
rm {home}/ballast
{program} requeue '*' --json >> {out}/said 2>&1
{program} ingest {list} --workers 1 --json >> {out}/said 2>&1
echo "afterwards: exit code $?" >> {out}/said
mkdir {out}/home && cp -a {home}/. {out}/home/
"""


@dataclass(frozen=True, slots=True)
class WrongClock:
    """An ingestion with one command in another time."""

    offset: str
    versions: int

    @property
    def says(self) -> str:
        """What it does."""
        return f"let the clock of a rehearsal with {self.versions} versions jump by {self.offset} and back"

    def possible(self, world: World) -> None:
        """Refuse without libfaketime: nothing else can shift the time of one process."""
        if shutil.which("faketime") is None:
            raise GuardError("no faketime on PATH: nothing else shifts the clock of one process (Debian: faketime)")

    def perform(self, world: World) -> Facts:
        """Fetch now, publish half of it in another time, and go on now."""
        work = Work()
        with Rehearsal(world, choose(world, self.versions), work) as rehearsal:
            _staged(rehearsal)
            half = str(max(1, len(rehearsal.wanted) // 2))
            publish = rehearsal.command("publish", "--limit", half, "--json")
            code = rehearsal.finish(rehearsal.start(["faketime", "-f", self.offset, *publish]))
            if code not in ENDS:  # nothing to do is fine: to a clock that is behind nothing is due yet
                raise InconclusiveError(f"publish in another time ended with {code}: {rehearsal.last_words()}")
            work.notes.append(f"the publish at {self.offset} ended with exit code {code}")
            work.kills = 1
            rehearsal.look(f"after a publish at {self.offset}")
            rehearsal.run("publish", "--json", fine=ENDS)
            rehearsal.drain()
            with rehearsal.catalog.snapshot() as snapshot:
                if late := snapshot.one("late"):
                    work.broken.append(f"{late} times of publishing do not rise")
        return work.facts()


def _need_strace() -> None:
    if shutil.which("strace") is None:
        raise GuardError("no strace on PATH: nothing else kills a process at one of its system calls")
    command = ["strace", "-o", str(Path("/dev/null")), "true"]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        raise GuardError("strace may trace nothing here (kernel.yama.ptrace_scope, or a container without SYS_PTRACE)")
