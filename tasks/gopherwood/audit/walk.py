"""A round of some parts of the store: every version of their modules, and their lists; or, of `names`, all names.

Checkpoints of all are written every few seconds and at the end, each at the boundary of a module. Whoever has lost a
lease stops: the round is another worker's by then, and looking at a file twice does no harm. What is damaged does not
wait for a checkpoint: it is settled when it is found.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from gopherwood import store
from gopherwood.audit.examine import Kind, as_logged, contradiction, examine
from gopherwood.audit.names import extras, settle_extras
from gopherwood.audit.parts import NAMES
from gopherwood.audit.repair import Repairs, Settled
from gopherwood.catalog import Catalog, LedgerEntry, Round, VersionRow
from gopherwood.errors import StorageError
from gopherwood.module import ModuleVersion
from gopherwood.objects import MissingError, Objects

log = logging.getLogger(__name__)

MODULES = 50
"""Module paths whose versions are asked for at once."""

CHECKPOINT_SECONDS = 5.0

DEEP_EVERY = 12
"""Rounds of a part of which one also computes the h1 of every zip: once a year with the default `scrub_days`."""

MOST_STALE = 100_000
"""Version lists that a publish under way may be about to write."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What every round works with."""

    catalog: Catalog
    objects: Objects
    repairs: Repairs
    seconds: float
    """Of a lease."""
    deep: bool
    young_seconds: float
    """Age of a file before it is called extra."""


class Walk:
    """Rounds under way; `goes_on` says when to stop, `add` counts."""

    def __init__(
        self,
        tools: Tools,
        rounds: Sequence[Round],
        paths: Mapping[str, Sequence[str]],
        goes_on: Callable[[], bool],
        add: Callable[..., None],
    ) -> None:
        self._tools = tools
        self._catalog = tools.catalog
        self._objects = tools.objects
        rounds = sorted(rounds, key=lambda each: each.part == NAMES)
        self._rounds = {each.part: each for each in rounds}
        """The rounds that are not through, or whose last checkpoint is yet to be written."""
        self._round = rounds[0]
        self._through: set[int] = set()
        """Ids of those that are through."""
        self._paths = paths
        self._goes_on = goes_on
        self._add = add
        self._kept_at = time.monotonic()
        self._sums: dict[int, str] = {}

    @property
    def _deep(self) -> bool:
        return self._tools.deep or self._round.number % DEEP_EVERY == DEEP_EVERY - 1

    def run(self) -> None:
        """Go on with the rounds till they are through, or till it is time to stop."""
        if self._modules():
            self._names()
        self._keep()

    def _names(self) -> None:
        """Look at all names, if that is wanted, till it is time to stop."""
        if NAMES in self._rounds:
            self._turn_to(NAMES)
            found = extras(self._objects, self._catalog, young_seconds=self._tools.young_seconds, beat=self._beat)
            if found is not None:
                self._add(extra=settle_extras(self._objects, self._catalog, found))
                self._through.add(self._round.id)

    def _modules(self) -> bool:
        """Look at every module that is left; False when it is time to stop."""
        rounds = [each for part, each in self._rounds.items() if part != NAMES]
        left = [(each.part, path) for each in rounds for path in self._paths.get(each.part, []) if path > each.position]
        for start in range(0, len(left), MODULES):
            piece = left[start : start + MODULES]
            paths = [path for _, path in piece]
            damaged = {(each.path, each.version, each.suffix) for each in self._catalog.open_damages(paths)}
            found = self._catalog.published_rows(paths)
            logged = self._catalog.ledger_known([row.mv for row in found])
            rows = {path: list(rows) for path, rows in groupby(found, key=lambda row: row.mv.path)}
            for part, path in piece:
                self._turn_to(part)
                if not self._module(path, rows.get(path, []), logged, damaged):
                    return False
        self._through |= {each.id for part, each in self._rounds.items() if part != NAMES}
        return True

    def _turn_to(self, part: str) -> None:
        """Go on with the round of a part; the one before it, of modules, is through."""
        if part != self._round.part:
            self._rounds[self._round.part] = self._round
            self._through.add(self._round.id)
            self._round = self._rounds[part]

    def _module(
        self,
        path: str,
        rows: Sequence[VersionRow],
        logged: Mapping[ModuleVersion, LedgerEntry],
        damaged: set[tuple[str, str, str]],
    ) -> bool:
        for row in rows:
            if not self._beat():
                return False
            entry = logged.get(row.mv)
            self._contradiction(row, entry, damaged)
            self._version(as_logged(row, entry), damaged)
        if rows:
            self._list(path, [row.mv.version for row in rows])
        self._round = replace(self._round, position=path)
        return True

    def _version(self, row: VersionRow, damaged: set[tuple[str, str, str]]) -> None:
        try:
            found = examine(self._objects, row, deep=self._deep)
        except StorageError as error:  # it may be for now only: nothing is withheld for that
            log.error("unread", extra={"mv": str(row.mv), "detail": str(error)})
            self._add(unread=1)
            return
        size = sum(each.size for each in found.values())
        self._add(versions=1, bytes=size)
        self._round = replace(self._round, versions=self._round.versions + 1, bytes=self._round.bytes + size)
        for suffix, each in found.items():
            if each.finding or (row.mv.path, row.mv.version, suffix) in damaged:
                self._settle(row, suffix)
        mark = found[store.MARK]
        if mark.finding is None and not row.facts.get("info_sha256"):
            self._sums[row.id] = mark.sha256

    def _contradiction(self, row: VersionRow, entry: LedgerEntry | None, damaged: set[tuple[str, str, str]]) -> None:
        """Note that catalog and ledger disagree on a version, for a person; close it when they agree by now."""
        said = contradiction(row, entry)
        if not said and (row.mv.path, row.mv.version, Kind.LEDGER) not in damaged:
            return
        due = f"h1 {entry.h1}, go_mod_h1 {entry.go_mod_h1}" if entry else ""
        damage, _ = self._catalog.record_damage(
            row.mv.path, row.mv.version, Kind.LEDGER.value, kind=Kind.LEDGER, expected=due, found=said
        )
        if said:
            self._catalog.not_healed(damage, "the catalog was changed, by nothing of ours: restore it, or find out why")
            self._add(contradicted=1)
            log.error("the ledger says otherwise", extra={"mv": str(row.mv), "expected": due, "found": said})
        else:
            self._catalog.healed(damage, "catalog and ledger agree")

    def _settle(self, row: VersionRow, suffix: str) -> None:
        settled = self._tools.repairs.settle(row.mv, suffix, deep=self._deep)
        if settled is not Settled.SOUND:
            self._add(damaged=1, healed=settled is Settled.HEALED, withheld=settled is Settled.WITHHELD)
            self._round = replace(self._round, damaged=self._round.damaged + 1)

    def _list(self, path: str, versions: Sequence[str]) -> None:
        """Compare a version list with the catalog; write it anew when it differs and no publish is about to."""
        if self._read_list(path) == store.version_list(versions):
            return
        with self._catalog.lock("lists"):
            if path in self._catalog.stale_lists(MOST_STALE):
                return
            due, found = store.version_list(self._catalog.listed([path])[path]), self._read_list(path)
            if found == due:
                return
            says = "nothing" if found is None else f"{len(found)} bytes"
            said = {"kind": Kind.LIST, "expected": f"{len(due)} bytes", "found": says}
            damage, _ = self._catalog.record_damage(path, "", "list", **said)
            self._objects.replace(store.list_key(path), due)
            self._catalog.healed(damage, "the catalog")
            self._add(lists=1)
            log.warning("list written anew", extra={"path": path, **said})

    def _read_list(self, path: str) -> bytes | None:
        try:
            return self._objects.read(store.list_key(path))
        except MissingError:
            return None

    def _beat(self) -> bool:
        """Keep the lease and the checkpoint fresh; False when it is time to stop."""
        late = time.monotonic() - self._kept_at > min(CHECKPOINT_SECONDS, self._tools.seconds / 3)
        return self._goes_on() and (not late or self._keep())

    def _keep(self) -> bool:
        """Write the checkpoints; False when another worker has one of the rounds by now."""
        self._catalog.note_info_sums(self._sums)
        self._sums.clear()
        self._kept_at = time.monotonic()
        self._rounds[self._round.part] = self._round
        rounds, through = list(self._rounds.values()), self._through
        if not self._catalog.checkpoint(rounds, seconds=self._tools.seconds, finished=through):
            return False
        self._add(parts=len(through))
        self._rounds = {each.part: each for each in rounds if each.id not in through}
        self._through = set()
        return True
