"""Opening a store by its URL: `file:///folder` or `s3://bucket/prefix`.

Everybody else gets an `Objects` from here and does not know which it is. The S3 client is imported only for an s3 URL:
a local platform never loads it.
"""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from gopherwood.config import Settings
from gopherwood.errors import ConfigError
from gopherwood.objects.base import (
    QUARANTINE,
    TEMPORARIES,
    Item,
    MissingError,
    Objects,
    UnstorableError,
    check_storable,
    evidence_key,
)
from gopherwood.objects.local import LocalFolder, sync_paths

__all__ = [
    "QUARANTINE",
    "TEMPORARIES",
    "Item",
    "LocalFolder",
    "MissingError",
    "Objects",
    "UnstorableError",
    "check_storable",
    "evidence_key",
    "open_objects",
    "sync_paths",
]


def open_objects(url: str, *, mutable: bool = False, settings: Settings) -> Objects:
    """Open the store at `url`; `mutable` (staging) allows deletion. Raises ConfigError for any other URL."""
    parts = urlsplit(url)
    if parts.scheme == "s3" and parts.netloc:
        from gopherwood.objects.s3 import Bucket

        return Bucket(parts.netloc, parts.path.strip("/"), mutable=mutable, endpoint=settings.s3_endpoint)
    if parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path.startswith("/"):
        return LocalFolder(Path(unquote(parts.path)), mutable=mutable)
    if not parts.scheme and url:
        return LocalFolder(Path(url), mutable=mutable)
    raise ConfigError(f"{url!r} is no URL of a store", hint="use file:///folder or s3://bucket/prefix")
