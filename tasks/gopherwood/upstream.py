"""The upstream we copy from: a GOPROXY list, asked as `go` asks it, quirks included.

Entries are tried in order: after `,` the next is asked when one says 404 or 410, after `|` on any error. `off` ends the
list, and so does `direct`: version control is asked, by direct.py, for what the settings allow. What upstreams do
in the field: a missing version may be 403; a list may be refused while exact versions are served; `@latest` may always
be 404; lists hold pseudo-versions and garbage. Authority: the Go Modules Reference, "GOPROXY protocol" and
cmd/go/internal/modfetch/proxy.go. No registry is named here: the list is a setting or the user's own Go configuration.
"""

import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Literal, Self, TypeAlias, TypeVar
from urllib.parse import quote, urlsplit

from gopherwood import info, module, pseudo, queries, semver, toolchain
from gopherwood.config import Settings
from gopherwood.direct import Direct
from gopherwood.direct import mode as direct_mode
from gopherwood.errors import (
    ConfigError,
    ContentError,
    InvalidInfoError,
    NotFoundError,
    RefusedError,
    TruncatedError,
    UpstreamError,
)
from gopherwood.http import Client, redact
from gopherwood.info import MAX_INFO, Info
from gopherwood.module import ModuleVersion
from gopherwood.modzip import MAX_GO_MOD, MAX_ZIP_FILE
from gopherwood.readremote import read_remote

MAX_LIST = 16 << 20
DIRECT = "direct"
OFF = "off"
_LOOKS_LIKE_HOST = re.compile(r"[.:/]")

T = TypeVar("T")
Versions: TypeAlias = list[str]
"""Said so because inside Upstream `list` is a method."""


@dataclass(slots=True)
class Entry:
    """One entry of a GOPROXY list."""

    url: str
    """Base URL without a slash at its end, or `direct`, or `off`."""
    fallback_on: Literal["notfound", "any"] = "notfound"
    """Which errors let the next entry be asked."""
    answers: bool = field(default=False, compare=False)
    """Whether it has served anything yet: from then on its 403 is about what was asked, not about us."""


def parse_goproxy(text: str) -> list[Entry]:
    """Return the entries of a GOPROXY list, up to and including the first `direct` or `off`.

    Raises ConfigError for an entry that is no URL.
    """
    entries = []
    for url, separator in re.findall(r"([^,|]*)([,|]|$)", text):
        if not (url := url.strip()):
            continue
        if url not in (DIRECT, OFF):
            url = _base_url(url)
        entries.append(Entry(url, "any" if separator == "|" else "notfound"))
        if url in (DIRECT, OFF):
            break
    return entries


def _base_url(text: str) -> str:
    # As go does: a host without a scheme is one of https.
    url = f"https://{text}" if _LOOKS_LIKE_HOST.search(text) and ":/" not in text and text[0] != "/" else text
    if not url.startswith(("https://", "http://", "file:///")):
        raise ConfigError(
            f"not a proxy URL: {redact(text)}",
            hint="an entry of GOPROXY is an https, http or file:/// URL, direct or off",
        )
    return url.rstrip("/")


class Upstream:
    """The GOPROXY protocol over a list of entries. Any number of threads may share one."""

    def __init__(
        self,
        entries: list[Entry],
        client: Client,
        *,
        private: str = "",
        direct: Direct | None = None,
        direct_for_all: bool = False,
    ) -> None:
        """Ask these entries.

        No proxy is asked for modules that the patterns `private` match: they come from version control, as do with
        `direct_for_all` those that reach an entry `direct`; without `direct` nothing does.
        """
        if not entries:
            raise ConfigError("the upstream is an empty list", hint="set GOPHERWOOD_UPSTREAM or GOPROXY")
        self.client = client
        self._entries = entries
        self._private = private
        self._direct = direct
        self._direct_for_all = direct_for_all
        self._sumdbs: dict[str, str] = {}
        self._sumdb_lock = threading.Lock()

    @classmethod
    def from_settings(cls, settings: Settings, client: Client | None = None) -> Self:
        """Build it from the settings, else from GOPROXY (and GONOPROXY) of the user's Go configuration.

        That list ends in `direct` by Go's own default, which nobody chose: only a list in our settings, or the setting
        `direct`, opens version control to modules that are not private. Raises ConfigError when neither names a list.
        """
        client = client or Client(settings)
        mode = direct_mode(settings)
        private = [settings.private]
        configured = settings.upstream
        if not configured:
            configured = toolchain.go_env("GOPROXY")["GOPROXY"]
            private.append(toolchain.patterns("GONOPROXY"))
        patterns = ",".join(filter(None, private))
        direct = Direct(settings, patterns) if mode != "off" else None
        for_all = mode == "on" or bool(settings.upstream)
        return cls(parse_goproxy(configured), client, private=patterns, direct=direct, direct_for_all=for_all)

    @property
    def is_off(self) -> bool:
        """Whether no proxy and no version control is asked, but for private modules."""
        return self._entries[0].url == OFF

    def stop(self) -> None:
        """Cut off what is under way: it ends with StoppedError."""
        if self._direct:
            self._direct.stop()
        self.client.stop()

    def close(self) -> None:
        """Close connections, and end what runs."""
        if self._direct:
            self._direct.close()
        self.client.close()

    def __str__(self) -> str:
        return ",".join(redact(entry.url) for entry in self._entries)

    # --- the files of the protocol

    def list(self, path: str) -> Versions:
        """Return the versions an upstream lists, sorted; pseudo-versions and lines that are none are left out."""

        def listed(url: str) -> set[str]:
            reply = self.client.get(url, limit=MAX_LIST)
            if not reply.sized:
                raise TruncatedError(f"{path}: the list came without a length, it may be cut short")
            return {
                line.split(maxsplit=1)[0] for line in reply.body.decode("utf-8", "replace").splitlines() if line.strip()
            }

        words = self._ask(path, "@v/list", listed, lambda direct: set(direct.list(path)))
        versions = [v for v in words if _is_listed(path, v)]
        semver.sort(versions)
        return versions

    def info(self, mv: ModuleVersion) -> bytes:
        """Return the `.info`, as it came."""
        return self._file(mv.path, mv.version, ".info", MAX_INFO, lambda direct: direct.info(mv))

    def mod(self, mv: ModuleVersion) -> bytes:
        """Return the `.mod`, as it came."""
        return self._file(mv.path, mv.version, ".mod", MAX_GO_MOD, lambda direct: direct.mod(mv))

    def zip_to(self, mv: ModuleVersion, path: Path) -> int:
        """Download the `.zip` into a file; return its bytes."""
        suffix = f"@v/{_escaped(mv.version)}.zip"

        def download(url: str) -> int:
            return self.client.download(url, path, limit=MAX_ZIP_FILE)

        return self._ask(mv.path, suffix, download, lambda direct: direct.zip_to(mv, path))

    # --- questions

    def latest(self, path: str) -> Info:
        """Return what `@latest` means to `go`: `query(path, "latest")`."""
        return self.query(path, queries.LATEST)

    def query(self, path: str, query: str) -> Info:
        """Resolve a version query: `latest`, `v1`, `v1.2`, an exact version, or a revision that the upstream knows.

        Raises NotFoundError when nothing matches, RefusedError when the list is refused that a query needs,
        InvalidVersionError for what can be no query.
        """

        def ask_direct(direct: Direct) -> bytes:
            return direct.query(path, query)

        def ask_file() -> Info:
            return self._info_of(path, query, self._file(path, query, ".info", MAX_INFO, ask_direct))

        # Version control is asked once: `go` chooses as `queries` does.
        if self._is_direct(path) or (query != queries.LATEST and not queries.is_prefix(query)):
            return ask_file()
        if version := queries.choose(path, query, self._listed(path), self):
            return self._info_of(path, version, self.info(ModuleVersion(path, version)))
        if query == queries.LATEST:
            latest = self._ask(path, "@latest", lambda url: self.client.get(url, limit=MAX_INFO).body, ask_direct)
            return self._info_of(path, query, latest)
        return ask_file()

    def versions(self, path: str, query: str) -> Versions:
        """Return the versions a query stands for: one, or for `all` every listed one (at least the latest)."""
        if query == queries.ALL and (listed := self._listed(path)):
            return listed
        return [self.query(path, queries.LATEST if query == queries.ALL else query).version]

    def get_sumdb(self, name: str, subpath: str) -> bytes:
        """Return a file of a checksum database, through the first entry that supports it.

        With `direct` in the list the database itself is asked. Raises what `read_remote` raises.
        """
        base = self._sumdbs.get(name)
        if base is None:
            with self._sumdb_lock:
                base = self._sumdbs.get(name) or self._sumdbs.setdefault(name, self._find_sumdb(name))
        return read_remote(self.client, base, subpath)

    def sumdb_url(self, name: str) -> str:
        """Return the URL at which a checksum database has answered, "" if none did or it holds credentials."""
        base = self._sumdbs.get(name, "")
        return "" if "@" in urlsplit(base).netloc else base

    def _find_sumdb(self, name: str) -> str:
        for entry in self._entries:
            if entry.url == OFF:
                break
            if entry.url == DIRECT:
                return f"https://{name}"
            base = f"{entry.url}/sumdb/{name}"
            try:
                self.client.get(f"{base}/supported", limit=MAX_INFO, accept_status=(200, 204))
            except (NotFoundError, RefusedError):
                continue
            except UpstreamError:
                if entry.fallback_on == "any":
                    continue
                raise
            return base
        # Not a NotFoundError: that would say that the database does not know a version.
        raise UpstreamError(
            f"no upstream serves the checksum database {name}",
            hint="give its URL in GOPHERWOOD_SUMDB (NAME URL), or let the upstream's list hold direct",
        )

    # --- how entries are asked

    def _listed(self, path: str) -> Versions:
        """Return the list; empty when there is none. Refused is not "none", or a later `direct` would answer for it."""
        try:
            return self.list(path)
        except NotFoundError:
            return []

    def _file(self, path: str, version: str, suffix: str, limit: int, direct: Callable[[Direct], bytes]) -> bytes:
        def get(url: str) -> bytes:
            return self.client.get(url, limit=limit).body

        found = self._ask(path, f"@v/{_escaped(version)}{suffix}", get, direct)
        if not found:
            raise TruncatedError(f"{path}@{version}: the {suffix} has no bytes")
        return found

    def _is_private(self, path: str) -> bool:
        return bool(self._private) and module.match_prefix_patterns(self._private, path)

    def _is_direct(self, path: str) -> bool:
        """Tell whether version control alone is asked for a module."""
        return self._is_private(path) or self._entries[0].url == DIRECT

    def _ask(self, path: str, suffix: str, call: Callable[[str], T], direct: Callable[[Direct], T]) -> T:
        """Ask one entry after the other. Of several errors the one that says most is raised, as go does."""
        if self._is_private(path):
            return direct(self._direct_for(path))
        where = f"/{_escaped_path(path)}/{suffix}"
        best: UpstreamError | None = None
        for entry in self._entries:
            try:
                found = direct(self._direct_for(path)) if entry.url == DIRECT else call(_url_of(entry, path) + where)
                entry.answers = True
                return found
            except UpstreamError as error:
                # `off` behind a 404 adds nothing: not there is not there.
                if best is None or (isinstance(best, NotFoundError) and entry.url != OFF):
                    best = _missing_if_known(entry, error) if suffix != "@v/list" else error
                if entry.fallback_on == "notfound" and not isinstance(error, NotFoundError):
                    break
        assert best is not None
        raise best

    def _direct_for(self, path: str) -> Direct:
        """Return the way to version control; raises NotFoundError, with the reason, where a module may not go it."""
        if self._direct and (self._direct_for_all or self._is_private(path)):
            return self._direct
        why = f"{path} is private" if self._is_private(path) else f"{path}: no proxy has it"
        raise NotFoundError(f"{why}, and version control is not asked: GOPHERWOOD_DIRECT")

    @staticmethod
    def _info_of(path: str, asked: str, data: bytes) -> Info:
        try:
            version = json.loads(data)["Version"]
            module.check(path, version)
        except (ValueError, KeyError, TypeError, ContentError) as error:
            raise InvalidInfoError(f"{path}@{asked}: the upstream's answer names no version of it: {error}") from None
        return info.parse(data, ModuleVersion(path, version))


def _url_of(entry: Entry, path: str) -> str:
    if entry.url == OFF:
        raise RefusedError(f"{path}: the upstream is off (--upstream, GOPHERWOOD_UPSTREAM or GOPROXY)")
    return entry.url


def _missing_if_known(entry: Entry, error: UpstreamError) -> UpstreamError:
    """Take a 400 or 403 for "not there" when the entry serves us other things; else it refuses us, not the question."""
    return NotFoundError(str(error), status=error.status) if entry.answers and error.status in (400, 403) else error


@lru_cache(maxsize=4096)
def _escaped_path(path: str) -> str:
    return quote(module.escape_path(path), safe="/!~")


@lru_cache(maxsize=4096)
def _escaped(version: str) -> str:
    return quote(module.escape_version(version), safe="!+~@")


def _is_listed(path: str, version: str) -> bool:
    """Tell whether a word of a list is a version that a list may hold."""
    if module.canonical_version(version) != version or not version or pseudo.is_pseudo_version(version):
        return False
    try:
        module.check(path, version)
    except ContentError:
        return False
    return True
