"""Which version stands for a module: the one that `go get module@latest` would take, of those that were read.

Releases win over pre-releases and those over pseudo-versions, and what the module's highest version retracts is passed
over, unless nothing is left. Whether the module is deprecated is the highest version's word too. So one new version
may change what stands: it is decided anew for each module that got one.

Authority: https://go.dev/ref/mod#go-mod-file-retract, #go-mod-file-module-deprecation; queries.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gopherwood import gomod, pseudo, queries, semver
from gopherwood.catalog import ModuleRow, PackageRow
from gopherwood.errors import ContentError
from gopherwood.facts.values import ModuleFacts
from gopherwood.module import ModuleVersion
from gopherwood.objects import Objects
from gopherwood.store import key


@dataclass(frozen=True, slots=True)
class StoredMods:
    """The go.mod files of a store."""

    store: Objects

    def mod(self, mv: ModuleVersion) -> bytes:
        """Return the go.mod of a published version; raises MissingError."""
        return self.store.read(key(mv, ".mod"))


def choose(path: str, versions: Sequence[str], store: Objects) -> ModuleRow:
    """Return the module as these versions (one at least, in any order) make it."""
    ordered = sorted(versions, key=semver.key)
    candidates = [version for version in ordered if not pseudo.is_pseudo_version(version)] or ordered
    mods = StoredMods(store)
    latest = queries.choose(path, queries.LATEST, candidates, mods) or candidates[-1]
    highest = next((each for each in reversed(candidates) if not semver.prerelease(each)), candidates[-1])
    try:
        file = gomod.parse("go.mod", mods.mod(ModuleVersion(path, highest)), lax=True)
    except ContentError:
        return ModuleRow(path=path, latest=latest, highest=highest)
    return ModuleRow(
        path=path,
        latest=latest,
        highest=highest,
        deprecated=file.module.deprecated if file.module else "",
        retracted=tuple((each.low, each.high, each.rationale) for each in file.retract),
    )


def packages(facts: ModuleFacts) -> list[PackageRow]:
    """Return the rows of a version's packages."""
    path = facts.mv.path
    return [
        PackageRow(path, each.path, each.name, each.synopsis, each.symbols, each.imports) for each in facts.packages
    ]
