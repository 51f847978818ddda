"""What a run must reach: thresholds from a TOML file (slo.toml is the default), and whether figures reach them.

A key that is not known is refused: a limit with a typing error in its name would be a limit that nobody checks.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from gopherwood.errors import ConfigError

DEFAULT = Path(__file__).with_name("slo.toml")
LATENCIES = {"p50_ms": 50.0, "p99_ms": 99.0, "p999_ms": 99.9}
"""The limits of latency, and the percentiles that they are of."""
REQUESTS = frozenset({*LATENCIES, "errors", "throughput"})
KNOWN = {
    "ui": REQUESTS,
    "replay": REQUESTS,
    "build": frozenset({"seconds", "errors"}),
    "backend": frozenset({"modules_per_second", "second_pass", "errors"}),
    "validity": frozenset({"on_time", "generator_cpu", "foreign"}),
    "regression": frozenset({"runs", "least", "factor", "floor_ms"}),
    "budget": frozenset({"availability", "burn"}),
}
MEASURED = frozenset({"ui", "replay"})
"""Scenarios whose classes of requests may have limits of their own."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was wanted, and what was found."""

    name: str
    wanted: str
    found: str
    ok: bool


@dataclass(frozen=True, slots=True)
class Slo:
    """The thresholds of a file."""

    limits: Mapping[str, Mapping[str, float]]
    classes: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    """By scenario and class of requests."""

    @classmethod
    def read(cls, file: Path = DEFAULT) -> Self:
        """Read a file; what it leaves out of `validity`, `regression` and `budget` is as in the default.

        Raises ConfigError.
        """
        try:
            said = tomllib.loads(file.read_text())
        except (OSError, ValueError) as error:
            raise ConfigError(f"{file}: no thresholds: {error}", hint=f"{DEFAULT} is an example") from None
        classes = {name: _classes(file, name, said[name]) for name in MEASURED & said.keys()}
        limits = {name: _table(file, name, each) for name, each in said.items()}
        if file != DEFAULT:
            ours = cls.read().limits
            limits |= {name: {**ours[name], **limits.get(name, {})} for name in ("validity", "regression", "budget")}
        return cls(limits, classes)

    def of(self, table: str) -> Mapping[str, float]:
        """Return a table of limits."""
        return self.limits.get(table, {})


def _classes(file: Path, scenario: str, table: Any) -> dict[str, dict[str, float]]:
    classes = table.pop("classes", {}) if isinstance(table, dict) else {}
    return {kind: _numbers(file, f"{scenario}.classes.{kind}", each, REQUESTS) for kind, each in classes.items()}


def _table(file: Path, name: str, table: Any) -> dict[str, float]:
    if name not in KNOWN:
        raise ConfigError(f"{file}: no table is called [{name}]", hint=f"there are {', '.join(KNOWN)}")
    return _numbers(file, name, table, KNOWN[name])


def _numbers(file: Path, name: str, table: Any, known: frozenset[str]) -> dict[str, float]:
    if not isinstance(table, dict):
        raise ConfigError(f"{file}: {name} is no table")
    for key, value in table.items():
        if key not in known:
            raise ConfigError(f"{file}: [{name}] knows no {key!r}", hint=f"it knows {', '.join(sorted(known))}")
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise ConfigError(f"{file}: [{name}] {key} = {value!r} is no number, zero or above")
    return {key: float(value) for key, value in table.items()}
