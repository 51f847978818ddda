"""go.mod files: what is read from them, strictly and laxly, and where the mistakes are."""

import contextlib

import pytest

from gopherwood import gomod
from gopherwood.errors import InvalidGoModError
from gopherwood.module import ModuleVersion

WHOLE = b"""\
// Deprecated: use example.com/m/v2
// instead.
//
// More text.
module example.com/m // an aside

go 1.21.0
toolchain go1.22.1
godebug default=go1.21

require example.com/a v1.2.3
require (
\t"example.com/b/v2" v2.0.0 // indirect
\texample.com/c v0.0.0-20200101000000-abcdefabcdef // indirect; why not
\texample.com/d v2.0.0+incompatible // not indirect
)
exclude example.com/a v1.2.2
replace (
\texample.com/a => ../a
\texample.com/d v2.0.0+incompatible => example.com/e v1.0.0
)
// a mistake
retract v1.0.1
// a bad week
retract (
\t[v1.1.0, v1.1.9]
\tv1.2.0 // leaks
)
tool example.com/m/cmd/x
ignore (
\t./node_modules
\tthird
)
"""


def mv(text):
    return ModuleVersion(*text.split("@"))


def parse(text, **kind):
    return gomod.parse("go.mod", text.encode() if isinstance(text, str) else text, **kind)


def test_every_directive_is_read():
    """A strict parse gives every directive's values."""
    got = parse(WHOLE)
    assert (got.go, got.toolchain, got.tool, got.ignore) == (
        "1.21.0", "go1.22.1", ("example.com/m/cmd/x",), ("./node_modules", "third"))  # fmt: skip
    assert [(g.key, g.value) for g in got.godebug] == [("default", "go1.21")]
    assert [e.mv for e in got.exclude] == [mv("example.com/a@v1.2.2")]
    assert [(r.old, r.new) for r in got.replace] == [
        (mv("example.com/a@"), mv("../a@")),
        (mv("example.com/d@v2.0.0+incompatible"), mv("example.com/e@v1.0.0")),
    ]


def test_requirements_know_if_they_are_indirect_and_where_they_stand():
    """Only a comment that starts with the word indirect makes a requirement indirect."""
    assert [(str(r.mv), r.indirect, r.line) for r in parse(WHOLE).require] == [
        ("example.com/a@v1.2.3", False, 11),
        ("example.com/b/v2@v2.0.0", True, 13),
        ("example.com/c@v0.0.0-20200101000000-abcdefabcdef", True, 14),
        ("example.com/d@v2.0.0+incompatible", False, 15),
    ]


def test_deprecation_is_the_paragraph_that_says_so():
    """A deprecation runs to the end of its paragraph."""
    got = parse(WHOLE).module
    assert (got.path, got.deprecated, got.line) == ("example.com/m", "use example.com/m/v2\ninstead.", 5)


def test_retractions_carry_their_rationale():
    """A rationale is the comment of the line, or the block's for lines that have none."""
    assert [(r.low, r.high, r.rationale) for r in parse(WHOLE).retract] == [
        ("v1.0.1", "v1.0.1", "a mistake"),
        ("v1.1.0", "v1.1.9", "a bad week"),
        ("v1.2.0", "v1.2.0", "leaks"),
    ]


def test_lax_reading_skips_what_counts_only_in_the_main_module():
    """A dependency's exclude, replace, toolchain and unknown statements are not even looked at."""
    got = parse(
        "module m\nexclude nonsense\nreplace x\nfuture (\n a b c\n)\nrequire a.b/c v1.0.0\ngo v1.99.later\n", lax=True
    )
    assert (got.go, got.exclude, got.replace, [str(r.mv) for r in got.require]) == ("1.99", (), (), ["a.b/c@v1.0.0"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("module m\nbogus x\n", "go.mod:2: unknown directive: bogus"),
        ("bogus (\n)\n", "go.mod:1: unknown block type: bogus"),
        ("require (\n\ta.b/c v1.x\n)\n", 'go.mod:2:2: require a.b/c: version "v1.x" invalid: must be of the form '
         "v1.2.3"),
        ("require a.b/c v2.0.0\n", 'go.mod:1: require a.b/c: version "v2.0.0" invalid: should be v0 or v1, not v2'),
        ("go 1.21\ngo 1.22\n", "go.mod:2: repeated go statement"),
        ("go one\n", "go.mod:1: invalid go version 'one': must match format 1.23.0"),
        ("require (\na v1.0.0", "go.mod:2:9: syntax error (unterminated block started at go.mod:1:1)"),
        ('module "m\n', "go.mod:1:10: unexpected newline in string"),
        ("module m /* x */\n", "go.mod:1:10: mod files must use // comments (not /* */ comments)"),
        ("module m\0\n", r"go.mod:1:9: unexpected input character '\x00'"),
        ("module `m`\n", "go.mod:1: invalid quoted string: unquoted string cannot contain quote"),
        ("retract v1 v2\n", 'go.mod:1: unexpected token after version: "v2"'),
        ("replace a.b/c => x\n", "go.mod:1: replacement module without version must be directory path "
         "(rooted or starting with . or ..)"),
    ],
)  # fmt: skip
def test_mistakes_are_named_with_their_position(text, message):
    """A strict parse fails with the file, the line, the column where it is not 1, and Go's own words."""
    with pytest.raises(gomod.SyntaxProblemsError) as caught:
        parse(text)
    assert [str(problem) for problem in caught.value.problems] == [message]


def test_all_problems_are_reported_up_to_a_bound():
    """One error names every wrong directive; a file of nothing else is given up early."""
    with pytest.raises(InvalidGoModError, match=r"go.mod:1: unknown directive: x \(and 9 more\)"):
        parse("x\n" * 100_000)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("module m\n", "m"),
        ("// x\nmodule m // y\n", "m"),
        ("broken (\nmodule\t \"a b\"\n", "a b"),
        ("module `a\\b`\n", "a\\b"),
        ('module "a\n', ""),
        ("modules m\n", ""),
        ("module\n", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_module_path_is_found_in_broken_files(text, path):
    """The path alone is read line by line, whatever else is wrong."""
    assert gomod.module_path(text.encode()) == path


@pytest.mark.parametrize("text", ["( ", '"\\" ', "a/", "//\n", "\n", "x\n", "é", " ", "`", "require ( )\n"])
def test_large_hostile_files_end(text):
    """Half a megabyte of anything is read or refused, in time that grows with its size only."""
    with contextlib.suppress(InvalidGoModError):
        parse(text * ((1 << 19) // len(text)), lax=True)
