"""A checksum database, answered from storage: what validation verified and mirrored, with the upstream unplugged.

`supported` says 200 only while there is a signed tree head, because `go` then asks us for everything and never the
database itself. A lookup is the mirrored record followed by the newest mirrored head; a partial tile that was completed
since is cut from the full one. Authority: the proxied checksum database in `go help goproxy`, x/mod/sumdb/server.go.
"""

import re

from gopherwood import module
from gopherwood.catalog import Catalog
from gopherwood.errors import ContentError
from gopherwood.module import ModuleVersion
from gopherwood.objects import MissingError, Objects
from gopherwood.store import lookup_key, tile_key
from gopherwood_serving.answers import BINARY, FOREVER, PLAIN, SHORT, Answer, found, impossible, missing

HEAD_SECONDS = 5.0
"""How long a worker repeats a tree head before it looks for a newer one."""
HASH_BYTES = 32
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,252}")
_TILE = re.compile(r"tile/8/(data|[0-9]{1,2})/(?:x[0-9]{3}/){0,5}[0-9]{3}(?:\.p/([1-9][0-9]{0,2}))?")


class SumDBMirror:
    """Answers below /sumdb/. Methods block and raise StorageError."""

    def __init__(self, objects: Objects, catalog: Catalog) -> None:
        self.objects = objects
        self.catalog = catalog

    def answer(self, rest: str) -> Answer:
        """Answer `<name>/supported`, `/latest`, `/lookup/<module>@<version>` or `/tile/...`."""
        name, _, what = rest.partition("/")
        if _NAME.fullmatch(name) is None:
            return impossible("no checksum database has such a name")
        if what in ("supported", "latest"):
            return self._head(name, what)
        if what.startswith("lookup/"):
            return self._lookup(name, what.removeprefix("lookup/"))
        if match := _TILE.fullmatch(what):
            return self._tile(name, what, *match.groups())
        return impossible("a checksum database has supported, latest, lookup/<module>@<version> and tile/...")

    def _head(self, name: str, what: str) -> Answer:
        head = self.catalog.tree_head(name)
        if head is None:
            return missing(f"{name} is not mirrored here: ask it directly")
        return found(head if what == "latest" else b"", PLAIN, SHORT, module=f"sumdb/{name}", seconds=HEAD_SECONDS)

    def _lookup(self, name: str, asked: str) -> Answer:
        escaped_path, _, escaped_version = asked.rpartition("@")
        try:
            mv = ModuleVersion(module.unescape_path(escaped_path), module.unescape_version(escaped_version))
        except ContentError as error:
            return impossible(str(error))
        head = self.catalog.tree_head(name)
        try:
            record = self.objects.read(lookup_key(name, mv))
        except MissingError:
            record = b""
        if head is None or not record or _number(record) >= _tree_size(head):
            return missing(f"The record of {mv} in {name} is not mirrored here.", module=mv.path)
        # The record never changes, the head does: any head that covers the record is right, so an older one is too.
        return found(record + head, PLAIN, SHORT, module=mv.path, seconds=HEAD_SECONDS)

    def _tile(self, name: str, what: str, level: str, width: str | None) -> Answer:
        try:
            return found(self.objects.read(tile_key(name, what)), BINARY, FOREVER)
        except MissingError:
            pass
        if width is not None and level != "data":
            size = int(width) * HASH_BYTES
            try:
                full = self.objects.read(tile_key(name, what.rpartition(".p/")[0]))
            except MissingError:
                full = b""
            if len(full) > size:
                return found(full[:size], BINARY, FOREVER)
        return missing(f"{what} of {name} is not mirrored here.")


def _number(record: bytes) -> int:
    """Return the number of a record: its first line."""
    return int(record.partition(b"\n")[0])


def _tree_size(head: bytes) -> int:
    """Return the size of the tree of a signed head: its second line."""
    return int(head.split(b"\n", 2)[1])
