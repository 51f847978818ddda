"""Verbs `status`, `plan`, `requeue`, `migrate`: what is where, how much work that is, another chance for the refused.

They only ask the catalog, or change what a person says in it. `status` without names tells of the whole queue; with
a module's name, of its versions; with a version's, its story (story.py): its state, why, what every rule said of it,
and what a person can do about it.
"""

from dataclasses import dataclass, replace

from gopherwood.catalog import Catalog
from gopherwood.config import Settings
from gopherwood.errors import EXIT_DONE
from gopherwood.scaling import Backlog, Rule, workers
from gopherwood.states import OPEN, State
from gopherwood.status import words
from gopherwood.status.again import REQUEUEABLE, Requeued, requeue
from gopherwood.status.story import Stories, stories

__all__ = ["Migrated", "Overview", "Plan", "Requeued", "Stories", "migrate", "plan", "requeue", "run", "stories"]

REFUSED = REQUEUEABLE | {State.HELD}


@dataclass(frozen=True, slots=True)
class Overview:
    """The whole platform in numbers."""

    counts: dict[str, int]
    open: int
    oldest_open_seconds: float | None
    backlog: dict[str, float]
    """What waits for workers, and how many it is worth by the default rule (scaling.py): the signal to scale by."""
    reasons: dict[str, int]
    """Why versions are not served, by reason."""
    recent: list[dict[str, str]]
    """The last versions that were refused, are held, or could not be had."""
    exit_code: int = EXIT_DONE

    def text(self) -> str:
        """Return the counts, then a line for each recent refusal."""
        if not any(self.counts.values()):
            return "status: nothing is known yet; `gopherwood ingest MODULE` brings in the first module"
        lines = [f"status: {words.counted(self.counts)}"]
        if self.open:
            age = f", the oldest for {words.duration(self.oldest_open_seconds)}" if self.oldest_open_seconds else ""
            lines.append(f"  {self.open} open{age}; `gopherwood ingest` works on them")
        if self.reasons:
            lines.append(f"  not served for: {words.counted(self.reasons)}")
        if self.recent:
            lines += ["", "The last that are not served:"]
            lines += [f"  {row['state']:<8}  {row['module']}  {words.why(row)}" for row in self.recent]
            lines += ["", "`gopherwood status MODULE@VERSION` tells a version's story, and what can be done about it."]
        return "\n".join(lines)


def run(settings: Settings, *, recent: int = 10) -> Overview:
    """Return the state of the platform; `recent` is how many refusals to name."""
    with Catalog.ready(settings) as catalog:
        counts = catalog.counts()
        age = catalog.oldest_open_age()
        return Overview(
            {state.value: count for state, count in counts.items()},
            sum(counts[state] for state in OPEN),
            age.total_seconds() if age else None,
            _signal(catalog.backlog()),
            catalog.reasons(),
            [words.line(row) for row in catalog.recent(REFUSED, limit=recent)] if recent else [],
        )


def _signal(backlog: Backlog) -> dict[str, float]:
    return {
        "due": backlog.due,
        "held": backlog.held,
        "oldest_seconds": backlog.oldest.total_seconds(),
        "workers": workers(backlog, Rule()),
    }


class Plan(list[int]):
    """The numbers of the fetch workers that the queue is worth; a list, because Airflow maps tasks over it."""

    due = 0
    """Versions that are due."""

    def text(self) -> str:
        """Return it for people."""
        if not self:
            return "plan: no worker: nothing is due (`gopherwood status` says what waits)"
        return f"plan: {len(self)} {'worker' if len(self) == 1 else 'workers'} for what is due: {self.due}"


def plan(settings: Settings, rule: Rule) -> Plan:
    """Return the numbers of the fetch workers that the queue is worth now: none for an empty queue.

    What others hold at this moment they finish themselves: only what is due is worth one more.
    """
    with Catalog.ready(settings) as catalog:
        backlog = catalog.backlog((State.QUEUED, State.FAILED, State.LEASED))
    numbers = Plan(range(workers(replace(backlog, held=0), rule)))
    numbers.due = backlog.due
    return numbers


@dataclass(frozen=True, slots=True)
class Migrated:
    """The catalog that is up to date now."""

    catalog: str
    exit_code: int = EXIT_DONE

    def text(self) -> str:
        """Return it for people."""
        return f"migrate: {self.catalog} is up to date"


def migrate(settings: Settings) -> Migrated:
    """Bring the catalog's tables up to date."""
    with Catalog.ready(settings) as catalog:
        catalog.migrate()
        return Migrated(catalog.engine.url.render_as_string(hide_password=True))
