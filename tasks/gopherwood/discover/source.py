"""What a source of discovery is: a function that is told what was asked, and yields batches of module versions.

A source never touches the queue. It yields `Batch`es; `discover.run` enqueues each in one transaction, together with
the source's cursor, so a run that dies continues where its last batch ended. What it cannot read or resolve it
reports as `Bad`.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Self, TypeVar

from gopherwood import module
from gopherwood.catalog import Catalog, Wanted
from gopherwood.config import Settings
from gopherwood.errors import GopherwoodError, StoppedError
from gopherwood.http import Client
from gopherwood.module import ModuleVersion
from gopherwood.store import open_store
from gopherwood.sumdb import Databases
from gopherwood.upstream import Upstream

RESOLVERS = 16
"""Queries asked of the upstream at once."""

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Bad:
    """A line, entry or query that leads to no module version, and why."""

    what: str
    why: str
    retry: bool = False
    """Whether asking again later may help."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Module versions to enqueue in one transaction."""

    wanted: Sequence[ModuleVersion | Wanted] = ()
    bad: Sequence[Bad] = ()
    cursor: tuple[str, str] | None = None
    """Name and new value of the cursor that this batch brings with it."""
    tiles: int = 0
    """Tiles of a checksum database that were mirrored."""


@dataclass(kw_only=True)
class Ask:
    """What `discover` was asked, and the services a source may use; they are opened when first used."""

    settings: Settings
    catalog: Catalog
    wanted: Sequence[str] = ()
    seeds: Sequence[str] = ()
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 100_000
    """Most module versions that a source without an end of its own may add."""
    stop: threading.Event = field(default_factory=threading.Event)
    _open: ExitStack = field(default_factory=ExitStack, repr=False)

    @property
    def is_named(self) -> bool:
        """Whether modules or seed lists were named."""
        return bool(self.wanted or self.seeds)

    @cached_property
    def upstream(self) -> Upstream:
        """The upstream that the settings name."""
        upstream = Upstream.from_settings(self.settings, self.client)
        self._open.callback(upstream.close)
        return upstream

    @cached_property
    def databases(self) -> Databases:
        """The checksum databases that the settings name."""
        return Databases.open(self.settings, self.upstream, self.catalog, open_store(self.settings))

    @cached_property
    def client(self) -> Client:
        """The HTTP client that all of them share."""
        return self._open.enter_context(Client(self.settings))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()


Source = Callable[[Ask], Iterator[Batch]]


def concurrently(call: Callable[[T], R], items: Iterable[T], stop: threading.Event) -> Iterator[R]:
    """Yield the results of calls made on some threads, in the order of the items; nothing new starts after `stop`."""

    def one(item: T) -> R:
        if stop.is_set():
            raise StoppedError("told to stop")
        return call(item)

    with ThreadPoolExecutor(RESOLVERS, "resolve") as pool:
        try:
            yield from pool.map(one, items)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def resolve(upstream: Upstream, path: str, query: str) -> Batch:
    """Return the versions that a query means: a version, `latest`, `all`, or what the upstream understands."""
    what = f"{path}@{query}"
    try:
        module.check_path(path)
        if module.canonical_version(query) == query:
            module.check(path, query)
            return Batch([ModuleVersion(path, query)])
        return Batch([ModuleVersion(path, version) for version in upstream.versions(path, query)])
    except StoppedError:
        raise
    except GopherwoodError as error:
        return Batch(bad=[Bad(what, str(error).removeprefix(f"{what}: "), error.retry)])


def is_exact(path: str, version: str) -> bool:
    """Tell whether `version` is a whole version that this module path may have, and no query."""
    try:
        module.check(path, version)
    except GopherwoodError:
        return False
    return module.canonical_version(version) == version
