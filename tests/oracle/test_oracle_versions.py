"""Versions, paths and pseudo-versions: generated inputs, near enough to valid to be interesting, judged twice."""

from datetime import UTC, datetime

import pytest

from gopherwood import module, pseudo, runes, semver
from oracle.driver import Ink, agree, attempt

pytestmark = pytest.mark.upstream

NUMBERS = ("0", "1", "2", "10", "9", "99", "01", "", "18446744073709551616")
IDENTS = ("0", "1", "2", "10", "01", "rc", "rc1", "beta", "-", "a-b", "0a", "pre", "", "00000000000000000000")
BUILDS = ("", "", "", "+incompatible", "+meta", "+meta.1", "+", "+incompatible+incompatible", "+a..b", "+01")
VERSION_CHARS = "v.-+01aZ !/\né٣\udcff"
STAMPS = (
    "20060102150405",
    "20240229000000",
    "20230229000000",
    "20241301000000",
    "00010101000000",
    "2006010215040",
    "99991231235959",
    "20060102150460",
)
REVS = ("abcdef123456", "000000000000", "hash", "A0", "", "a-b")
HOSTS = ("example.com", "github.com", "gopkg.in", "x.y", "Example.com", "localhost", "-x.y", "a.b.", "x_y.z", "k8s.io")
ELEMENTS = (
    "m", "Azure", "yaml", "v", "v1", "v2", "v02", "v0", "v2.3", "v10", "yaml.v2", "check.v1", "x.v0", "x.v00", "a~b",
    "y.v3-unstable", "nats.go", "nul", "CON.txt", "com1", "com0", "lpt9.x", "PROGRA~1", "~", "..", ".", "...", "", "a.",
    ".git", "a b", "+x", "é", "世界", "!a", "_", "x!", "a\udcff", "\u0130", "go.mod", "a'b", "a\\b", "\U00031350",
)  # fmt: skip
PATH_CHARS = "./-_~!+ @:*A0v\\'\"é\u0301\u200b\udcff\n\x00\u017f\u212a"
MAJORS = (
    "",
    "/v2",
    "/v3",
    ".v1",
    ".v2",
    ".v0",
    ".v2-unstable",
    "/v0",
    "v2",
    "/",
    ".",
    "/v2-unstable",
    "/v02",
    "x",
    "/v2.0.0",
)
GLOB_PARTS = (
    "*",
    "?",
    "a",
    "b",
    "/",
    "[ab]",
    "[^a]",
    "[a-c]",
    "[^/]",
    "[",
    "]",
    "\\",
    "\\*",
    "-",
    ",",
    "[]a]",
    "[a-]",
    "[\\]]",
    "ab",
    "[c-a]",
    "[^c-a]",
    "**",
    "[[]",
)
TARGETS = ("a", "b", "ab", "c", "/", "*", "-", "]", "^", "[", "a", "b", "/")  # fmt: skip


def version(ink: Ink) -> str:
    if ink.below(5) == 0:
        return pseudo_version(ink)
    text = "v" + ".".join(ink.pick(NUMBERS) for _ in range((3, 3, 3, 3, 2, 1)[ink.below(6)]))
    if ink.below(2):
        text += "-" + ".".join(ink.pick(IDENTS) for _ in range(1 + ink.below(3)))
    return ink.smudge(text + ink.pick(BUILDS), VERSION_CHARS)


def pseudo_version(ink: Ink) -> str:
    middle = ink.pick(("0.0-", "2.3-0.", "2.3-pre.0.", "2.10-rc.1.0.", "0.0-0.", "2.0-0.", "0.1-", "2.3-0.0."))
    text = f"v{ink.pick(NUMBERS[:4])}.{middle}{ink.pick(STAMPS)}-{ink.pick(REVS)}{ink.pick(BUILDS)}"
    return ink.smudge(text, VERSION_CHARS, odds=2)


def path(ink: Ink) -> str:
    elements = [ink.pick(HOSTS), *(ink.pick(ELEMENTS) for _ in range(ink.below(5)))]
    return ink.smudge("/".join(elements[ink.below(8) == 0 :]), PATH_CHARS)


def about_version(v: str) -> list[str]:
    parts = (semver.canonical, semver.major, semver.major_minor, semver.prerelease, semver.build)
    return [attempt(semver.is_valid, v), *(part(v) for part in parts)]


def about_path(p: str) -> list[str]:
    prefix, path_major, ok = module.split_path_version(p)
    checks = (module.check_path, module.check_import_path, module.check_file_path)
    escapes = (module.escape_path, module.unescape_path)
    return [*(attempt(f, p) for f in checks), prefix, path_major, str(ok).lower(), *(attempt(f, p) for f in escapes)]


def about_major(v: str, path_major: str) -> list[str]:
    try:
        prefix = module.path_major_prefix(path_major)
    except ValueError:
        prefix = "!panic"
    return [attempt(module.check_path_major, v, path_major), attempt(module.match_path_major, v, path_major), prefix]


def about_pseudo(v: str) -> list[str]:
    return [
        attempt(pseudo.is_pseudo_version, v),
        attempt(pseudo.is_zero_pseudo_version, v),
        attempt(lambda: int(pseudo.pseudo_version_time(v).timestamp())),
        attempt(pseudo.pseudo_version_base, v),
        attempt(pseudo.pseudo_version_rev, v),
    ]


def make_pseudo(major: str, older: str, seconds: str, rev: str) -> list[str]:
    return [pseudo.pseudo_version(major, older, datetime.fromtimestamp(int(seconds), UTC), rev)]


def year_zero(question: tuple[str, ...], theirs: list[str], mine: list[str]) -> bool:
    # Python's datetime has no year 0 (docs/content-rules.md).
    return theirs == mine or ("0000" in question[0] and mine[2].startswith("!") and theirs[:2] == mine[:2])


def sort_ours(*versions: str) -> list[str]:
    listed = list(versions)
    semver.sort(listed)
    return listed


def test_versions(oracle):
    """Every part of a version is Go's."""
    agree(oracle, "semver", lambda ink: [version(ink)], about_version, inputs=20_000)


def test_comparison(oracle):
    """Pairs of versions compare as in Go."""
    ours = lambda v, w: [str(semver.compare(v, w))]  # noqa: E731
    agree(oracle, "compare", lambda ink: [version(ink), version(ink)], ours, inputs=15_000, ink=40)


def test_sorting(oracle):
    """Lists of versions sort as in Go."""
    agree(oracle, "sort", lambda ink: [version(ink) for _ in range(8)], sort_ours, inputs=2_000, ink=120)


def test_module_versions(oracle):
    """Versions canonicalise, escape and unescape as in Go, with its errors."""

    def ours(v: str) -> list[str]:
        return [module.canonical_version(v), attempt(module.escape_version, v), attempt(module.unescape_version, v)]

    agree(oracle, "version", lambda ink: [ink.pick((version, path))(ink)], ours, inputs=15_000)


def test_paths(oracle):
    """Paths are checked, split and escaped as in Go, with its errors."""
    agree(oracle, "path", lambda ink: [path(ink)], about_path, inputs=25_000)


def test_checks(oracle):
    """Paths and versions belong together where Go says so."""
    ours = lambda p, v: [attempt(module.check, p, v)]  # noqa: E731
    agree(oracle, "check", lambda ink: [path(ink), version(ink)], ours, inputs=10_000, ink=40)


def test_majors(oracle):
    """Major-version suffixes take the versions that they take in Go."""
    agree(oracle, "major", lambda ink: [version(ink), ink.pick(MAJORS)], about_major, inputs=10_000)


def test_patterns(oracle):
    """Prefix patterns, malformed ones included, match what they match in Go."""

    def spell(ink: Ink) -> list[str]:
        return [ink.run(GLOB_PARTS, 7), ink.run(TARGETS, 7)]

    ours = lambda globs, target: [attempt(module.match_prefix_patterns, globs, target)]  # noqa: E731
    agree(oracle, "match", spell, ours, inputs=15_000)


def test_pseudo_versions(oracle):
    """Pseudo-versions fall apart as in Go, with its errors."""
    agree(oracle, "pseudo", lambda ink: [pseudo_version(ink)], about_pseudo, inputs=8_000, ink=16, same=year_zero)


def test_made_pseudo_versions(oracle):
    """Pseudo-versions are made as in Go."""

    def spell(ink: Ink) -> list[str]:
        seconds = int.from_bytes(bytes(ink.below(256) for _ in range(4)), "big") * ink.pick((1, -1, 20))
        return [ink.pick(("", "v0", "v1", "v2")), version(ink), str(seconds), ink.pick(REVS)]

    agree(oracle, "makepseudo", spell, make_pseudo, inputs=5_000, ink=32)


def test_quoting(oracle):
    """Texts are quoted as by %q."""
    ours = lambda text: [runes.quote(text)]  # noqa: E731
    agree(
        oracle, "quote", lambda ink: [ink.run((*PATH_CHARS, *ELEMENTS, "\u2028", "\U000e0001"), 8)], ours, inputs=5_000
    )


@pytest.fixture(scope="module")
def unicode(oracle):
    """Ask Go for every character: how its Unicode compares with ours, the letters, the least of each folding."""
    known, *rows = oracle.ask("runes", [[]])[0]
    split = [row.split() for row in rows]
    letters = {chr(int(code)) for code, letter, _ in split if letter == "true"}
    theirs, mine = ([int(n) for n in version.split(".")] for version in (known, runes.UNICODE_VERSION))
    return (theirs > mine) - (theirs < mine), letters, {chr(int(code)): chr(int(least)) for code, _, least in split}


def test_every_letter(unicode):
    """Letters are Go's for every character; whose Unicode is newer may know more."""
    newer, letters, _ = unicode
    ours = {chr(c) for c in range(0x110000) if runes.is_letter(chr(c))}
    assert newer >= 0 or not letters - ours
    assert newer <= 0 or not ours - letters
    assert newer != 0 or letters == ours


def test_every_folding(unicode):
    """Case folding is Go's for every character; whose Unicode is newer may join more."""
    newer, _, least = unicode
    joined = {(runes.fold(char), runes.fold(low)) for char, low in least.items() if char != low}
    assert newer > 0 or all(a == b for a, b in joined)
    lows = set(least.values())
    assert newer != 0 or len({runes.fold(low) for low in lows}) == len(lows)
