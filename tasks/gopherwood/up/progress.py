"""What a person sees while the first ingestion runs: each version as its fate is known, and what is left.

Read from the catalog, which the tasks write; so what is shown is what is true, whoever does the work. On a terminal the
last line is rewritten in place; elsewhere it is printed again when it has changed.
"""

import sys
from collections import Counter
from collections.abc import Sequence
from typing import TextIO

from gopherwood.catalog import Catalog
from gopherwood.module import ModuleVersion
from gopherwood.states import OPEN, State

WORDS = {
    State.QUEUED: "queued",
    State.LEASED: "in work",
    State.STAGED: "fetched",
    State.VALID: "checked",
    State.FAILED: "to be tried again",
    State.PUBLISHED: "published",
    State.REJECTED: "rejected",
    State.GONE: "gone",
    State.HELD: "held",
}
"""A word for each state, in the order of the way into the store."""
CLEAR_LINE = "\r\x1b[K"


class Progress:
    """Follows some module versions to their end."""

    def __init__(self, catalog: Catalog, wanted: Sequence[ModuleVersion], out: TextIO | None = None) -> None:
        """Follow the wanted ones; write to `out`, by default stdout."""
        self.catalog = catalog
        self.wanted = list(wanted)
        self.states: dict[ModuleVersion, State] = {}
        self._failures: dict[ModuleVersion, str] = {}
        self._out = out or sys.stdout
        self._last = ""

    @property
    def left(self) -> int:
        """How many have no final state yet."""
        return sum(self.states.get(mv, State.QUEUED) in OPEN for mv in self.wanted)

    def counts(self) -> Counter[State]:
        """Return how many are in each state."""
        return Counter(self.states.values())

    def look(self) -> None:
        """Read the states of what is open, and remember them."""
        for mv in self.wanted:
            if self.states.get(mv, State.QUEUED) in OPEN and (row := self.catalog.state_of(mv)):
                changed = self.states.get(mv) != row.state
                self.states[mv] = row.state
                if row.state == State.FAILED and changed:
                    self._line(f"  {'will retry':<10} {mv}: {row.reason}: {row.detail}")
                elif row.state not in OPEN:
                    why = "" if row.state == State.PUBLISHED else f": {row.reason}: {row.detail}"
                    self._line(f"  {WORDS[row.state]:<10} {mv}{why}")

    def show(self, doing: str = "") -> None:
        """Write the line that sums it up, if it says something new."""
        counts = self.counts()
        parts = [f"{counts[state]} {word}" for state, word in WORDS.items() if counts[state]]
        line = f"  {', '.join([*parts, f'{self.left} of {len(self.wanted)} left'])}{' · ' + doing if doing else ''}"
        if line == self._last or (not doing and self._last.startswith(line)):  # between two tasks nothing is at work
            return
        self._last = line
        self._out.write(f"{CLEAR_LINE}{line}" if self._out.isatty() else f"{line}\n")
        self._out.flush()

    def close(self) -> None:
        """End the line that is rewritten."""
        if self._out.isatty() and self._last:
            self._out.write("\n")
            self._out.flush()

    def _line(self, text: str) -> None:
        self._out.write(f"{CLEAR_LINE if self._out.isatty() else ''}{text}\n")
        self._last = ""
