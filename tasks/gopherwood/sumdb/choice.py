"""Which database is asked about which module, and how each is reached: what the settings say, made into clients.

`GOPHERWOOD_SUMDB` (else GOSUMDB of the user's Go configuration) names the databases, and the first that covers a module
is asked. `GOPHERWOOD_NOSUMDB` (else GONOSUMDB, which Go fills from GOPRIVATE) and `GOPHERWOOD_PRIVATE` name modules
that no database is asked about: their names leave this machine for nobody.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, Self, TypeAlias
from urllib.parse import urlsplit

from gopherwood import module, toolchain
from gopherwood.config import Settings
from gopherwood.errors import NotFoundError
from gopherwood.http import Client
from gopherwood.module import ModuleVersion
from gopherwood.objects import Objects
from gopherwood.readremote import read_remote
from gopherwood.sumdb.client import Result, SumDB
from gopherwood.sumdb.heads import HeadStore
from gopherwood.sumdb.setting import Database, parse_databases
from gopherwood.sumdb.tiles import Fetch

Over: TypeAlias = Callable[[str, Fetch], Fetch]


class Proxy(Protocol):
    """The part of the upstream that passes on checksum databases."""

    client: Client

    def get_sumdb(self, name: str, subpath: str) -> bytes:
        """Give a file of a database."""

    def sumdb_url(self, name: str) -> str:
        """Give the URL at which a database has answered, "" if none did."""


class Kept(HeadStore, Protocol):
    """The part of the catalog that databases need."""

    def set_sumdb_source(self, db: str, url: str) -> None:
        """Remember where a database answers."""


class Databases:
    """The databases that are configured, in the order in which they are asked."""

    def __init__(self, databases: Sequence[SumDB], no_sumdb: str = "") -> None:
        self._databases = databases
        self._no_sumdb = no_sumdb
        self._proxy: Proxy | None = None
        self._kept: Kept | None = None

    @classmethod
    def open(
        cls, settings: Settings, proxy: Proxy, kept: Kept, objects: Objects, over: Over = lambda name, fetch: fetch
    ) -> Self:
        """Open what the settings, else the user's Go configuration, name; `over` may answer before a database is asked.

        Raises ConfigError for a setting that names none.
        """
        configured = parse_databases(settings.sumdb or toolchain.go_env("GOSUMDB")["GOSUMDB"])
        of_go = settings.nosumdb or (toolchain.patterns("GONOSUMDB") if configured else "")
        no_sumdb = ",".join(filter(None, (settings.private, of_go)))
        fetches = [over(each.name, fetcher(each, proxy)) for each in configured]
        opened = [SumDB(each, fetch, kept, objects) for each, fetch in zip(configured, fetches, strict=True)]
        made = cls(opened, no_sumdb)
        made._proxy, made._kept = proxy, kept
        return made

    def __iter__(self) -> Iterator[SumDB]:
        return iter(self._databases)

    def of(self, path: str) -> SumDB | None:
        """Return the database that speaks of a module; None when none does, or none may be asked."""
        if module.match_prefix_patterns(self._no_sumdb, path):
            return None
        return next((each for each in self._databases if each.database.covers(path)), None)

    def why_not(self, path: str) -> str:
        """Say why no database speaks of a module; "" when one does."""
        if not self._databases:
            return "GOSUMDB=off"
        if module.match_prefix_patterns(self._no_sumdb, path):
            return "GONOSUMDB or GOPHERWOOD_PRIVATE names it"
        return "" if self.of(path) else "no checksum database covers it"

    def lookup_many(self, mvs: Iterable[ModuleVersion]) -> dict[ModuleVersion, Result]:
        """Look up each version in the database that speaks of its module; see SumDB.lookup_many.

        One of which no database speaks is a NotFoundError.
        """
        results: dict[ModuleVersion, Result] = {}
        wanted: dict[SumDB, list[ModuleVersion]] = {}
        for mv in mvs:
            if database := self.of(mv.path):
                wanted.setdefault(database, []).append(mv)
            else:
                results[mv] = NotFoundError(f"{mv.path} is not to be looked up: {self.why_not(mv.path)}")
        for database, group in wanted.items():
            results |= database.lookup_many(group)
            self.answered(database)
        return results

    def answered(self, database: SumDB) -> None:
        """Remember where a database answered: serving sends clients there for what is not mirrored."""
        if self._proxy and self._kept:
            url = database.database.url or self._proxy.sumdb_url(database.name)
            if url and "@" not in urlsplit(url).netloc:
                self._kept.set_sumdb_source(database.name, url)


def fetcher(database: Database, proxy: Proxy) -> Fetch:
    """Return how a database is asked: at its own URL, else through the proxy."""
    if not database.url:
        return lambda subpath: proxy.get_sumdb(database.name, subpath)

    return lambda subpath: read_remote(proxy.client, database.url, subpath)
