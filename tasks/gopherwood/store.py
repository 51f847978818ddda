"""Where each file lives: the keys of the store, and the store itself.

The layout of module files is Go's own (`go help goproxy`): `<escaped path>/@v/<escaped version>.{info,mod,zip}` and
`<escaped path>/@v/list`, so a local store is a valid `GOPROXY=file://` tree. A version exists when all of its parts do;
`.info` is written last and is the commit mark. `@v/list` is derived from the catalog and may be rebuilt at will.
What was verified against a checksum database lies under `sumdb/<name>/`: no module path can begin like that and
reach `/@v/`, because the first segment of a fetchable path has a dot.
"""

from collections.abc import Sequence
from functools import lru_cache

from gopherwood import pseudo, semver
from gopherwood.config import Settings
from gopherwood.errors import ContentError
from gopherwood.module import ModuleVersion, escape_path, escape_version, unescape_path, unescape_version
from gopherwood.objects import Objects, open_objects

CONTENT = (".zip", ".mod")
"""The content of a version: durable before anything says that it exists."""

MARK = ".info"
"""The commit mark, written last."""

SUFFIXES = (*CONTENT, MARK)

EVIDENCE = "evidence/"
"""How the keys of evidence begin: for people to read, and nothing that `go` asks for."""

BESIDE = ("sumdb/", "ledger/", "usage/", EVIDENCE)
"""What the store holds beside modules."""

Name = tuple[str, str]
"""A module path and a version; or a module path and "" for its list."""


def key(mv: ModuleVersion, suffix: str) -> str:
    """Return the key of one file of a version; `suffix` is one of SUFFIXES."""
    return f"{escape_path(mv.path)}/@v/{escape_version(mv.version)}{suffix}"


def list_key(path: str) -> str:
    """Return the key of the version list of a module path."""
    return f"{escape_path(path)}/@v/list"


def name_of(key: str) -> Name | None:
    """Return what a key is a file of, None when it is the key of nothing that is ever published."""
    path, at, name = key.rpartition("/@v/")
    suffix = next((suffix for suffix in SUFFIXES if name.endswith(suffix)), None)
    if not at or (suffix is None and name != "list"):
        return None
    try:
        return _unescaped_path(path), unescape_version(name.removesuffix(suffix)) if suffix else ""
    except ContentError:
        return None


@lru_cache(maxsize=1024)
def _unescaped_path(escaped: str) -> str:
    """Return a module path: a listing names each again and again, and checking one costs more than all else."""
    return unescape_path(escaped)


def lookup_key(db: str, mv: ModuleVersion) -> str:
    """Return the key of a verified record of checksum database `db`: its number, then its text, without a tree head."""
    return f"sumdb/{db}/lookup/{escape_path(mv.path)}@{escape_version(mv.version)}"


def tile_key(db: str, tile_path: str) -> str:
    """Return the key of a verified tile; `tile_path` is the tile's own, such as `tile/8/0/x001/234`."""
    return f"sumdb/{db}/{tile_path}"


def checkpoint_key(name: str) -> str:
    """Return the key of the newest signed head of our own ledger: by it a catalog that was rolled back is noticed."""
    return f"ledger/{name}/checkpoint"


def misbehaviour_key(db: str, digest: str) -> str:
    """Return the key of what shows that checksum database `db` misbehaved; `digest` is that of its bytes, in hex."""
    return f"sumdb/{db}/misbehaviour/{digest}"


def evidence_key(mv: ModuleVersion, name: str) -> str:
    """Return the key of what was found out about a version, such as the difference to its origin; no module file."""
    return f"{EVIDENCE}{escape_path(mv.path)}/@v/{escape_version(mv.version)}/{name}"


def open_store(settings: Settings) -> Objects:
    """Open the store that the settings name."""
    return open_objects(settings.store_url, settings=settings)


def is_complete(objects: Objects, mv: ModuleVersion, suffixes: Sequence[str] = SUFFIXES) -> bool:
    """Tell whether every file of a version is there; the mark is asked first, since it is there last."""
    return all(objects.size(key(mv, suffix)) is not None for suffix in reversed(suffixes))


def version_list(versions: Sequence[str]) -> bytes:
    """Return the content of `@v/list`: the versions that are no pseudo-versions, the lowest first, a line each."""
    listed = [version for version in versions if not pseudo.is_pseudo_version(version)]
    semver.sort(listed)
    return "".join(f"{version}\n" for version in listed).encode()
