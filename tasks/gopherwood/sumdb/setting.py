"""Which checksum database: the forms of GOSUMDB.

`NAME` of a database whose key Go knows, `NAME+HASH+KEY`, either followed by the URL to ask in place of a proxy, or
`off`.

Authority: cmd/go/internal/modfetch, sumdb.go (dbDial) and key.go; `go help environment`.
"""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from gopherwood import gotext, note
from gopherwood.errors import ConfigError

OFF: Final = "off"

_KNOWN_KEYS: Final = {"sum.golang.org": "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"}
_ALIASES: Final = {"sum.golang.google.cn": "sum.golang.org https://sum.golang.google.cn"}
_HINT: Final = "GOSUMDB is NAME, NAME+HASH+KEY, either followed by a URL, or off"


@dataclass(frozen=True, slots=True)
class Database:
    """A checksum database: its name, its key, and the URL to ask ("" for through the upstream's proxy)."""

    verifier: note.Verifier
    url: str = ""

    @property
    def name(self) -> str:
        """The name that its key carries, which is also its place below `/sumdb/`."""
        return self.verifier.name


def parse_gosumdb(text: str) -> Database | None:
    """Read a GOSUMDB setting; None for `off`. Raises ConfigError."""
    fields = gotext.fields(_ALIASES.get(text, text))
    if fields == [OFF]:
        return None
    if not 1 <= len(fields) <= 2:
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
    return Database(verifier, url)
