"""What a scenario hands over: what it was, what it found, what is to be judged, and how its page shows it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gopherwood.loadtest.slo import Check
from gopherwood.reporting import Page


@dataclass(slots=True)
class Outcome:
    """A scenario that has run."""

    parameters: Mapping[str, Any]
    """What it was told; runs with the same are compared."""
    figures: Mapping[str, float]
    """What is compared with former runs; names that end in `_ms` or `_seconds` are better when small."""
    headline: str
    says: str
    """What it did, in a sentence or two."""
    validity: list[Check]
    thresholds: list[Check]
    data: Mapping[str, Any]
    """What report.json says beside."""
    draw: Callable[[Page], None]
    """Adds the scenario's own sections to the page."""
    files: Mapping[str, bytes] = field(default_factory=dict)
