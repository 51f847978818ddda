"""The end of a run: checks from what the journal knows, the verdict from the checks, the report, and the event.

Nothing is asked of the platform here: a report can be made by anybody, long after, and says the same.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from gopherwood import reporting
from gopherwood.catalog import Catalog, Event
from gopherwood.chaos import verdict as rules
from gopherwood.chaos.clients import Asked, summary
from gopherwood.chaos.experiment import Experiment, Tolerance
from gopherwood.chaos.journal import Journal
from gopherwood.chaos.page import page
from gopherwood.chaos.values import Verdict
from gopherwood.chaos.verdict import Check
from gopherwood.config import Settings
from gopherwood.reporting import Head

CLIENTS = "clients.json"
EVENT = "chaos"
"""How kinds of events begin that tell a verdict."""
LATE_SHARE = 0.01
"""Of requests that were sent late by clients with nothing in their way: with more, nothing is known."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a run."""

    experiment: Experiment
    journal: Journal
    asked: list[Asked] = field(default_factory=list)
    clients: dict[str, Any] = field(default_factory=dict)
    """What clients said of themselves."""

    @classmethod
    def of(cls, experiment: Experiment, journal: Journal) -> "Known":
        """Read what there is."""
        said = json.loads(journal.get(CLIENTS) or b"{}")
        asked = [Asked(*each) for each in said.pop("asked", ())]
        return cls(experiment, journal, asked, said)

    @property
    def deed(self) -> float | None:
        """When the first victim was hit, in seconds since 1970; None when nobody was."""
        times = [each["time"] for each in self.journal.all("done") if "time" in each]
        return min(times, default=None)

    @property
    def seen(self) -> dict[str, Any]:
        """What clients saw."""
        return summary(self.asked, self.deed)

    @property
    def work(self) -> dict[str, Any]:
        """What became of the work of a rehearsal."""
        done = [each["facts"] for each in self.journal.all("done") if "wanted" in each["facts"]]
        return dict(done[0]) if done else {}

    @property
    def ready(self) -> float | None:
        """Seconds from the deed till what was hit was replaced."""
        record = self.journal.last("ready")
        return None if record is None or self.deed is None else round(record["time"] - self.deed, 3)


def make(settings: Settings, catalog: Catalog, experiment: Experiment, journal: Journal) -> tuple[Verdict, str, str]:
    """Judge a run, write its report and tell it; return verdict, reason and where the report is."""
    known = Known.of(experiment, journal)
    checks = list(checks_of(known))
    verdict, reason = rules.judge(checks, required(experiment))
    if journal.last("end") is None:
        journal.add("end", verdict=verdict.value, reason=reason, checks=[asdict(each) for each in checks])
    head = Head(
        kind="chaos",
        name=journal.run,
        scenario=experiment.name,
        started=datetime.fromisoformat(journal.head["started"]),
        finished=datetime.fromisoformat(journal.records[-1]["at"]),
        verdict=verdict.value,
        reason=reason,
        headline=headline(known),
        environment=reporting.here() | {"target": experiment.target, "seed": str(journal.head["seed"])},
    )
    data = {
        "experiment": dict(experiment.said),
        "checks": [asdict(each) for each in checks],
        "victims": [each["victim"] for each in journal.all("begin") if each["victim"]],
        "clients": known.seen | {"late": known.clients.get("late"), "again": known.clients.get("again")},
        "ready_seconds": known.ready,
        "work": known.work,
        "duplicates": (journal.last("verified") or {}).get("duplicates"),
        "invariants": (journal.last("verified") or {}).get("invariants", []),
    }
    where = reporting.publish(settings, head, data, page(head, known, checks), {"journal.json": journal.to_json()})
    said = {"reason": reason, "run": journal.run, "headline": head.headline}
    told = [Event(f"{EVENT}-{verdict.value}", experiment.name, said)]
    if verdict is Verdict.FAIL and any(each.ok is False and each.integrity for each in checks):
        told.append(Event("integrity", f"experiment {experiment.name}", {"detail": reason}))
    catalog.emit(*told)
    return verdict, reason, where


def required(experiment: Experiment) -> frozenset[str]:
    """Return the checks without which nothing passes."""
    more = {rules.CLIENTS} if experiment.watching else set()
    return rules.ALWAYS | more | ({rules.WORK} if experiment.target == "rehearsal" else set())


def checks_of(known: Known) -> Iterator[Check]:
    """Yield a check for all that was looked at."""
    journal = known.journal
    if said := journal.last("refused"):
        yield Check(rules.REFUSED, False, said["says"])
    if (planned := journal.last("preflight")) and planned["dry"]:
        yield Check(rules.DRY, None, f"it would {planned['plan']}; --execute does")
    for record in journal.records:
        if record["what"] in ("failed", "stopped", "not-ready"):
            yield Check(record["what"], False if record["what"] == "not-ready" else None, record["says"])
    if baseline := journal.last("baseline"):
        yield _steady(rules.BEFORE, baseline["steady"])
    done = journal.all("done")
    yield Check(rules.INJECTED, bool(done), f"done to {len(done)}" if done else "nothing was done")
    yield from _work(known)
    if known.experiment.watching and done:
        yield from _clients(known)
    if verified := journal.last("verified"):
        if done:
            yield _steady(rules.AFTER, verified["steady"])
        yield _store(verified)
        yield from _most(
            "duplicates", verified["duplicates"], known.experiment.tolerance.duplicates, "duplicated executions"
        )
    if restored := journal.last("restored"):
        left = journal.to_undo()
        ok = restored["ok"] and not left
        yield Check(rules.RESTORED, ok or None, "all is undone" if ok else f"not undone: {restored['says']}")


def _steady(name: str, said: list[dict[str, Any]]) -> Check:
    bad = [each for each in said if not each["ok"]]
    unknown = bad and all(each["ok"] is None for each in bad)
    words = "; ".join(each["says"] for each in bad or said)
    return Check(name, None if unknown else not bad, words)


def _store(verified: dict[str, Any]) -> Check:
    broken = [each for each in verified["invariants"] if not each["holds"]]
    if broken:
        lines = "; ".join(f"{each['name']}: {each['evidence'][0]}" for each in broken)
        return Check(rules.STORE, False, lines, integrity=True)
    whole = verified["complete"] and verified["invariants"]
    return Check(
        rules.STORE, True if whole else None, "all eight invariants hold" if whole else "not all was looked at"
    )


def _work(known: Known) -> Iterator[Check]:
    if work := known.work:
        ok = None if work["good"] and work["kills"] < work["meant"] else bool(work["good"])
        says = f"{work['published']} of {work['wanted']} published after {work['kills']} of {work['meant']} deeds, "
        says += f"{work['lost']} lost, "
        says += f"{work['half']} times half visible, {work['changed']} with other bytes"
        yield Check(rules.WORK, ok, "; ".join([says, *work["broken"][:5]]), integrity=True)
        yield from _most(
            "work-duplicates", work["duplicates"], known.experiment.tolerance.duplicates, "duplicated fetches"
        )


def _clients(known: Known) -> Iterator[Check]:
    seen, tolerance = known.seen, known.experiment.tolerance
    before = [each for each in known.asked if known.deed is not None and each.due + each.seconds < known.deed]
    problem = known.clients.get("problem", "")
    if not problem and not (seen["requests"] and (before or known.deed is None)):
        problem = "no clients were there when it was done"
    if not problem and known.clients.get("late", 0) > LATE_SHARE * seen["requests"]:
        problem = f"{known.clients['late']} requests were sent late by clients with nothing in their way"
    if not problem and before and sum(not each.good for each in before) > LATE_SHARE * len(before):
        problem = (
            f"clients were not served well before anything was done: {sum(not e.good for e in before)} of {len(before)}"
        )
    yield Check(rules.CLIENTS, None if problem else True, problem or f"{seen['requests']} requests")
    if not problem:
        yield Check("bytes", not seen["other_bytes"], f"{seen['other_bytes']} answers with other bytes", integrity=True)
        yield from _tolerances(seen, tolerance, known.deed)


def _tolerances(seen: dict[str, Any], tolerance: Tolerance, deed: float | None) -> Iterator[Check]:
    yield from _most("failed-requests", seen["failed"], tolerance.failed_requests, "failed requests")
    if tolerance.availability is not None:
        ok = seen["availability"] >= tolerance.availability
        yield Check("availability", ok, f"availability {seen['availability']:.4f}, at least {tolerance.availability}")
    yield from _most("error-window", seen["error_window_seconds"], tolerance.error_window, "seconds without an answer")
    if tolerance.recovery is not None and deed is not None:
        took = seen["recovery_seconds"]
        says = "clients were never served well again" if took is None else f"served well again after {took} s"
        yield Check(
            "recovery", took is not None and took <= tolerance.recovery, f"{says}, at most {tolerance.recovery}"
        )


def _most(name: str, found: float, most: float | None, says: str) -> Iterator[Check]:
    if most is not None:
        yield Check(name, found <= most, f"{found} {says}, at most {most}")


def headline(known: Known) -> str:
    """Return the figures that the index shows."""
    if work := known.work:
        return (
            f"{work['kills']} deeds, {work['lost']} lost, {work['half']} half visible, {work['duplicates']} duplicates"
        )
    seen = known.seen
    if seen["requests"] and known.deed is not None:
        took = seen["recovery_seconds"]
        again = "not recovered" if took is None else f"recovered in {took} s"
        return f"{seen['failed']} of {seen['requests']} requests failed, {seen['error_window_seconds']} s dark, {again}"
    return ""
