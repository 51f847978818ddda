"""A fake checksum database: a real log with a real key, served over HTTP or mounted in a fake upstream, honest or not.

log = SumDBLog({ModuleVersion("example.com/m", "v1.0.0"): ("h1:...", "h1:...")})
with SumDB(log) as server:
    os.environ["GOSUMDB"] = f"{log.vkey} {server.url}"
proxy.mount(f"sumdb/{log.name}", log.answer)

A module enters the log when it is first looked up, so the log grows and tree heads differ from answer to answer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from fakes.loopback import Answer, Loopback
from gopherwood import dirhash, module
from gopherwood.loadtest.synthetic.log import Log, Sums
from gopherwood.module import ModuleVersion

NAME = "sum.example"
HEIGHT = 8


def sums(zip_path: object, mod: bytes) -> Sums:
    """Return the hashes of a module's zip file and go.mod."""
    return dirhash.hash_zip(zip_path), dirhash.hash_go_mod(mod)  # type: ignore[arg-type]


class SumDBLog(Log):
    """The log of a checksum database, which can be made to lie. Thread-safe."""

    def __init__(
        self, known: Mapping[ModuleVersion, Sums] | Callable[[ModuleVersion], Sums | None], name: str = NAME
    ) -> None:
        super().__init__(known, name)
        self.answers: dict[ModuleVersion, str] = {}
        """Records to append in place of the usual ones."""
        self.spoiled: dict[str, Callable[[bytes], bytes | None]] = {}
        """What to make of the answer at a path (`lookup/...`, `tile/...`, `latest`) or below it; None is a 404."""

    def _record(self, mv: ModuleVersion, sums: Sums) -> str:
        return self.answers.get(mv) or super()._record(mv, sums)

    def grow(self, count: int) -> None:
        """Append records of versions that nobody asks for."""
        with self._lock:
            for _ in range(count):
                filler = f"example.com/filler v0.0.{len(self.records)} h1:{'A' * 43}=\n"
                self._append(filler.encode())

    # --- answers

    def answer(self, subpath: str) -> bytes | None:
        """Answer at a path below the database's root; None is a 404."""
        found = super().answer(subpath)
        for prefix, spoil in list(self.spoiled.items()):
            if subpath.startswith(prefix) and found is not None:
                found = spoil(found)
        return found

    def handle(self, subpath: str) -> tuple[int, bytes]:
        """Answer at a path below the database's root, as HTTP status and body."""
        found = self.answer(subpath)
        return (404, b"not found\n") if found is None else (200, found)

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
