"""Ten thousand made-up module versions of realistic shapes and sizes: the same for the same seed, on every machine.

Zips have a median of about 20 KB and a tail up to 1 MB, with 3 to 60 files. One in fourteen has upper case in its path,
one in fourteen a /v2, and there are `+incompatible` versions, versions without a go.mod, pseudo-versions and gopkg.in
paths. go.mod files require each other, without cycles. Compressing 350 MB would take a minute, so contents come from a
pool whose files are compressed once; a zip is then put together from parts. What was built is kept on disk.
"""

import base64
import hashlib
import json
import math
import random
import struct
import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from gopherwood import module
from gopherwood.module import ModuleVersion

FORMAT = 3
"""To be raised with any change of what is built: kept corpora of another format are not used."""
EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
SIZES = (300, 700, 1500, 3000, 6000, 12000, 25000, 60000)
"""About how many compressed bytes the files of each tier of the pool have."""
PER_TIER = 40
SHAPES = ("plain",) * 8 + ("upper", "v2", "incompatible", "no-go-mod", "pseudo", "gopkg.in")
_WORDS = (
    "append",
    "buffer",
    "channel",
    "decode",
    "encode",
    "field",
    "gopher",
    "handle",
    "index",
    "join",
    "key",
    "lock",
)


@dataclass(frozen=True, slots=True)
class Content:
    """A file of the pool, compressed."""

    deflated: bytes
    crc: int
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Version:
    """One module version of the corpus."""

    mv: ModuleVersion
    timestamp: datetime
    """When the index lists it; many share one."""
    info: bytes
    mod: bytes
    h1: str
    go_mod_h1: str
    start: int
    """Where its zip lies in the pack."""
    size: int


class Corpus:
    """All versions, and the pack that holds their zips."""

    def __init__(self, versions: Sequence[Version], pack: Path) -> None:
        self.versions = versions
        self.pack = pack

    @classmethod
    def open(cls, modules: int = 10_000, seed: int = 1, folder: Path | None = None) -> "Corpus":
        """Return the corpus, building it unless `folder` (default: below the system's temporary folder) has it."""
        folder = folder or Path(tempfile.gettempdir()) / "gopherwood-corpus"
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{FORMAT}-{modules}-{seed}"
        pack, table = folder / f"{name}.pack", folder / f"{name}.table"
        if not table.exists():
            # Several test processes may build at once: the last rename wins, and all build the same.
            own = Path(tempfile.mkdtemp(dir=folder))
            (own / "table").write_text(json.dumps([_row(each) for each in _build(modules, seed, own / "pack")]))
            (own / "pack").rename(pack)
            (own / "table").rename(table)
            own.rmdir()
        return cls([_version(*row) for row in json.loads(table.read_text())], pack)

    def tampered(self, version: Version) -> bytes:
        """Return a valid zip of a version with other bytes in it than the first time."""
        name = f"{version.mv}/innocent.go"
        data = b"package innocent // this was not here the first time\n"
        return pack_zip([*_members(self.zip(version)), (name, compress(data))])

    def zip(self, version: Version) -> bytes:
        """Return the zip of a version."""
        with self.pack.open("rb") as file:
            file.seek(version.start)
            return file.read(version.size)


def _row(version: Version) -> list[str | int]:
    """Return a version as JSON keeps it: a table that anybody may have written must not be able to run code."""
    said = [str(version.mv), version.timestamp.isoformat(), version.info.decode(), version.mod.decode()]
    return [*said, version.h1, version.go_mod_h1, version.start, version.size]


def _version(name: str, at: str, info: str, mod: str, h1: str, go_mod_h1: str, start: int, size: int) -> Version:
    mv, listed = ModuleVersion(*name.split("@")), datetime.fromisoformat(at)
    return Version(mv, listed, info.encode(), mod.encode(), h1, go_mod_h1, start, size)


def compress(data: bytes) -> Content:
    """Compress a file for use in many zips."""
    deflater = zlib.compressobj(6, zlib.DEFLATED, -15)
    return Content(
        deflater.compress(data) + deflater.flush(), zlib.crc32(data), len(data), hashlib.sha256(data).hexdigest()
    )


def pack_zip(members: Sequence[tuple[str, Content]]) -> bytes:
    """Put a zip together from compressed files."""
    parts: list[bytes] = []
    directory: list[bytes] = []
    at = 0
    for name, content in members:
        raw = name.encode()
        fixed = struct.pack(
            "<HHHHHLLLHH", 20, 0x800, 8, 0, 0x21, content.crc, len(content.deflated), content.size, len(raw), 0
        )
        parts += (b"PK\x03\x04", fixed, raw, content.deflated)
        directory += (b"PK\x01\x02\x14\x00", fixed, struct.pack("<HHHLL", 0, 0, 0, 0, at), raw)
        at += 30 + len(raw) + len(content.deflated)
    listing = b"".join(directory)
    end = struct.pack("<4sHHHHLLH", b"PK\x05\x06", 0, 0, len(members), len(members), len(listing), at, 0)
    return b"".join((*parts, listing, end))


def hash_members(members: Sequence[tuple[str, Content]]) -> str:
    """Return the h1 of a zip with these files."""
    lines = sorted(f"{name}\0{content.sha256}" for name, content in members)
    text = "".join(f"{line.partition(chr(0))[2]}  {line.partition(chr(0))[0]}\n" for line in lines)
    return _h1(text.encode())


def _h1(text: bytes) -> str:
    return "h1:" + base64.b64encode(hashlib.sha256(text).digest()).decode()


def _members(data: bytes) -> list[tuple[str, Content]]:
    """Return the files of a zip that `pack_zip` made."""
    members = []
    at = 0
    while data[at : at + 4] == b"PK\x03\x04":
        *_, crc, packed, size, name_size, _extra = struct.unpack("<HHHHHLLLHH", data[at + 4 : at + 30])
        name = data[at + 30 : at + 30 + name_size].decode()
        start = at + 30 + name_size
        members.append((name, Content(data[start : start + packed], crc, size, "")))
        at = start + packed
    return members


# --- building


def _pool(rng: random.Random) -> list[list[Content]]:
    """Return the contents of each tier."""
    lines = [
        f"\tif {rng.choice(_WORDS)}{rng.randrange(9999)} := {rng.choice(_WORDS)}(ctx, {rng.randrange(10**9)}); "
        f"err != nil {{ return {rng.choice(_WORDS)}.{rng.choice(_WORDS).title()}(err) }}\n"
        for _ in range(20_000)
    ]
    return [[_source(rng, lines, size) for _ in range(PER_TIER)] for size in SIZES]


def _source(rng: random.Random, lines: Sequence[str], size: int) -> Content:
    body = "".join(rng.choices(lines, k=max(1, size // 30)))
    return compress(f"// Package {rng.choice(_WORDS)} is made up.\npackage p\n\nfunc f() {{\n{body}}}\n".encode())


def _build(modules: int, seed: int, pack: Path) -> list[Version]:
    rng = random.Random(seed)  # noqa: S311  # nothing is secret here
    pool = _pool(rng)
    licence = compress(b"Made up for tests. Do as you like.\n" * 20)
    names = [_name(i) for i in range(modules)]
    versions: list[Version] = []
    with pack.open("wb") as file:
        at = 0
        for i, (mv, has_go_mod) in enumerate(names):
            mod = _go_mod(rng, mv, names[max(0, i - 500) : i]) if has_go_mod else f"module {mv.path}\n".encode()
            members = [(f"{mv}/LICENSE", licence)] + ([(f"{mv}/go.mod", compress(mod))] if has_go_mod else [])
            members += [(f"{mv}/{name}", content) for name, content in _files(rng, pool)]
            data = pack_zip(members)
            file.write(data)
            go_mod_h1 = _h1(f"{hashlib.sha256(mod).hexdigest()}  go.mod\n".encode())
            said = {"Version": mv.version, "Time": _time_of(i).strftime("%Y-%m-%dT%H:%M:%SZ")}
            info = json.dumps(said, separators=(",", ":")).encode()
            listed = EPOCH + timedelta(seconds=i // 7)
            versions.append(Version(mv, listed, info, mod, hash_members(members), go_mod_h1, at, len(data)))
            at += len(data)
    return versions


def _name(i: int) -> tuple[ModuleVersion, bool]:
    """Return the i-th version, and whether it has a go.mod."""
    # Every third version is a later one of the module before it.
    module_number, minor = (i - 1, 1) if i % 3 == 2 else (i, 0)
    shape = SHAPES[module_number % len(SHAPES)]
    word = _WORDS[module_number % len(_WORDS)]
    path = f"example.com/{_WORDS[module_number // 50 % len(_WORDS)]}{module_number // 50}/{word}-{module_number}"
    version = f"v1.{minor}.{module_number % 10}"
    match shape:
        case "upper":
            path = f"example.com/Acme{module_number // 50}/Lib{word.title()}{module_number}"
        case "v2":
            path, version = f"{path}/v2", f"v2.{minor}.0"
        case "incompatible":
            version = f"v3.{minor}.0+incompatible"
        case "pseudo":
            version = f"v0.0.0-{_time_of(i):%Y%m%d%H%M%S}-{i:012x}"
        case "gopkg.in":
            path, version = f"gopkg.in/{word}{module_number}.v2", f"v2.{minor}.0"
    return ModuleVersion(path, version), shape not in ("incompatible", "no-go-mod")


def _time_of(i: int) -> datetime:
    return EPOCH - timedelta(days=700) + timedelta(minutes=97 * i)


def _go_mod(rng: random.Random, mv: ModuleVersion, before: Sequence[tuple[ModuleVersion, bool]]) -> bytes:
    """Return a go.mod that requires up to eight earlier modules."""
    required = {other.path: other for other, _ in rng.sample(before, min(len(before), rng.choice((0, 1, 2, 3, 5, 8))))}
    required.pop(mv.path, None)
    lines = "".join(f"\t{path} {required[path].version}\n" for path in sorted(required))
    return f"module {mv.path}\n\ngo 1.21\n{f'{chr(10)}require ({chr(10)}{lines}){chr(10)}' if lines else ''}".encode()


def _files(rng: random.Random, pool: Sequence[Sequence[Content]]) -> list[tuple[str, Content]]:
    """Draw files until the zip has its size."""
    wanted = min(math.exp(rng.gauss(math.log(18_000), 1.15)), 2_000_000)
    count = min(60, max(3, int(wanted / 900 * rng.uniform(0.3, 1))))
    tier = _tier(wanted / count)
    names = [f"{_WORDS[n % len(_WORDS)]}/{_WORDS[n * 7 % 11]}_{n}.go" for n in range(count)]
    return [(name, rng.choice(pool[min(len(pool) - 1, max(0, tier + rng.choice((-1, 0, 0, 1))))])) for name in names]


def _tier(size: float) -> int:
    """Return the tier whose size is next above."""
    for tier, (below, above) in enumerate(pairwise(SIZES)):
        if size < math.sqrt(below * above):
            return tier
    return len(SIZES) - 1


def escaped_key(mv: ModuleVersion, suffix: str) -> str:
    """Return the path that a file of a version is asked for by, without a slash in front."""
    return f"{module.escape_path(mv.path)}/@v/{module.escape_version(mv.version)}{suffix}"
