"""Tree heads and records of a transparency log as text: what a checksum database signs and what it sends.

A tree head is three lines: a title, the number of records, the root hash. A record as sent is its number on a line, its
text, and a blank line; in a lookup's answer the signed tree head follows at once. Entry bundles are how everybody
else's tools read records: each after its length.

Authority: golang.org/x/mod/sumdb/tlog, note.go; C2SP tlog-checkpoint and tlog-tiles.
"""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from gopherwood.errors import ProofError
from gopherwood.tlog.merkle import HASH_SIZE, Hash, format_hash, parse_hash

_TREE_TITLE: Final = b"go.sum database tree\n"
_MAX_TREE_TEXT: Final = 1_000_000
_MAX_INT64: Final = (1 << 63) - 1
_CANONICAL_SIZE = re.compile(rb"0|[1-9][0-9]{0,18}")
_INTEGER = re.compile(rb"[+-]?[0-9]{1,40}")
_BAD_RECORD = re.compile(rb"[\x00-\x09\x0b-\x1f]|\n\n")


class Tree(NamedTuple):
    """A tree head: how many records, and the root hash over them."""

    n: int
    hash: Hash


def format_tree(tree: Tree) -> bytes:
    """Write a tree head as the text that is signed."""
    return b"%s%d\n%s\n" % (_TREE_TITLE, tree.n, format_hash(tree.hash).encode())


def parse_tree(text: bytes) -> Tree:
    """Read a tree head; lines after the third are ignored. Raises ProofError."""
    lines = text.split(b"\n", 3)
    if not text.startswith(_TREE_TITLE) or len(lines) != 4 or len(text) > _MAX_TREE_TEXT:
        raise ProofError("malformed tree note")
    if not _CANONICAL_SIZE.fullmatch(lines[1]) or int(lines[1]) > _MAX_INT64:
        raise ProofError("malformed tree note")
    try:
        value = parse_hash(lines[2].decode("ascii", "replace"))
    except ProofError:
        raise ProofError("malformed tree note") from None
    assert len(value) == HASH_SIZE
    return Tree(int(lines[1]), value)


def format_checkpoint(origin: str, tree: Tree) -> bytes:
    """Write a tree head as a checkpoint, which witnesses and monitors read: the log's name is in the title's place.

    Authority: C2SP tlog-checkpoint.
    """
    return b"%s\n%d\n%s\n" % (origin.encode(), tree.n, format_hash(tree.hash).encode())


def parse_checkpoint(origin: str, text: bytes) -> Tree:
    """Read a checkpoint of this log; raises ProofError, also when it is another log's."""
    title, newline, rest = text.partition(b"\n")
    if title != origin.encode() or not newline:
        raise ProofError(f"not a checkpoint of {origin}")
    return parse_tree(_TREE_TITLE + rest)


def format_record(number: int, text: bytes) -> bytes:
    """Write a record as sent: its number, its text, a blank line. Raises ProofError when the text is malformed."""
    if not _is_valid_record_text(text):
        raise ProofError("malformed record data")
    return b"%d\n%s\n" % (number, text)


def parse_record(message: bytes) -> tuple[int, bytes, bytes]:
    """Split a message into the record's number, its text, and what follows the blank line. Raises ProofError."""
    line, newline, rest = message.partition(b"\n")
    text, blank, rest = rest.partition(b"\n\n")
    text += b"\n"
    if not newline or not blank or not _INTEGER.fullmatch(line) or not _is_valid_record_text(text):
        raise ProofError("malformed record data")
    number = int(line)
    if not -_MAX_INT64 - 1 <= number <= _MAX_INT64:
        raise ProofError("malformed record data")
    return number, text, rest


def format_bundle(records: Iterable[bytes]) -> bytes:
    """Write records as an entry bundle: each after its length, 16 bits, big-endian. Raises ProofError for a longer one.

    Authority: C2SP tlog-tiles.
    """
    parts = []
    for text in records:
        if len(text) >= 1 << 16:
            raise ProofError(f"a record of {len(text)} bytes is too long for an entry bundle")
        parts += [len(text).to_bytes(2, "big"), text]
    return b"".join(parts)


def _is_valid_record_text(text: bytes) -> bool:
    """Report whether it is UTF-8 without control characters and blank lines, and ends in a newline."""
    if not text.endswith(b"\n") or _BAD_RECORD.search(text):
        return False
    try:
        text.decode("utf-8", "strict")
    except UnicodeDecodeError:
        return False
    return True
