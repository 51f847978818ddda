"""An experiment: a file in the shape of Chaos Toolkit's, checked before anything is touched.

The shape (hypothesis, method, rollbacks; docs.chaostoolkit.org, "An Open API for Chaos Engineering Experiments") is
theirs, so that their tools read our files; what we add stands under `extensions`, where theirs leave it alone. A
provider names a function of ours that makes the action (or the probe): nothing happens by calling it. Rollbacks stand
in no file: each action knows its own, and takes it from the journal.
"""

import importlib
import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from gopherwood.chaos.guard import Limits
from gopherwood.errors import UsageError
from gopherwood.form import contradiction

HERE = Path(__file__).parent
SHIPPED = HERE / "experiments"
SCHEMA = HERE / "experiment.schema.json"


@dataclass(frozen=True, slots=True)
class Watching:
    """How clients are played while it goes on."""

    rate: float = 50.0
    """Requests a second."""
    before: float = 3.0
    """Seconds before anything is done: those must be good."""
    longest: float = 60.0
    """Seconds after it at most."""
    settle: float = 3.0
    """Seconds that all must be good again before the watching ends."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What is still good; None is not judged."""

    failed_requests: int | None = None
    availability: float | None = None
    error_window: float | None = None
    """Seconds."""
    recovery: float | None = None
    """Seconds from the deed till clients are served well again."""
    duplicates: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """A probe or an action: its name, and the function that makes it, with its arguments."""

    name: str
    module: str
    func: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def make(self) -> Any:
        """Return the action or probe. Raises UsageError for one that there is not, or other arguments than it takes."""
        function = getattr(importlib.import_module(self.module), self.func, None)
        if not inspect.isfunction(function) or function.__module__ != self.module:
            raise UsageError(f"{self.name}: there is no {self.func} in {self.module}")
        try:
            inspect.signature(function).bind(**self.arguments)
        except TypeError as error:
            raise UsageError(f"{self.name}: {self.func}: {error}") from None
        return function(**self.arguments)


@dataclass(frozen=True, slots=True)
class Experiment:
    """A whole experiment."""

    name: str
    title: str
    description: str
    target: str
    """processes, pods or rehearsal"""
    hypothesis: str
    probes: tuple[Step, ...]
    action: Step
    limits: Limits
    watching: Watching | None
    tolerance: Tolerance
    said: Mapping[str, Any]
    """The file, as it is."""


@cache
def shipped() -> dict[str, Path]:
    """Return the experiments that come along, by name."""
    return {file.stem: file for file in sorted(SHIPPED.glob("*.json"))}


def find(name: str) -> Experiment:
    """Return the experiment of a name, or in a file. Raises UsageError."""
    known = shipped()
    if name in known:
        return read(known[name])
    if name.endswith(".json"):
        return read(Path(name))
    raise UsageError(f"no experiment is called {name!r}", hint=f"there are {', '.join(known)}; or name a file.json")


def read(file: Path) -> Experiment:
    """Read an experiment, and make each of its steps once, to see that it can be. Raises UsageError."""
    try:
        said = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise UsageError(f"{file}: {getattr(error, 'strerror', None) or error}") from None
    if problem := contradiction(said, json.loads(SCHEMA.read_text()), "the experiment"):
        raise UsageError(f"{file}: {problem}", hint=f"{SCHEMA.name} says what may be there")
    more = said["extensions"][0]
    hypothesis = said["steady-state-hypothesis"]
    experiment = Experiment(
        name=file.stem,
        title=said["title"],
        description=said["description"],
        target=more["target"],
        hypothesis=hypothesis["title"],
        probes=tuple(_step(each) for each in hypothesis["probes"]),
        action=_step(said["method"][0]),
        limits=Limits.of(more["guard"]),
        watching=_watching(more["observe"]) if "observe" in more else None,
        tolerance=_tolerance(more["tolerate"]),
        said=said,
    )
    for step in (*experiment.probes, experiment.action):
        step.make()
    return experiment


def _step(said: Mapping[str, Any]) -> Step:
    provider = said["provider"]
    return Step(said["name"], provider["module"], provider["func"], provider.get("arguments", {}))


def _watching(said: Mapping[str, Any]) -> Watching:
    names = {"rate": "rate", "before_seconds": "before", "longest_seconds": "longest", "settle_seconds": "settle"}
    return Watching(**{names[name]: float(value) for name, value in said.items()})


def _tolerance(said: Mapping[str, Any]) -> Tolerance:
    names = {"error_window_seconds": "error_window", "recovery_seconds": "recovery"}
    return Tolerance(**{names.get(name, name): value for name, value in said.items()})
