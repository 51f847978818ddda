"""Declarations as people read them: without what is not exported, each with its comment and its place."""

import pytest

from gopherwood.gosource import Declaration, GoPackage, NotGoError, assemble, parse, synopsis

SOURCE = b"""// Copyright nobody.

// Package shop sells things. It is an example.
//
//go:generate nothing
package shop

// Kinds of things.
const (
	Tool Kind = iota // one
	Toy
	secret // not told
)

type Kind int

// A Thing is sold.
type Thing struct {
	// Name is shown.
	Name, code string // both
	price      int    // in cents
	*Kind
}

type Seller interface {
	Sell() error
	haggle()
}

// New makes one.
func New[T any](
	name string,
) (*Thing, error) { return nil, nil }

func (t *Thing) Buy(n int) {}
"""

TEST = b"""package shop_test

func ExampleThing_Buy_twice() {
	thing.Buy(2)

	// Output:
	// 2 sold
}

func ExampleNothing() {}
"""


@pytest.fixture(scope="module")
def shop() -> GoPackage:
    """Read the package above."""
    return assemble([parse("shop.go", SOURCE), parse("shop_test.go", TEST)])


def named(shop: GoPackage, name: str) -> Declaration:
    """Return what declares a symbol."""
    return dict(shop.symbols())[name]


def test_a_package_says_what_it_is(shop: GoPackage) -> None:
    """The comment right above the package clause, without directives, and its first sentence."""
    assert (shop.name, shop.synopsis) == ("shop", "Package shop sells things.")
    assert shop.doc == "Package shop sells things. It is an example."


def test_what_is_not_exported_is_left_out(shop: GoPackage) -> None:
    """Fields, methods and constants that nobody outside can use are not shown, nor are their comments."""
    assert named(shop, "Thing").text == (
        "type Thing struct {\n\t// Name is shown.\n\tName string // both\n\t*Kind\n"
        "\t// contains filtered or unexported fields\n}"
    )
    assert named(shop, "Seller").text == (
        "type Seller interface {\n\tSell() error\n\t// contains filtered or unexported methods\n}"
    )
    assert named(shop, "Toy").text == (
        "const (\n\tTool Kind = iota // one\n\tToy\n\t// contains filtered or unexported names\n)"
    )


def test_functions_are_shown_without_bodies(shop: GoPackage) -> None:
    """A signature is as its author wrapped it, with the line it stands on."""
    new = named(shop, "New")
    assert (new.text, new.doc, new.file, new.line) == (
        "func New[T any](\n\tname string,\n) (*Thing, error)", "New makes one.", "shop.go", 31
    )  # fmt: skip


def test_examples_are_those_of_something_known(shop: GoPackage) -> None:
    """An example has its code and its output; one for a name that is not there is none."""
    (example,) = shop.examples
    assert (example.of, example.suffix, example.code, example.output) == (
        "Thing.Buy", "twice", "thing.Buy(2)", "2 sold"
    )  # fmt: skip


def test_a_broken_file_gives_what_can_be_read() -> None:
    """A mistake in one function leaves the others, and is told."""
    made = assemble([parse("a.go", b"package a\n\nfunc A() {}\n\nfunc B( {\n\nfunc C() {}\n")])
    assert made.broken == ("a.go",)
    assert "A" in dict(made.symbols())


@pytest.mark.parametrize("source", [b"", b"\x00\xff", b"// only a comment\n", b"func f() {}\n"])
def test_a_file_without_a_package_is_no_go(source: bytes) -> None:
    """What has no package clause is refused by name."""
    with pytest.raises(NotGoError, match=r"x\.go"):
        parse("x.go", source)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "hostile",
    [b"type T " + b"[]" * 200_000 + b"int", b"var X = " + b"(" * 200_000, b"/*" * 9_000, b"const (\n" + b"A\n" * 900],
    ids=["slices", "parentheses", "comments", "constants"],
)  # fmt: skip
def test_hostile_source_costs_bounded_time(hostile: bytes) -> None:
    """Nesting and repetition cost CPU time in proportion, and no stack."""
    made = assemble([parse("a.go", b"package a\n\n" + hostile)])
    assert made.name == "a"
    assert all(len(declaration.text) <= 40_000 for _, declaration in made.symbols())


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Package a, e.g. this. More.", "Package a, e.g."),
        ("It was J. R. Smith. Who?", "It was J. R. Smith."),
        ("Copyright 2020 by all. Package a.", ""),
        ("\tcode", ""),
        ("See [io.Reader] and ``this''.", "See io.Reader and “this”."),
        ("Items:\n  - one", "Items:"),
        ("漢字。次", "漢字。"),
    ],
)
def test_synopses_end_where_gos_end(text: str, wanted: str) -> None:
    """Initials end no sentence; what begins with a copyright or with code is none."""
    assert synopsis(text) == wanted
