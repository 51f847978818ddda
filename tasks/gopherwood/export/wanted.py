"""What `--modules` asks for: everything that building from a go.mod, a go.sum or a version needs, of what we hold.

A go.mod is loaded as `go` loads it (closure.py) over the go.mod files in the store: each version whose go.mod is read
or whose zip is compiled is needed. A go.sum names what it needs. A MODULE@VERSION needs itself and its closure. What is
needed and not published is missing, and said with who asks for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gopherwood import module, store
from gopherwood.catalog import Catalog
from gopherwood.closure import Closure, Loader
from gopherwood.errors import ContentError, InvalidGoModError, UsageError
from gopherwood.module import ModuleVersion
from gopherwood.objects import MissingError, Objects
from gopherwood.states import State

FORMS = "name a go.mod, a go.sum or a MODULE@VERSION"


@dataclass(slots=True)
class Wanted:
    """Versions that are asked for, and those that are missing, each with who needs it."""

    versions: set[ModuleVersion] = field(default_factory=set)
    missing: dict[ModuleVersion, str] = field(default_factory=dict)


def wanted(texts: Sequence[str], catalog: Catalog, objects: Objects) -> Wanted:
    """Find what is asked for. Raises UsageError for what cannot be read."""

    def mod_of(mv: ModuleVersion) -> bytes | None:
        try:
            return objects.read(store.key(mv, ".mod"))
        except MissingError:
            return None

    loader = Loader(mod_of)
    found = Wanted()
    needed: dict[ModuleVersion, str] = {}
    for text in texts:
        needed |= dict.fromkeys(_needed(loader, text) - needed.keys(), text)
    rows = catalog.rows_of(sorted(needed))
    for mv, by in sorted(needed.items()):
        row = rows.get(mv)
        if row is not None and row.state is State.PUBLISHED:
            found.versions.add(mv)
        else:
            found.missing[mv] = by
    return found


def _needed(loader: Loader, text: str) -> set[ModuleVersion]:
    path = Path(text)
    if text.endswith(".mod"):
        return _all(_closure_of(loader, text, _read(path)))
    if text.endswith(".sum"):
        return _go_sum(text, _read(path).decode("utf-8", "replace"))
    name, _, version = text.partition("@")
    try:
        module.check(name, version)
    except ContentError as error:
        raise UsageError(f"{text}: {error}", hint=FORMS) from None
    return _all(loader.closure(ModuleVersion(name, version)))


def _closure_of(loader: Loader, name: str, data: bytes) -> Closure:
    try:
        return loader.needs(name, data)
    except InvalidGoModError as error:
        raise UsageError(str(error), hint=FORMS) from None


def _all(closure: Closure) -> set[ModuleVersion]:
    return {*closure.mods, *closure.listed, *closure.missing}


def _go_sum(name: str, text: str) -> set[ModuleVersion]:
    found = set()
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if len(words) != 3:
            raise UsageError(f"{name}:{number} is no line of a go.sum", hint=FORMS)
        found.add(ModuleVersion(words[0], words[1].removesuffix("/go.mod")))
    return found


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", hint=FORMS) from error
