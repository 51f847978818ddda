"""What is done about a damaged file: withheld at once, healed from a second copy if there is one.

The order survives a kill at any instant (docs/adr/0005): the row in `damages`, which names the place of the evidence;
then the file is moved there, and from then on serving answers 503; then a whole file is created under its key; then the
row is closed. Whatever died in between, the next look finds the row open, and the file damaged, missing or sound, and
goes on from there. One repair is made at a time, over all machines, and each begins with a second look: what one
process has just healed, another must not move away.
"""

import logging
from enum import Enum
from types import TracebackType
from typing import Self

from gopherwood.audit.copies import Copies, accept, scratch_folder
from gopherwood.audit.examine import as_logged, check
from gopherwood.catalog import Catalog, Damage, VersionRow
from gopherwood.config import Settings
from gopherwood.errors import GopherwoodError
from gopherwood.module import ModuleVersion
from gopherwood.objects import Objects, evidence_key
from gopherwood.states import State
from gopherwood.store import key

log = logging.getLogger(__name__)

LOCK = "repair"


class Settled(Enum):
    """What became of a file that seemed damaged."""

    SOUND = "sound"
    """On a second look nothing was wrong with it, and nothing was done."""
    HEALED = "healed"
    WITHHELD = "withheld"


class Repairs:
    """Withholds and heals files of one store; use it as a context manager. `heal` false only withholds."""

    def __init__(self, settings: Settings, catalog: Catalog, objects: Objects, *, heal: bool) -> None:
        self._catalog = catalog
        self._objects = objects
        self._copies = Copies(settings, objects)
        self._heal = heal

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._copies.close()

    def settle(self, mv: ModuleVersion, suffix: str, *, deep: bool = False) -> Settled:
        """Do what can be done for one file, and say what became of it.

        Raises StorageError when our store or catalog fails: then nothing is decided.
        """
        with self._catalog.lock(LOCK):
            row = self._catalog.state_of(mv)
            if row is None or row.state is not State.PUBLISHED:
                return Settled.SOUND
            row = as_logged(row, self._catalog.ledger_entry(mv))
            damage = next((each for each in self._catalog.open_damages([mv.path]) if _is_of(each, mv, suffix)), None)
            if damage is not None and self._is_sound(row, suffix, damage):
                return Settled.HEALED
            finding = check(self._objects, row, suffix, deep=deep).finding
            if finding is None:
                return Settled.SOUND
            evidence = evidence_key(finding.key) if finding.is_there else ""
            said = {"kind": finding.kind, "expected": finding.expected, "found": finding.found, "evidence": evidence}
            damage, is_new = self._catalog.record_damage(mv.path, mv.version, suffix, **said)
            if finding.is_there:
                self._objects.quarantine(finding.key, evidence)
            if is_new:
                log.error("withheld", extra={"mv": str(mv), "file": suffix, **said})
            is_healed = self._heal and self._heal_from_copies(row, suffix, damage)
            return Settled.HEALED if is_healed else Settled.WITHHELD

    def _is_sound(self, row: VersionRow, suffix: str, damage: Damage) -> bool:
        """Close the damage of a file that is whole by now: somebody put it back, or died between healing and this."""
        name = key(row.mv, suffix)
        if self._objects.size(name) is None:
            return False
        try:
            with scratch_folder() as scratch:
                facts = accept(row, suffix, self._objects.fetch_to(name, scratch))
        except GopherwoodError as error:
            log.info("still damaged", extra={"mv": str(row.mv), "file": suffix, "detail": str(error)})
            return False
        self._catalog.healed(damage, "found whole in the store", facts=facts)
        return True

    def _heal_from_copies(self, row: VersionRow, suffix: str, damage: Damage) -> bool:
        tried = []
        for name, copy in self._copies.of(suffix, damage.evidence):
            with scratch_folder() as scratch:
                candidate = scratch / f"candidate{suffix}"
                try:
                    copy(row, suffix, candidate)
                    facts = accept(row, suffix, candidate)
                except GopherwoodError as error:
                    tried.append(f"{name}: {error}")
                    continue
                self._objects.create(key(row.mv, suffix), candidate)
            self._catalog.healed(damage, name, facts=facts)
            log.warning("healed", extra={"mv": str(row.mv), "file": suffix, "from": name, "packed_anew": bool(facts)})
            return True
        says = "; ".join(tried)
        self._catalog.not_healed(damage, says)
        log.error("not healed", extra={"mv": str(row.mv), "file": suffix, "detail": says})
        return False


def _is_of(damage: Damage, mv: ModuleVersion, suffix: str) -> bool:
    return (damage.version, damage.suffix) == (mv.version, suffix)
