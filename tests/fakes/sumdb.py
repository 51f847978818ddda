"""A fake checksum database: a real log with a real key, served over HTTP or mounted in a fake upstream, honest or not.

log = SumDBLog({ModuleVersion("example.com/m", "v1.0.0"): ("h1:...", "h1:...")})
with SumDB(log) as server:
    os.environ["GOSUMDB"] = f"{log.vkey} {server.url}"
proxy.mount(f"sumdb/{log.name}", log.answer)

A module enters the log when it is first looked up, so the log grows and tree heads differ from answer to answer.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from fakes.loopback import Answer, Loopback
from gopherwood import dirhash, module, note, tlog
from gopherwood.errors import GopherwoodError
from gopherwood.module import ModuleVersion

NAME = "sum.example"
HEIGHT = 8

Sums = tuple[str, str]
"""The h1 of a zip and the h1 of its go.mod."""


def sums(zip_path: object, mod: bytes) -> Sums:
    """Return the hashes of a module's zip file and go.mod."""
    return dirhash.hash_zip(zip_path), dirhash.hash_go_mod(mod)  # type: ignore[arg-type]


class SumDBLog:
    """The log of a checksum database. Thread-safe; every answer is a pure function of what was looked up so far."""

    def __init__(
        self, known: Mapping[ModuleVersion, Sums] | Callable[[ModuleVersion], Sums | None], name: str = NAME
    ) -> None:
        self.name = name
        self.skey, self.vkey = note.generate_key(name, seed=name.encode().ljust(32, b"\0")[:32])
        self._signer = note.new_signer(self.skey)
        self._find = known if callable(known) else known.get
        self._lock = threading.RLock()
        self.records: list[bytes] = []
        self._ids: dict[ModuleVersion, int] = {}
        self._stored: list[bytes] = []
        self._head: tuple[int, bytes] = (-1, b"")
        self.answers: dict[ModuleVersion, str] = {}
        """Records to append in place of the usual ones."""
        self.spoiled: dict[str, Callable[[bytes], bytes | None]] = {}
        """What to make of the answer at a path (`lookup/...`, `tile/...`, `latest`) or below it; None is a 404."""

    # --- the log

    def _append(self, text: bytes) -> int:
        number = len(self.records)
        self.records.append(text)
        self._stored += tlog.stored_hashes(number, text, self._read)
        return number

    def _read(self, indexes: object) -> list[bytes]:
        return [self._stored[index] for index in indexes]  # type: ignore[attr-defined]

    def add(self, mv: ModuleVersion) -> int | None:
        """Return the number of a version's record, appending it first if need be; None if nobody knows the version."""
        with self._lock:
            if mv not in self._ids:
                if (found := self._find(mv)) is None:
                    return None
                text = f"{mv.path} {mv.version} {found[0]}\n{mv.path} {mv.version}/go.mod {found[1]}\n"
                self._ids[mv] = self._append(self.answers.get(mv, text).encode())
            return self._ids[mv]

    def grow(self, count: int) -> None:
        """Append records of versions that nobody asks for."""
        with self._lock:
            for _ in range(count):
                filler = f"example.com/filler v0.0.{len(self.records)} h1:{'A' * 43}=\n"
                self._append(filler.encode())

    @property
    def tree(self) -> tlog.Tree:
        """The tree now."""
        return tlog.Tree(len(self.records), tlog.tree_hash(len(self.records), self._read))

    # --- answers

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
        found = self._honest(subpath)
        for prefix, spoil in list(self.spoiled.items()):
            if subpath.startswith(prefix) and found is not None:
                found = spoil(found)
        return found

    def handle(self, subpath: str) -> tuple[int, bytes]:
        """Answer at a path below the database's root, as HTTP status and body."""
        found = self.answer(subpath)
        return (404, b"not found\n") if found is None else (200, found)

    def _honest(self, subpath: str) -> bytes | None:
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

    # --- misbehaviour

    def spoil(self, path: str, how: Callable[[bytes], bytes | None]) -> None:
        """Change every answer at a path, or below it."""
        self.spoiled[path] = how

    def heal(self) -> None:
        """Answer honestly again."""
        self.spoiled.clear()

    def forge(self, mv: ModuleVersion, h1: str) -> None:
        """Answer lookups of a version with another hash."""
        honest = self._find(mv)
        assert honest is not None
        path = f"lookup/{module.escape_path(mv.path)}@{module.escape_version(mv.version)}"
        self.spoil(path, lambda data: data.replace(honest[0].encode(), h1.encode()))

    def withhold(self, path: str) -> None:
        """Answer 404 at a path, or below it."""
        self.spoil(path, lambda data: None)

    def fork(self, number: int = 0) -> None:
        """Rewrite one old record, and with it the history: every head from now on is of another tree."""
        with self._lock:
            records = list(self.records)
            records[number] = records[number].replace(b"h1:", b"h1:FORKED")
            self._rebuild(records)

    def roll_back(self, size: int) -> None:
        """Forget all records after the first `size`."""
        with self._lock:
            self._ids = {mv: number for mv, number in self._ids.items() if number < size}
            self._rebuild(self.records[:size])

    def _rebuild(self, records: list[bytes]) -> None:
        self.records, self._stored, self._head = [], [], (-1, b"")
        for text in records:
            self._append(text)


def flip(data: bytes) -> bytes:
    """Flip one bit in the middle."""
    at = len(data) // 2
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def bad_signature(data: bytes) -> bytes:
    """Change the tree hash of a signed head, so that the signature is no longer its own."""
    body, _, signature = data.rpartition("— ".encode())
    lines = body.split(b"\n")
    lines[-3] = lines[-3][::-1].replace(b"=", b"A", 1)[:-1] + b"="
    return b"\n".join(lines) + "— ".encode() + signature


@dataclass
class SumDB(Loopback):
    """A checksum database's HTTP server."""

    log: SumDBLog = field(default_factory=lambda: SumDBLog({}))

    def answer(self, path: str, query: dict[str, str]) -> Answer:
        """Answer from the log."""
        return Answer(*self.log.handle(path))
