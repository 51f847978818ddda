"""The log of a checksum database: a real one, with a real key, that grows as versions are added.

It answers what a client of a checksum database asks (`lookup/...`, `tile/...`, `latest`), each answer a pure function
of what was added so far. Authority: golang.org/x/mod/sumdb. The fake databases of the tests are this one, and lie.
"""

import threading
from collections.abc import Callable, Mapping

from gopherwood import module, note, tlog
from gopherwood.errors import GopherwoodError
from gopherwood.module import ModuleVersion

Sums = tuple[str, str]
"""The h1 of a zip and the h1 of its go.mod."""


class Log:
    """The log of what is known; a version enters it when it is first looked up, or added. Any number of threads."""

    def __init__(self, known: Mapping[ModuleVersion, Sums] | Callable[[ModuleVersion], Sums | None], name: str) -> None:
        self.name = name
        self.skey, self.vkey = note.generate_key(name, seed=name.encode().ljust(32, b"\0")[:32])
        self._signer = note.new_signer(self.skey)
        self._find = known if callable(known) else known.get
        self._lock = threading.RLock()
        self.records: list[bytes] = []
        self._ids: dict[ModuleVersion, int] = {}
        self._stored: list[bytes] = []
        self._head: tuple[int, bytes] = (-1, b"")

    def add(self, mv: ModuleVersion) -> int | None:
        """Return the number of a version's record, appending it first if need be; None if nobody knows the version."""
        with self._lock:
            if mv not in self._ids:
                if (found := self._find(mv)) is None:
                    return None
                self._ids[mv] = self._append(self._record(mv, found).encode())
            return self._ids[mv]

    def _record(self, mv: ModuleVersion, sums: Sums) -> str:
        return f"{mv.path} {mv.version} {sums[0]}\n{mv.path} {mv.version}/go.mod {sums[1]}\n"

    def _append(self, text: bytes) -> int:
        number = len(self.records)
        self.records.append(text)
        self._stored += tlog.stored_hashes(number, text, self._read)
        return number

    def _read(self, indexes: object) -> list[bytes]:
        return [self._stored[index] for index in indexes]  # type: ignore[attr-defined]

    @property
    def tree(self) -> tlog.Tree:
        """The tree now."""
        return tlog.Tree(len(self.records), tlog.tree_hash(len(self.records), self._read))

    def latest(self) -> bytes:
        """Sign the tree head."""
        with self._lock:
            if self._head[0] != len(self.records):
                text = tlog.format_tree(self.tree).decode()
                self._head = (len(self.records), note.sign(note.Note(text), self._signer))
            return self._head[1]

    def lookup(self, path: str, version: str) -> bytes | None:
        """Answer a lookup: the record, then the signed tree head."""
        with self._lock:
            number = self.add(ModuleVersion(path, version))
            return None if number is None else tlog.format_record(number, self.records[number]) + self.latest()

    def tile(self, tile: tlog.Tile) -> bytes | None:
        """Cut a tile; None while the log is too short for it."""
        with self._lock:
            if tile.l < 0:
                start = tile.n << tile.h
                texts = self.records[start : start + tile.w]
                return b"".join(text + b"\n" for text in texts) if len(texts) == tile.w else None
            wanted = ((tile.n << tile.h) + tile.w) << (tile.l * tile.h)
            return tlog.read_tile_data(tile, self._read) if wanted <= len(self.records) else None

    def answer(self, subpath: str) -> bytes | None:
        """Answer at a path below the database's root; None is a 404."""
        if subpath in ("supported", ""):
            return b""
        if subpath == "latest":
            return self.latest()
        try:
            if subpath.startswith("lookup/"):
                path, _, version = subpath.removeprefix("lookup/").partition("@")
                return self.lookup(module.unescape_path(path), module.unescape_version(version))
            return self.tile(tlog.parse_tile_path(subpath))
        except GopherwoodError:
            return None
