"""`gopherwood chaos`: run an experiment, or one phase of it; list what there is; roll back what was left.

Without `--execute` it is a dry run: whatever would be asked is asked, and nobody is hit. Exit codes: 0 it passed (or
was listed, or rolled back), 1 it failed, 3 it failed and something published is lost, half or changed, 99 nothing was
shown (dry run, refused, inconclusive), 2 there is no such experiment.
"""

import argparse
import logging
import secrets
import threading
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gopherwood import reporting, store
from gopherwood.catalog import Catalog
from gopherwood.chaos import experiment as experiments
from gopherwood.chaos import phases, report
from gopherwood.chaos.experiment import Experiment
from gopherwood.chaos.journal import Journal, unfinished
from gopherwood.chaos.values import Verdict
from gopherwood.chaos.world import World
from gopherwood.config import Settings
from gopherwood.errors import EXIT_DONE, EXIT_FAILED, EXIT_INTEGRITY, EXIT_NOTHING_TO_DO, OursError, UsageError

log = logging.getLogger(__name__)

CODES = {Verdict.PASS: EXIT_DONE, Verdict.FAIL: EXIT_FAILED}
PHASES = {"baseline": phases.baseline, "inject": phases.inject, "verify": phases.verify}
"""Phases of which nothing follows once one before them was ended early, but for `verify`."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a run came to."""

    experiment: str
    run: str
    verdict: str
    reason: str = ""
    report: str = ""
    integrity: bool = False
    """Whether it failed because something published is lost, half or changed."""

    @property
    def exit_code(self) -> int:
        """0 passed, 1 or 3 failed, 99 nothing was shown."""
        if self.integrity:
            return EXIT_INTEGRITY
        return CODES.get(Verdict(self.verdict), EXIT_NOTHING_TO_DO)

    def text(self) -> str:
        """Return it for people."""
        why = f": {self.reason}" if self.reason else ""
        return f"{self.experiment}: {self.verdict}{why}" + (f"\nreport: {self.report}" if self.report else "")


@dataclass(frozen=True, slots=True)
class Listed:
    """Experiments that there are, and runs that were left."""

    experiments: dict[str, str] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    exit_code: int = EXIT_DONE

    def text(self) -> str:
        """Return a line each."""
        lines = [f"{name:26} {says}" for name, says in self.experiments.items()]
        return "\n".join([*lines, *(f"left: {run} (gopherwood chaos --roll-back)" for run in self.left)])


@dataclass(frozen=True, slots=True)
class Phase:
    """What one phase of a run came to."""

    run: str
    phase: str
    done: bool

    @property
    def exit_code(self) -> int:
        """0 when it was made, 99 when it was ended early: the report says why."""
        return EXIT_DONE if self.done else EXIT_NOTHING_TO_DO


@dataclass(frozen=True, slots=True)
class RolledBack:
    """Runs that were rolled back."""

    runs: list[str]
    failed: list[str]

    @property
    def exit_code(self) -> int:
        """1 when something could not be undone, 99 when nothing was left."""
        if self.failed:
            return EXIT_FAILED
        return EXIT_DONE if self.runs else EXIT_NOTHING_TO_DO


def run(settings: Settings, args: argparse.Namespace, stop: threading.Event) -> Any:
    """Do what the flags say. Raises UsageError."""
    if args.roll_back:
        return roll_back(settings, args.run, stop)
    if not args.experiment:
        shown = {name: experiments.read(file).title for name, file in experiments.shipped().items()}
        return Listed(shown, unfinished(settings))
    experiment = experiments.find(args.experiment)
    name = reporting.values.fit(args.run) if args.run else reporting.name_of(experiment.name, datetime.now(UTC))
    with ExitStack() as stack:
        catalog = stack.enter_context(Catalog.ready(settings))
        if args.phase:
            return _phase(settings, catalog, experiment, name, args, stop)
        seed = secrets.randbelow(1 << 32) if args.seed is None else args.seed
        journal = Journal.begin(settings, name, experiment=experiment.name, seed=seed, file=dict(experiment.said))
        return execute(_world(settings, catalog, experiment, journal, args.serving, stop), dry=not args.execute)


def execute(world: World, *, dry: bool) -> Result:
    """Make all phases, one after another; `restore` and `report` whatever happens."""
    try:
        if phases.guarded(world, lambda each: phases.preflight(each, dry=dry), "preflight") and not dry:
            if phases.guarded(world, phases.baseline, "baseline"):
                clients = phases.in_background(world)
                phases.guarded(world, phases.inject, "inject")
                clients.join()
            phases.guarded(world, phases.verify, "verify")
    finally:
        phases.restore(world)
        result = _report(world)
    return result


def roll_back(settings: Settings, name: str, stop: threading.Event) -> RolledBack:
    """Undo what runs have begun that never came to their end (or one of them), and report them."""
    done: list[str] = []
    failed: list[str] = []
    with Catalog.ready(settings) as catalog:
        for left in [name] if name else unfinished(settings):
            journal = Journal.read(settings, left)
            if journal is None:
                raise UsageError(f"there is no run {left!r}", hint="`gopherwood chaos` names those that were left")
            world = _world(settings, catalog, experiments.find(journal.head["experiment"]), journal, "", stop)
            journal.add("stopped", phase="roll-back", says="its runner never came to the end")
            phases.restore(world)
            _report(world)  # which gives its turn back, too
            (failed if journal.to_undo() else done).append(left)
    return RolledBack(done, failed)


def _phase(
    settings: Settings,
    catalog: Catalog,
    experiment: Experiment,
    name: str,
    args: argparse.Namespace,
    stop: threading.Event,
) -> Any:
    """Make one phase of a run whose phases are processes of their own."""
    if not args.run:
        raise UsageError("--phase of which run?", hint="name it by --run, the same for each phase")
    journal = Journal.read(settings, name)
    if args.phase == "preflight" and journal is None:
        seed = secrets.randbelow(1 << 32) if args.seed is None else args.seed
        journal = Journal.begin(settings, name, experiment=experiment.name, seed=seed, file=dict(experiment.said))
    if journal is None:
        return Phase(name, args.phase, done=False)
    world = _world(settings, catalog, experiment, journal, args.serving, stop)
    if args.phase == "verdict":
        return _verdict(journal)
    if args.phase == "preflight":
        made = phases.guarded(world, lambda each: phases.preflight(each, dry=not args.execute), args.phase)
        return Phase(name, args.phase, made and args.execute)
    if args.phase == "restore":
        phases.restore(world)
        return Phase(name, args.phase, done=True)
    if args.phase == "report":
        return Phase(name, args.phase, done=bool(_report(world).report))
    planned = journal.last("preflight")
    early = any(journal.last(what) for what in ("refused", "failed", "stopped"))
    if planned is None or planned["dry"] or (early and args.phase != "verify"):
        return Phase(name, args.phase, done=False)
    if args.phase == "load":
        phases.load(world)
        return Phase(name, args.phase, done=True)
    catalog.take_turn(phases.TURN, name, phases.TURN_SECONDS)
    return Phase(name, args.phase, phases.guarded(world, PHASES[args.phase], args.phase))


def _verdict(journal: Journal) -> Result:
    """Return what the report of a run said; a run without one has failed to say anything."""
    end = journal.last("end")
    if end is None:
        raise OursError(f"{journal.run} has no report: its phase `report` was not made")
    harm = any(each["ok"] is False and each["integrity"] for each in end["checks"])
    failed = end["verdict"] == Verdict.FAIL
    return Result(journal.head["experiment"], journal.run, end["verdict"], end["reason"], integrity=failed and harm)


def _report(world: World) -> Result:
    """Judge and report a run, and give the turn back."""
    settings, catalog, journal = world.settings, world.catalog, world.journal
    _, _, where = report.make(settings, catalog, world.experiment, journal)
    catalog.give_back_turn(phases.TURN, journal.run)
    said = _verdict(journal)
    return Result(said.experiment, said.run, said.verdict, said.reason, where, said.integrity)


def _world(
    settings: Settings, catalog: Catalog, experiment: Experiment, journal: Journal, serving: str, stop: threading.Event
) -> World:
    url = serving or f"http://{settings.serving_host}:{settings.serving_port}"
    return World(settings, catalog, store.open_store(settings), experiment, journal, url, stop)
