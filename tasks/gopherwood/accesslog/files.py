"""Where the files of the access log lie: `<day>/access-<time>-<host>-<process>.jsonl`, in a folder or a bucket.

The time is when the file was begun, UTC; names sort by it. A file has one writer, so lines never mix. A file on this
machine that is still written to is locked by its writer (flock), and the lock ends with the process, however it ends.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Self

from gopherwood.config import Settings
from gopherwood.errors import ConfigError
from gopherwood.objects import MissingError, Objects, open_objects

_NAME = re.compile(r"(\d{4}-\d\d-\d\d)/access-(\d{8}T\d{6})Z-([A-Za-z0-9.-]{1,64})-([0-9a-f]{12})\.jsonl")
_TIME = "%Y%m%dT%H%M%S"


@dataclass(frozen=True, slots=True)
class FileName:
    """What the key of a file says."""

    begun: datetime
    """UTC, whole seconds."""
    host: str
    token: str
    """Twelve hexadecimal digits that no other file has."""

    @property
    def key(self) -> str:
        """The key of the file in the folder or bucket."""
        return f"{self.begun:%Y-%m-%d}/access-{self.begun:{_TIME}}Z-{self.host}-{self.token}.jsonl"

    @classmethod
    def parse(cls, key: str) -> Self | None:
        """Return what a key says, None when it is no file of the access log."""
        if (match := _NAME.fullmatch(key)) is None:
            return None
        try:
            name = cls(datetime.strptime(match[2], _TIME).replace(tzinfo=UTC), match[3], match[4])
        except ValueError:
            return None
        return name if name.key == key else None


@dataclass(frozen=True, slots=True)
class File:
    """A file, and how long it is now."""

    name: FileName
    size: int

    @property
    def key(self) -> str:
        """Its key."""
        return self.name.key


def open_logs(settings: Settings) -> Objects:
    """Open the place that finished files are in; raises ConfigError when the settings keep none."""
    if settings.access_log in ("stdout", "off") and not settings.access_log_store:
        raise ConfigError(
            f"GOPHERWOOD_ACCESS_LOG={settings.access_log}: no files of an access log are kept",
            hint="name a folder (GOPHERWOOD_ACCESS_LOG), or where its files are (GOPHERWOOD_ACCESS_LOG_STORE)",
        )
    url = settings.access_log_store or str(settings.access_log_folder)
    return open_objects(url, mutable=True, settings=settings)


def files(logs: Objects, prefix: str = "") -> Iterator[File]:
    """Yield the files whose keys start with `prefix`, by the time they were begun; what else lies there is left out."""
    for key in sorted(logs.keys(prefix)):
        name = FileName.parse(key)
        try:
            size = logs.size(key) if name else None
        except MissingError:
            size = None
        if name and size is not None:
            yield File(name, size)


def files_of_day(logs: Objects, day: date) -> Iterator[File]:
    """Yield the files begun on a day, UTC."""
    return files(logs, f"{day:%Y-%m-%d}/")
