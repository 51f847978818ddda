"""Which checksum databases: the forms of GOSUMDB, and our list of several.

A database is `NAME` where Go knows its key, or `NAME+HASH+KEY`; then, each optional and after a space, the URL to ask
in place of a proxy, and `for=PATTERN` for each glob pattern of the modules it covers (as in GOPRIVATE; none means all).
Databases are separated by commas, and the first that covers a module is the one that speaks of it. `off` stands alone.
So every GOSUMDB that Go takes means here what it means there.

Authority: cmd/go/internal/modfetch, sumdb.go (dbDial) and key.go; `go help environment`. docs/adr/0007 has the reasons.
"""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from gopherwood import gotext, module, note
from gopherwood.errors import ConfigError

OFF: Final = "off"

_KNOWN_KEYS: Final = {"sum.golang.org": "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"}
_ALIASES: Final = {"sum.golang.google.cn": "sum.golang.org https://sum.golang.google.cn"}
_FOR: Final = "for="
_HINT: Final = (
    "GOSUMDB is NAME, NAME+HASH+KEY, either followed by a URL and for=PATTERN, several of them by commas, or off"
)


@dataclass(frozen=True, slots=True)
class Database:
    """A checksum database: its name, its key, the URL to ask ("" for through the upstream's proxy), what it covers."""

    verifier: note.Verifier
    url: str = ""
    patterns: str = ""
    """Glob patterns of module path prefixes, separated by commas; "" for every module."""

    @property
    def name(self) -> str:
        """The name that its key carries, which is also its place below `/sumdb/`."""
        return self.verifier.name

    def covers(self, path: str) -> bool:
        """Report whether the database speaks of this module."""
        return not self.patterns or module.match_prefix_patterns(self.patterns, path)


def parse_databases(text: str) -> tuple[Database, ...]:
    """Read a list of databases; empty for `off`. Raises ConfigError, also for one that could never be asked."""
    if gotext.fields(text) == [OFF]:
        return ()
    found: dict[str, Database] = {}
    everything = ""
    for part in text.split(","):
        database = parse_gosumdb(part.strip())
        if database is None:
            raise ConfigError(f"invalid GOSUMDB {text!r}: off stands alone", hint=_HINT)
        if everything or database.name in found:
            why = f"{everything} before it covers every module" if everything else "it is named twice"
            raise ConfigError(f"invalid GOSUMDB: {database.name} is never asked: {why}", hint=_HINT)
        found[database.name] = database
        everything = "" if database.patterns else database.name
    return tuple(found.values())


def parse_gosumdb(text: str) -> Database | None:
    """Read one database; None for `off`. Raises ConfigError."""
    words = gotext.fields(_ALIASES.get(text, text))
    fields = [word for word in words if not word.startswith(_FOR)]
    patterns = [word.removeprefix(_FOR) for word in words if word.startswith(_FOR)]
    if words == [OFF]:
        return None
    if not 1 <= len(fields) <= 2 or not all(patterns):
        raise ConfigError(f"invalid GOSUMDB {text!r}", hint=_HINT)
    try:
        verifier = note.new_verifier(_KNOWN_KEYS.get(fields[0], fields[0]))
    except ConfigError as error:
        raise ConfigError(f"invalid GOSUMDB {fields[0]!r}: {error}", hint=_HINT) from None
    if not note.is_host_name(verifier.name):
        raise ConfigError(f"invalid GOSUMDB: the name must be host[/path], not {verifier.name!r}", hint=_HINT)
    url = fields[1].rstrip("/") if len(fields) == 2 else ""
    if url and urlsplit(url).scheme not in ("http", "https"):
        raise ConfigError("invalid GOSUMDB: the URL must be http or https", hint=_HINT)
    return Database(verifier, url, ",".join(patterns))
