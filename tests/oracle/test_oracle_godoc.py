"""Packages of the Go standard library, documented by go/doc itself and by ours: names, imports, symbols, examples."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gopherwood.gosource import GoPackage, assemble, parse
from gopherwood.gosource.constraints import PLATFORMS, belongs
from gopherwood.toolchain import find_go
from oracle.driver import ROUNDS

SOME = ("encoding", "errors", "go/types", "io", "net/http", "reflect", "sync")
"""What is compared unless more rounds are asked for; then it is the whole of GOROOT/src."""
LINUX = PLATFORMS[0]


@pytest.fixture(scope="module")
def folders() -> list[Path]:
    """Find the folders with packages, in the source that every Go toolchain brings."""
    root = Path(subprocess.run([find_go(), "env", "GOROOT"], capture_output=True, text=True, check=True).stdout.strip())
    tops = [root / "src" / name for name in SOME] if ROUNDS == 1 else [root / "src"]
    found = {file.parent for top in tops for file in top.rglob("*.go") if "testdata" not in file.parts}
    assert len(found) > 30
    return sorted(found)


@pytest.fixture(scope="module")
def told(folders: list[Path], tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, object]]:
    """Ask go/doc about each folder."""
    binary = tmp_path_factory.mktemp("godoc") / "godoc"
    source = Path(__file__).with_name("godoc")
    env = os.environ | {"CGO_ENABLED": "0", "GOWORK": "off"}
    subprocess.run([find_go(), "build", "-o", str(binary), "."], cwd=source, env=env, check=True)
    asked = "\n".join(map(str, folders))
    done = subprocess.run([binary], input=asked, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def ours(folders: list[Path]) -> list[GoPackage]:
    """Read each folder ourselves."""
    return list(map(read, folders))


def read(folder: Path) -> GoPackage:
    """Document a folder."""
    sources = [(file.name, file.read_bytes()) for file in sorted(folder.glob("*.go"))]
    return assemble([parse(name, source) for name, source in sources if belongs(name, source, LINUX)])


def symbols(made: GoPackage) -> Iterator[str]:
    """Yield each exported name with its kind and the type it stands with, in the words of the program."""
    for declaration in (*made.values, *made.functions):
        yield from (f"{declaration.kind} {name}" for name in declaration.names)
    for each in made.types:
        name = each.declaration.names[0]
        yield f"type {name}"
        yield from (f"{one.kind} {name}: {other}" for one in (*each.values, *each.functions) for other in one.names)
        yield from (f"method {name}.{method.names[0]}" for method in each.methods)


def test_packages_are_read_as_go_doc_reads_them(
    folders: list[Path], ours: list[GoPackage], told: list[dict[str, object]]
) -> None:
    """No package differs in its name, its imports, a symbol, what a symbol stands with, or an example."""
    for folder, made, wanted in zip(folders, ours, told, strict=True):
        got = {
            "Name": made.name,
            "Imports": list(made.imports),
            "Symbols": sorted(symbols(made)),
            "Examples": sorted(f"{example.of} {example.suffix}" for example in made.examples),
        }
        assert (folder, got) == (folder, {name: wanted[name] or type(got[name])() for name in got})


def test_synopses_are_those_of_go_doc(ours: list[GoPackage], told: list[dict[str, object]]) -> None:
    """The first sentence of each package's comment is the one that go/doc gives."""
    assert [made.synopsis for made in ours] == [wanted["Synopsis"] for wanted in told]
