"""The Merkle tree of a transparency log: its hashes, and proofs about records and about older trees.

Level 0 holds the record hashes; the hash at (level L, number K) covers the records K*2^L up to (K+1)*2^L. All hashes of
complete subtrees lie in one growing sequence, the *stored hashes*: each record appends its own and those of the
subtrees that it completes. The tree of any size, and every proof, is computed from stored hashes.

Authority: golang.org/x/mod/sumdb/tlog, tlog.go; RFC 6962, section 2.1.
"""

import base64
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Final, TypeAlias

from gopherwood import gotext
from gopherwood.errors import ProofError

HASH_SIZE: Final = 32
EMPTY_HASH: Final = sha256().digest()
"""The hash of the tree without records."""

Hash: TypeAlias = bytes
HashReader: TypeAlias = Callable[[Sequence[int]], Sequence[Hash]]
"""Gives the stored hashes at the indexes, which ascend, in their order; raises when it cannot."""


def format_hash(value: Hash) -> str:
    """Write a hash as base64."""
    return base64.b64encode(value).decode()


def parse_hash(text: str) -> Hash:
    """Read a hash from base64; raises ProofError."""
    try:
        value = gotext.decode_base64(text)
    except ValueError:
        value = b""
    if len(value) != HASH_SIZE:
        raise ProofError("malformed hash")
    return value


def record_hash(data: bytes) -> Hash:
    """Hash a record: SHA-256 over 0x00 and the data."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: Hash, right: Hash) -> Hash:
    """Hash an inner node: SHA-256 over 0x01 and both children."""
    return sha256(b"\x01" + left + right).digest()


def stored_hash_index(level: int, n: int) -> int:
    """Map (level, number) to its index in the sequence of stored hashes."""
    # Level L's n'th hash is written right after level L-1's 2n+1'th: walk down to the record that completes it.
    n = ((n + 1) << level) - 1
    # Level 0's n'th hash is at n + n/2 + n/4 + ..., the sum of which is 2n minus the number of ones in n.
    return 2 * n - n.bit_count() + level


def split_stored_hash_index(index: int) -> tuple[int, int]:
    """Map an index in the sequence of stored hashes to its (level, number)."""
    n = index // 2
    first = stored_hash_index(0, n)
    while True:
        # Record n adds 1 + (trailing zeros of n+1) hashes.
        following = first + 1 + _trailing_zeros(n + 1)
        if following > index:
            break
        n += 1
        first = following
    level = index - first
    return level, n >> level


def stored_hash_count(n: int) -> int:
    """Count the stored hashes of a tree with n records."""
    return 2 * n - n.bit_count()


def stored_hashes(n: int, data: bytes, reader: HashReader) -> list[Hash]:
    """List the hashes to store when record number n is appended; the reader gives those of the n records before."""
    return stored_hashes_for_record_hash(n, record_hash(data), reader)


def stored_hashes_for_record_hash(n: int, value: Hash, reader: HashReader) -> list[Hash]:
    """List the hashes to store when a record with this hash is appended as number n."""
    completed = _trailing_zeros(n + 1)
    # Each subtree that this record completes takes in its left neighbour; ask in ascending order.
    indexes = [stored_hash_index(level, (n >> level) - 1) for level in reversed(range(completed))]
    hashes = [value]
    for neighbour in reversed(_read(reader, indexes)):
        hashes.append(node_hash(neighbour, hashes[-1]))
    return hashes


def tree_hash(n: int, reader: HashReader) -> Hash:
    """Compute the hash of the tree of the first n records, from at most 1 + log2(n) stored hashes."""
    if n == 0:
        return EMPTY_HASH
    return _fold(_read(reader, sub_tree_index(0, n)))


def prove_record(t: int, n: int, reader: HashReader) -> list[Hash]:
    """Prove that the tree of size t holds record n. Raises ProofError unless 0 <= n < t."""
    if not 0 <= n < t:
        raise ProofError("tlog: invalid inputs in prove_record")
    groups = _leaf_proof_groups(0, t, n)
    return _folded(groups, reader)


def check_record(proof: Sequence[Hash], t: int, tree: Hash, n: int, value: Hash) -> None:
    """Check the proof that the tree of size t and hash `tree` holds, as record n, one with this hash.

    Raises ProofError when it does not.
    """
    if not 0 <= n < t:
        raise ProofError("tlog: invalid inputs in check_record")
    if _run_record_proof(proof, 0, t, n, value) != tree:
        raise ProofError("invalid transparency proof")


def prove_tree(t: int, n: int, reader: HashReader) -> list[Hash]:
    """Prove that the tree of size t begins with the tree of size n. Raises ProofError unless 1 <= n <= t."""
    if not 1 <= n <= t:
        raise ProofError("tlog: invalid inputs in prove_tree")
    return _folded(_tree_proof_groups(0, t, n), reader)


def check_tree(proof: Sequence[Hash], t: int, tree: Hash, n: int, old: Hash) -> None:
    """Check the proof that the tree of size t and hash `tree` begins with the tree of size n and hash `old`.

    Raises ProofError when it does not.
    """
    if not 1 <= n <= t:
        raise ProofError("tlog: invalid inputs in check_tree")
    if _run_tree_proof(proof, 0, t, n, old) != (old, tree):
        raise ProofError("invalid transparency proof")


def _trailing_zeros(n: int) -> int:
    return (n & -n).bit_length() - 1


def _split(lo: int, hi: int) -> int:
    """Where the tree over records lo..hi divides: after the largest power of two below its size."""
    return lo + (1 << ((hi - lo - 1).bit_length() - 1))


def _read(reader: HashReader, indexes: Sequence[int]) -> Sequence[Hash]:
    if not indexes:
        return []
    hashes = reader(indexes)
    if len(hashes) != len(indexes):
        raise ProofError(f"tlog: read {len(indexes)} indexes, got {len(hashes)} hashes")
    return hashes


def sub_tree_index(lo: int, hi: int) -> list[int]:
    """List the stored hashes that make up the subtree over records lo..hi: complete subtrees, largest first."""
    need = []
    while lo < hi:
        level = (hi - lo).bit_length() - 1
        need.append(stored_hash_index(level, lo >> level))
        lo += 1 << level
    return need


def _fold(hashes: Sequence[Hash]) -> Hash:
    """Join complete subtrees, largest first, into the hash of them all."""
    result = hashes[-1]
    for left in reversed(hashes[:-1]):
        result = node_hash(left, result)
    return result


def _folded(groups: Sequence[list[int]], reader: HashReader) -> list[Hash]:
    """Read all groups of stored hashes at once, in ascending order, and fold each into one hash of the proof."""
    indexes = sorted(index for group in groups for index in group)
    hashes = dict(zip(indexes, _read(reader, indexes), strict=True))
    return [_fold([hashes[index] for index in group]) for group in groups]


def _leaf_proof_groups(lo: int, hi: int, n: int) -> list[list[int]]:
    """List the subtrees not taken on the way from the root to record n, lowest first."""
    groups = []
    while lo + 1 < hi:
        middle = _split(lo, hi)
        if n < middle:
            groups.append(sub_tree_index(middle, hi))
            hi = middle
        else:
            groups.append(sub_tree_index(lo, middle))
            lo = middle
    return groups[::-1]


def _tree_proof_groups(lo: int, hi: int, n: int) -> list[list[int]]:
    """List the subtrees not taken on the way to the right edge of the tree of size n, lowest first."""
    groups = []
    while n != hi:
        middle = _split(lo, hi)
        if n <= middle:
            groups.append(sub_tree_index(middle, hi))
            hi = middle
        else:
            groups.append(sub_tree_index(lo, middle))
            lo = middle
    if lo:  # else this subtree is the old tree itself, whose hash the verifier knows
        groups.append(sub_tree_index(lo, hi))
    return groups[::-1]


def _run_record_proof(proof: Sequence[Hash], lo: int, hi: int, n: int, leaf: Hash) -> Hash:
    """Compute the tree hash that the proof implies. The depth is the height of the tree, at most 64."""
    if lo + 1 == hi:
        if proof:
            raise ProofError("invalid transparency proof")
        return leaf
    if not proof:
        raise ProofError("invalid transparency proof")
    middle = _split(lo, hi)
    if n < middle:
        return node_hash(_run_record_proof(proof[:-1], lo, middle, n, leaf), proof[-1])
    return node_hash(proof[-1], _run_record_proof(proof[:-1], middle, hi, n, leaf))


def _run_tree_proof(proof: Sequence[Hash], lo: int, hi: int, n: int, old: Hash) -> tuple[Hash, Hash]:
    """Compute the (old, new) tree hashes that the proof implies."""
    if n == hi:
        if len(proof) != (0 if lo == 0 else 1):
            raise ProofError("invalid transparency proof")
        return (old, old) if lo == 0 else (proof[0], proof[0])
    if not proof:
        raise ProofError("invalid transparency proof")
    middle = _split(lo, hi)
    if n <= middle:
        older, newer = _run_tree_proof(proof[:-1], lo, middle, n, old)
        return older, node_hash(newer, proof[-1])
    older, newer = _run_tree_proof(proof[:-1], middle, hi, n, old)
    return node_hash(proof[-1], older), node_hash(proof[-1], newer)
