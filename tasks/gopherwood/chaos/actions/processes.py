"""Actions against processes of the platform of one machine, as `gopherwood up` runs it.

Who is there: the parts that `up` has noted in `<home>/run/`, and what runs in their sessions, so nobody else's process
can be named. Roles are the names of parts (`serving`, `airflow-scheduler`, ...; `serving-2` is of the role `serving`),
`task`, a command of ours that Airflow runs, `task-fetch` and the like, one of a verb, and `airflow-worker`, the process
of Airflow above it. Opt-in is a line in `<home>/chaos/opt-in`, the role or `*`, read anew before each deed.
"""

import os
import re
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gopherwood import running
from gopherwood.chaos import probes
from gopherwood.chaos.actions import Facts
from gopherwood.chaos.values import GuardError, Victim
from gopherwood.chaos.world import World
from gopherwood.running import Process

SCHEDULER = "airflow-scheduler"
OPT_IN = Path("chaos", "opt-in")
SIGNALS = {"KILL": signal.SIGKILL, "TERM": signal.SIGTERM, "STOP": signal.SIGSTOP}
_NUMBER = re.compile(r"-\d+$")


def kill(role: str, how: str = "KILL", number: int = 1) -> "Signal":
    """Make the action that sends a process of a role SIGKILL or SIGTERM."""
    if how not in ("KILL", "TERM"):
        raise TypeError(f"how is KILL or TERM, not {how!r}")
    return Signal(role, how, number)


def freeze(role: str, number: int = 1) -> "Signal":
    """Make the action that stops a process of a role without ending it, till it is rolled back."""
    return Signal(role, "STOP", number)


@dataclass(frozen=True, slots=True)
class Signal:
    """Sends a signal."""

    role: str
    how: str
    number: int

    @property
    def says(self) -> str:
        """What it does to one."""
        return f"send SIG{self.how} to"

    def everybody(self, world: World) -> list[Victim]:
        """Return the processes of the role."""
        home = world.settings.home.absolute()
        parts = running.parts(home)
        if not parts:
            raise GuardError(f"no `gopherwood up` runs on {home}: its parts are what this experiment is about")
        willing = _opted_in(home, self.role)
        return [_victim(name, each, self.role, home, willing) for name, each in of_role(parts, self.role)]

    def budget(self, world: World, everybody: Sequence[Victim]) -> int | None:
        """Return None: a machine has no disruption budgets. `keep` of the guard rails is what stands for one."""
        return None

    def look(self, world: World, victim: Victim) -> Victim | None:
        """Look at it once more."""
        return next((each for each in self.everybody(world) if each.identity == victim.identity), None)

    def hit(self, world: World, victim: Victim) -> Facts:
        """Send the signal."""
        pid = int(victim.identity.partition("@")[0])
        # A descriptor names this very process, whatever becomes of its number: looked at once more through it.
        with _held(pid) as descriptor:
            if _identity(pid) != victim.identity:
                raise GuardError(f"{victim.name} has ended by itself")
            if descriptor is None:
                os.kill(pid, SIGNALS[self.how])
            else:
                signal.pidfd_send_signal(descriptor, SIGNALS[self.how])
        return {"signal": self.how}

    def undo(self, world: World, victim: Facts) -> str:
        """Let a stopped process go on; what was ended is brought back by whoever runs it."""
        pid = int(victim["identity"].partition("@")[0])
        if self.how != "STOP" or _identity(pid) != victim["identity"]:
            return "nothing to undo"
        os.kill(pid, signal.SIGCONT)
        return "goes on"

    def is_ready(self, world: World, before: Sequence[Victim], hit: Sequence[Victim]) -> bool:
        """Tell whether as many are there as before, none of them one that was hit; of serving, whether it is ready."""
        if self.how == "STOP":
            return False  # it is, once it was rolled back
        if self.role.startswith("task"):
            return all(running.look(int(each.identity.partition("@")[0])) is None for each in hit)
        with suppress(GuardError):
            names = {each.identity for each in hit}
            alive = [each for each in self.everybody(world) if each.identity not in names]
            if len(alive) >= len(before):
                return self.role != "serving" or probes.serving_ready().look(world)[0]
        return False


def of_role(parts: dict[str, Process], role: str) -> list[tuple[str, Process]]:
    """Return the processes of a role with their names."""
    if role == "airflow-worker" or role.split("-")[0] == "task":
        below = running.members(parts[SCHEDULER].session) if SCHEDULER in parts else []
        fits = _is_worker if role == "airflow-worker" else _is_task
        return [(f"{role} {each.pid}", each) for each in below if fits(each, role.removeprefix("task").strip("-"))]
    return [(name, each) for name, each in parts.items() if role in (name, _NUMBER.sub("", name))]


def _is_task(process: Process, verb: str) -> bool:
    """Tell whether it is a command of ours, of a verb if one is named, and no experiment."""
    words = list(process.command)
    at = next((n for n, word in enumerate(words[:3]) if Path(word).name == "gopherwood"), None)
    found = next((word for word in words[at + 1 :] if not word.startswith("-")), "") if at is not None else ""
    return bool(found) and found != "chaos" and (not verb or found == verb)


def _is_worker(process: Process, _verb: str) -> bool:
    return "airflow worker" in " ".join(process.command) or "task supervisor" in " ".join(process.command)


def _victim(name: str, process: Process, role: str, home: Path, willing: bool) -> Victim:
    return Victim("process", name, process.identity, role, str(home), process.age, willing)


def _opted_in(home: Path, role: str) -> bool:
    try:
        lines = (home / OPT_IN).read_text().split("\n")
    except OSError:
        return False
    return bool({role, "*"} & {line.partition("#")[0].strip() for line in lines})


def _identity(pid: int) -> str:
    process = running.look(pid)
    return process.identity if process else ""


class _held:  # noqa: N801  # used as a function
    """Holds a process by a descriptor, where the system has those."""

    def __init__(self, pid: int) -> None:
        self._descriptor: int | None = None
        with suppress(OSError, AttributeError):
            self._descriptor = os.pidfd_open(pid)

    def __enter__(self) -> int | None:
        return self._descriptor

    def __exit__(self, *_: Any) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
