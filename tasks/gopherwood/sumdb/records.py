"""The records of a log, read from its data tiles: a feed that can withhold nothing.

A data tile is as easily forged as a lookup: each record in it is held against the hash tiles of the newest trusted
head, which is consistent with every head before it. So whoever reads from a number on has read every record after it.

Authority: golang.org/x/mod/sumdb, server.go (the data tiles); https://research.swtch.com/tlog#serving_tiles.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from gopherwood import tlog
from gopherwood.errors import NotFoundError, ProofError, RefusedError, UpstreamError
from gopherwood.sumdb import evidence
from gopherwood.sumdb.client import SumDB
from gopherwood.sumdb.heads import Head
from gopherwood.sumdb.tiles import Fetch, Tiles
from gopherwood.tlog import HEIGHT, Tile

WIDTH: Final = 1 << HEIGHT
AT_ONCE: Final = 4
"""Tiles asked for at once: a whole log is read for hours, and its server has others to serve."""


def read_records(database: SumDB, head: Head, start: int, end: int) -> Iterator[tuple[int, list[bytes]]]:
    """Yield the records from `start` up to, and without, `end`: a tile at a time, its first number and the texts.

    Raises ProofError for a record that is not the log's, RefusedError where data tiles are not given out,
    UpstreamError for one that cannot be had now.
    """
    if start >= end:
        return
    with ThreadPoolExecutor(AT_ONCE, "sumdb") as pool:
        for first in range(start // WIDTH * WIDTH, end, AT_ONCE * WIDTH):
            numbers = range(first // WIDTH, -(-min(end, first + AT_ONCE * WIDTH) // WIDTH))
            named = [Tile(HEIGHT, -1, n, min(WIDTH, head.tree.n - n * WIDTH)) for n in numbers]
            for tile, data in zip(named, pool.map(lambda tile: _fetch(database, tile), named), strict=True):
                texts = _checked(database, head, tile, data, database.tiles(pool))
                low, high = max(start, tile.n * WIDTH), min(end, tile.n * WIDTH + tile.w)
                yield low, texts[low - tile.n * WIDTH : high - tile.n * WIDTH]


def _fetch(database: SumDB, tile: Tile) -> bytes:
    fetch: Fetch = database.fetch
    try:
        try:
            return fetch(tile.path())
        except NotFoundError:
            if tile.is_full:
                raise
            return fetch(tile.full().path())  # completed since
    except (NotFoundError, RefusedError) as error:
        raise RefusedError(
            f"{database.name} does not give out {tile.path()}, so its log cannot be read as a feed: {error}",
            hint="some databases refuse their data tiles; --source index and updates find new versions too",
            status=error.status,
        ) from error


def _checked(database: SumDB, head: Head, tile: Tile, data: bytes, tiles: Tiles) -> list[bytes]:
    """Return the records of a data tile, each of which is the one that the log holds under its number."""
    texts = [text + b"\n" for text in data.split(b"\n\n")[:-1]][: tile.w]
    first = tile.n * WIDTH
    try:
        hashes = tlog.tile_hash_reader(head.tree, tiles)([tlog.stored_hash_index(0, first + i) for i in range(tile.w)])
    except ProofError as error:
        raise database.kept(evidence.bad_tiles(database.name, head.signed, error, tiles.suspect())) from error
    for number, (text, value) in enumerate(zip(texts, hashes, strict=False), first):
        if tlog.record_hash(text) != value:
            about = f"{tile.path()} shows a record that is not the one its log holds as number {number}"
            proof = f"The log's record has the hash {tlog.format_hash(value)}."
            raise database.kept(evidence.bad_record(database.name, about, text, head.signed, proof))
    if len(texts) < tile.w:
        said = f"{database.name}: {tile.path()} has {len(texts)} records, not {tile.w}: the others are withheld"
        raise UpstreamError(said)
    return texts
