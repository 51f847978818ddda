"""What every object store of ours promises, and the words its implementations share.

A store is a set of keys with bytes. A key is a relative path of plain segments (`store.key` makes them); its bytes are
created once and never change. The protocol is small on purpose: a local folder and an S3-compatible bucket pass one
contract suite, and whoever reads or writes published bytes needs nothing else.
"""

import secrets
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, ClassVar, Protocol

from gopherwood.errors import ImmutabilityError, StorageError
from gopherwood.states import State

CHUNK = 1 << 20
"""Bytes read at a time where a whole file might not fit into memory."""

TEMPORARIES = ".tmp"
"""First segment of keys that are ours alone: unfinished files of a local folder live there."""

QUARANTINE = ".quarantine"
"""First segment of the keys under which damaged bytes are kept as evidence; they are no content of the store."""

REPLACEABLE = frozenset({"list", "latest", "checkpoint"})
"""Last segments of keys whose bytes are derived (a version list, a tree head) and may be replaced; no other may."""

LONGEST_SEGMENT = 255
"""Bytes between two slashes of a key: the limit of the usual file systems."""

LONGEST_KEY = 900
"""Bytes of a key: S3 allows 1,024 with the prefix of the store."""

Item = tuple[str, bytes | Path]


class MissingError(StorageError):
    """The store has no such key."""

    http_status: ClassVar[int] = 404
    reason: ClassVar[str] = "missing"


class UnstorableError(StorageError):
    """No store can name this key; no retry changes that."""

    state: ClassVar[State] = State.REJECTED
    retry: ClassVar[bool] = False
    reason: ClassVar[str] = "name-too-long"


class Objects(Protocol):
    """A set of immutable objects. Methods raise StorageError when the storage fails; any number may run at once."""

    url: str
    mutable: bool

    def read(self, key: str) -> bytes:
        """Return all bytes of `key`; raises MissingError."""
        ...

    def open(self, key: str) -> BinaryIO:
        """Open `key` for reading, seekable; raises MissingError."""
        ...

    def size(self, key: str) -> int | None:
        """Return the number of bytes of `key`, None when it is absent."""
        ...

    def modified(self, key: str) -> float:
        """Return when `key` was last written, in seconds since the epoch; raises MissingError."""
        ...

    def local_path(self, key: str) -> Path | None:
        """Return the real file behind `key`, present or not; None when objects are not files here."""
        ...

    def fetch_to(self, key: str, folder: Path) -> Path:
        """Return a local file with the bytes of `key`: its own, or a download into `folder`; raises MissingError."""
        ...

    def create_many(self, items: Sequence[Item]) -> list[bool]:
        """Create absent keys from bytes or files; when it returns all of them are durable.

        True means created, False that equal bytes were there. Other bytes under a key raise ImmutabilityError, whose
        `keys` names each such key and whose `created` says what became of all items, once the others are durable.
        """
        ...

    def create(self, key: str, data: bytes | Path) -> bool:
        """Create one key; see `create_many`."""
        ...

    def replace(self, key: str, data: bytes) -> None:
        """Put `data` under a key of a derived file, atomically and durably; StorageError for any other key."""
        ...

    def replace_many(self, items: Sequence[tuple[str, bytes]]) -> None:
        """Replace many derived files with one round of durability."""
        ...

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Yield the keys that start with `prefix`, in no promised order; evidence only for a prefix that names it."""
        ...

    def quarantine(self, key: str, evidence: str) -> bool:
        """Move the bytes of `key` to the key `evidence` (of `evidence_key`), durably; False when there are none.

        No byte is lost: at each instant they are under at least one of the two names.
        """
        ...

    def delete(self, key: str) -> None:
        """Remove a key, absent or not; StorageError unless opened as mutable (staging)."""
        ...

    def leftovers(self, older_than: float) -> list[str]:
        """Return the names of what crashed writers left behind for `older_than` seconds; `sweep` removes it."""
        ...

    def sweep(self, older_than: float) -> int:
        """Remove what crashed writers left behind for `older_than` seconds; return how many files."""
        ...


def check_key(key: str) -> str:
    """Return the key; raises StorageError when it is not a relative path of plain segments outside our temporaries."""
    segments = key.split("/")
    if any(part in ("", ".", "..") for part in segments) or segments[0] == TEMPORARIES or "\0" in key or "\\" in key:
        raise StorageError(f"{key!r} is not a key of a store")
    return key


def evidence_key(key: str) -> str:
    """Return a new key for the damaged bytes of `key`: when, a number nobody had before, and the key itself."""
    return f"{QUARANTINE}/{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}/{key}"


def check_evidence(evidence: str) -> str:
    """Return a key for evidence; raises StorageError for any other."""
    if not evidence.startswith(f"{QUARANTINE}/"):
        raise StorageError(f"{evidence!r} is no key of evidence")
    return check_key(evidence)


def check_replaceable(key: str, *, mutable: bool) -> None:
    """Raise StorageError unless the bytes of `key` are derived, or the whole store may change."""
    if not mutable and key.rsplit("/", 1)[-1] not in REPLACEABLE:
        raise StorageError(f"{key} is immutable: only derived files ({', '.join(sorted(REPLACEABLE))}) are replaced")


def check_mutable(key: str, url: str, *, mutable: bool) -> None:
    """Raise StorageError unless objects of this store may be removed."""
    if not mutable:
        raise StorageError(f"refusing to delete {key}: nothing is ever deleted from {url}")


def check_storable(key: str) -> None:
    """Raise UnstorableError for a key that is longer than the kinds of storage can name."""
    if len(key.encode()) > LONGEST_KEY or max(len(part.encode()) for part in key.split("/")) > LONGEST_SEGMENT:
        raise UnstorableError(f"{key[:80]}... is longer than a name in a store can be")


def conflict(url: str, keys: Sequence[str], created: list[bool]) -> ImmutabilityError:
    """Make the error for keys that hold other bytes than those offered, in a batch whose other items are done."""
    more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
    error = ImmutabilityError(
        f"{keys[0]}{more}: {url} holds other bytes under this name",
        hint="the store keeps what it has; compare both copies, and find out which upstream changed",
        keys=tuple(keys),
    )
    error.created = created
    return error


def same_bytes(one: BinaryIO, other: BinaryIO) -> bool:
    """Tell whether two streams hold equal bytes, a bounded piece at a time."""
    while True:
        a, b = one.read(CHUNK), other.read(CHUNK)
        if a != b:
            return False
        if not a:
            return True
