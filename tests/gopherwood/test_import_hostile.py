"""Archives that a stranger made: refused whole, before anything in them was believed."""

import gzip
import io
import os
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.airgap import Gap, contents, modules
from gopherwood import bundle, export, importing
from gopherwood.errors import BundleError, GopherwoodError, TruncatedError, UsageError

NAMES = ["example.com/a@v1.0.0", "example.com/b@v1.0.0"]
LONG = f"example.com/{'long/' * 30}x@v1.0.0"


@pytest.fixture(scope="module")
def gap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gap]:
    """Give a filled store, and its bundle at `folder`/good.tar and `folder`/good."""
    with Gap(tmp_path_factory.mktemp("gap")) as made:
        for name in [*NAMES, LONG]:
            made.add(*name.split("@"))
        made.fill()
        for name in ("good.tar", "good"):
            export.run(made.here, made.folder / name, key=made.key_file)
        yield made


def members(gap: Gap) -> list[tuple[tarfile.TarInfo, bytes]]:
    """Return what is in the good bundle."""
    with tarfile.open(gap.folder / "good.tar") as tar:
        return [(each, tar.extractfile(each).read()) for each in tar]  # type: ignore[union-attr]


def write(path: Path, found: list[tuple[tarfile.TarInfo, bytes]], form: int = tarfile.PAX_FORMAT) -> Path:
    with tarfile.open(path, "w", format=form) as tar:
        for member, data in found:
            tar.addfile(member, io.BytesIO(data))
    return path


def take(gap: Gap, path: Path, tmp_path: Path) -> importing.Result:
    return importing.run(replace(gap.there, home=tmp_path / "home"), path, keys=[gap.vkey])


def refused(gap: Gap, path: Path, tmp_path: Path, kind: type[GopherwoodError] = BundleError) -> GopherwoodError:
    """Import; expect this error, and an untouched store."""
    with pytest.raises(kind) as caught:
        take(gap, path, tmp_path)
    assert contents(replace(gap.there, home=tmp_path / "home")) == {}
    return caught.value


def test_the_good_one_is_taken(gap: Gap, tmp_path: Path) -> None:
    """The bundle that the others are made of is good, long names and all."""
    assert take(gap, gap.folder / "good.tar", tmp_path).imported == 3


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_other_writers(gap: Gap, tmp_path: Path, form: int) -> None:
    """Any tar of the same files is the same bundle: GNU's long names, folders, `./` in front."""
    found = [(tarfile.TarInfo(f"./{each.name}"), data) for each, data in members(gap)]
    for member, data in found:
        member.size, member.mtime = len(data), 1_700_000_000.5
    folder = tarfile.TarInfo("./example.com")
    folder.type = tarfile.DIRTYPE
    assert take(gap, write(tmp_path / "b.tar", [(folder, b""), *found], form), tmp_path).imported == 3


def test_the_tar_command(gap: Gap, tmp_path: Path) -> None:
    """A folder that somebody packed with `tar` is a bundle."""
    subprocess.run(["tar", "-C", gap.folder / "good", "-cf", tmp_path / "b.tar", "."], check=True)
    assert take(gap, tmp_path / "b.tar", tmp_path).imported == 3


def kinded(kind: bytes, name: str = "example.com/evil", link: str = "/etc/passwd") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    return member


def named(name: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size = 1
    return member


EVIL: dict[str, tarfile.TarInfo] = {
    "symlink": kinded(tarfile.SYMTYPE),
    "hard link": kinded(tarfile.LNKTYPE),
    "device": kinded(tarfile.CHRTYPE),
    "fifo": kinded(tarfile.FIFOTYPE),
    "traversal": named("example.com/../../../etc/cron.d/x"),
    "only dots": named(".."),
    "absolute": named("/etc/cron.d/x"),
    "newline": named("example.com/a\nb"),
    "escape sequence": named("example.com/\x1b[2J"),
    "backslash": named("example.com\\..\\x"),
    "empty segment": named("example.com//x"),
    "very long": named("a/" * 600 + "x"),
    "undeclared": named("example.com/a/@v/v9.9.9.zip"),
    "manifest again": named("bundle/manifest.jsonl"),
}


@pytest.mark.parametrize("evil", EVIL)
def test_evil_members(gap: Gap, tmp_path: Path, evil: str) -> None:
    """One member that no bundle has, and nothing of the archive is taken."""
    found = [*members(gap), (EVIL[evil], b"x" * EVIL[evil].size)]
    error = refused(gap, write(tmp_path / "b.tar", found), tmp_path)
    assert error.exit_code == 3


def header(gap: Gap, at: int, change: Callable[[bytearray], None]) -> bytes:
    """Return the good archive with the header of its n-th member changed and summed anew."""
    data = bytearray((gap.folder / "good.tar").read_bytes())
    for _ in range(at):
        size = int(bytes(data[124:135]), 8)
        del data[: 512 + -(-size // 512) * 512]
    block = bytearray(data[:512])
    change(block)
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block + data[512:])


def test_a_size_that_lies(gap: Gap, tmp_path: Path) -> None:
    """A member that says it goes beyond the end of the archive, and one whose size is no number."""
    path = tmp_path / "b.tar"
    path.write_bytes(header(gap, 0, lambda block: block.__setitem__(slice(124, 136), b"77777777777\0")))
    refused(gap, path, tmp_path, TruncatedError)
    path.write_bytes(
        header(gap, 0, lambda block: block.__setitem__(slice(124, 136), b"\x80" + b"\0" * 3 + b"\xff" * 8))
    )
    refused(gap, path, tmp_path)
    path.write_bytes(header(gap, 0, lambda block: block.__setitem__(slice(124, 136), b"-0000000001\0")))
    refused(gap, path, tmp_path)


def test_a_name_with_nul(gap: Gap, tmp_path: Path) -> None:
    """A long name with a NUL in it is not cut to a shorter one."""
    pax = tarfile.TarInfo("pax")
    record = b"path=example.com/a\0b\n"
    body = b"%d %s" % (len(record) + 3, record)
    pax.type, pax.size = tarfile.XHDTYPE, len(body)
    refused(gap, write(tmp_path / "b.tar", [(pax, body), (named("x"), b"x"), *members(gap)]), tmp_path)


@pytest.mark.parametrize(
    "record", [b"30 size=99999999999999999999\n", b"99 path=x\n", b"22 GNU.sparse.name=abc\n", b"junk"]
)
def test_pax_headers(gap: Gap, tmp_path: Path, record: bytes) -> None:
    """A pax header that changes sizes, lies about its length, or is none."""
    pax = tarfile.TarInfo("pax")
    pax.type, pax.size = tarfile.XHDTYPE, len(record)
    refused(gap, write(tmp_path / "b.tar", [(pax, record), *members(gap)]), tmp_path)


def test_a_header_that_fills_memory(gap: Gap, tmp_path: Path) -> None:
    """A long name of a terabyte that is really there (the file is sparse) is not read."""
    member = tarfile.TarInfo("long")
    member.type, member.size = tarfile.GNUTYPE_LONGNAME, 1 << 32
    path = tmp_path / "b.tar"
    with path.open("wb") as file:
        file.write(member.tobuf(tarfile.GNU_FORMAT))
        file.truncate((1 << 32) + 2048)
    refused(gap, path, tmp_path)


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999])
def test_cut_archives(gap: Gap, tmp_path: Path, part: float) -> None:
    """Of an archive that was cut nothing is taken, and the words say what to do."""
    data = (gap.folder / "good.tar").read_bytes()
    end = len(data.rstrip(b"\0"))
    (tmp_path / "b.tar").write_bytes(data[: int(end * part)])
    error = refused(gap, tmp_path / "b.tar", tmp_path, TruncatedError)
    assert (error.exit_code, error.hint) == (1, "copy it again, whole")


def test_compressed_archives(gap: Gap, tmp_path: Path) -> None:
    """A compressed archive is not unpacked, however small it looks."""
    (tmp_path / "b.tar").write_bytes(gzip.compress((gap.folder / "good.tar").read_bytes()))
    refused(gap, tmp_path / "b.tar", tmp_path, UsageError)


def test_what_is_no_archive(gap: Gap, tmp_path: Path) -> None:
    """Noise, an empty file, a folder of other things, nothing at all: each is told so."""
    (tmp_path / "noise.tar").write_bytes(os.urandom(4096))
    refused(gap, tmp_path / "noise.tar", tmp_path)
    (tmp_path / "empty.tar").touch()
    refused(gap, tmp_path / "empty.tar", tmp_path, TruncatedError)
    (tmp_path / "folder").mkdir()
    refused(gap, tmp_path / "folder", tmp_path, UsageError)
    refused(gap, tmp_path / "nothing.tar", tmp_path, UsageError)


def test_missing_members(gap: Gap, tmp_path: Path) -> None:
    """An archive without a file that its manifest names is refused whole; a folder loses that version alone."""
    found = [each for each in members(gap) if each[0].name != "example.com/b/@v/v1.0.0.zip"]
    refused(gap, write(tmp_path / "b.tar", found), tmp_path)


def test_links_in_a_folder(gap: Gap, tmp_path: Path) -> None:
    """A folder's links are not followed, nor does a named pipe hold anybody up: those versions alone are refused."""
    subprocess.run(["cp", "-r", gap.folder / "good", tmp_path / "b"], check=True)
    one, other = (tmp_path / "b" / f"{name.replace('@', '/@v/')}.zip" for name in NAMES)
    kept = tmp_path / "elsewhere.zip"
    one.rename(kept)
    one.symlink_to(kept)
    other.unlink()
    os.mkfifo(other)
    result = take(gap, tmp_path / "b", tmp_path)
    assert (result.imported, dict(result.reasons), result.exit_code) == (1, {"damaged": 2}, 3)


MANIFESTS = {
    "no json": b"{",
    "another format": b'{"format":"gopherwood-bundle/99"}\n',
    "no end": b'{"format":"gopherwood-bundle/1","by":"","as_of":"","after":0,"through":0,"logs":[]}\n',
    "a list": b"[]\n",
    "deep": b"[" * 50_000 + b"\n",
    "long line": b'{"format":"' + b"x" * 200_000 + b'"}\n',
    "bad header": b'{"format":"gopherwood-bundle/1","by":1}\n',
}


@pytest.mark.parametrize("case", MANIFESTS)
def test_manifests(gap: Gap, tmp_path: Path, case: str) -> None:
    """A manifest that says nothing is refused, whoever it is of."""
    data = MANIFESTS[case]
    member = tarfile.TarInfo(bundle.MANIFEST)
    member.size = len(data)
    path = write(tmp_path / "b.tar", [(member, data)])
    with pytest.raises(BundleError):
        importing.run(replace(gap.there, home=tmp_path / "home"), path, unsigned=True)


def test_manifest_lines(gap: Gap, tmp_path: Path) -> None:
    """Names that are no module's, sizes that are none, versions twice or out of order, a wrong count: refused."""
    lines = {each.name: data for each, data in members(gap)}[bundle.MANIFEST].splitlines(keepends=True)
    first = next(n for n, line in enumerate(lines) if b'"module"' in line)
    changes = [
        [*lines[:first], lines[first].replace(b"example.com", b"../example.com"), *lines[first + 1 :]],
        [*lines[:first], lines[first].replace(b'".zip":[', b'".zip":[-'), *lines[first + 1 :]],
        lines[: first + 1] + lines[first:],
        lines[:-2] + lines[-1:],
        [*lines, b"more\n"],
    ]
    for changed in changes:
        files = {bundle.MANIFEST: b"".join(changed)}
        found = [(each, files.get(each.name, data)) for each, data in members(gap) if each.name != bundle.SEAL]
        for member, data in found:
            member.size = len(data)
        path = write(tmp_path / "b.tar", found)
        with pytest.raises(BundleError):
            importing.run(replace(gap.there, home=tmp_path / "home"), path, unsigned=True)


def test_nothing_of_the_others_is_lost(gap: Gap, tmp_path: Path) -> None:
    """After all that the good bundle still arrives whole."""
    take(gap, gap.folder / "good", tmp_path)
    assert modules(replace(gap.there, home=tmp_path / "home")) == modules(gap.here)
