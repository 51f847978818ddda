"""Verbs `status`, `plan` and `requeue`: what is where, how much work that is, and another chance for what was refused.

They only ask the catalog, or change what a person says in it. `status` without names tells of the whole queue; with
names, the story of each version: its state, why, and what every rule said of it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gopherwood import module
from gopherwood.catalog import Catalog, Evidence, Selector, VersionRow
from gopherwood.config import Settings
from gopherwood.errors import EXIT_DONE, EXIT_FAILED, EXIT_NOTHING_TO_DO, ContentError, UsageError
from gopherwood.module import ModuleVersion
from gopherwood.states import OPEN, State

REQUEUEABLE = frozenset({State.REJECTED, State.GONE, State.FAILED})


@dataclass(frozen=True, slots=True)
class Overview:
    """The whole platform in numbers."""

    counts: dict[str, int]
    open: int
    oldest_open_seconds: float | None
    reasons: dict[str, int]
    """Why versions are not served, by reason."""
    recent: list[dict[str, str]]
    """The last versions that were refused or could not be had."""
    exit_code: int = EXIT_DONE

    def text(self) -> str:
        """Return the counts, then a line for each recent refusal."""
        counts = ", ".join(f"{count} {state}" for state, count in self.counts.items() if count)
        lines = [f"status: {counts or 'nothing is known yet'}"]
        if self.open:
            age = f", the oldest for {_duration(self.oldest_open_seconds)}" if self.oldest_open_seconds else ""
            lines.append(f"  {self.open} open{age}")
        lines += [f"  {count} {reason}" for reason, count in self.reasons.items()]
        lines += [f"  {row['state']} {row['module']}: {row['reason']}: {row['detail']}" for row in self.recent]
        return "\n".join(lines)


def run(settings: Settings, *, recent: int = 10) -> Overview:
    """Return the state of the platform; `recent` is how many refusals to name."""
    with Catalog.open(settings) as catalog:
        counts = catalog.counts()
        age = catalog.oldest_open_age()
        return Overview(
            {state.value: count for state, count in counts.items()},
            sum(counts[state] for state in OPEN),
            age.total_seconds() if age else None,
            catalog.reasons(),
            [_line(row) for row in catalog.recent(REQUEUEABLE, limit=recent)],
        )


def _line(row: VersionRow) -> dict[str, str]:
    return {"module": str(row.mv), "state": row.state.value, "reason": row.reason, "detail": row.detail}


def _duration(seconds: float) -> str:
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"


@dataclass(frozen=True, slots=True)
class Stories:
    """Everything known of the versions that were asked for."""

    versions: list[dict[str, Any]]
    unknown: list[str]

    @property
    def exit_code(self) -> int:
        """1 when a version was never wanted."""
        return EXIT_FAILED if self.unknown else EXIT_DONE

    def text(self) -> str:
        """Return a line a version, and one for each rule that was checked."""
        lines = [f"{name}: never wanted" for name in self.unknown]
        for story in self.versions:
            why = f": {story['reason']}: {story['detail']}" if story["reason"] else ""
            lines.append(f"{story['module']}: {story['state']}{why}")
            for rule in story["evidence"]:
                lines.append(f"  {'ok' if rule['ok'] else 'NO'}  {rule['rule']}  {rule['detail']}".rstrip())
        return "\n".join(lines)


def stories(settings: Settings, names: Sequence[str]) -> Stories:
    """Return the story of each `MODULE@VERSION`; raises UsageError for a name that is none."""
    found: list[dict[str, Any]] = []
    unknown: list[str] = []
    with Catalog.open(settings) as catalog:
        for mv in map(_version, names):
            row = catalog.state_of(mv)
            if row is None:
                unknown.append(str(mv))
            else:
                found.append(_story(row, catalog.evidence_of(mv)))
    return Stories(found, unknown)


def _story(row: VersionRow, evidence: Sequence[Evidence]) -> dict[str, Any]:
    rules = [{"rule": item.rule, "ok": item.ok, "detail": item.detail} for item in evidence]
    story = _line(row) | {
        "source": row.source,
        "attempt": row.attempt,
        "failures": row.failures,
        "first_observed": row.first_observed,
        "changed_at": row.changed_at,
        "ready_at": row.ready_at,
        "published_at": row.published_at,
        "sequence": row.sequence,
    }
    return story | dict(row.facts) | {"evidence": rules}


def _version(name: str) -> ModuleVersion:
    path, _, version = name.partition("@")
    try:
        module.check(path, version)
    except ContentError as error:
        raise UsageError(f"not a MODULE@VERSION: {name}: {error}") from None
    return ModuleVersion(path, version)


def plan(settings: Settings, *, max_workers: int, per_worker: int) -> list[int]:
    """Return the numbers of the fetch workers that the queue is worth now: none for an empty queue."""
    with Catalog.open(settings) as catalog:
        ready = catalog.ready_count((State.QUEUED, State.FAILED, State.LEASED))
    return list(range(min(max_workers, math.ceil(ready / per_worker))))


@dataclass(frozen=True, slots=True)
class Requeued:
    """How many versions have another chance."""

    requeued: int

    @property
    def exit_code(self) -> int:
        """99 when nothing matched."""
        return EXIT_DONE if self.requeued else EXIT_NOTHING_TO_DO


def requeue(settings: Settings, names: Sequence[str], *, state: str | None, reason: str) -> Requeued:
    """Queue what matches again. A name is `MODULE@VERSION`, or a module path (a glob, as in GOPRIVATE) for all of it.

    Raises UsageError when nothing is named.
    """
    versions = [_version(name) for name in names if "@" in name]
    paths = ",".join(name for name in names if "@" not in name)
    if versions and paths:
        raise UsageError("name either versions or modules, not both")
    states = frozenset({State(state)}) if state else REQUEUEABLE
    with Catalog.open(settings) as catalog:
        return Requeued(catalog.requeue(Selector(versions=versions, paths=paths, reason=reason, states=states)))


@dataclass(frozen=True, slots=True)
class Migrated:
    """The catalog that is up to date now."""

    catalog: str
    exit_code: int = EXIT_DONE


def migrate(settings: Settings) -> Migrated:
    """Bring the catalog's tables up to date."""
    with Catalog.open(settings) as catalog:
        catalog.migrate()
        return Migrated(catalog.engine.url.render_as_string(hide_password=True))
