"""Zip files, from well made to broken on purpose: the report and the hash, judged by Go and by us."""

import zlib
from collections.abc import Sequence
from itertools import count
from pathlib import Path

import pytest

from fakes.rawzip import DESCRIPTOR, STORED, File, build, deflate
from gopherwood import dirhash, gotext, modzip, zipdir
from gopherwood.errors import ContentError
from gopherwood.module import ModuleVersion
from oracle.driver import Answer, Ink, agree, attempt

pytestmark = pytest.mark.upstream

MODULES = (("example.com/m", "v1.0.0"),) * 5 + (
    ("example.com/m/v2", "v2.0.0"),
    ("gopkg.in/yaml.v3", "v3.0.1"),
    ("example.com/m", "v2.0.0"),
    ("example.com/m", "v2.0.0+incompatible"),
    ("example.com/m", "v1.0"),
    ("Example.com/m", "v1.0.0"),
)
NAMES = (
    "go.mod", "a.go", "b.go", "LICENSE", "A.go", "sub/a.go", "Sub/b.go", "sub", "sub/", "sub/go.mod", "GO.MOD", "x/y/z",
    "x/y/", "", "/", "..", "./a", "../a", "a//b", "a/", ".", "nul", "com1.txt", "a b", "a'b", "é", "É", "ß", "ss", "k",
    "\u212a", "\u017f", "S", "世界.go", "a\udcff", "a\n", "a\x00b", "a.", "...", "x/nul/y", "~1", "progra~1", "a:b",
    "\u0130", "i",
)  # fmt: skip
CONTENTS = (b"", b"a", b"module example.com/m\n", b"package a\n" * 40, bytes(3000))
SIZES = (None, 0, 1, 0xFFFFFFFF, 1 << 24, (1 << 24) + 1, 500 << 20)
EXTRAS = (
    b"",
    b"",
    b"",
    b"\1\0\x08\0" + (3).to_bytes(8, "little"),
    b"\1\0\x04\0abcd",
    b"UT\5\0\1aaaa",
    b"\1\0\xff\0",
    b"\1\0\0\0",
)
OURS_ONLY = (
    *("overlap", "reaches into the directory", "multiple entries", "total uncompressed size"),
    # Of several entries for one folder Go opens only the last.
    *("no header where", "lies outside", "a folder with content"),
)
"""Reasons for which we refuse a zip that Go hashes (docs/content-rules.md)."""


def entry(ink: Ink, prefix: str) -> File:
    name = ink.pick(NAMES) if ink.below(3) else ink.smudge(ink.pick(NAMES), "aA/.é\udcff")
    name = name if ink.below(12) == 0 else ink.smudge(prefix, "aV/@", odds=20) + name
    file = {"name": name, "content": ink.pick(CONTENTS)}
    if ink.below(5) == 0:
        file |= {"method": ink.pick((STORED, STORED, 8, 9)), "flags": ink.pick((0, DESCRIPTOR, DESCRIPTOR | 0x800, 1))}
    if ink.below(8) == 0:
        lies: tuple[tuple[str, Sequence[object]], ...] = (
            ("size", SIZES),
            ("packed_size", (None, 0, 1, 99)),
            ("crc", (None, 0, 1)),
            ("descriptor_crc", (0, 1, None)),
            ("offset", (None, 0, 1, 70, 1 << 20)),
            ("extra", EXTRAS),
        )
        for _ in range(1 + ink.below(2)):
            key, values = ink.pick(lies)
            file[key] = ink.pick(values)
    return File(**file)


def archive(ink: Ink, prefix: str) -> bytes:
    files = [entry(ink, prefix) for _ in range(ink.below(6))]
    how = {}
    if ink.below(8) == 0:
        moved = {"before": b"xyz", "base": -3}
        how = ink.pick(({"count": ink.below(4)}, {"before": b"#!"}, moved, {"comment": b"PK\5\6" * 9}, {"zip64": True}))
    data = bytearray(build(files, **how))
    for _ in range(ink.below(4) if ink.below(3) == 0 else 0):
        at = (ink.below(256) << 8 | ink.below(256)) % len(data)
        data[at] = ink.pick((0, 1, 0xFF, ink.below(256), data[at] ^ (1 << ink.below(8))))
    if ink.below(20) == 0:
        data = data[: len(data) - ink.below(80)] + b"\0" * ink.below(3)
    return bytes(data)


def strict_hash(file: str) -> str:
    """Hash as `modzip.inspect` does; `hash_zip`, which forgives more, must say the same of what passes here."""
    h1, _ = dirhash.hash_archive(zipdir.open_archive(Path(file), strict=True))
    assert h1 == dirhash.hash_zip(Path(file))
    return h1


def ours(path: str, version: str, file: str) -> Answer:
    h1 = attempt(strict_hash, file)
    try:
        checked = modzip.check_zip(ModuleVersion(path, version), Path(file))
    except ContentError as error:
        return [h1, f"!{error}"]
    size_error = f"!{checked.size_error}" if checked.size_error else ""
    lists = {"valid": checked.valid, "omitted": checked.omitted, "invalid": checked.invalid}
    return [h1, "", size_error, *(f"{kind} {file}" for kind, files in lists.items() for file in files)]


def same(_: Sequence[str], theirs: Answer, mine: Answer) -> bool:
    """Compare hashes and reports; an unreadable zip is one in anybody's words."""
    if mine[1].startswith("!"):
        # Go 1.27 reads some broken 64-bit fields, which Go 1.26 and we do not; no module zip comes of them.
        return any(answer.startswith(("!", "invalid")) for answer in theirs)
    if not mine[0].startswith("!"):
        hashes_agree = theirs[0] == mine[0]
    else:
        hashes_agree = theirs[0].startswith("!") or any(reason in mine[0] for reason in OURS_ONLY)
    return hashes_agree and theirs[1:] == mine[1:]


def test_zips(oracle, tmp_path):
    """What Go reports and hashes, we do; what Go cannot read, we cannot; what only we refuse has a listed reason."""
    numbers = count()

    def spell(ink: Ink) -> list[str]:
        path, version = ink.pick(MODULES)
        file = tmp_path / f"{next(numbers)}.zip"
        file.write_bytes(archive(ink, f"{path}@{version}/"))
        return [path, version, str(file)]

    agree(oracle, "zip", spell, ours, inputs=10_000, ink=80, same=same)


WORDS = (b"package", b" main", b"\n", b"func", b"(", b")", b"{}", b"a", b"\x00\xff", b"xyz")


def spell_stream(ink: Ink) -> list[str]:
    content = b"".join(ink.pick(WORDS) for _ in range(ink.below(80)))
    stream = bytearray(deflate(content * ink.pick((1, 1, 3)), ink.pick((1, 6, 9, 0))))
    for _ in range(ink.below(4)):
        stream[ink.below(ink.pick((4, 20, 256))) % len(stream)] ^= 1 << ink.below(8)
    return [gotext.from_bytes(bytes(stream) + bytes([ink.below(256)]) * ink.below(30))]


def inflate(stream: str) -> Answer:
    """Inflate as `Archive.read` does when strict, up to 64 KiB."""
    inflater = zipdir._ZLIB.new()
    try:
        content = inflater.decompress(gotext.to_bytes(stream), (1 << 16) + 1)
    except zipdir._ZLIB.error:
        return ["!"]
    return [f"{len(content)} {zlib.crc32(content):08x}" if inflater.eof and len(content) <= 1 << 16 else "!"]


def test_streams(oracle):
    """Deflate streams with flipped bits inflate, to the same bytes, exactly where they do in Go."""
    agree(oracle, "inflate", spell_stream, inflate, inputs=10_000, ink=110)


def test_our_own_reasons_are_few(oracle, tmp_path):
    """Zips made as Go makes them agree to the letter: our own reasons never apply to them."""
    numbers = count()

    def spell(ink: Ink) -> list[str]:
        path, version = MODULES[0]
        file = tmp_path / f"{next(numbers)}.zip"
        names = {gotext.to_bytes(f"{path}@{version}/{ink.pick(NAMES)}") for _ in range(ink.below(12))}
        file.write_bytes(
            build(File(name=name, content=ink.pick(CONTENTS)) for name in sorted(names) if name[-1:] != b"/")
        )
        return [path, version, str(file)]

    agree(oracle, "zip", spell, ours, inputs=2_000, ink=40, same=lambda q, a, b: same(q, a, b) and unless_refused(a, b))


def unless_refused(theirs: Answer, mine: Answer) -> bool:
    return theirs[0].startswith("!") or theirs[0] == mine[0]
