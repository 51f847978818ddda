"""Processes of this machine by what they are to us: who is who, since when, and whether it is still the same one.

A process id alone names nobody: it is given to another once its process has ended. With the time of its start, in the
kernel's ticks, it is an identity. `up` notes each of its parts in a file below `<home>/run/`; `parts` reads those that
are alive. Linux's /proc is what is asked (proc(5)); elsewhere nothing is known of any process, and nobody is found.
"""

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
FOLDER = "run"


@dataclass(frozen=True, slots=True)
class Process:
    """A process, as it was when it was looked at."""

    pid: int
    started: int
    """Ticks of the kernel's clock from boot to its start."""
    parent: int
    session: int
    age: float
    """Seconds since its start."""
    command: tuple[str, ...]

    @property
    def identity(self) -> str:
        """Its id and its start: no other process ever has both."""
        return f"{self.pid}@{self.started}"


def look(pid: int) -> Process | None:
    """Return a process that is alive; None for one that has ended, or was not waited for yet."""
    try:
        fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        command = (PROC / str(pid) / "cmdline").read_bytes().decode("utf-8", "replace").rstrip("\0").split("\0")
        uptime = float((PROC / "uptime").read_text().split()[0])
    except (OSError, ValueError):
        return None
    state, parent, _group, session = fields[:4]
    if state in "ZX":
        return None
    started = int(fields[19])
    age = uptime - started / os.sysconf("SC_CLK_TCK")
    return Process(pid, started, int(parent), int(session), max(age, 0.0), tuple(command))


def members(session: int) -> list[Process]:
    """Return the processes of a session, the oldest first."""
    found = [look(int(each.name)) for each in PROC.glob("[0-9]*")]
    return sorted((each for each in found if each and each.session == session), key=lambda each: each.started)


def ancestors(pid: int) -> set[int]:
    """Return a process's id, its parent's, and so on."""
    found: set[int] = set()
    while pid > 0 and pid not in found and (process := look(pid)):
        found.add(pid)
        pid = process.parent
    return found


def note(home: Path, name: str, pid: int, command: Sequence[str]) -> None:
    """Note that a process is a part of the platform in `home`, in place of the one of this name before it."""
    process = look(pid)
    folder = home / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    said = {"pid": pid, "started": process.started if process else None, "command": list(command)}
    aside = folder / f".{name}.json"
    aside.write_text(json.dumps(said))
    aside.replace(folder / f"{name}.json")


def forget(home: Path, name: str) -> None:
    """Note that a part is no more."""
    (home / FOLDER / f"{name}.json").unlink(missing_ok=True)


def parts(home: Path) -> dict[str, Process]:
    """Return the parts of the platform in `home` that are alive and the same that were noted."""
    found = {}
    for file in sorted((home / FOLDER).glob("*.json")):
        with suppress(OSError, ValueError, KeyError):
            said = json.loads(file.read_text())
            process = look(int(said["pid"]))
            if process is not None and process.started == said["started"]:
                found[file.stem] = process
    return found
