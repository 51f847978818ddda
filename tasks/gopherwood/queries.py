"""What a version query means: `latest`, `v1`, `v1.2`, as `go` resolves it against a list of versions.

Releases win over pre-releases. A retracted version is no answer, and a `+incompatible` one is none either once the
newest compatible version has a go.mod. Authority: cmd/go/internal/modload/query.go (queryProxy, filterVersions).
"""

import re
from collections.abc import Callable, Sequence
from typing import Protocol

from gopherwood import gomod, semver
from gopherwood.errors import GopherwoodError
from gopherwood.module import ModuleVersion

LATEST = "latest"
ALL = "all"
_PREFIX = re.compile(r"v(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))?")


class GoMods(Protocol):
    """Where go.mod files come from."""

    def mod(self, mv: ModuleVersion) -> bytes:
        """Return the go.mod of a version."""


def is_prefix(query: str) -> bool:
    """Tell whether a query is a version with parts left out: `v1`, `v1.2`."""
    return _PREFIX.fullmatch(query) is not None


def choose(path: str, query: str, versions: Sequence[str], mods: GoMods) -> str | None:
    """Return the version of a sorted list that `latest` or a prefix stands for; None when there is none.

    Asks for at most three go.mod files: who is retracted, and whether `+incompatible` versions count.
    """
    matching = [v for v in versions if query == LATEST or v.startswith(query + ".")]
    matching = _compatible(path, matching, mods)
    retracted = _retractions(path, versions, mods) if matching else _nothing
    for wanted in (_is_release, _is_any):
        for version in reversed(matching):
            if wanted(version) and not retracted(version):
                return version
    return None


def _is_release(version: str) -> bool:
    return not semver.prerelease(version)


def _is_any(_version: str) -> bool:
    return True


def _nothing(_version: str) -> bool:
    return False


def _compatible(path: str, versions: list[str], mods: GoMods) -> list[str]:
    """Leave out `+incompatible` versions when the newest compatible one has a go.mod."""
    compatible = [v for v in versions if semver.build(v) != "+incompatible"]
    if not compatible or len(compatible) == len(versions):
        return versions
    try:
        has_go_mod = mods.mod(ModuleVersion(path, compatible[-1])) != f"module {path}\n".encode()
    except GopherwoodError:
        return versions
    return compatible if has_go_mod else versions


def _retractions(path: str, versions: Sequence[str], mods: GoMods) -> Callable[[str], bool]:
    """Return who is retracted according to the newest version; nobody, when it cannot be read."""
    newest = next((v for v in reversed(versions) if _is_release(v)), versions[-1])
    try:
        file = gomod.parse("go.mod", mods.mod(ModuleVersion(path, newest)), lax=True)
    except GopherwoodError:
        return _nothing
    ranges = [(semver.key(retract.low), semver.key(retract.high)) for retract in file.retract]
    return lambda version: any(low <= semver.key(version) <= high for low, high in ranges)
