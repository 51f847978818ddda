"""Module zips: what is refused although (or because) it looks like one, and what one pass over a good one tells."""

import hashlib
import io
import tracemalloc

import pytest
from isal import isal_zlib

from fakes.rawzip import STORED, File, build, deflate
from gopherwood import dirhash, modzip, zipdir
from gopherwood.errors import ContentError, InvalidVersionError, InvalidZipError, TooLargeError
from gopherwood.module import ModuleVersion

MV = ModuleVersion("example.com/m", "v1.0.0")
TOP = f"{MV}/"
GO_MOD = (TOP + "go.mod", b"module example.com/m\n")


@pytest.fixture
def write(tmp_path):
    """Write a zip of the files and return its path."""

    def write(*files, **how):
        path = tmp_path / "m.zip"
        path.write_bytes(build(files, **how))
        return path

    return write


def test_inspect(write):
    """One pass gives the report, the hashes, the go.mod and the sizes."""
    path = write(GO_MOD, (TOP + "a.go", b"package a\n"))
    facts = modzip.inspect(MV, path)
    assert facts.checked.valid == [GO_MOD[0], TOP + "a.go"]
    assert (facts.go_mod, facts.entries, facts.uncompressed) == (GO_MOD[1], 2, 31)
    assert facts.h1 == dirhash.hash_zip(path)
    assert facts.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert modzip.read_go_mod(path, MV) == GO_MOD[1]


def test_no_go_mod(write):
    """A zip without a go.mod is good, and says that it has none."""
    path = write((TOP + "a.go", b"package a\n"))
    assert modzip.inspect(MV, path).go_mod is None
    assert modzip.read_go_mod(path, MV) is None


def test_go_inside_the_name(write):
    """A module whose own name ends in .go, in upper case too, is a module like others."""
    mv = ModuleVersion("github.com/Nats-io/nats.go", "v0.0.0")
    path = write((f"{mv}/go.mod", b"module github.com/Nats-io/nats.go\n"))
    assert modzip.inspect(mv, path).checked.valid == [f"{mv}/go.mod"]


@pytest.mark.parametrize("method", [STORED, 8])
@pytest.mark.parametrize("size", [0, 1, zipdir.WHOLE, zipdir.WHOLE + 1])
def test_sizes(write, method, size):
    """Entries hash alike whether they are stored, inflated whole, or streamed."""
    content = b"gopher" * (size // 6) + b"x" * (size % 6)
    path = write(File(name=TOP + "f", content=content, method=method))
    path.with_suffix(".txt").write_bytes(content)
    assert modzip.inspect(MV, path).h1 == dirhash.hash1([TOP + "f"], lambda _: path.with_suffix(".txt").open("rb"))


@pytest.mark.parametrize("version", ["v1", "v1.0.0+meta", "latest"])
def test_version_must_be_canonical(write, version):
    """A version that has another, canonical form names no zip."""
    with pytest.raises(InvalidVersionError, match="is not canonical"):
        modzip.check_zip(ModuleVersion("example.com/m", version), write(GO_MOD))


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["K.go", "\u212a.go"], 'case-insensitive file name collision: "K.go" and "\u212a.go"'),
        (["a/b.go", "A/c.go"], 'case-insensitive file name collision: "a" and "A"'),
        (["a", "a/b.go"], 'entry "a" is both a file and a directory'),
        (["x/y", "x/y"], 'multiple entries for file "x/y"'),
        (["sub/go.mod"], "go.mod file not in module root directory"),
        (["Go.Mod"], "go.mod files must have lowercase names"),
        (["a\udcff"], 'malformed file path "a\\xff": invalid UTF-8'),
        (["a\n"], "malformed file path \"a\\n\": invalid char '\\n'"),
        (["./a"], "file path is not clean"),
        (["../a"], 'malformed file path "../a": invalid path element ".."'),
        (["/a"], 'malformed file path "/a": empty path element'),
    ],
)
def test_names(write, names, problem):
    """Names that would not extract alike everywhere are refused in Go's words."""
    checked = modzip.check_zip(MV, write(*((TOP + name, b"") for name in names)))
    assert [file.error for file in checked.invalid] == [problem]
    with pytest.raises(InvalidZipError):
        checked.err()


@pytest.mark.parametrize("names", [["ß", "ss"], ["\u0131", "i"], ["a/", "a/", "a/b"], ["世界.go", "a b.go"], [""]])
def test_names_that_differ(write, names):
    """Names that only full case folding would join are different files; a folder may be listed twice."""
    assert not modzip.check_zip(MV, write(*((TOP + name, b"") for name in names))).invalid


def test_many_faults_are_one_line(write):
    """The error names the first faults and counts the rest."""
    with pytest.raises(InvalidZipError, match=r"bad0: .*; and 3 more$"):
        modzip.inspect(MV, write(*((f"bad{i}", b"") for i in range(8))))


HOSTILE = {
    "declares too little": ([File(name=TOP + "f", content=b"x" * 99, size=9)], "larger than its declared size of 9"),
    "declares too much": ([File(name=TOP + "f", content=b"x", size=9)], "ends after 1 of 9 declared bytes"),
    "stored and too little": ([File(name=TOP + "f", content=b"xx", method=STORED, size=1)], "larger than"),
    "stored and too much": ([File(name=TOP + "f", content=b"x", method=STORED, size=2)], "ends after 1 of 2"),
    "cut": ([File(name=TOP + "f", content=b"abc", packed=deflate(b"abc")[:-2])], "ends (after|too early)"),
    "damaged": ([File(name=TOP + "f", content=b"abc", packed=b"\xff" * 9)], "zip entry"),
    "bad checksum": ([File(name=TOP + "f", content=b"abc", crc=1)], "checksum is"),
    "bad checksum behind": ([File(name=TOP + "f", content=b"abc", descriptor_crc=1)], "checksum behind it"),
    "bad checksum, no descriptor": ([File(name=TOP + "f", content=b"abc", crc=1, flags=0)], "checksum is"),
    "unknown method": ([File(name=TOP + "f", content=b"abc", method=9)], "unsupported compression method 9"),
    "folder with content": ([File(name=TOP + "f/", content=b"abc")], "a folder with content"),
    "same bytes twice": ([File(name=TOP + "a", content=b"a"), File(name=TOP + "b", offset=0)], "overlap"),
    "header elsewhere": ([File(name=TOP + "a", content=b"abc", offset=7)], "no header where"),
    "header outside": ([File(name=TOP + "a", offset=1 << 30)], "lies outside"),
    "into the directory": ([File(name=TOP + "a", content=b"abc", packed_size=64)], "reaches into the directory"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_lies(write, kind):
    """A zip whose contents are not what its directory declares is refused, by name and with the reason."""
    files, reason = HOSTILE[kind]
    path = write(*files)
    with pytest.raises(InvalidZipError, match=reason):
        modzip.inspect(MV, path)
    with pytest.raises(InvalidZipError, match=reason):
        dirhash.hash_zip(path)


def test_incomplete_codes(write):
    """A stream that ISA-L inflates and Go does not is refused at the gate; its hash alone can be had."""
    incomplete = "05c1c10900200c04c1bf55d0da72c420c1908fa056ef4ca1c0ad50e0c6d829ce7dad50e0d617330b056e1f"
    packed = bytes.fromhex(incomplete)
    content = isal_zlib.decompressobj(-15).decompress(packed)
    path = write(File(name=TOP + "f", content=content, packed=packed))
    with pytest.raises(InvalidZipError, match="zip entry"):
        modzip.inspect(MV, path)
    assert dirhash.hash_zip(path) == dirhash.hash1([TOP + "f"], lambda _: io.BytesIO(content))


def test_missing_checksum_is_none(write):
    """An entry without a checksum anywhere is taken as Go takes it: unchecked."""
    modzip.inspect(MV, write(File(name=TOP + "f", content=b"abc", crc=0, flags=0)))


def test_entries(write):
    """65,535 entries are the most; one more is refused, whatever the 16-bit count says."""
    files = [File(name=f"{TOP}{i}", method=STORED, flags=0) for i in range(zipdir.MAX_ENTRIES + 1)]
    assert len(modzip.check_zip(MV, write(*files[:-1])).valid) == zipdir.MAX_ENTRIES
    for zip64 in (False, True):
        path = write(*files, zip64=zip64)
        with pytest.raises(InvalidZipError, match="more than 65535 entries"):
            modzip.inspect(MV, path)


def test_wrong_count(write):
    """A directory with more or fewer entries than declared is none."""
    for count in (0, 1, 3):
        with pytest.raises(InvalidZipError, match="declares"):
            modzip.check_zip(MV, write(GO_MOD, (TOP + "a", b""), count=count))


def test_duplicate_names(write):
    """A name that occurs twice is refused by the hash too, for which of the two would it be of."""
    path = write((TOP + "a", b"1"), (TOP + "a", b"2"))
    with pytest.raises(InvalidZipError, match="multiple entries for file"):
        dirhash.hash_zip(path)


def test_bomb_is_not_inflated(write):
    """An entry that declares 10 bytes and inflates to 256 MiB costs no memory."""
    path = write(File(name=TOP + "f", size=10, packed=deflate(bytes(256 << 20), 9)))
    tracemalloc.start()
    with pytest.raises(InvalidZipError, match="larger than its declared size"):
        modzip.inspect(MV, path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 << 20


def test_declared_bomb_is_not_opened(write):
    """Contents that declare more than 500 MiB in total are refused before anything is inflated."""
    path = write(*(File(name=f"{TOP}{i}", size=modzip.MAX_ZIP_FILE) for i in range(2)))
    with pytest.raises(TooLargeError, match="total uncompressed size"):
        modzip.inspect(MV, path)
    with pytest.raises(TooLargeError, match="total uncompressed size"):
        dirhash.hash_zip(path)


def test_nested_bomb(write):
    """Entries that quote one another's compressed bytes overlap, and are refused before anything is inflated."""
    kernel = File(name=TOP + "kernel", packed=deflate(bytes(1 << 20)), size=1 << 20)
    quotes = [File(name=f"{TOP}{i}", packed=b"", packed_size=2000, size=1 << 20, offset=None) for i in range(9)]
    with pytest.raises(InvalidZipError, match="overlap"):
        modzip.inspect(MV, write(*quotes, kernel))


def test_deep_folders(write):
    """Paths of thousands of folders end at a bound instead of costing the square of their length."""
    files = [File(name=f"{TOP}{i}/" + "a/" * 16_000, method=STORED, flags=0) for i in range(64)]
    with pytest.raises(InvalidZipError, match="names of folders are too large"):
        modzip.inspect(MV, write(*files))


def test_large_directory(write):
    """A directory above its bound is refused, however few entries it has."""
    files = [File(name=b"x" * 60_000, method=STORED, flags=0) for _ in range(zipdir.MAX_DIRECTORY // 60_000 + 1)]
    with pytest.raises(InvalidZipError, match="zip directory is too large"):
        modzip.inspect(MV, write(*files))


@pytest.mark.parametrize("data", [b"", b"PK\5\6", b"not a zip" * 200, build([GO_MOD])[:-1]])
def test_no_zip(tmp_path, data):
    """What has no end record where Go looks for it is no zip."""
    path = tmp_path / "m.zip"
    path.write_bytes(data)
    with pytest.raises(InvalidZipError, match="not a valid zip file"):
        modzip.inspect(MV, path)


@pytest.mark.parametrize(
    "how", [{"before": b"#!/bin/sh\n"}, {"before": b"x" * 99, "base": -99}, {"comment": b"hi" * 700}, {"zip64": True}]
)
def test_odd_but_good(write, how):
    """Bytes before the archive, a comment and 64-bit records are read as Go reads them."""
    assert modzip.inspect(MV, write(GO_MOD, **how)).go_mod == GO_MOD[1]


def test_bytes_behind(tmp_path):
    """Go looks for the end record backwards and takes no offence at bytes behind it."""
    path = tmp_path / "m.zip"
    path.write_bytes(build([GO_MOD]) + b"x")
    assert modzip.inspect(MV, path).go_mod == GO_MOD[1]


def test_zip64_sizes(write):
    """Sizes in the 64-bit extra field count where the short fields are full, and must be there then."""
    size, packed = len(GO_MOD[1]), len(deflate(GO_MOD[1]))
    extra = b"\1\0\x10\0" + size.to_bytes(8, "little") + packed.to_bytes(8, "little")
    full = {"name": GO_MOD[0], "content": GO_MOD[1], "size": 0xFFFFFFFF, "packed_size": 0xFFFFFFFF}
    assert modzip.inspect(MV, write(File(**full, extra=extra))).go_mod == GO_MOD[1]
    with pytest.raises(InvalidZipError, match="without its 64-bit sizes"):
        modzip.check_zip(MV, write(File(**full)))
    with pytest.raises(InvalidZipError, match="broken 64-bit sizes"):
        modzip.check_zip(MV, write(File(**full, extra=extra * 2)))


def test_errors_are_content_errors(write):
    """Whatever is wrong with a zip, it is the content's fault and not ours."""
    with pytest.raises(ContentError):
        modzip.inspect(MV, write(("elsewhere/go.mod", b"")))
