"""go.mod files, read strictly and laxly, judged by Go and by us."""

from collections.abc import Sequence

import pytest

from gopherwood import gomod, gotext
from gopherwood.errors import InvalidGoModError
from gopherwood.runes import quote
from oracle.driver import Answer, Ink, agree

pytestmark = pytest.mark.upstream

PATHS = (
    "example.com/m", "example.com/m/v2", "gopkg.in/yaml.v3", '"example.com/q"', "`example.com/b`", "example.com/m/v1",
    "./x", "../y", "/abs", "golang.org/x/mod", "a@v1", '"a\\x20b"', "'x'", "C:\\\\x", ".", "x\\y",
)  # fmt: skip
VERSIONS = (
    "v1.0.0", "v1.2.3", "v2.0.0", "v3.0.1", "v0.0.0-20240229233001-abcdef123456", "v2.0.0+incompatible", '"v1.0.0"',
    "v1", "v1.2", "master", "1.0.0", "v1.0.0+meta", "latest", "`v1.0.0`", '"v1',
)  # fmt: skip
GO = ("1.21", "1.21.0", "1.22rc1", "1", "1.021", "1.x", "v1.21", "1.21.x", "go1.21", "1.20.3-pre")
TOOLCHAINS = ("go1.21.0", "default", "local", "go1", "go1.21-custom", "1.21", "go2")
COMMENTS = (
    "", "", "", "", " // indirect", " // indirect; because", " //indirect", " // x", " // Deprecated: use v2",
    " /* x */", " // bad release", " //", " // indirect x",
)  # fmt: skip
ABOVE = (
    "",
    "",
    "",
    "",
    "// a comment\n",
    "// Deprecated: use v2\n",
    "// Deprecated: a\n//\n// b\n",
    "\n",
    "// x\n\n",
    "// é\t \n",
)
VERBS = (
    "module",
    "go",
    "toolchain",
    "godebug",
    "require",
    "exclude",
    "replace",
    "retract",
    "tool",
    "ignore",
    "use",
    "unknown",
)
CHARS = '\n\t ()[],=>/"`\\v1#é\udcff\r\x01\u2028'


def arguments(ink: Ink, verb: str) -> str:
    path, version = ink.pick(PATHS), ink.pick(VERSIONS)
    if verb in ("require", "exclude"):
        return f"{path} {version}"
    if verb == "replace":
        old = f"{path} {version}" if ink.below(2) else path
        new = ink.pick(PATHS) + (f" {ink.pick(VERSIONS)}" if ink.below(2) else "")
        return f"{old} => {new}"
    if verb == "retract":
        return version if ink.below(2) else f"[{version}, {ink.pick(VERSIONS)}]"
    simple = {"go": GO, "toolchain": TOOLCHAINS, "godebug": ("a=b", "a=b=c", "a", "a=", '"a=b"', "a=b,c=d", "=")}
    return ink.pick(simple.get(verb, PATHS))


def statement(ink: Ink) -> str:
    verb = ink.pick(VERBS[:10]) if ink.below(8) else ink.pick(VERBS)
    if ink.below(4):
        return f"{ink.pick(ABOVE)}{verb} {arguments(ink, verb)}{ink.pick(COMMENTS)}\n"
    inside = (f"{ink.pick(ABOVE)}\t{arguments(ink, verb)}{ink.pick(COMMENTS)}\n" for _ in range(ink.below(4)))
    return f"{ink.pick(ABOVE)}{verb} ({ink.pick(COMMENTS)}\n{''.join(inside)}){ink.pick(COMMENTS)}\n"


def go_mod(ink: Ink) -> str:
    first = "" if ink.below(4) == 0 else f"{ink.pick(ABOVE)}module {ink.pick(PATHS[:6])}{ink.pick(COMMENTS)}\n"
    text = first + "".join(statement(ink) for _ in range(ink.below(4)))
    return ink.smudge(text, CHARS, odds=2)


def spell(ink: Ink) -> list[str]:
    return [ink.pick(("strict", "lax")), go_mod(ink)]


def about(how: str, text: str) -> Answer:
    """Say what a go.mod says, in the words of the Go side."""
    try:
        file = gomod.parse("go.mod", gotext.to_bytes(text), lax=how == "lax")
    except InvalidGoModError as error:
        return [f"!{error}"]
    answer = [""]
    if file.module:
        module = file.module
        answer.append(f"module {quote(module.path)} deprecated {quote(module.deprecated)} line {module.line}")
    answer += [f"go {file.go}"] if file.go else []
    answer += [f"toolchain {file.toolchain}"] if file.toolchain else []
    answer += [f"godebug {quote(g.key)}={quote(g.value)} line {g.line}" for g in file.godebug]
    answer += [f"require {both(r.mv)} indirect {str(r.indirect).lower()} line {r.line}" for r in file.require]
    answer += [f"exclude {both(e.mv)} line {e.line}" for e in file.exclude]
    answer += [f"replace {both(r.old)} => {both(r.new)} line {r.line}" for r in file.replace]
    answer += [
        f"retract {quote(r.low)} {quote(r.high)} rationale {quote(r.rationale)} line {r.line}" for r in file.retract
    ]
    return [*answer, *(f"tool {quote(t)}" for t in file.tool), *(f"ignore {quote(i)}" for i in file.ignore)]


def both(mv) -> str:
    return f"{quote(mv.path)} {quote(mv.version)}"


def same(_: Sequence[str], theirs: Answer, mine: Answer) -> bool:
    """Compare what is said, and of errors the position and the message of the first."""
    if theirs[0].startswith("!") and mine[0].startswith("!"):
        if "expected newline after closing paren" in theirs[0]:
            return True  # of two mistakes on that line ours is the lexical one (the notes of gomod)
        return theirs[0].split("\n")[0] == mine[0].split("\n")[0].split(" (and ")[0]
    return theirs == mine


def test_go_mods(oracle):
    """A go.mod says to us what it says to Go, strictly and laxly, and its first mistake is where Go finds it."""
    agree(oracle, "modfile", spell, about, inputs=20_000, ink=100, same=same)


def test_module_paths(oracle):
    """The module's path is found, in broken files too, where Go finds it."""
    ours = lambda text: [gomod.module_path(gotext.to_bytes(text))]  # noqa: E731
    agree(oracle, "modulepath", lambda ink: [go_mod(ink)], ours, inputs=10_000, ink=100)


def test_string_literals(oracle):
    """Quoted strings are read as in Go."""

    def unquote(text: str) -> Answer:
        try:
            return [gotext.unquote(text)]
        except ValueError as error:
            return [f"!{error}"]

    parts = (
        '"',
        "`",
        "\\",
        "a",
        "n",
        "x41",
        "u00e9",
        "ud800",
        "U0001F600",
        "101",
        "777",
        "\n",
        "é",
        "\udcff",
        "'",
        "\r",
        "\\\\",
    )

    def literal(ink: Ink) -> list[str]:
        mark = ink.pick(('"', '"', "`"))
        return [
            ink.smudge(
                mark + "".join(ink.pick(("", "\\")) + ink.pick(parts) for _ in range(ink.below(5))) + mark, "\"`'"
            )
        ]

    agree(oracle, "unquote", literal, unquote, inputs=5_000)
