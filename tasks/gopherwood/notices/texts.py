"""What people are told of each kind of event: one line, how much it matters, what to do next, and where to look.

An event of a kind that is not known here is told all the same, by its name and what it says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import quote

from gopherwood.catalog import StoredEvent
from gopherwood.notices.values import Notice, Severity

INFO, WARN, PAGE = Severity.INFO, Severity.WARN, Severity.PAGE

LONGEST = 300
"""Characters of one value in a line."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How a kind is told: `line` and `todo` are format strings over the payload and `subject`."""

    severity: Severity
    line: str
    todo: str = ""
    ends: bool = False
    folds: bool = False


KINDS: Mapping[str, Kind] = {
    "published": Kind(INFO, "{subject} is published", ends=True, folds=True),
    "rejected": Kind(
        INFO, "{subject} was refused ({reason}): {detail}", "`gopherwood status {subject}` has all evidence", folds=True
    ),
    "imported": Kind(INFO, "bundle {subject} was imported, signed by {signed_by}", ends=True),
    "conflict": Kind(
        PAGE,
        "conflict: other bytes were offered for {subject}; what is published stays",
        "compare both copies, and find out which upstream changed: `gopherwood status {subject}`",
    ),
    "damage": Kind(
        WARN, "damaged: {subject} ({kind}); it is withheld till it is healed", "`gopherwood audit --heal` tries at once"
    ),
    "healed": Kind(INFO, "healed: {subject}, from {from}", ends=True),
    "integrity": Kind(
        PAGE, "integrity: {subject}: {detail}", "stop what writes, keep the evidence, and read docs/trust.md"
    ),
    "quality-failed": Kind(
        PAGE,
        "data quality: the rule {subject} is broken ({failed})",
        "`gopherwood quality` shows rows; docs/quality.md",
    ),
    "quality-held": Kind(WARN, "data quality: held {subject}", "`gopherwood quality --verdict` says why"),
    "quality-digest": Kind(INFO, "data quality on {subject}: {summary}", ends=True),
    "origin-moved": Kind(
        WARN, "the tag of {subject} was moved at {repository}; we serve what we had", "look at the diff: {evidence}"
    ),
    "origin-gone": Kind(WARN, "{subject} is gone from its origin; we go on serving it", "find out why: {detail}"),
    "origin-renamed": Kind(INFO, "{subject} is now {renamed_to}", "tell who requires it", ends=True),
    "load-pass": Kind(INFO, "load test {subject} passed: {headline}", ends=True),
    "load-fail": Kind(
        WARN, "load test {subject} failed: {reason}", "look at its report, load/{subject}/ of /reports/", ends=True
    ),
    "load-invalid": Kind(
        WARN,
        "load test {subject} measured nothing: {reason}",
        "run it again where the generator has a core of its own; docs/load.md",
        ends=True,
    ),
    "chaos-pass": Kind(INFO, "experiment {subject} passed: {headline}", ends=True),
    "chaos-fail": Kind(
        WARN,
        "experiment {subject} failed: {reason}",
        "read the report of {run} at /reports/, and docs/chaos.md",
        ends=True,
    ),
    "chaos-inconclusive": Kind(
        WARN, "experiment {subject} showed nothing: {reason}", "make it again: `gopherwood chaos {subject}`", ends=True
    ),
    "chaos-refused": Kind(INFO, "experiment {subject} was refused: {reason}", ends=True),
    "chaos-dry-run": Kind(INFO, "experiment {subject} was a dry run: {reason}", ends=True),
    "promotion-started": Kind(INFO, "{subject}: promoting {version} (commit {commit})"),
    "promotion-finished": Kind(INFO, "{subject}: {version} is in place (commit {commit})", ends=True),
    "promotion-rolled-back": Kind(
        WARN,
        "{subject}: {version} was rolled back: {why}",
        "`gopherwood promote --dry-run` shows the change",
        ends=True,
    ),
    "run-failed": Kind(
        WARN,
        "{subject}: a run failed, in {tasks}: {last_lines}",
        "its log says why; the DAG's runbook what to do when it is red: {page}",
    ),
    "run-late": Kind(
        WARN,
        "{subject}: a run was ended as it was not done within {limit}",
        "see which task took so long, and whether the next run does too: {page}",
    ),
    "run-recovered": Kind(INFO, "{subject}: it succeeds again; {failed} runs failed since {since}", ends=True),
    "airflow-silent": Kind(
        PAGE,
        "Airflow begins no runs, or does not answer, since {since}: {detail}",
        "look at its scheduler and API server; what is published is served all the same",
    ),
    "airflow-back": Kind(INFO, "Airflow works again; it did not since {since}", ends=True),
}


Links = Sequence[tuple[str, str]]
"""Where people look: patterns of kinds, and of the first that matches a URL with `{subject}`, `{path}`, `{version}`."""


def notice(stored: StoredEvent, links: Links, *, channel: str, mention: str) -> Notice:
    """Return what a sink is told of an event."""
    event = stored.event
    kind = KINDS.get(event.kind) or Kind(INFO, _generic(event.payload))
    words = _Words(_words(event.payload) | {"subject": _short(event.subject), "told_kind": event.kind})
    return Notice(
        id=stored.id,
        at=stored.at,
        kind=event.kind,
        subject=event.subject,
        payload=event.payload,
        severity=kind.severity,
        line=_plain(kind.line.format_map(words)),
        todo=_plain(kind.todo.format_map(words)),
        link=_link(event.kind, event.subject, links) or str(event.payload.get("page", "")),
        ends=kind.ends,
        folds=kind.folds,
        channel=channel,
        mention=mention,
    )


def severity_of(kind: str) -> Severity:
    """Return how much a kind of event matters."""
    return KINDS[kind].severity if kind in KINDS else INFO


def folded(notices: list[Notice]) -> str:
    """Return one line for many notices of one kind."""
    first, last, count = notices[0], notices[-1], len(notices)
    if count == 1:
        return first.line
    word = "refused" if first.kind == "rejected" else first.kind
    return f"{count:,} module versions {word}: {_short(first.subject)} ... {_short(last.subject)}"


class _Words(dict[str, str]):
    """Values of a line; one that an event of another release lacks is a question mark."""

    def __missing__(self, key: str) -> str:
        return "?"


def _words(payload: Mapping[str, Any]) -> dict[str, str]:
    words = {name: _short(value) for name, value in payload.items()}
    if sets := payload.get("data_sets"):
        said = (f"{name} {each.get('score', '?')}" for name, each in sorted(sets.items()))
        words["summary"] = _short(", ".join(said))
    return words


def _generic(payload: Mapping[str, Any]) -> str:
    """Return the line of an unknown kind: all that fits of what it says."""
    said = ", ".join(f"{name} {{{name}}}" for name in sorted(payload)[:8] if name.isidentifier())
    return "{told_kind}: {subject}" + (f" ({said})" if said else "")


def _short(value: object) -> str:
    text = value if isinstance(value, str) else "?" if value is None else str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _plain(text: str) -> str:
    """Return a text as one line of what can be seen: what upstreams say may hold anything."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _link(kind: str, subject: str, links: Links) -> str:
    template = next((url for pattern, url in links if fnmatchcase(kind, pattern)), "")
    path, _, version = subject.split(" ", 1)[0].partition("@")
    for name, value in (("subject", subject), ("path", path), ("version", version)):
        template = template.replace(f"{{{name}}}", quote(value, safe="/@"))
    return template
