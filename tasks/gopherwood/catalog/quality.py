"""What the checks of data quality said, run by run, and the digests of lists by which a list that shrank is noticed."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from gopherwood.catalog.db import Database, insert_into, insert_rows, pieces
from gopherwood.catalog.moves import write_events
from gopherwood.catalog.schema import from_micros, index_reads, quality_lists, quality_results, quality_runs, to_micros
from gopherwood.catalog.values import Event, IndexRead

Measures = Mapping[str, float | Mapping[str, float]]
"""Numbers by name; or shares of buckets, which sum to 1, by name."""


@dataclass(frozen=True, slots=True)
class RuleResult:
    """What one rule said: of so many rows that it looked at, so many failed, and some of those."""

    rule: str
    severity: str
    ok: bool
    checked: int = 0
    failed: int = 0
    samples: Sequence[Mapping[str, Any]] = ()
    detail: str = ""
    """Why it could not be checked, where it could not: then it is not ok."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityRun:
    """One run of the checks of a data set: over all rows, or over those of an interval."""

    data_set: str
    at: datetime
    since: datetime | None = None
    until: datetime | None = None
    rows: int = 0
    seconds: float = 0.0
    measures: Measures = field(default_factory=dict)
    results: Sequence[RuleResult] = ()
    id: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether it was about everything, and not about an interval."""
        return self.since is None and self.until is None

    def broken(self, severity: str) -> list[RuleResult]:
        """Return the rules of a severity that failed."""
        return [result for result in self.results if not result.ok and result.severity == severity]

    @property
    def score(self) -> int:
        """Of 100: what share of the rules holds, a stop counting three times; never 100 unless all hold."""
        weights = [(3 if result.severity == "stop" else 1, result.ok) for result in self.results]
        whole = sum(weight for weight, _ in weights)
        return 100 if not whole else int(100 * sum(weight for weight, ok in weights if ok) / whole)


@dataclass(frozen=True, slots=True)
class ListDigest:
    """What was published of a module, up to a sequence number."""

    path: str
    versions: int
    sequence: int
    digest: str


class Quality(Database):
    """Runs, results and digests of the checks of data quality."""

    def record_quality(self, run: QualityRun, events: Iterable[Event] = ()) -> int:
        """Keep a run with its results, and tell events, in one transaction; return its id."""

        def work(connection: sa.Connection) -> int:
            values = {
                "data_set": run.data_set,
                "at": to_micros(run.at),
                "since": None if run.since is None else to_micros(run.since),
                "until": None if run.until is None else to_micros(run.until),
                "rows": run.rows,
                "seconds": run.seconds,
                "measures": json.dumps(dict(run.measures), sort_keys=True),
            }
            number = connection.execute(quality_runs.insert().returning(quality_runs.c.id), values).scalar_one()
            insert_rows(connection, quality_results, [_result_row(number, n, r) for n, r in enumerate(run.results)])
            write_events(connection, events, self.now())
            return int(number)

        return self._write(work)

    def quality_runs(
        self,
        data_set: str,
        *,
        limit: int,
        whole: bool | None = None,
        interval: tuple[datetime | None, datetime | None] | None = None,
    ) -> list[QualityRun]:
        """Return the last runs of a data set with their results, the newest first.

        Of everything only (`whole`), of intervals only (False), or of exactly this `interval`.
        """
        query = sa.select(quality_runs).where(quality_runs.c.data_set == data_set)
        no_interval = sa.and_(quality_runs.c.since.is_(None), quality_runs.c.until.is_(None))
        if whole is not None:
            query = query.where(no_interval if whole else sa.not_(no_interval))
        if interval is not None:
            columns = zip((quality_runs.c.since, quality_runs.c.until), interval, strict=True)
            query = query.where(*(c.is_(None) if at is None else c == to_micros(at) for c, at in columns))
        with self._reading() as connection:
            rows = connection.execute(query.order_by(quality_runs.c.id.desc()).limit(limit)).all()
            found = sa.select(quality_results).where(quality_results.c.run_id.in_([row.id for row in rows]))
            results: dict[int, list[RuleResult]] = {row.id: [] for row in rows}
            for row in connection.execute(found.order_by(quality_results.c.run_id, quality_results.c.number)):
                results[row.run_id].append(_result(row))
        return [_run(row, results[row.id]) for row in rows]

    def list_digests(self, after: str, through: str | None) -> dict[str, ListDigest]:
        """Return the digests of modules whose path comes after one, up to another (None: to the end)."""
        query = sa.select(quality_lists).where(quality_lists.c.path > after)
        if through is not None:
            query = query.where(quality_lists.c.path <= through)
        with self._reading() as connection:
            return {row.path: ListDigest(*row) for row in connection.execute(query)}

    def record_index_read(self, read: IndexRead) -> None:
        """Keep what a reading of an index came to."""
        values = {
            "name": read.name,
            "since": to_micros(read.since),
            "until": to_micros(read.until),
            "entries": read.entries,
            "distinct": read.distinct,
            "bad": read.bad,
            "at": self.now(),
        }
        self._write(lambda connection: connection.execute(index_reads.insert(), values))

    def set_list_digests(self, digests: Sequence[ListDigest]) -> None:
        """Remember digests of lists that were seen to be whole."""
        rows = [{"path": d.path, "versions": d.versions, "sequence": d.sequence, "digest": d.digest} for d in digests]

        def work(connection: sa.Connection) -> None:
            insert = insert_into(connection, quality_lists)
            changed = {name: insert.excluded[name] for name in ("versions", "sequence", "digest")}
            statement = insert.on_conflict_do_update(index_elements=["path"], set_=changed)
            for piece in pieces(rows):
                connection.execute(statement, list(piece))

        if rows:
            self._write(work)


def _result_row(run_id: int, number: int, result: RuleResult) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "number": number,
        "rule": result.rule,
        "severity": result.severity,
        "ok": result.ok,
        "checked": result.checked,
        "failed": result.failed,
        "samples": json.dumps(list(result.samples), default=str),
        "detail": result.detail,
    }


def _result(row: Any) -> RuleResult:
    samples = json.loads(row.samples)
    return RuleResult(row.rule, row.severity, bool(row.ok), row.checked, row.failed, samples, row.detail)


def _run(row: Any, results: list[RuleResult]) -> QualityRun:
    return QualityRun(
        id=row.id,
        data_set=row.data_set,
        at=from_micros(row.at),
        since=None if row.since is None else from_micros(row.since),
        until=None if row.until is None else from_micros(row.until),
        rows=row.rows,
        seconds=row.seconds,
        measures=json.loads(row.measures),
        results=results,
    )
