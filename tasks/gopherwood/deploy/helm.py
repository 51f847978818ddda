"""helm, as promotions use it: the program on PATH, its answers as values, its refusals as one error.

helm keeps every revision of a release with the values it was given and with what became of the chart's tests, where the
release is installed. That is the memory of an environment: what ran there, and what was verified. Authority:
helm.sh/docs, `helm status --help`; the fields are those of its `-o json`.
"""

import ctypes
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gopherwood.deploy.environments import Environment
from gopherwood.errors import ConfigError, OursError, StoppedError

log = logging.getLogger(__name__)

KEPT = 50
"""Revisions of a release that helm keeps: how far back something that was verified can be promoted again."""
GOOD = frozenset({"deployed", "superseded"})
PENDING = "pending-"
"""What the state of a revision begins with while somebody is at work on it, or after he died at it."""
_PODS = "v1/Pod(related)"
_PR_SET_PDEATHSIG = 1


class HelmError(OursError):
    """helm refused or failed; the message is its own."""

    reason = "helm"


@dataclass(frozen=True, slots=True)
class Revision:
    """A revision of a release, as helm keeps it."""

    number: int
    status: str
    config: dict[str, Any]
    """The values that it was given beside the chart's own: the environment's, and its lock."""
    tested: bool
    """Whether the chart's tests were run on it, the last time with success."""
    manifest: str = field(repr=False, default="")
    pods: dict[str, bool] = field(default_factory=dict)
    """Where it was asked for: the pods that are there and not ending, each with whether it is ready."""

    @property
    def digests(self) -> dict[str, str]:
        """The images that it was given, by name."""
        return {name: image.get("digest", "") for name, image in self.config.get("images", {}).items()}


class Helm:
    """helm in one environment."""

    def __init__(self, environment: Environment, *, wait: int = 600, stop: threading.Event | None = None) -> None:
        program = shutil.which("helm")
        if program is None:
            raise ConfigError("no helm on PATH", hint="install helm 3.14 or newer, or run the DAG `promote`")
        self.environment = environment
        self._wait = f"{wait}s"
        self._stop = stop or threading.Event()
        context = ["--kube-context", environment.context] if environment.context else []
        self._program = [program, "--namespace", environment.namespace, *context]

    def history(self, release: str) -> list[tuple[int, str]]:
        """Return the revisions of a release with their states, the newest first; none for one that is not there."""
        try:
            listed = json.loads(self._run("history", release, "--max", str(KEPT), "--output", "json"))
        except HelmError as error:
            if "not found" in str(error):
                return []
            raise
        return sorted(((int(each["revision"]), str(each["status"])) for each in listed), reverse=True)

    def revision(self, release: str, number: int = 0, *, pods: bool = False) -> Revision:
        """Return a revision, by default the newest; with the pods that it has now, if they are asked for."""
        which = ["--revision", str(number)] if number else []
        more = ["--show-resources"] if pods else []
        found = json.loads(self._run("status", release, *which, *more, "--output", "json"))
        tests = [hook for hook in found.get("hooks") or () if "test" in hook.get("events", ())]
        phases = {(hook.get("last_run") or {}).get("phase") for hook in tests}
        return Revision(
            number=int(found["version"]),
            status=str(found["info"]["status"]),
            config=found.get("config") or {},
            tested=phases == {"Succeeded"},
            manifest=found.get("manifest", ""),
            pods=_pods(found["info"].get("resources") or {}),
        )

    def render(self, release: str, chart: Path, values: Sequence[Path]) -> str:
        """Return the objects that an upgrade would leave; raises HelmError when the chart refuses the values."""
        done = self._run("upgrade", release, chart, *_given(values), "--dry-run", "--output", "json")
        return str(json.loads(done)["manifest"])

    def upgrade(self, release: str, chart: Path, values: Sequence[Path], says: str) -> None:
        """Upgrade, wait till all of it is ready, or let helm take it back; raises HelmError then."""
        how = ("--atomic", "--timeout", self._wait, "--history-max", str(KEPT), "--description", says)
        self._run("upgrade", release, chart, *_given(values), *how, stoppable=True)

    def rollback(self, release: str, number: int) -> None:
        """Bring a revision back and wait for it."""
        how = ("--wait", "--timeout", self._wait, "--history-max", str(KEPT), "--cleanup-on-fail")
        self._run("rollback", release, str(number), *how)

    def test(self, release: str) -> str:
        """Run the chart's tests and return what they printed; raises HelmError with it when one fails."""
        return self._run("test", release, "--logs", "--timeout", self._wait, stoppable=True)

    def _run(self, *arguments: str | Path, stoppable: bool = False) -> str:
        """Run helm, which does not outlive us; SIGTERM is handed on to what may be stopped half-way."""
        line = [*self._program, *map(str, arguments)]
        process = subprocess.Popen(
            line,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=_die_with(os.getpid()),
        )
        told = False
        while True:
            try:
                out, err = process.communicate(timeout=0.2)
                break
            except subprocess.TimeoutExpired:
                if stoppable and self._stop.is_set() and not told:
                    process.terminate()
                    told = True
        if told:
            raise StoppedError(f"told to stop during helm {arguments[0]}")
        if process.returncode:
            said = " ".join(f"{err}\n{out}".split()) or f"it ended with {process.returncode}"
            raise HelmError(f"helm {arguments[0]} in {self.environment.namespace}: {said.removeprefix('Error: ')}")
        return out


def _given(values: Sequence[Path]) -> list[str]:
    return [argument for file in values for argument in ("--values", str(file))]


def _pods(resources: Mapping[str, Any]) -> dict[str, bool]:
    """Return the pods among the resources of a release that are not ending, each with whether it is ready."""
    found = {}
    for each in resources.get(_PODS, ()):
        for pod in each.get("items", [each]):
            if "deletionTimestamp" not in pod["metadata"]:
                conditions = {one["type"]: one["status"] for one in pod.get("status", {}).get("conditions", ())}
                found[str(pod["metadata"]["name"])] = conditions.get("Ready") == "True"
    return found


def _die_with(parent: int) -> Any:
    """Return what lets the kernel kill helm when we are killed: it must not go on where the next try begins."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl

    def arrange() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return arrange
