"""The eight invariants by name, and what was found against each."""

from collections import Counter
from dataclasses import dataclass, field

ACKNOWLEDGED = "acknowledged-is-served"
HALF = "nothing-half-visible"
UNCHANGED = "digests-never-change"
GROW = "lists-only-grow"
CLEAN = "unacknowledged-is-clean"
TIDY = "no-old-leftovers"
AGREE = "all-three-agree"
CONSERVED = "jobs-are-conserved"

SENTENCES = {
    ACKNOWLEDGED: "whatever the catalog calls published is in the store, byte for byte",
    HALF: "a mark means all parts of a version, and a list names only marked ones",
    UNCHANGED: "no digest of anything published ever changed: the ledger, its heads and the catalog say the same",
    GROW: "every list names all that was published before it was written",
    CLEAN: "a version that is not published is invisible, or complete and in the ledger",
    TIDY: "no temporary and no forgotten staging is left from long ago",
    AGREE: "catalog, store and ledger name the same versions, but for those on their way",
    CONSERVED: "every version ever wanted is in exactly one state, and nobody's lease is nobody's",
}

MOST = 20
"""Lines of evidence kept of one invariant; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Invariant:
    """One of the eight, and what was found."""

    name: str
    says: str
    holds: bool
    checked: int
    """How many things were looked at."""
    times: int
    """How often it is broken."""
    evidence: list[str]


@dataclass(slots=True)
class Found:
    """What was looked at, and what breaks which invariant."""

    checked: Counter[str] = field(default_factory=Counter)
    times: Counter[str] = field(default_factory=Counter)
    evidence: dict[str, list[str]] = field(default_factory=dict)

    def look(self, name: str, number: int = 1) -> None:
        """Count what was looked at."""
        self.checked[name] += number

    def breaks(self, name: str, says: str) -> None:
        """Note what breaks an invariant."""
        self.times[name] += 1
        lines = self.evidence.setdefault(name, [])
        if len(lines) < MOST:
            lines.append(says)

    def invariants(self) -> list[Invariant]:
        """Return all eight, in their order."""
        return [
            Invariant(
                name, says, not self.times[name], self.checked[name], self.times[name], self.evidence.get(name, [])
            )
            for name, says in SENTENCES.items()
        ]
