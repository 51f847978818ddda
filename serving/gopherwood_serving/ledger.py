"""The ledger over HTTP: a checksum database for `go`, a tiled log for everybody else's tools, proofs for people.

Below `/sumdb/<its name>/` it is what `GOSUMDB` wants, complete, so nothing is redirected. Below `/ledger/`:

    key                                     the public key, NAME+HASH+KEY
    checkpoint                              the newest signed head; tile/<L>/<N>, tile/entries/<N>: its tiles
    proof/inclusion?version=PATH@VERSION    that the head holds a version
    proof/consistency?from=SIZE[&to=SIZE]   that a later tree begins with an earlier one

A tile of an exact width never changes, so it may be kept for ever; heads grow. Authority: x/mod/sumdb/server.go;
c2sp.org/tlog-tiles; RFC 6962, section 2.1, for the proofs.
"""

import json
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs

from gopherwood import module, tlog
from gopherwood.catalog import Catalog
from gopherwood.errors import ContentError, ProofError, UsageError
from gopherwood.ledger.log import Log
from gopherwood.module import ModuleVersion
from gopherwood.tlog import HEIGHT, Hash, Tile
from gopherwood_serving.answers import (
    BINARY,
    FOREVER,
    JSON,
    NEVER,
    PLAIN,
    SHORT,
    UNCACHED,
    Answer,
    found,
    impossible,
    missing,
    text,
)

HEAD_SECONDS = 1.0
"""How long a worker repeats a head before it looks for a newer one."""
LONGEST_QUERY = 2048
_SIZE = re.compile("[1-9][0-9]{0,17}", re.ASCII)
_ASK = "ask for key, checkpoint, tile/..., proof/inclusion?version=PATH@VERSION or proof/consistency?from=SIZE&to=SIZE"


class LedgerAnswers:
    """Answers of the ledger. Methods block, and raise StorageError."""

    def __init__(self, catalog: Catalog) -> None:
        self.log = Log(catalog)

    def name(self) -> str | None:
        """Return the name below `/sumdb/` that is the ledger's; None while it has no key."""
        return self.log.name()

    def database(self, what: str) -> Answer:
        """Answer `supported`, `latest`, `lookup/<module>@<version>` or `tile/8/...` as a checksum database does."""
        head = self.log.head()
        if head is None:
            return missing("the ledger has no signed head yet: it gets one with the next publish")
        if what in ("supported", "latest"):
            return _head(head.note if what == "latest" else b"")
        if what.startswith("lookup/"):
            return self._lookup(what.removeprefix("lookup/"))
        return self._tile(what)

    def answer(self, what: str, query: str) -> Answer:
        """Answer what is asked for below `/ledger/`."""
        if what == "key":
            key = self.log.key()
            return found(f"{key}\n".encode(), PLAIN, SHORT, keep=False) if key else missing("the ledger has no key yet")
        if what == "checkpoint":
            head = self.log.head()
            return _head(head.checkpoint) if head else missing("the ledger has no signed head yet")
        if what.startswith("tile/entries/"):
            return self._tile(f"tile/{HEIGHT}/data/{what.removeprefix('tile/entries/')}", bundle=True)
        if what.startswith("tile/") and not what.startswith("tile/data"):
            return self._tile(f"tile/{HEIGHT}/{what.removeprefix('tile/')}")
        if what in ("proof/inclusion", "proof/consistency") and len(query) <= LONGEST_QUERY:
            asked = {name: values[-1] for name, values in parse_qs(query).items()}
            return self._inclusion(asked) if what == "proof/inclusion" else self._consistency(asked)
        return impossible(f"the ledger has nothing there: {_ASK}")

    def _lookup(self, escaped: str) -> Answer:
        path, _, version = escaped.rpartition("@")
        try:
            mv = ModuleVersion(module.unescape_path(path), module.unescape_version(version))
        except ContentError as error:
            return impossible(str(error))
        said = self.log.lookup(mv)
        if said is None:
            return missing(f"{mv} is not in this ledger: it holds what is published here, and nothing else")
        return found(said, PLAIN, SHORT, module="ledger", seconds=HEAD_SECONDS)

    def _tile(self, path: str, *, bundle: bool = False) -> Answer:
        try:
            tile = tlog.parse_tile_path(path)
        except ProofError:
            return impossible("no tile has such a path")
        if not self._is_signed(tile):
            return missing("no signed head of this ledger reaches so far")
        data = self.log.bundle(tile.n, tile.w) if bundle else self.log.tile(tile)
        if data is None:
            return missing("the ledger has no such tile")
        return found(data, PLAIN if tile.l < 0 and not bundle else BINARY, FOREVER)

    def _is_signed(self, tile: Tile) -> bool:
        """Report whether the newest head covers a tile: what is not signed yet is nobody's business."""
        head = self.log.head()
        hashes = (tile.n << tile.h) + tile.w
        return head is not None and hashes <= head.size >> (tile.h * max(tile.l, 0))

    def _inclusion(self, asked: dict[str, str]) -> Answer:
        path, _, version = asked.get("version", "").rpartition("@")
        try:
            module.check(path, version)
        except ContentError as error:
            return _bad(f"version: {error}")
        shown = self.log.inclusion(ModuleVersion(path, version))
        if shown is None:
            return missing(f"{path}@{version} is not in this ledger, or no signed head covers it yet")
        number, record = shown.entry.number, shown.entry.record.decode()
        return _json(number=number, record=record, proof=_texts(shown.proof), checkpoint=shown.head.checkpoint.decode())

    def _consistency(self, asked: dict[str, str]) -> Answer:
        head = self.log.head()
        if head is None:
            return missing("the ledger has no signed head yet")
        old, new = asked.get("from", ""), asked.get("to", str(head.size))
        if _SIZE.fullmatch(old) is None or _SIZE.fullmatch(new) is None:
            return _bad("from and to are sizes of trees: whole numbers above zero")
        try:
            if int(new) > head.size:
                raise UsageError(f"no head of {new} entries is signed yet; the newest has {head.size}")
            proof = self.log.consistency(int(old), int(new))
        except UsageError as error:
            return _bad(str(error))
        # Heads are signed a batch at a time: of a size between two of them there is none.
        signed = {size: self.log.head(int(size)) for size in (old, new)}
        checkpoints = {size: each.checkpoint.decode() for size, each in signed.items() if each}
        return _json(old=int(old), new=int(new), proof=_texts(proof), checkpoints=checkpoints)


def _head(body: bytes) -> Answer:
    return found(body, PLAIN, SHORT, module="ledger", seconds=HEAD_SECONDS)


def _texts(hashes: Sequence[Hash]) -> list[str]:
    return [tlog.format_hash(value) for value in hashes]


def _json(**fields: Any) -> Answer:
    return found(json.dumps(fields, indent=1).encode() + b"\n", JSON, UNCACHED, keep=False)


def _bad(why: str) -> Answer:
    return text(400, f"{why}\n{_ASK}", NEVER)
