"""What is read of a version: packages as go sees them, licences, README, and a finding for what cannot be read."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from fakes.goproxy import make_module
from gopherwood.config import Settings
from gopherwood.errors import StorageError
from gopherwood.facts import files
from gopherwood.facts.extract import Bounds, Extracted, extract
from gopherwood.facts.pack import pack
from gopherwood.module import ModuleVersion
from gopherwood.objects import open_objects

Read = Callable[..., Extracted]
MV = ModuleVersion("example.com/shop", "v1.2.0")
WHOLE = Bounds()
MIT = Path(__file__).parents[3].joinpath("tests/cases/licences/MIT.txt")

GO_MOD = """// Deprecated: use example.com/store.
module example.com/shop

go 1.21

require (
	example.com/a v1.0.0
	example.com/b v1.1.0 // indirect
)

retract [v1.0.0, v1.1.0] // sells nothing
"""


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Return a function that reads a module of these files."""

    def made(content: Mapping[str, str], bounds: Bounds = WHOLE) -> Extracted:
        module = make_module(MV.path, MV.version, content)
        zip_path = tmp_path / "m.zip"
        zip_path.write_bytes(module.zip)
        return extract(MV, zip_path, module.mod, bounds)

    return made


def test_the_go_mod_says_its_part(read: Read) -> None:
    """Go version, deprecation, retractions and requirements are the file's own."""
    facts = read({"go.mod": GO_MOD}).facts
    assert (facts.go, facts.deprecated) == ("1.21", "use example.com/store.")
    assert [(each.low, each.high, each.rationale) for each in facts.retract] == [("v1.0.0", "v1.1.0", "sells nothing")]
    assert facts.requires == (("example.com/a", "v1.0.0", False), ("example.com/b", "v1.1.0", True))


def test_packages_are_those_that_go_would_build(read: Read) -> None:
    """Test data, vendored, hidden and tests-only folders are none; a folder for another system is one."""
    facts = read(
        {
            "shop.go": '// Package shop sells.\npackage shop\n\nimport "fmt"\n\nfunc Sell() { fmt.Println() }\n',
            "gen.go": "//go:build ignore\n\npackage main\n",
            "cmd/sell/main.go": "package main\n",
            "win/a_windows.go": "package win\n\nfunc Only() {}\n",
            "internal/till/till.go": "package till\n",
            "testdata/x/x.go": "package x\n",
            "vendor/v/v.go": "package v\n",
            "_old/o.go": "package o\n",
            "only/a_test.go": "package only\n",
        }
    ).facts
    found = {each.path: (each.name, each.platform, each.symbols) for each in facts.packages}
    assert found == {
        "example.com/shop": ("shop", "linux/amd64", 1),
        "example.com/shop/cmd/sell": ("main", "linux/amd64", 0),
        "example.com/shop/internal/till": ("till", "linux/amd64", 0),
        "example.com/shop/win": ("win", "windows/amd64", 1),
    }
    root = facts.packages[0]
    assert (root.imports, root.synopsis, facts.synopsis) == (("fmt",), "Package shop sells.", "Package shop sells.")
    assert facts.findings == ()


def test_licences_are_known_by_their_text(read: Read) -> None:
    """A licence file is known by its name, what it holds by its words; prose in a file of that name is not known."""
    facts = read({"LICENSE": MIT.read_text(), "sub/COPYING.txt": "Do as you like.\n", "vendor/v/LICENSE": "x"}).facts
    assert [(each.path, each.ids) for each in facts.licences] == [("LICENSE", ("MIT",)), ("sub/COPYING.txt", ())]
    assert facts.licence_ids == ("MIT",)


def test_the_readme_is_the_one_at_the_root(read: Read) -> None:
    """Markdown is preferred, and its bytes are kept as they are."""
    made = read({"README.txt": "plain", "Readme.md": "# Shop\n", "docs/README.md": "other"})
    assert (made.facts.readme, made.readme) == ("Readme.md", b"# Shop\n")


@pytest.mark.parametrize(
    ("content", "file", "why"),
    [
        ({"a.go": "func no() {}\n"}, "a.go", "package clause"),
        ({"p/a.go": "package a\n", "p/b.go": "package b\n"}, "p", "packages a, b in one folder"),
        ({"p/a.go": "package a\n\nfunc (\n"}, "p/a.go", "cannot be parsed"),
        ({"p/a.go": f"package a\n// {'x' * 2000}\n"}, "p/a.go", "more than the 1000"),
        ({"README.md": "x" * 2000}, "README.md", "more than the 1000"),
    ],
)
def test_what_cannot_be_read_is_one_finding(read: Read, content: Mapping[str, str], file: str, why: str) -> None:
    """The rest of the module is read as ever."""
    facts = read({"good/good.go": "package good\n", **content}, Bounds(source=1000, readme=1000)).facts
    (finding,) = facts.findings
    assert (finding.file, why in finding.why) == (file, True)
    assert "example.com/shop/good" in [each.path for each in facts.packages]


def test_facts_come_back_from_their_file(read: Read, tmp_path: Path) -> None:
    """The zip holds the facts, the README, and each package's documentation by its folder; made twice it is equal."""
    till = "package till\n\n// Open opens.\nfunc Open()\n"
    made = read({"go.mod": GO_MOD, "README.md": "# Shop\n", "till/till.go": till})
    packed = pack(made)
    kept = open_objects(tmp_path.joinpath("facts").as_uri(), mutable=True, settings=Settings())
    kept.create(files.key(MV), packed)
    assert files.facts(kept, MV) == files.unpack(io.BytesIO(packed)) == made.facts
    assert files.member(kept, MV, files.README) == b"# Shop\n"
    assert files.member(kept, MV, "README.html") == b"<h1>Shop</h1>\n"
    assert b"<p>Open opens.</p>" in files.member(kept, MV, files.docs_name("till"))
    assert files.member(kept, MV, files.docs_name("none")) == b""
    assert pack(made) == packed


@pytest.mark.parametrize("damaged", [b"", b"PK", b"PK\5\6" + bytes(18)], ids=["empty", "cut", "no facts in it"])
def test_a_file_that_is_none_of_ours_is_named(damaged: bytes) -> None:
    """What cannot be read is a fault of the storage that says what mends it, and no crash of a page."""
    with pytest.raises(StorageError) as told:
        files.unpack(io.BytesIO(damaged))
    assert "gopherwood index" in told.value.hint
