"""Transparency logs: Merkle trees over records, proofs about them, and the tiles in which they are served.

Three parts, as in the original: `merkle` (hashes, record proofs, consistency proofs), `tiles` (the layout on the wire
and how tiles are checked against a tree head) and `text` (tree heads and records as text); and `edge`, by which a log
of our own grows. None of them does I/O: hashes come through a `HashReader`, tiles through a `TileReader`. Callers write
`tlog.check_record` and need not know the parts.

Authority: golang.org/x/mod/sumdb/tlog; https://research.swtch.com/tlog; RFC 6962, section 2.1.
"""

from gopherwood.tlog.edge import WIDTH, Edge, Place, edge_widths, tile_count
from gopherwood.tlog.merkle import (
    EMPTY_HASH,
    HASH_SIZE,
    Hash,
    HashReader,
    check_record,
    check_tree,
    format_hash,
    node_hash,
    parse_hash,
    prove_record,
    prove_tree,
    record_hash,
    split_stored_hash_index,
    stored_hash_count,
    stored_hash_index,
    stored_hashes,
    stored_hashes_for_record_hash,
    sub_tree_index,
    tree_hash,
)
from gopherwood.tlog.text import (
    Tree,
    format_bundle,
    format_checkpoint,
    format_record,
    format_tree,
    parse_checkpoint,
    parse_record,
    parse_tree,
)
from gopherwood.tlog.tiles import (
    HEIGHT,
    Tile,
    TileHashReader,
    TileReader,
    hash_from_tile,
    new_tiles,
    parse_tile_path,
    read_tile_data,
    tile_for_index,
    tile_hash,
    tile_hash_reader,
)

__all__ = [
    "EMPTY_HASH",
    "HASH_SIZE",
    "HEIGHT",
    "WIDTH",
    "Edge",
    "Hash",
    "HashReader",
    "Place",
    "Tile",
    "TileHashReader",
    "TileReader",
    "Tree",
    "check_record",
    "check_tree",
    "edge_widths",
    "format_bundle",
    "format_checkpoint",
    "format_hash",
    "format_record",
    "format_tree",
    "hash_from_tile",
    "new_tiles",
    "node_hash",
    "parse_checkpoint",
    "parse_hash",
    "parse_record",
    "parse_tile_path",
    "parse_tree",
    "prove_record",
    "prove_tree",
    "read_tile_data",
    "record_hash",
    "split_stored_hash_index",
    "stored_hash_count",
    "stored_hash_index",
    "stored_hashes",
    "stored_hashes_for_record_hash",
    "sub_tree_index",
    "tile_count",
    "tile_for_index",
    "tile_hash",
    "tile_hash_reader",
    "tree_hash",
]
