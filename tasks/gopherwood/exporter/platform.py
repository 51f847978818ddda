"""The catalog as metrics: what waits, what was published and refused, what is wrong, and how old all of it is."""

import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

from gopherwood import errors, scaling
from gopherwood.catalog import LEASE_EXPIRED, TOO_MANY_ATTEMPTS, Catalog, Delays, Finding, Tally
from gopherwood.config import Settings
from gopherwood.exporter.families import Metric, counter, gauge, histogram, known, time
from gopherwood.states import OPEN, State

KINDS = (
    "published",
    "rejected",
    "imported",
    "conflict",
    "damage",
    "healed",
    "integrity",
    "quality-failed",
    "quality-held",
    "quality-digest",
    "origin-moved",
    "origin-gone",
    "origin-renamed",
    "promotion-started",
    "promotion-finished",
    "promotion-rolled-back",
    "run-failed",
    "run-late",
    "run-recovered",
    "airflow-silent",
    "airflow-back",
    "chaos-dry-run",
    "chaos-fail",
    "chaos-inconclusive",
    "chaos-pass",
    "chaos-refused",
    "load-pass",
    "load-fail",
    "load-invalid",
)
"""Kinds of events that are counted by name; a test holds them to those that notices tell."""

REASONS = sorted(
    {each.reason for each in vars(errors).values() if isinstance(each, type) and hasattr(each, "reason")}
    | {TOO_MANY_ATTEMPTS, LEASE_EXPIRED}
)
"""Reasons for which versions are rejected."""

BOUNDS = (60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14_400.0, 28_800.0, 86_400.0, 259_200.0)
"""Of the histogram of freshness, in seconds: from a minute to three days."""

WAITING = OPEN | {State.HELD}


class Platform:
    """Asks the catalog; what only grows goes on where the last answer ended. Not for two threads at once."""

    def __init__(self, catalog: Catalog, settings: Settings) -> None:
        self._catalog = catalog
        self._notices = settings.notices_path
        self._tally = Tally()
        self._delays = Delays()

    def ask(self) -> list[Metric]:
        """Return all metrics. Raises StorageError."""
        parts: tuple[Callable[[], Iterator[Metric]], ...]
        parts = (self._queue, self._published, self._events, self._trust, self._ledger, self._reports, self._sinks)
        return [metric for part in parts for metric in part()]

    def _queue(self) -> Iterator[Metric]:
        catalog = self._catalog
        backlog = catalog.backlog()
        ages = catalog.oldest_by_state(WAITING)
        piled = catalog.piled_up()
        yield gauge("versions", "Module versions in each state.", _by_state(catalog.counts()), "state")
        says = "How long the version that has been in a state longest has been."
        yield gauge("oldest_seconds", says, {each.value: ages[each].total_seconds() for each in sorted(ages)}, "state")
        yield gauge("queue_due", "Module versions that may be leased right now.", backlog.due)
        yield gauge("queue_held", "Module versions that workers hold.", backlog.held)
        says = "How long the oldest of those due has been due."
        yield gauge("queue_oldest_seconds", says, backlog.oldest.total_seconds())
        workers = scaling.workers(backlog, scaling.Rule())
        yield gauge("queue_workers", "Workers that the queue is worth by the default rule.", workers)
        expired = catalog.counter("expired-leases")
        yield counter("expired_leases", "Leases that ran out and were taken over.", expired)
        yield gauge("open_misses", "Requests for what is not held that nobody has dealt with.", piled["misses"])
        yield gauge("stale_lists", "Version lists older than what was published.", piled["stale_lists"])

    def _published(self) -> Iterator[Metric]:
        catalog = self._catalog
        sequence, at = catalog.last_published()
        yield counter("published", "Module versions published, ever.", sequence)
        yield time("last_published", "When a module version was last published.", at)
        rejected = known(catalog.reasons_of(State.REJECTED), REASONS)
        yield gauge("rejected_versions", "Module versions that are rejected, by reason.", rejected, "reason")
        self._delays = catalog.delays(self._delays, BOUNDS)
        says = "From the first observation of a module version to its publish, of all that were ever published."
        yield histogram("freshness_seconds", says, BOUNDS, self._delays.counts, self._delays.seconds)
        until, read_at = catalog.index_read_until()
        yield time("index_read_until", "Up to when module indexes have been read.", until)
        yield time("index_read", "When a module index was read last.", read_at)

    def _events(self) -> Iterator[Metric]:
        self._tally, counts = self._catalog.tally(self._tally)
        says = "Events, by kind: conflicts, integrity findings, moved origins and all else that is told."
        yield counter("events", says, known(counts, KINDS), "kind")

    def _trust(self) -> Iterator[Metric]:
        catalog = self._catalog
        found, still = catalog.damage_counts()
        yield counter("damages", "Files of the store found damaged, ever.", found)
        yield gauge("open_damages", "Files of the store that are damaged and not healed.", still)
        scrubbed = catalog.scrubbed()
        yield counter("scrub_versions", "Module versions read again, ever.", scrubbed.versions)
        yield counter("scrub_bytes", "Bytes read again, ever.", scrubbed.bytes)
        yield counter("scrub_mismatches", "Files that were not what was published.", scrubbed.mismatches)
        last = catalog.last_scrubbed().values()
        yield time("scrub_last", "When a part of the store was last read to its end.", max(last, default=None))
        yield time("scrub_oldest", "When the part that waits longest was read to its end.", min(last, default=None))
        states = catalog.origin_states()
        origins = {state.value: states.get(state, 0) for state in Finding if state is not Finding.UNREACHABLE}
        yield gauge("origins", "Published versions by what was last seen at their origin.", origins, "finding")

    def _ledger(self) -> Iterator[Metric]:
        head = self._catalog.ledger_head()
        yield gauge("ledger_entries", "Entries of the ledger.", self._catalog.ledger_size())
        yield gauge("ledger_signed_entries", "Entries that the newest signed head covers.", head.size if head else 0)
        yield time("ledger_last_entry", "When the ledger got its last entry.", self._catalog.ledger_last_at())
        yield time("ledger_head", "When the newest head was signed.", head.at if head else None)

    def _reports(self) -> Iterator[Metric]:
        catalog = self._catalog
        at, hours = catalog.usage_rolled()
        yield time("usage_rolled", "When an hour of the access log was last counted.", at)
        yield gauge("usage_uncounted", "Hours of the access log with lines that are not counted.", hours)
        runs = {name: run for name in catalog.quality_data_sets() for run in catalog.quality_runs(name, limit=1)}
        at_each = {name: run.at for name, run in runs.items()}
        yield time("quality_run", "When a data set was last checked.", at_each or None, "data_set")
        ratios = {name: run.score / 100 for name, run in runs.items()}
        yield gauge("quality_score_ratio", "Share of the rules of a data set that hold.", ratios, "data_set")
        stops = {name: float(len(run.broken("stop"))) for name, run in runs.items()}
        yield gauge("quality_broken_stops", "Rules of severity `stop` that a data set breaks.", stops, "data_set")

    def _sinks(self) -> Iterator[Metric]:
        wanted = sinks_of(self._notices)
        lags = [lag for lag in self._catalog.sink_lags() if wanted is None or lag.name in wanted]
        waiting = {lag.name: float(lag.waiting) for lag in lags}
        yield gauge("notices_waiting", "Events that a sink has not been told of.", waiting, "sink")
        oldest = {lag.name: lag.oldest.total_seconds() for lag in lags}
        yield gauge("notices_oldest_seconds", "How long the first of those has waited.", oldest, "sink")
        failing = {lag.name: lag.failing.total_seconds() for lag in lags}
        yield gauge("notices_failing_seconds", "How long a sink has failed without a break.", failing, "sink")
        held = {lag.name: float(lag.held) for lag in lags}
        yield gauge("notices_held", "Notices that wait for the end of quiet hours.", held, "sink")
        told = {lag.name: float(lag.delivered) for lag in lags}
        yield counter("notices_delivered", "Notices that a sink was told.", told, "sink")
        dropped = {lag.name: float(lag.dropped) for lag in lags}
        yield counter("notices_dropped", "Notices that were given up.", dropped, "sink")


def sinks_of(file: Path) -> set[str] | None:
    """Return the names of the sinks that a file of notices has; None where there is no file, or none that reads.

    The catalog remembers a sink that was taken out of the file, and nothing will ever be told to it again.
    """
    try:
        sinks = tomllib.loads(file.read_text()).get("sinks")
    except (OSError, ValueError):
        return None
    return set(sinks) if isinstance(sinks, dict) else None


def _by_state(counts: dict[State, int]) -> dict[str, float]:
    return {state.value: float(count) for state, count in counts.items()}
