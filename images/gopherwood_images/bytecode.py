"""The bytecode of a base's own standard library, where what the base has is of no use.

Python takes a file of bytecode for valid if it names its source's time and size. A base whose files were dated anew
(squashed, or made reproducible) fails that for every module, and a pod cannot write it anew: each start would compile
the standard library. Ours is of the kind that is checked against nothing (PEP 552). Only archives can be looked into.
"""

import functools
import shutil
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

from gopherwood_images import oci
from gopherwood_images.recipes import PYTHON

HASHED = 1
"""Flag of bytecode that is bound to its source by a hash and not by a time."""


def refresh(base: Path, folder: Path, python: str, compile_below: Callable[[Path], None]) -> int:
    """Write what the base lacks below a folder, at its place; return how many modules that are.

    `python` is the interpreter's path in the base: its library is beside it.
    """
    library = f"{Path(python).parents[1].relative_to('/').as_posix()}/lib/python{PYTHON}"
    made = Path(_compiled(base, library, compile_below).name)
    shutil.copytree(made, folder, dirs_exist_ok=True)
    return sum(1 for _ in made.rglob("*.pyc"))


@functools.cache
def _compiled(base: Path, library: str, compile_below: Callable[[Path], None]) -> "tempfile.TemporaryDirectory[str]":
    """Compile once for all images on a base; the folder goes with the process."""
    kept = tempfile.TemporaryDirectory(prefix="gopherwood-bytecode-")
    root, sources = Path(kept.name), []
    for name, data in stale(base, library).items():
        sources.append(root / name)
        sources[-1].parent.mkdir(parents=True, exist_ok=True)
        sources[-1].write_bytes(data)
    compile_below(root)
    for source in sources:
        source.unlink()
    return kept


def stale(base: Path, library: str) -> dict[str, bytes]:
    """Return the sources of the library whose bytecode the base lacks, or has for another time; by path."""
    times: dict[str, int] = {}
    files: dict[str, bytes] = {}
    for layer in oci.layers(oci.read(base)):
        with tarfile.open(fileobj=layer) as tar:
            for member in tar:
                name = member.name.removeprefix("./")
                if name.startswith(f"{library}/") and name.endswith((".py", ".pyc")) and member.isreg():
                    content = tar.extractfile(member)
                    assert content is not None
                    times[name], files[name] = int(member.mtime), content.read()
    return {
        name: data
        for name, data in files.items()
        if name.endswith(".py") and not _valid(files.get(_cached(name), b""), times[name], len(data))
    }


def _cached(source: str) -> str:
    folder, _, name = source.rpartition("/")
    return f"{folder}/__pycache__/{name.removesuffix('.py')}.cpython-{PYTHON.replace('.', '')}.pyc"


def _valid(bytecode: bytes, time: int, size: int) -> bool:
    """Say whether Python would take it: sixteen bytes of head are magic number, flags, time and size (PEP 552)."""
    flags, of_time, of_size = (int.from_bytes(bytecode[at : at + 4], "little") for at in (4, 8, 12))
    return len(bytecode) > 16 and (bool(flags & HASHED) or (of_time, of_size) == (time & 0xFFFFFFFF, size))
