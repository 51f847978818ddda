"""A checksum database, answered from storage: what validation verified and mirrored, with the upstream unplugged.

`supported` says 200 while our tiles prove the signed tree head; from then on `go` asks us alone, also about modules
that it got from the next proxy of its list. So what we do not mirror is redirected to the database itself: whoever
builds from here alone never meets a redirect, and `GOPROXY=ours,direct` goes on verifying. A hash tile that is asked
for in vain is noted, for `discover --source requests` to mirror. A version that we hold
without a record is private: it is 404, and its name is not sent anywhere.

The ledger is a database like the others, but all of it is here (ledger.py).

A lookup is the mirrored record followed by the newest mirrored head; a partial tile that was completed since is cut
from the full one. Authority: the proxied checksum database in `go help goproxy`, x/mod/sumdb/server.go.
"""

import logging
import re

from gopherwood import module
from gopherwood.catalog import Catalog
from gopherwood.errors import ContentError
from gopherwood.module import ModuleVersion
from gopherwood.objects import MissingError, Objects
from gopherwood.store import MARK, key, lookup_key
from gopherwood_serving.answers import (
    BINARY,
    FOREVER,
    MISSING,
    PLAIN,
    SHORT,
    UNCACHED,
    Answer,
    found,
    impossible,
    missing,
    text,
)
from gopherwood_serving.ledger import LedgerAnswers
from gopherwood_serving.tiles import edge_problem, read_tile

log = logging.getLogger("gopherwood.serving")

HEAD_SECONDS = 5.0
"""How long a worker repeats a tree head before it looks for a newer one."""
_NAME = r"[A-Za-z0-9][A-Za-z0-9.-]*(?::[0-9]{1,5})?(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*?"
_ASKED = re.compile(rf"({_NAME})/(supported|latest|lookup/.+|tile/.+)", re.ASCII)
TILE = re.compile(r"tile/8/(?:data|[0-9]{1,2})/(?:x[0-9]{3}/){0,5}[0-9]{3}(?:\.p/[1-9][0-9]{0,2})?", re.ASCII)


def missed_tile(rest: str, answer: Answer) -> tuple[str, str] | None:
    """Return the database and the path of a hash tile that was asked for and is not mirrored; None for all else."""
    asked = _ASKED.fullmatch(rest) if answer.status == 302 else None
    if asked is None or not asked[2].startswith("tile/") or "/data/" in asked[2]:
        return None
    return asked[1], asked[2]


class SumDBMirror:
    """Answers below /sumdb/, for each database of which validation mirrored anything. Methods block."""

    def __init__(self, objects: Objects, catalog: Catalog, ledger: LedgerAnswers) -> None:
        self.objects = objects
        self.catalog = catalog
        self.ledger = ledger

    def answer(self, rest: str) -> Answer:
        """Answer `<name>/supported`, `/latest`, `/lookup/<module>@<version>` or `/tile/...`; raises StorageError."""
        asked = _ASKED.fullmatch(rest)
        if asked is None:
            return impossible("a checksum database has supported, latest, lookup/<module>@<version> and tile/...")
        name, what = asked.groups()
        if name == self.ledger.name():
            return self.ledger.database(what)
        head = self.catalog.tree_head(name)
        if head is None:
            return missing(f"{name} is not mirrored here: ask it directly")
        if what == "latest":  # made anew each time: of two workers none may say less than the other has said
            return found(head, PLAIN, UNCACHED, keep=False)
        if what == "supported":
            return self._supported(name, head)
        if what.startswith("lookup/"):
            return self._lookup(name, head, what)
        return self._tile(name, what) if TILE.fullmatch(what) else impossible("no tile has such a path")

    def _supported(self, name: str, head: bytes) -> Answer:
        """Say 200 while our tiles prove the head: that is what each client begins with."""
        if problem := edge_problem(self.objects, name, head):
            log.error("sumdb/%s is not supported: %s", name, problem)
            return missing(f"the mirror of {name} is not whole: {problem}\nAsk it directly.")
        return found(b"", PLAIN, SHORT, module=f"sumdb/{name}", seconds=HEAD_SECONDS)

    def _lookup(self, name: str, head: bytes, what: str) -> Answer:
        escaped_path, _, escaped_version = what.removeprefix("lookup/").rpartition("@")
        try:
            mv = ModuleVersion(module.unescape_path(escaped_path), module.unescape_version(escaped_version))
        except ContentError as error:
            return impossible(str(error))
        try:
            record = self.objects.read(lookup_key(name, mv))
        except MissingError:
            if self.objects.size(key(mv, MARK)) is None:
                return self._elsewhere(name, what)
            return missing(f"{mv} is not in {name}: it is private, or was not verified.\nSet GONOSUMDB for it.")
        # The record never changes, the head does: any head that covers the record is right, so an older one is too.
        return found(record + head, PLAIN, SHORT, module=f"sumdb/{name}", seconds=HEAD_SECONDS)

    def _tile(self, name: str, what: str) -> Answer:
        try:
            return found(read_tile(self.objects, name, what), BINARY, FOREVER)
        except MissingError:
            return self._elsewhere(name, what)

    def _elsewhere(self, name: str, what: str) -> Answer:
        """Redirect to the database: to where it answered validation, else by its name, as Go does."""
        url = self.catalog.sumdb_source(name) or f"https://{name}"
        return text(302, f"not mirrored here; it is at {url}/{what}", MISSING, ("location", f"{url}/{what}"))
