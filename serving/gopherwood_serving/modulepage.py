"""The page of a module: what is known of a version, the proof of it, and the very bytes that builds get.

Its address is the one that people expect: `/<module path>[@version][/folder]`, with `?tab=` for the rest, as
pkg.go.dev has it. Everything shown was read before (facts/) or is a row of the catalog; a file of the code tab is read
from the zip that is served. `find` says what an address means, `view` gathers what its template shows. Both raise
StorageError.
"""

import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gopherwood import pseudo, semver
from gopherwood.catalog import Catalog, FactsRow, ModuleRow, PublishedVersion
from gopherwood.errors import StorageError
from gopherwood.facts import files
from gopherwood.facts.values import ModuleFacts
from gopherwood.module import ModuleVersion, split_path_version
from gopherwood.objects import MissingError, Objects
from gopherwood.store import key

TABS = {
    "": "Overview",
    "docs": "Documentation",
    "code": "Code",
    "versions": "Versions",
    "imports": "Dependencies",
    "importedby": "Used by",
    "trust": "Trust",
}
"""The tabs and their names; the first has no parameter."""
MOST_SHOWN = 200
"""Rows of a list on a page; the next page begins behind the last."""
LARGEST_FILE = 512 << 10
"""Bytes of a file that is shown."""
MOST_FOLDERS = 32
"""Segments of an address that are looked at."""


@dataclass(frozen=True, slots=True)
class Place:
    """What an address is about: a version, and a folder in it ("" for the root)."""

    mv: ModuleVersion
    folder: str
    is_latest: bool
    """Whether the address named no version."""

    @property
    def path(self) -> str:
        """The import path."""
        return f"{self.mv.path}/{self.folder}" if self.folder else self.mv.path


@dataclass(slots=True, kw_only=True)
class View:
    """What the template shows."""

    place: Place
    tab: str
    published: list[PublishedVersion]
    version: PublishedVersion
    module: ModuleRow | None
    row: FactsRow | None
    facts: ModuleFacts | None
    used_by: int
    entry: int | None
    """Number of the version in the ledger."""
    more: dict[str, Any] = field(default_factory=dict)
    """What the tab shows."""

    @property
    def retraction(self) -> str | None:
        """Why this version was taken back ("" without a reason); None when it was not."""
        return retraction_of(self.module, self.place.mv.version)


def retraction_of(module: ModuleRow | None, version: str) -> str | None:
    """Return why a version was taken back; None when it was not."""
    at = semver.key(version)
    for low, high, why in module.retracted if module else ():
        if semver.key(low) <= at <= semver.key(high):
            return why
    return None


def find(catalog: Catalog, address: str) -> Place | None:
    """Return what an address means (without its first slash); None when nothing here has it."""
    path, at, rest = address.partition("@")
    if at:
        version, _, folder = rest.partition("/")
        held = catalog.versions(path)
        if version == "latest":
            return _latest(catalog, path, folder, held)
        known = any(each.version == version for each in held)
        return Place(ModuleVersion(path, version), folder, is_latest=False) if known else None
    parts = path.split("/")[:MOST_FOLDERS]
    prefixes = ["/".join(parts[:length]) for length in range(len(parts), 0, -1)]
    held_of = catalog.listed(prefixes)
    module = next((prefix for prefix in prefixes if held_of[prefix]), None)
    if module is None:
        return None
    return _latest(catalog, module, path[len(module) + 1 :], catalog.versions(module))


def _latest(catalog: Catalog, path: str, folder: str, held: Sequence[PublishedVersion]) -> Place | None:
    if not held:
        return None
    module = catalog.modules([path]).get(path)
    tagged = [each.version for each in held if not pseudo.is_pseudo_version(each.version)]
    version = module.latest if module else (tagged or [each.version for each in held])[-1]
    return Place(ModuleVersion(path, version), folder, is_latest=True)


def view(catalog: Catalog, store: Objects, kept: Objects, place: Place, tab: str, query: dict[str, str]) -> View | None:
    """Gather what a page shows; None when the module has no such folder or file."""
    mv = place.mv
    published = catalog.versions(mv.path)
    rows = catalog.facts_of(mv.path)
    entry = catalog.ledger_entry(mv)
    made = View(
        place=place,
        tab=tab,
        published=published[::-1],
        version=next(each for each in published if each.version == mv.version),
        module=catalog.modules([mv.path]).get(mv.path),
        row=rows.get(mv.version),
        facts=_facts(kept, mv),
        used_by=catalog.imported_by(place.path),
        entry=None if entry is None else entry.number,
    )
    if place.folder and not _has_folder(made, store):
        return None
    more = _MORE[tab](made, catalog, store, kept, query)
    if more is None:
        return None
    made.more = more
    return made


def _facts(kept: Objects, mv: ModuleVersion) -> ModuleFacts | None:
    try:
        return files.facts(kept, mv)
    except MissingError:
        return None


def _has_folder(made: View, store: Objects) -> bool:
    folder = made.place.folder
    if made.facts and any(
        each.folder == folder or each.folder.startswith(f"{folder}/") for each in made.facts.packages
    ):
        return True
    return any(name.startswith(f"{folder}/") for name in _names(store, made.place.mv))


def _member(kept: Objects, mv: ModuleVersion, name: str) -> str:
    try:
        return files.member(kept, mv, name).decode()
    except MissingError:
        return ""


def _overview(made: View, _catalog: Catalog, _store: Objects, kept: Objects, _query: Any) -> dict[str, Any]:
    folder = made.place.folder
    inside = [each for each in made.facts.packages if _is_within(each.folder, folder)] if made.facts else []
    return {
        "readme": "" if folder else _member(kept, made.place.mv, f"{files.README}.html"),
        "packages": inside[:MOST_SHOWN],
        "package_count": len(inside),
    }


def _is_within(folder: str, parent: str) -> bool:
    return not parent or folder == parent or folder.startswith(f"{parent}/")


def _docs(made: View, _catalog: Catalog, _store: Objects, kept: Objects, _query: Any) -> dict[str, Any]:
    text = _member(kept, made.place.mv, files.docs_name(made.place.folder))
    packages = made.facts.packages if made.facts else ()
    package = next((each for each in packages if each.folder == made.place.folder), None)
    return {"docs": json.loads(text) if text else None, "package": package}


def _versions(made: View, _catalog: Catalog, _store: Objects, _kept: Objects, _query: Any) -> dict[str, Any]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for each in made.published[: MOST_SHOWN * 5]:
        group = "Pseudo-versions" if pseudo.is_pseudo_version(each.version) else semver.major(each.version)
        retracted = retraction_of(made.module, each.version)
        groups.setdefault(group, []).append({"version": each, "retracted": retracted})
    return {"groups": groups}


def _imports(made: View, catalog: Catalog, _store: Objects, _kept: Objects, _query: Any) -> dict[str, Any]:
    requires = made.facts.requires if made.facts else ()
    held = catalog.rows_of([ModuleVersion(path, version) for path, version, _ in requires])
    published = {str(mv) for mv, row in held.items() if row.sequence is not None}
    packages = made.facts.packages if made.facts else ()
    imported = {path for each in packages if _is_within(each.folder, made.place.folder) for path in each.imports}
    own = f"{made.place.mv.path}/"
    outside = sorted(path for path in imported if path != made.place.mv.path and not path.startswith(own))
    return {
        "requires": requires,
        "published": published,
        "standard": [path for path in outside if "." not in path.partition("/")[0]],
        "outside": [path for path in outside if "." in path.partition("/")[0]],
    }


def _imported_by(
    made: View, catalog: Catalog, _store: Objects, _kept: Objects, query: dict[str, str]
) -> dict[str, Any]:
    importers = catalog.importers(made.place.path, limit=MOST_SHOWN + 1, after=query.get("after", ""))
    more = importers[MOST_SHOWN - 1] if len(importers) > MOST_SHOWN else ""
    return {"importers": importers[:MOST_SHOWN], "after": more}


def _trust(made: View, catalog: Catalog, _store: Objects, _kept: Objects, _query: Any) -> dict[str, Any]:
    mv = made.place.mv
    last_words = {each.rule: each for each in catalog.evidence_of(mv)}
    return {
        "evidence": list(last_words.values()),
        "origin": catalog.origin_of(mv),
        "damages": catalog.open_damages([mv.path]),
        "key": catalog.ledger_key() or "",
    }


def _code(
    made: View, _catalog: Catalog, store: Objects, _kept: Objects, query: dict[str, str]
) -> dict[str, Any] | None:
    """Return a file of the zip, or what is in the folder."""
    mv, wanted = made.place.mv, query.get("file", "")
    nothing: dict[str, Any] = {"file": "", "folder": "", "entries": [], "withheld": False}
    try:
        with store.open(key(mv, ".zip")) as file, zipfile.ZipFile(file) as archive:
            names = [name.removeprefix(f"{mv}/") for name in archive.namelist()]
            if wanted and wanted in names:
                shown = _shown(archive, f"{mv}/{wanted}")
                return nothing | shown | {"file": wanted, "folder": wanted.rpartition("/")[0]}
    except MissingError:
        return nothing | {"withheld": True}
    except zipfile.BadZipFile as error:
        raise StorageError(f"the zip of {mv} cannot be read: {error}") from error
    folder = wanted.strip("/") or made.place.folder
    entries = _entries(names, folder)
    return nothing | {"entries": entries, "folder": folder} if entries else None


def _shown(archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    size = archive.getinfo(name).file_size
    if size > LARGEST_FILE:
        return {"size": size, "lines": None, "why": "It is too large to be shown."}
    data = archive.read(name)
    if b"\0" in data:
        return {"size": size, "lines": None, "why": "It is not text."}
    return {"size": size, "lines": data.decode("utf-8", "replace").splitlines()}


def _entries(names: Sequence[str], folder: str) -> list[tuple[str, bool]]:
    """Return what is right in a folder: names, and whether each is a folder; folders come first."""
    prefix = f"{folder}/" if folder else ""
    found = {name[len(prefix) :].partition("/")[::2] for name in names if name.startswith(prefix) and name != prefix}
    is_folder = {name: False for name, _ in found} | {name: True for name, rest in found if rest}
    return sorted(is_folder.items(), key=lambda each: (not each[1], each[0]))


def _names(store: Objects, mv: ModuleVersion) -> list[str]:
    try:
        with store.open(key(mv, ".zip")) as file, zipfile.ZipFile(file) as archive:
            return [name.removeprefix(f"{mv}/") for name in archive.namelist()]
    except (MissingError, zipfile.BadZipFile):
        return []


_MORE: dict[str, Callable[[View, Catalog, Objects, Objects, dict[str, str]], dict[str, Any] | None]] = {
    "": _overview,
    "docs": _docs,
    "code": _code,
    "versions": _versions,
    "imports": _imports,
    "importedby": _imported_by,
    "trust": _trust,
}


def newer_major(catalog: Catalog, path: str) -> str:
    """Return the module path of the highest major version above this one that is held here; "" when there is none."""
    prefix, suffix = split_path_version(path)[:2]
    number = int(suffix[2:]) if suffix.startswith("/v") else 1
    paths = [f"{prefix}/v{higher}" for higher in range(number + 1, number + 20)]
    held = catalog.listed(paths)
    return next((each for each in reversed(paths) if held[each]), "")


def days(when: datetime | None) -> str:
    """Return a date as pages show it."""
    return "" if when is None else f"{when:%Y-%m-%d}"
