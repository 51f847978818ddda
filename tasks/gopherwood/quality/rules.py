"""The words in which a data set says what must hold: rules, tables and the data set itself. Plain values, no library.

A rule names an expectation of Great Expectations and its arguments; the library is imported when a run checks it
(engine.py), so that documentation and tests can read the suites without it. Rules whose expectation is SOUND look at a
column that says what is wrong with each row, "" for nothing: what a comparison of two columns cannot express, such as
Go's rules on versions, is worked out when the rows are cut.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from gopherwood.catalog import Catalog, Row, Snapshot
from gopherwood.catalog.schema import from_micros
from gopherwood.config import Settings

Frame = Mapping[str, Sequence[Any]]
"""Rows of a table, column by column; each column is as long as the others."""


class Severity(StrEnum):
    """What a failure does."""

    STOP = "stop"
    """The run is red, somebody is told, and a batch that breaks it is not published."""
    WARN = "warn"
    """It is shown, and nothing stops."""


STOP, WARN = Severity.STOP, Severity.WARN
SOUND = "expect_column_values_to_be_in_set"


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that must hold of every row of a table."""

    name: str
    severity: Severity
    why: str
    """A sentence for people: what goes wrong where it does not hold."""
    expects: str
    """The expectation's type, as Great Expectations spells it."""
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def columns(self) -> list[str]:
        """The columns that it looks at."""
        names = [self.arguments.get(key) for key in ("column", "column_A", "column_B")]
        return [str(name) for name in (*names, *self.arguments.get("column_list", ())) if name]


def sound(name: str, severity: Severity, why: str, column: str | None = None) -> Rule:
    """Return a rule on a column that says what is wrong with each row; by default the column has the rule's name."""
    return Rule(name, severity, why, SOUND, {"column": column or name, "value_set": [""]})


@dataclass(frozen=True, slots=True)
class Table:
    """Rows that rules are checked on, page by page. `identity` names the columns that tell a person which row it is."""

    name: str
    identity: tuple[str, ...]
    rules: tuple[Rule, ...]


@dataclass(slots=True)
class Cut:
    """What a data set is cut from: the catalog at one moment, the settings, an interval, and former runs."""

    settings: Settings
    catalog: Catalog
    snapshot: Snapshot
    since: datetime | None = None
    until: datetime | None = None
    page: int = 50_000
    """Rows in memory at once."""
    measures: dict[str, float | Mapping[str, float]] = field(default_factory=dict)
    """What the cut has counted on its way, for drift and trends."""

    @property
    def is_whole(self) -> bool:
        """Whether everything is looked at, and not only an interval."""
        return self.since is None and self.until is None

    @property
    def day(self) -> tuple[datetime, datetime]:
        """The interval that was asked for; where it has no end on a side, the day up to now."""
        until = self.until or self.catalog.clock()
        return self.since or until - timedelta(days=1), until


Piece = tuple[str, Frame]
"""A table's name, and some rows of it."""


@dataclass(frozen=True, slots=True)
class Drift:
    """A measure that is held to its own history (drift.py)."""

    measure: str
    why: str
    severity: Severity = WARN


@dataclass(frozen=True, slots=True)
class DataSet:
    """A data set: what it is, how it is cut into pieces, and what must hold. A file of `datasets/` makes one."""

    name: str
    says: str
    cut: Callable[[Cut], Iterator[Piece]]
    tables: tuple[Table, ...]
    drifts: tuple[Drift, ...] = ()

    @property
    def rules(self) -> list[Rule]:
        """All its rules, those on drift too."""
        return [rule for table in self.tables for rule in table.rules] + [drift_rule(drift) for drift in self.drifts]


def drift_rule(drift: Drift) -> Rule:
    """Return the rule that holds a measure to its history."""
    return sound(f"drift-{drift.measure}", drift.severity, drift.why)


def frame(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> dict[str, list[Any]]:
    """Return rows as columns; those that are named are there even without a row."""
    taken = list(rows)
    return {name: [row[name] for row in taken] for name in columns}


def iso(micros: int | None) -> str:
    """Return a time of the catalog for people, "" for none."""
    return "" if micros is None else from_micros(micros).isoformat(timespec="seconds")


__all__ = [
    "SOUND",
    "STOP",
    "WARN",
    "Cut",
    "DataSet",
    "Drift",
    "Frame",
    "Piece",
    "Row",
    "Rule",
    "Severity",
    "Table",
    "drift_rule",
    "frame",
    "iso",
    "sound",
]
