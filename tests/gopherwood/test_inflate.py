"""The gate's inflater beside zlib, which never disagreed with Go (docs/content-rules.md): equal verdicts and bytes."""

import random
import zlib

import pytest
from zlib_ng import zlib_ng

RAW = -15


def verdict(module, error, packed, most):
    """Return what an inflater makes of a stream: None when it refuses."""
    inflater = module.decompressobj(RAW)
    try:
        content = inflater.decompress(packed, most)
    except error:
        return None
    return content, inflater.eof, inflater.unused_data


def streams(content):
    """Compress by every level and strategy that makes another kind of block."""
    for level in (0, 1, 6, 9):
        for strategy in (zlib.Z_DEFAULT_STRATEGY, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE, zlib.Z_FIXED):
            packer = zlib.compressobj(level, zlib.DEFLATED, RAW, 8, strategy)
            yield bytearray(packer.compress(content) + packer.flush())


def flipped(chance, packed):
    """Flip bits, mostly where the code lengths of the first block are."""
    for _ in range(chance.randint(1, 3)):
        packed[min(len(packed) - 1, int(chance.expovariate(1 / 20)))] ^= 1 << chance.randrange(8)
    return packed


def cut(chance, packed):
    """End a stream too early."""
    return packed[: chance.randrange(len(packed) + 1)]


def noise(chance, packed):
    """Begin a block of dynamic codes whose code lengths are random."""
    made = bytearray(chance.randbytes(chance.randint(10, 100)))
    made[0] = made[0] & ~7 | 5
    return made


@pytest.mark.parametrize("damage", [flipped, cut, noise])
def test_refuses_what_zlib_refuses(damage):
    """Of damaged streams both refuse the same ones, and of the others make the same bytes."""
    chance = random.Random(damage.__name__)
    refused = made = 0
    while made < 4000:
        words = [chance.randbytes(chance.randint(1, 12)) for _ in range(8)]
        content = b"".join(chance.choice(words) for _ in range(chance.choice([1, 5, 40, 300])))
        for whole in streams(content):
            packed, most = bytes(damage(chance, whole)), len(content) + chance.choice([1, 70_000])
            expected = verdict(zlib, zlib.error, packed, most)
            assert expected == verdict(zlib_ng, zlib_ng.error, packed, most), packed.hex()
            made, refused = made + 1, refused + (expected is None)
    assert refused > 0 or damage is cut
