"""The phases of a run, each a function over the journal, so that one process or many may make them, one after another.

    preflight   whose turn it is; the guard rails; what would be hit
    baseline    the hypothesis, before; a witness of all that is acknowledged
    load        clients, from before the deed till all is well again: beside the next one
    inject      the deed, each victim looked at once more; then the wait till what was hit is back
    verify      the eight invariants on every byte, and the hypothesis, after
    restore     what was begun is undone, also by somebody who finds it begun
    report      the verdict, of what the journal knows; an event tells it

`restore` and `report` are made whatever happened before. Whoever asks to end, by a signal or the stop button, ends the
phase he finds; what is then not known makes the run inconclusive, and never one that passed.
"""

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from gopherwood.audit import invariants
from gopherwood.audit.invariants import Witness
from gopherwood.chaos import guard, rehearsal
from gopherwood.chaos.clients import Asked, Clients, files_of
from gopherwood.chaos.guard import Ground
from gopherwood.chaos.journal import unfinished
from gopherwood.chaos.values import GuardError, InconclusiveError, Victim
from gopherwood.chaos.world import LOOK_SECONDS, World
from gopherwood.errors import ConfigError, OursError, StoppedError
from gopherwood.running import ancestors, look

log = logging.getLogger(__name__)

TURN = "chaos"
TURN_SECONDS = 1800.0
"""A runner that died is waited for no longer."""
CLIENTS = "clients.json"
CLIENTS_WAIT = 60.0
"""Seconds that the deed waits for clients to be there."""
TAKEN_OVER = "expired-leases"
"""The counter of leases that were taken over: work that was begun twice."""


def preflight(world: World, *, dry: bool = False) -> None:
    """Take our turn, ask the guard rails, and note what would be hit. Raises GuardError."""
    journal, action = world.journal, world.experiment.action.make()
    turn = world.catalog.take_turn(TURN, journal.run, TURN_SECONDS)
    if turn.owner != journal.run:
        says = f"{turn.owner} is under way, and one experiment runs at a time; had it been killed: --roll-back ends it"
        raise GuardError(says)
    if left := [each for each in unfinished(world.settings) if each != journal.run]:
        raise GuardError(f"{left[0]} was killed, and what it has left must be undone first: --roll-back")
    guard.in_window(world.experiment.limits, world.now)
    if world.experiment.target == "rehearsal":
        action.possible(world)
        plan = action.says
    else:
        _need_target(world)
        chosen = _choose(world, action)[1]
        plan = f"{action.says} {', '.join(each.name for each in chosen)}"
    journal.add("preflight", dry=dry, plan=plan)
    if not dry:
        world.button.make(journal.run)
    log.info("planned", extra={"plan": plan, "stop": world.button.says})


def _need_target(world: World) -> None:
    """Refuse where there is no such target at all: pods without a cluster."""
    try:
        if world.experiment.target == "pods":
            log.info("pods", extra={"namespace": world.kube.namespace, "server": world.kube.server})
    except ConfigError as error:
        raise GuardError(f"this experiment is about pods: {error}") from error


def baseline(world: World) -> None:
    """Note whether the hypothesis holds before anything is done, and what is acknowledged. Raises InconclusiveError."""
    world.check()
    steady = _steady(world)
    found = invariants.check(world.settings, world.catalog, world.objects, quick=True, stop=world.stop)
    taken = world.catalog.counter(TAKEN_OVER)
    world.journal.add("baseline", steady=steady, witness=asdict(found.witness), taken_over=taken)
    if bad := [each["says"] for each in steady if not each["ok"]]:
        raise InconclusiveError(f"it was not steady before anything was done: {'; '.join(bad)}")


def load(world: World) -> None:
    """Play clients till the deed is done and all was well for a while, or the time is over; keep what they saw.

    It writes a file of its own beside the journal, which is another process's meanwhile.
    """
    watching = world.experiment.watching
    if watching is None:
        return
    try:
        files = files_of(world.catalog, world.objects, world.seed)
    except OursError as error:
        files, why = [], str(error)
    else:
        why = "nothing is published that clients could ask for"
    if not files:
        world.journal.put(CLIENTS, json.dumps({"problem": why, "asked": []}).encode())
        return
    clients = Clients(world.serving, files, watching.rate, world.seed)
    clients.start()
    world.journal.put(CLIENTS, json.dumps({"begun": time.time()}).encode())
    try:
        _watch(world, clients)
    finally:
        clients.stop()
        asked = [(round(each.due, 3), round(each.seconds, 4), each.problem) for each in clients.asked]
        said = {"begun": clients.asked[0].due if asked else None, "late": clients.late, "again": clients.again}
        world.journal.put(CLIENTS, json.dumps(said | {"rate": watching.rate, "asked": asked}).encode())


def _watch(world: World, clients: Clients) -> None:
    watching = world.experiment.watching
    assert watching is not None
    begun, since = time.time(), 0.0
    while not world.stop.wait(LOOK_SECONDS):
        journal = type(world.journal).read(world.settings, world.journal.run)
        assert journal is not None
        if any(journal.last(what) for what in ("injected", "failed", "stopped", "refused", "end")):
            since = since or time.time()  # what came before says nothing of how it is afterwards
            lately = [each for each in clients.seen() if each.due > max(since, time.time() - watching.settle)]
            if time.time() >= since + watching.longest or (lately and _has_settled(lately, watching.settle)):
                return
        elif time.time() - begun > watching.before + CLIENTS_WAIT + 2 * watching.longest:
            return  # the deed never came


def _has_settled(lately: Sequence[Asked], seconds: float) -> bool:
    return all(each.good for each in lately) and lately[-1].due - lately[0].due > 0.8 * seconds


def inject(world: World) -> None:
    """Do it. Raises GuardError when a guard rail says no, StoppedError, InconclusiveError."""
    _await_clients(world)
    action = world.experiment.action.make()
    if world.experiment.target == "rehearsal":
        world.journal.add("begin", deed=1, does=action.says, victim={})
        world.journal.add("done", deed=1, facts=dict(action.perform(world)))
    else:
        _strike(world, action)
    world.journal.add("injected")


def _await_clients(world: World) -> None:
    """Wait till clients are there and have seen how it is when all is well."""
    watching = world.experiment.watching
    if watching is None:
        return
    end = time.monotonic() + CLIENTS_WAIT
    while world.journal.get(CLIENTS) is None:
        world.wait(LOOK_SECONDS)
        if time.monotonic() > end:
            raise InconclusiveError("no clients came, so nobody would have seen what it does to them")
    world.wait(watching.before)


def _strike(world: World, action: Any) -> None:
    everybody, chosen = _choose(world, action)
    watching, limits, hit = world.experiment.watching, world.experiment.limits, []
    for deed, victim in enumerate(chosen, 1):
        world.check()
        guard.still(victim, action.look(world, victim), limits, world.now)
        world.journal.add("begin", deed=deed, does=action.says, victim=victim.facts())
        try:
            facts = dict(action.hit(world, victim))
        except GuardError:
            world.journal.add("undone", deed=deed, says="nothing was done")
            raise
        world.journal.add("done", deed=deed, facts=facts, time=time.time())
        hit.append(victim)
    _await_ready(world, action, everybody, hit, watching.longest if watching else 60.0)


def _await_ready(world: World, action: Any, everybody: list[Victim], hit: list[Victim], longest: float) -> None:
    """Wait till what was hit is replaced, and note when that was."""
    end = time.monotonic() + longest
    while time.monotonic() < end:
        if action.is_ready(world, everybody, hit):
            world.journal.add("ready", time=time.time())
            return
        world.wait(0.05)
    world.journal.add("not-ready", says=f"not replaced within {longest:g} s")


def _choose(world: World, action: Any) -> tuple[list[Victim], list[Victim]]:
    everybody = action.everybody(world)
    if world.experiment.target == "pods":
        namespace, ours = world.kube.namespace, frozenset[str]()
    else:
        namespace = str(world.settings.home.absolute())
        ours = frozenset(each.identity for pid in ancestors(os.getpid()) if (each := look(pid)))
    ground = Ground(namespace, world.now, ours, action.budget(world, everybody))
    return everybody, guard.choose(everybody, world.experiment.limits, ground, world.seed, action.number)


def verify(world: World) -> None:
    """Check the eight invariants, with every byte, against the witness from before; and the hypothesis."""
    before = world.journal.last("baseline")
    witness = Witness(**before["witness"]) if before else None
    found = invariants.check(world.settings, world.catalog, world.objects, before=witness, stop=world.stop)
    taken = world.catalog.counter(TAKEN_OVER) - (before["taken_over"] if before else 0)
    world.journal.add(
        "verified",
        invariants=invariants.as_json(found),
        complete=found.complete,
        steady=_steady(world),
        duplicates=taken,
    )


def restore(world: World) -> None:
    """Undo what was begun and not undone, the last first; remove what was made for the run."""
    action, failed = world.experiment.action.make(), []
    for begun in world.journal.to_undo():
        try:
            says = "removed"
            if world.experiment.target != "rehearsal":
                done = next((each for each in world.journal.all("done") if each["deed"] == begun["deed"]), {})
                says = action.undo(world, begun["victim"] | done.get("facts", {}))
            world.journal.add("undone", deed=begun["deed"], says=says)
        except OursError as error:
            failed.append(str(error))
    rehearsal.remove(world.settings, world.journal.run)
    planned = world.journal.last("preflight")
    try:
        if planned is not None and not planned["dry"]:  # else it is the button of whoever is under way
            world.button.remove()
    except OursError as error:
        failed.append(str(error))
    world.journal.add("restored", ok=not failed, says="; ".join(failed))


def _steady(world: World) -> list[dict[str, Any]]:
    """Look through every probe of the hypothesis."""
    said = []
    for step in world.experiment.probes:
        try:
            ok, says = step.make().look(world)
        except OursError as error:
            ok, says = None, str(error)
        said.append({"probe": step.name, "ok": ok, "says": f"{step.name}: {says}"})
    return said


def guarded(world: World, phase: Callable[[World], None], name: str) -> bool:
    """Make a phase; note in the journal how it was ended early, if it was. Return whether it came to its end."""
    try:
        phase(world)
    except GuardError as error:
        hits = world.journal.all("done")
        world.journal.add("failed" if hits else "refused", phase=name, says=str(error))
    except InconclusiveError as error:
        world.journal.add("failed", phase=name, says=str(error))
    except StoppedError as error:
        world.journal.add("stopped", phase=name, says=str(error))
    except OursError as error:
        world.journal.add("failed", phase=name, says=f"{name}: {error}")
    else:
        return True
    return False


def in_background(world: World) -> threading.Thread:
    """Begin `load` beside the phases that follow; join it after them."""
    thread = threading.Thread(target=load, args=(world,), daemon=True)
    thread.start()
    return thread
