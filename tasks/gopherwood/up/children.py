"""Child processes that never outlive us, however we end.

Each child leads a session of its own, so Ctrl-C in a terminal reaches only us and we end the children in our order.
What a child starts may form other process groups but stays in its session, which is what we end. Should we be killed
outright, two things remain: the kernel asks each child to end (parent-death signal), and the *watch*, a forked process
that holds the other end of a pipe of ours, sees the pipe close and ends what is left of every session.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from gopherwood import running

GRACE = 6.0
"""Seconds that a child has to end after SIGTERM."""
PR_SET_PDEATHSIG = 1
LAST_LINES = 12


@dataclass(slots=True)
class Child:
    """A running program and where its output goes."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    command: Sequence[str]
    env: Mapping[str, str]
    began: float
    """By the monotonic clock."""

    @property
    def session(self) -> int:
        """The session that all its processes are in."""
        return self.process.pid

    def last_lines(self) -> list[str]:
        """Return the end of its log."""
        return self.log.read_text(errors="replace").splitlines()[-LAST_LINES:]


class Children:
    """The programs we run; leave the context and all have ended."""

    def __init__(self, logs: Path) -> None:
        """Keep each program's log in the folder `logs`, and beside that folder a note of who runs (running.py)."""
        self.logs = logs
        self.running: list[Child] = []
        logs.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        self._watch = Watch()
        return self

    def __exit__(self, *_: object) -> None:
        self.end(list(self.running))
        self._watch.close()

    def start(self, name: str, command: Sequence[str], env: Mapping[str, str]) -> Child:
        """Start a program; its output goes to `<logs>/<name>.log`, that of the run before to `.log.old`."""
        log = self.logs / f"{name}.log"
        if log.exists():
            log.replace(log.with_suffix(".log.old"))
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_end_with_parent(os.getpid()),
            )
        self._watch.note(process.pid)
        running.note(self.logs.parent, name, process.pid, command)
        child = Child(name, process, log, command, env, time.monotonic())
        self.running.append(child)
        return child

    def dead(self) -> Child | None:
        """Return a child that has ended by itself, if any has."""
        return next((child for child in self.running if child.process.poll() is not None), None)

    def end(self, children: Sequence[Child], grace: float = GRACE) -> None:
        """End some, all at once: ask, wait, then kill what is left of each session."""
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                child.process.terminate()
        deadline = time.monotonic() + grace
        for child in children:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.0, deadline - time.monotonic()))
            kill_session(child.session)
            child.process.wait()
            self.running.remove(child)
            self._watch.forget(child.session)
            running.forget(self.logs.parent, child.name)

    def again(self, child: Child) -> Child:
        """Start a program that has ended by itself once more, in its place; what it left of its session is killed."""
        at = self.running.index(child)
        self.end([child], grace=0.0)
        fresh = self.start(child.name, child.command, child.env)
        self.running.insert(at, self.running.pop())
        return fresh


def ask_groups_to_end(child: Child) -> None:
    """Send SIGTERM to the process groups inside a child's session that are not its own: the work it has in hand."""
    for pid in members(child.session):
        with contextlib.suppress(ProcessLookupError):
            if (group := os.getpgid(pid)) != child.session:
                os.killpg(group, signal.SIGTERM)


def kill_session(session: int) -> None:
    """Kill every process of a session; twice, for what was being started meanwhile."""
    for _ in range(2):
        for pid in members(session):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def members(session: int) -> list[int]:
    """Return the processes of a session, without those that ended but were not waited for."""
    if not Path("/proc/self/stat").exists():  # no Linux: the group is the best that we know
        return _members_by_ps(session)
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _parent, _group, its_session = stat.read_text().rpartition(")")[2].split()[:4]
            if int(its_session) == session and state != "Z":
                found.append(int(stat.parent.name))
    return found


def _members_by_ps(session: int) -> list[int]:
    listed = subprocess.run(["ps", "-A", "-o", "pid=,pgid="], capture_output=True, text=True, check=True).stdout
    pairs = [line.split() for line in listed.splitlines()]
    return [int(pid) for pid, group in pairs if int(group) == session]


class Watch:
    """The forked process that ends our children's sessions when we can no longer do it."""

    def __init__(self) -> None:
        """Fork it. Best done early: it keeps what we have open, and a copy of what we have in memory."""
        ours_to_read, self._pipe = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._pipe)
            _keep_watch(ours_to_read)
        os.close(ours_to_read)

    def note(self, session: int) -> None:
        """Tell it of a session to end."""
        os.write(self._pipe, f"+{session}\n".encode())

    def forget(self, session: int) -> None:
        """Tell it of a session that has ended: its number may be another's soon."""
        os.write(self._pipe, f"-{session}\n".encode())

    def close(self) -> None:
        """End the watch, and with it what it still knows of."""
        os.close(self._pipe)
        os.waitpid(self._pid, 0)


def _keep_watch(pipe: int) -> None:
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    null = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):  # a reader of our output must not wait for the watch
        os.dup2(null, stream)
    sessions: set[int] = set()
    with os.fdopen(pipe) as lines:
        for line in lines:
            (sessions.add if line[0] == "+" else sessions.discard)(int(line[1:]))
    deadline = time.monotonic() + GRACE
    while any(members(session) for session in sessions) and time.monotonic() < deadline:
        time.sleep(0.1)
    for session in sessions:
        kill_session(session)
    os._exit(0)


def _end_with_parent(parent: int) -> Callable[[], None] | None:
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl

    def arrange() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before the kernel knew
            os._exit(1)

    return arrange
