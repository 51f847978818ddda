"""A store in an S3-compatible bucket, with the same promises as a local folder.

Create-if-absent is a conditional put (`If-None-Match: *`): the object store itself refuses to replace what is there,
whoever else writes. An object is durable and whole when the put returns, so there is nothing to sync and nothing
half-written. An endpoint that ignores the condition is noticed before the first key is created, and refused.
Credentials come from the usual AWS environment; boto3, the maintained client, is imported for an s3 URL only.
"""

import contextlib
import functools
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from gopherwood.errors import StorageError
from gopherwood.objects.base import (
    QUARANTINE,
    TEMPORARIES,
    Item,
    MissingError,
    check_evidence,
    check_key,
    check_mutable,
    check_replaceable,
    conflict,
    same_bytes,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

THREADS = 16
"""Puts and comparisons at once; also the size of the connection pool."""

SPOOL = 1 << 20
"""Bytes of an opened object that stay in memory, of each client that serving has; larger ones go to an unnamed file."""

LONGEST_NAME = 1024
"""Bytes of an object's name in S3."""

ABSENT = frozenset({"NoSuchKey", "404", "NotFound"})
EXISTS = frozenset({"PreconditionFailed", "412"})
RACED = frozenset({"ConditionalRequestConflict", "409"})
"""Two conditional puts at once: S3 asks the loser to try again, and then finds the winner's object."""

T = TypeVar("T")


class Bucket:
    """Objects in `bucket` whose keys start with `prefix/`."""

    def __init__(self, bucket: str, prefix: str = "", *, mutable: bool = False, endpoint: str = "") -> None:
        self.bucket = bucket
        self.prefix = f"{prefix}/" if prefix else ""
        self.mutable = mutable
        self.url = f"s3://{bucket}/{prefix}".rstrip("/")
        self._is_conditional = False
        with _storage_errors(self.url):
            self._client = _client(endpoint)

    def local_path(self, key: str) -> None:
        """Return None: objects are no files here."""
        check_key(key)

    def read(self, key: str) -> bytes:
        """Return all bytes of `key`; raises MissingError."""
        with _storage_errors(key):
            return self._client.get_object(Bucket=self.bucket, Key=self._name(key))["Body"].read()

    def open(self, key: str) -> BinaryIO:
        """Open a copy of `key`, in memory or in an unnamed file; raises MissingError."""
        file = tempfile.SpooledTemporaryFile(SPOOL)  # noqa: SIM115
        with _storage_errors(key):
            self._client.download_fileobj(self.bucket, self._name(key), file)
        file.seek(0)
        return cast(BinaryIO, file)

    def size(self, key: str) -> int | None:
        """Return the number of bytes of `key`, None when it is absent."""
        try:
            return int(self._head(key)["ContentLength"])
        except MissingError:
            return None

    def modified(self, key: str) -> float:
        """Return when `key` was put, in seconds since the epoch; raises MissingError."""
        return float(self._head(key)["LastModified"].timestamp())

    def fetch_to(self, key: str, folder: Path) -> Path:
        """Download `key` into a new file in `folder`; raises MissingError."""
        with _storage_errors(key), contextlib.ExitStack() as unfinished:
            file = unfinished.enter_context(tempfile.NamedTemporaryFile(dir=folder, delete=False))
            path = Path(file.name)
            unfinished.callback(path.unlink)
            self._client.download_fileobj(self.bucket, self._name(key), file)
            unfinished.pop_all()
            file.close()
            return path

    def create(self, key: str, data: bytes | Path) -> bool:
        """Create one key; see `create_many`."""
        return self.create_many([(key, data)])[0]

    def create_many(self, items: Sequence[Item]) -> list[bool]:
        """Create absent keys, many at once; what is there is compared."""
        self._require_conditional_puts()
        results = self._at_once(lambda item: self._create(*item), items)
        if different := [key for (key, _), result in zip(items, results, strict=True) if result is None]:
            raise conflict(self.url, different, [bool(result) for result in results])
        return [bool(result) for result in results]

    def replace(self, key: str, data: bytes) -> None:
        """Replace one derived object; see `replace_many`."""
        self.replace_many([(key, data)])

    def replace_many(self, items: Sequence[tuple[str, bytes]]) -> None:
        """Replace derived objects; each put is atomic."""
        for key, _ in items:
            check_replaceable(key, mutable=self.mutable)
        self._at_once(lambda item: self._put(item[0], item[1]), items)

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Yield keys that start with `prefix`, sorted."""
        hidden = tuple(f"{name}/" for name in (TEMPORARIES, QUARANTINE) if not prefix.startswith(f"{name}/"))
        if top := prefix.rpartition("/")[0]:
            check_key(top)
        with _storage_errors(self.url):
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.bucket, Prefix=self.prefix + prefix):
                names = (entry["Key"].removeprefix(self.prefix) for entry in page.get("Contents", []))
                yield from (name for name in names if not name.startswith(hidden))

    def quarantine(self, key: str, evidence: str) -> bool:
        """Copy an object to its place as evidence inside of the bucket, then remove it where it was."""
        name, target = self._name(key), self._name(check_evidence(evidence))
        try:
            with _storage_errors(key):
                self._client.copy({"Bucket": self.bucket, "Key": name}, self.bucket, target)
                self._client.delete_object(Bucket=self.bucket, Key=name)
        except MissingError:
            return False
        return True

    def delete(self, key: str) -> None:
        """Remove an object, absent or not."""
        check_mutable(key, self.url, mutable=self.mutable)
        with _storage_errors(key):
            self._client.delete_object(Bucket=self.bucket, Key=self._name(key))

    def leftovers(self, older_than: float) -> list[str]:
        """Return nothing: a put leaves nothing unfinished behind."""
        return []

    def sweep(self, older_than: float) -> int:
        """Remove nothing: a put leaves nothing unfinished behind."""
        return 0

    def _name(self, key: str) -> str:
        name = self.prefix + check_key(key)
        if len(name.encode()) > LONGEST_NAME:
            raise MissingError(f"{key[:80]}... is longer than a name in a bucket may be")
        return name

    def _head(self, key: str) -> Any:
        with _storage_errors(key):
            return self._client.head_object(Bucket=self.bucket, Key=self._name(key))

    def _require_conditional_puts(self) -> None:
        """Raise StorageError when the endpoint ignores the condition of a put: it would replace published bytes."""
        probe = f"{self.prefix}{TEMPORARIES}/conditional-put"
        for _ in range(0 if self._is_conditional else 2):
            try:
                with _storage_errors(self.url):
                    self._client.put_object(Bucket=self.bucket, Key=probe, Body=b"", IfNoneMatch="*")
            except _ExistsError:
                self._is_conditional = True
                return
        if not self._is_conditional:
            raise StorageError(f"{self.url} ignores If-None-Match, and so would replace what is published")

    def _create(self, key: str, data: bytes | Path) -> bool | None:
        """Create `key`: True; False when equal bytes are there, None when other bytes are."""
        for last_try in (False, False, True):
            try:
                self._put(key, data, IfNoneMatch="*")
                return True
            except _ExistsError:
                return False if self._holds(key, data) else None
            except _RacedError:
                if last_try:
                    raise
        return None

    def _put(self, key: str, data: bytes | Path, **conditions: Any) -> None:
        with _storage_errors(key):
            body = data.open("rb") if isinstance(data, Path) else contextlib.nullcontext(data)
            with body as content:
                self._client.put_object(Bucket=self.bucket, Key=self._name(key), Body=content, **conditions)

    def _holds(self, key: str, data: bytes | Path) -> bool:
        size = data.stat().st_size if isinstance(data, Path) else len(data)
        if self.size(key) != size:
            return False
        if isinstance(data, bytes):
            return self.read(key) == data
        with self.open(key) as theirs, data.open("rb") as ours:
            return same_bytes(theirs, ours)

    def _at_once(self, work: Callable[[Any], T], items: Sequence[Any]) -> list[T]:
        with ThreadPoolExecutor(min(THREADS, max(1, len(items))), thread_name_prefix="s3") as pool:
            return list(pool.map(work, items))


@functools.lru_cache(maxsize=8)
def _client(endpoint: str) -> "S3Client":
    """Return the client of an endpoint: thread-safe, and too dear (a fifth of a second) to make for each store."""
    config = Config(
        retries={"mode": "standard", "max_attempts": 5},
        max_pool_connections=THREADS,
        # At an endpoint of its own no DNS knows `bucket.host`: the bucket is named in the path, which all of them take.
        s3={"addressing_style": "path" if endpoint else "auto"},
    )
    return boto3.session.Session().client("s3", endpoint_url=endpoint or None, config=config)


class _ExistsError(StorageError):
    """A conditional put found the key."""


class _RacedError(StorageError):
    """Another put of the key was under way."""


@contextlib.contextmanager
def _storage_errors(what: str) -> Iterator[None]:
    """Turn what the client raises into the StorageError that it means."""
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in ABSENT:
            raise MissingError(f"{what} is not there") from error
        if code in EXISTS:
            raise _ExistsError(f"{what} is there") from error
        if code in RACED:
            raise _RacedError(f"{what} is being written by somebody else") from error
        raise StorageError(f"{what}: {error}") from error
    except (BotoCoreError, OSError) as error:
        raise StorageError(f"{what}: {error}", hint="set the credentials and GOPHERWOOD_S3_ENDPOINT") from error
