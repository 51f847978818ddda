"""The GOPROXY protocol over the store and the catalog: what a cold request costs.

Files come from the store, and `.info`, which is written last, says that a version is there; lists, `@latest` and
version queries come from the catalog, so they change in the moment of a publish. All of this may wait for a disk or a
database, so it runs in a thread; what it returns is kept in memory. Nothing here ever asks an upstream. Authority: `go
help goproxy`.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from gopherwood import pseudo, queries
from gopherwood.catalog import Catalog, Damage, IndexEntry, PublishedVersion
from gopherwood.errors import StorageError
from gopherwood.module import ModuleVersion
from gopherwood.objects import Objects
from gopherwood.states import OPEN, State
from gopherwood.store import MARK, key
from gopherwood_serving.answers import (
    FOREVER,
    JSON,
    PLAIN,
    SHORT,
    ZIP,
    Answer,
    FileBody,
    ObjectBody,
    found,
    missing,
    withheld,
)
from gopherwood_serving.routes import Route

SMALL_FILE = 192 << 10
"""Bytes up to which a file is kept in memory. From there on the server's own file response is faster (measured: 128 KiB
1.2x from memory, 512 KiB 0.8x), and each client that reads slowly would hold a copy."""
SMALL_OBJECT = 4 << 20
"""The same for objects that are not files here: each would be fetched anew."""
CHUNK = 1 << 20
LIST_TYPE = {".info": JSON, ".mod": PLAIN, ".zip": ZIP}


class GoProxy:
    """Answers for module files, lists and queries. Methods block, raise StorageError, and may run in many threads."""

    def __init__(self, objects: Objects, catalog: Catalog) -> None:
        self.objects = objects
        self.catalog = catalog

    def answer(self, route: Route) -> Answer:
        """Answer a request of kind list, latest, query, info, mod or zip."""
        if route.kind in ("info", "mod", "zip"):
            return self.file(route.mv, f".{route.kind}")
        return self.versions(route.path) if route.kind == "list" else self.query(route.path, route.version)

    def file(self, mv: ModuleVersion, suffix: str) -> Answer:
        """Answer with one file of an exact version, for ever; 404 while its commit mark is not there.

        Of a published version a file that is not there is damaged, or lost: 503. The others are served, mark or not.
        """
        name = key(mv, suffix)
        has_mark = suffix != MARK and self.objects.size(key(mv, MARK)) is not None
        size = self.objects.size(name) if has_mark or suffix == MARK or self._is_published(mv) else None
        if size is None:
            return self._withheld(mv, suffix) if has_mark or self._is_published(mv) else self._missing(mv)
        path = self.objects.local_path(name)
        if size <= (SMALL_OBJECT if path is None else SMALL_FILE):
            return found(self.objects.read(name), LIST_TYPE[suffix], FOREVER)
        body = ObjectBody(name, size) if path is None else _file_body(path)
        return found(body, LIST_TYPE[suffix], FOREVER, etag=self._etag_of_large(mv, name, suffix))

    def versions(self, path: str) -> Answer:
        """Answer with the versions of a module that its author tagged; 404 for a module we hold nothing of."""
        published = self.catalog.versions(path)
        if not published:
            return self._unknown(path)
        if not (published := self._answerable(path, published)):
            return self._nothing_whole(path)
        lines = "".join(f"{version}\n" for version in _tagged(published))
        return found(lines.encode(), PLAIN, SHORT, module=path)

    def query(self, path: str, query: str) -> Answer:
        """Answer `latest`, `v1` or `v1.2` with the `.info` of the version it stands for; 404 for a branch."""
        published = self.catalog.versions(path)
        if not published:
            return self._unknown(path)
        if not (published := self._answerable(path, published)):
            return self._nothing_whole(path)
        chosen = None
        if query == queries.LATEST or queries.is_prefix(query):
            chosen = queries.choose(path, query, _tagged(published), self)
        if chosen is None and query == queries.LATEST:
            chosen = _newest_pseudo_version(published)
        if chosen is None:
            held = _some(_tagged(published))
            return missing(
                f"{path}@{query}: no version here is meant by {query!r}.\nHeld of this module: {held}.", module=path
            )
        return found(self.objects.read(key(ModuleVersion(path, chosen), MARK)), JSON, SHORT, module=path)

    def mod(self, mv: ModuleVersion) -> bytes:
        """Return the go.mod of a published version: what `queries.choose` reads retractions from."""
        return self.objects.read(key(mv, ".mod"))

    def holds(self, entry: IndexEntry) -> bool:
        """Tell whether the store has the commit mark of a published version, or its loss is known and dealt with."""
        if self.objects.size(key(ModuleVersion(entry.path, entry.version), MARK)) is not None:
            return True
        return any(damage.version == entry.version for damage in self.catalog.open_damages([entry.path]))

    def _is_published(self, mv: ModuleVersion) -> bool:
        row = self.catalog.state_of(mv)
        return row is not None and row.state is State.PUBLISHED

    def _answerable(self, path: str, published: list[PublishedVersion]) -> list[PublishedVersion]:
        """Leave out versions whose `.info` or `.mod` is withheld: whoever chose one could not go on, also not back."""
        withheld = {each.version for each in self.catalog.open_damages([path]) if each.suffix in (MARK, ".mod")}
        return [each for each in published if each.version not in withheld] if withheld else published

    def _withheld(self, mv: ModuleVersion, suffix: str) -> Answer:
        damaged = self.catalog.open_damages([mv.path])
        this = next((each for each in damaged if (each.version, each.suffix) == (mv.version, suffix)), None)
        if this is None:
            lines = [f"{mv} is published, but its {suffix} is not in our storage, which nobody has noticed before."]
            lines.append("Operators: `gopherwood audit --scrub --all` looks for a second copy.")
        else:
            lines = [f"The {suffix} of {mv} was damaged in our storage ({this.kind}) and is out of service"]
            lines[0] += f" since {this.found_at:%Y-%m-%d %H:%M} UTC."
            lines.append("We never serve bytes other than those published. " + _prospect(this))
        bad = {each.version for each in damaged} | {mv.version}
        fine = [each.version for each in self.catalog.versions(mv.path) if each.version not in bad]
        lines.append(f"Versions of this module that are fine: {_some(fine)}." if fine else "No other version is here.")
        return withheld("\n".join(lines), module=mv.path)

    def _nothing_whole(self, path: str) -> Answer:
        says = f"Every version of {path} here is damaged in our storage and out of service."
        return withheld(f"{says}\nAsk again later: each is healed from a second copy.", module=path)

    def _etag_of_large(self, mv: ModuleVersion, name: str, suffix: str) -> str:
        """Return the validator of a file that is not read into memory: as `etag_of`, by what validation noted of it."""
        row = self.catalog.state_of(mv) if suffix == ".zip" else None
        sha256 = row.facts.get("zip_sha256") if row is not None else None
        if not sha256:
            digest = hashlib.sha256()
            with self.objects.open(name) as file:
                while chunk := file.read(CHUNK):
                    digest.update(chunk)
            sha256 = digest.hexdigest()
        return f'"{sha256[:32]}"'

    def _missing(self, mv: ModuleVersion) -> Answer:
        row = self.catalog.state_of(mv)
        lines = [f"{mv} is not in this repository."]
        if row is None or row.state is State.GONE:
            lines.append("The request is noted for the next ingestion. By hand: gopherwood ingest " + str(mv))
        elif row.state in OPEN:
            lines.append(f"It is on its way (state: {row.state}): ask again in a minute.")
        elif row.state is State.REJECTED:
            lines.append(f"It was rejected ({row.reason}): {_one_line(row.detail)}")
        else:
            lines.append(f"Its state is {row.state}.")
        if published := self.catalog.versions(mv.path):
            lines.append(f"Held of this module: {_some([each.version for each in published])}.")
        return missing("\n".join(lines), module=mv.path)

    def _unknown(self, path: str) -> Answer:
        hint = f"The request is noted for the next ingestion. By hand: gopherwood ingest {path}@latest"
        return missing(f"No version of {path} is in this repository.\n{hint}", module=path)


def _file_body(path: Path) -> FileBody:
    try:
        return FileBody.of(path)
    except OSError as error:
        raise StorageError(f"{path} went away while it was looked at: {error.strerror}") from error


def _prospect(damage: Damage) -> str:
    if damage.tried_at is None:
        return "It is being healed from a second copy: try again in some minutes."
    return "No second copy could heal it yet, and people were told: it is tried again every day."


def _tagged(published: Sequence[PublishedVersion]) -> list[str]:
    return [each.version for each in published if not pseudo.is_pseudo_version(each.version)]


def _newest_pseudo_version(published: Sequence[PublishedVersion]) -> str | None:
    by_time: Callable[[str], object] = pseudo.pseudo_version_time
    names = [each.version for each in published if pseudo.is_pseudo_version(each.version)]
    return max(names, key=by_time, default=None)  # type: ignore[arg-type]


def _some(versions: Sequence[str], most: int = 5) -> str:
    more = f" and {len(versions) - most} older" if len(versions) > most else ""
    return (", ".join(reversed(versions[-most:])) or "only pseudo-versions") + more


def _one_line(detail: str, longest: int = 300) -> str:
    return " ".join(detail.split())[:longest]
