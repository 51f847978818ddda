"""The page of a run: the verdict, what clients saw with the deed marked in it, the checks, and the journal in words."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gopherwood.chaos.clients import Asked
from gopherwood.chaos.verdict import Check
from gopherwood.reporting import Axis, Cell, Figure, Head, Line, Mark, Page, chart

if TYPE_CHECKING:
    from gopherwood.chaos.report import Known

STEP = 0.25
"""Seconds of a point of the plot."""


def page(head: Head, known: "Known", checks: Sequence[Check]) -> str:
    """Return the page as HTML."""
    made = Page(head, f"Chaos: {known.experiment.title}")
    made.text(known.experiment.description)
    made.figures(_figures(known))
    if known.asked:
        made.section("What clients saw", _words(known))
        for plot in _plots(known):
            made.plot(plot)
        problems = known.seen["problems"]
        if problems:
            rows = [(name, f"{count:,}") for name, count in problems.items()]
            made.table(("why a request failed", "times"), rows, numbers={1})
    made.section("What was looked at", "It passes when everything that must be known is known, and good.")
    made.table(("", "check", "what was found"), [_check(each) for each in checks])
    _victims(made, known)
    _work(made, known)
    _invariants(made, known)
    made.section("Journal")
    made.table(("after", "what", "facts"), _journal(known))
    return made.html()


def _figures(known: "Known") -> list[Figure]:
    work, seen = known.work, known.seen
    if work:
        return [
            Figure("deeds", f"{work['kills']:,}"),
            Figure("work lost", f"{work['lost']:,}", f"of {work['wanted']:,}", "stop" if work["lost"] else "good"),
            Figure("half visible", f"{work['half']:,}", "times", "stop" if work["half"] else "good"),
            Figure("other bytes", f"{work['changed']:,}", "", "stop" if work["changed"] else "good"),
            Figure("duplicated executions", f"{work['duplicates']:,}"),
        ]
    if not seen["requests"]:
        return []
    took = seen["recovery_seconds"]
    return [
        Figure("availability", f"{100 * seen['availability']:.2f} %", f"{seen['requests']:,} requests"),
        Figure("failed requests", f"{seen['failed']:,}", "", "warn" if seen["failed"] else "good"),
        Figure("longest time in the dark", f"{seen['error_window_seconds']:.2f} s"),
        Figure("replaced after", "" if known.ready is None else f"{known.ready:.2f} s"),
        Figure("served well again after", "never" if took is None else f"{took:.2f} s"),
    ]


def _words(known: "Known") -> str:
    rate, again = known.clients.get("rate", 0), known.clients.get("again") or 0
    return (
        f"{rate:g} requests a second, due at fixed times, each checked by its bytes, latency counted from then. "
        f"{again} were sent once more, as `go` does, because a kept connection had been closed."
    )


def _plots(known: "Known") -> list[str]:
    begin = known.asked[0].due
    steps: dict[int, list[Asked]] = {}
    for each in known.asked:
        steps.setdefault(int((each.due - begin) / STEP), []).append(each)
    marks = [Mark(each["time"] - begin, "done", mark="stop") for each in known.journal.all("done") if "time" in each]
    if ready := known.journal.last("ready"):
        marks.append(Mark(ready["time"] - begin, "replaced", mark="good"))
    good = [(n * STEP, sum(not each.problem for each in found) / STEP) for n, found in sorted(steps.items())]
    bad = [(n * STEP, sum(bool(each.problem) for each in found) / STEP) for n, found in sorted(steps.items())]
    slow = [(n * STEP, max(each.seconds for each in found)) for n, found in sorted(steps.items())]
    x = Axis("seconds since the first request")
    answers = [Line("answered", good, colour=0), Line("failed", bad, colour=1)]
    return [
        chart("Requests a second", answers, x=x, y=Axis("requests/s"), marks=marks),
        chart("The slowest request", [Line("slowest", slow)], x=x, y=Axis("seconds", scale="log"), marks=marks),
    ]


def _check(check: Check) -> tuple[Cell, str, str]:
    words = {True: ("yes", "good"), False: ("no", "stop"), None: ("unknown", "warn")}
    return Cell(*words[check.ok]), check.name, check.says


def _victims(made: Page, known: "Known") -> None:
    victims = [each["victim"] for each in known.journal.all("begin") if each["victim"]]
    if victims:
        made.section("Who was hit")
        rows = [(v["name"], v["role"], v["identity"], v["node"] or "", f"{v['age_seconds']:g}") for v in victims]
        made.table(("name", "role", "identity", "node", "age (s)"), rows, numbers={4})


def _work(made: Page, known: "Known") -> None:
    if notes := known.work.get("notes"):
        made.section("What the rehearsal noted")
        made.table(("",), [(note,) for note in notes[:200]], folded=f"{len(notes)} notes")


def _invariants(made: Page, known: "Known") -> None:
    if verified := known.journal.last("verified"):
        made.section("The store afterwards", "The eight invariants of `gopherwood audit --invariants`, on every byte.")
        words = {True: ("holds", "good"), False: ("broken", "stop")}
        rows = [
            (Cell(*words[each["holds"]]), each["name"], each["says"], f"{each['checked']:,}")
            for each in verified["invariants"]
        ]
        made.table(("", "invariant", "says", "looked at"), rows, numbers={3})


def _journal(known: "Known") -> list[tuple[str, str, str]]:
    start = datetime.fromisoformat(known.journal.head["started"])
    return [
        (f"{(datetime.fromisoformat(each['at']) - start).total_seconds():.2f} s", each["what"], _facts(each))
        for each in known.journal.records
    ]


def _facts(record: dict[str, Any]) -> str:
    """Return a record in one line; what has tables of its own is left out."""
    shown = {name: each for name, each in record.items() if name not in ("at", "what", "time", "invariants", "checks")}
    victim = shown.pop("victim", None)
    words = [f"{name} {_short(each)}" for name, each in shown.items()]
    return ", ".join(([f"victim {victim['name']}"] if victim else []) + words)


def _short(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict) and "says" in value[0]:
        return "; ".join(str(each["says"]) for each in value)
    text = str(value)
    return text if len(text) <= 200 else f"{text[:197]}..."
