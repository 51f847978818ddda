"""`audit --invariants`: the eight sentences that hold at every instant, whatever was killed, checked on all there is.

Each is a name and a sentence (found.py); a run says of each whether it holds, how much was looked at, and what breaks
it. Catalog, ledger and store are read as they are while work goes on: the order of a publish (docs/adr/0001) lets each
be looked at after what it promises, so that a publish under way breaks nothing. Nothing is written and nothing healed.

A run also returns a *witness*, a few numbers and the root of the ledger's tree: a later run that is given it proves
that nothing of what was acknowledged then was lost or changed since.
"""

import json
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gopherwood import store
from gopherwood.audit.invariants import kept, published, stored
from gopherwood.audit.invariants.found import SENTENCES, Found, Invariant
from gopherwood.audit.invariants.kept import Witness
from gopherwood.catalog import Catalog
from gopherwood.config import Settings
from gopherwood.errors import EXIT_DONE, EXIT_FAILED, EXIT_INTEGRITY, UsageError
from gopherwood.objects import Objects

__all__ = ["SENTENCES", "Checked", "Invariant", "Witness", "check", "read_witness", "run"]


@dataclass(frozen=True, slots=True)
class Checked:
    """What a run came to."""

    invariants: list[Invariant]
    witness: Witness
    complete: bool
    """Whether everything was looked at; not, when the run was told to end."""

    @property
    def broken(self) -> list[str]:
        """Names of those that do not hold."""
        return [each.name for each in self.invariants if not each.holds]

    @property
    def exit_code(self) -> int:
        """3 when one is broken, 1 when the run was told to end before it had seen all."""
        if self.broken:
            return EXIT_INTEGRITY
        return EXIT_DONE if self.complete else EXIT_FAILED

    def text(self) -> str:
        """Return a line an invariant, and under it what breaks it."""
        lines = []
        for each in self.invariants:
            lines.append(f"{'holds ' if each.holds else 'BROKEN'} {each.name:22} {each.says} ({each.checked} checked)")
            lines += [f"       {line}" for line in each.evidence]
            if each.times > len(each.evidence):
                lines.append(f"       ... {each.times} in all")
        return "\n".join(lines if self.complete else [*lines, "told to end: not everything was looked at"])


def run(settings: Settings, *, quick: bool = False, after: Path | None = None, stop: threading.Event) -> Checked:
    """Check all eight; `quick` reads no zip, `after` names the result of an earlier run.

    Raises StorageError when store or catalog cannot be read: that proves nothing. Raises UsageError for the file.
    """
    before = None if after is None else read_witness(after)
    with Catalog.ready(settings) as catalog:
        return check(settings, catalog, store.open_store(settings), quick=quick, before=before, stop=stop)


def check(
    settings: Settings,
    catalog: Catalog,
    objects: Objects,
    *,
    quick: bool = False,
    before: Witness | None = None,
    stop: threading.Event,
) -> Checked:
    """Check all eight on an open platform; see `run`."""
    found = Found()
    witness = kept.witness(catalog)
    walked = published.walk(catalog, objects, found, quick=quick, stop=stop)
    walked = walked and stored.walk(catalog, objects, found, stop=stop)
    if walked:
        kept.leftovers(settings, catalog, objects, found)
        kept.ledger(catalog, objects, found, before, stop)
        kept.jobs(catalog, found, before)
    return Checked(found.invariants(), witness, walked and not stop.is_set())


def read_witness(file: Path) -> Witness:
    """Return the witness of an earlier run's JSON. Raises UsageError."""
    try:
        said: dict[str, Any] = json.loads(file.read_text())["witness"]
        return Witness(**said)
    except (OSError, ValueError, KeyError, TypeError) as error:
        hint = "write one with: gopherwood audit --invariants --json > FILE"
        raise UsageError(f"{file} is no result of `audit --invariants`: {error}", hint=hint) from None


def as_json(checked: Checked) -> list[dict[str, Any]]:
    """Return the invariants as plain values, for reports."""
    return [asdict(each) for each in checked.invariants]
