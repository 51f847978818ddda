"""Build constraints: which files belong to a platform.

By its name (`_linux_amd64.go`, `_windows.go`) and by its `//go:build` line; the older `// +build` lines count where
there is none. Authority: https://pkg.go.dev/cmd/go#hdr-Build_constraints, go/build/constraint, internal/syslist.
"""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

# fmt: off
OSES = frozenset(
    {
        "aix", "android", "darwin", "dragonfly", "freebsd", "hurd", "illumos", "ios", "js", "linux", "nacl",
        "netbsd", "openbsd", "plan9", "solaris", "wasip1", "windows", "zos",
    }
)
UNIX = frozenset(
    {
        "aix", "android", "darwin", "dragonfly", "freebsd", "hurd", "illumos", "ios", "linux", "netbsd", "openbsd",
        "solaris",
    }
)
ARCHES = frozenset(
    {
        "386", "amd64", "amd64p32", "arm", "armbe", "arm64", "arm64be", "loong64", "mips", "mipsle", "mips64",
        "mips64le", "mips64p32", "mips64p32le", "ppc", "ppc64", "ppc64le", "riscv", "riscv64", "s390", "s390x",
        "sparc", "sparc64", "wasm",
    }
)
# fmt: on
IMPLIED = {"android": "linux", "illumos": "solaris", "ios": "darwin"}
"""Systems for which the files of another count too."""

MAX_TOKENS = 2_000
"""Tokens of one constraint; one that has more is taken to exclude its file."""

_TOKEN = re.compile(r"\s*(\(|\)|&&|\|\||!|[\w.]+)")
_RELEASE = re.compile(r"go1\.[0-9]+")


class Platform(NamedTuple):
    """An operating system and an architecture, in Go's names."""

    goos: str
    goarch: str

    def has(self, tag: str) -> bool:
        """Tell whether a build tag is satisfied: by a recent toolchain with cgo and no tags of the user's."""
        if tag in (self.goos, self.goarch, IMPLIED.get(self.goos), "gc", "cgo"):
            return True
        return (tag == "unix" and self.goos in UNIX) or _RELEASE.fullmatch(tag) is not None


PLATFORMS = (
    Platform("linux", "amd64"),
    Platform("windows", "amd64"),
    Platform("darwin", "amd64"),
    Platform("js", "wasm"),
)
"""Those that documentation is made for, in the order of preference that pkg.go.dev has."""


class _SyntaxError(Exception):
    pass


def belongs(name: str, source: bytes, platform: Platform) -> bool:
    """Tell whether the file `name` (no folder) with this source is built for a platform."""
    return matches_name(name, platform) and matches_source(source, platform)


def matches_name(name: str, platform: Platform) -> bool:
    """Tell what the name of a file says: `*_GOOS`, `*_GOARCH` or `*_GOOS_GOARCH`, before `_test` and `.go`."""
    stem = name.split(".", 1)[0].removesuffix("_test")
    # The first part is never a platform: linux.go is built everywhere.
    parts = stem.split("_")[1:]
    if len(parts) >= 2 and parts[-2] in OSES and parts[-1] in ARCHES:
        return platform.has(parts[-2]) and platform.has(parts[-1])
    return not parts or parts[-1] not in OSES | ARCHES or platform.has(parts[-1])


def matches_source(source: bytes, platform: Platform) -> bool:
    """Tell what the constraint above the package clause says; a line that cannot be read excludes the file."""
    lines = _header(source)
    try:
        for line in lines:
            if line.startswith("//go:build") and line[10:11] in (" ", "\t"):
                return _evaluate(line[10:], platform.has)
        older = [line[2:].split()[1:] for line in lines if re.match(r"//\s*\+build(\s|$)", line)]
    except _SyntaxError:
        return False
    return all(any(all(_term(term, platform) for term in word.split(",")) for word in words) for words in older)


def _header(source: bytes) -> list[str]:
    """Return the line comments before anything else but block comments, which is where constraints may stand."""
    lines: list[str] = []
    in_block = False
    for raw in source[: 64 << 10].splitlines():
        line = raw.strip()
        if in_block:
            in_block = b"*/" not in line
        elif line.startswith(b"//"):
            lines.append(line.decode("utf-8", "replace"))
        elif line.startswith(b"/*"):
            in_block = b"*/" not in line[2:]
        elif line:
            break
    return lines


def _term(term: str, platform: Platform) -> bool:
    return not platform.has(term[1:]) if term.startswith("!") else platform.has(term)


def _evaluate(text: str, has: Callable[[str], bool]) -> bool:
    tokens = _tokens(text)
    value, at = _either(tokens, 0, has, 0)
    if at != len(tokens):
        raise _SyntaxError
    return value


def _tokens(text: str) -> list[str]:
    tokens: list[str] = []
    at, text = 0, text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or len(tokens) > MAX_TOKENS:
            raise _SyntaxError
        tokens.append(match[1])
        at = match.end()
    return tokens


def _either(tokens: Sequence[str], at: int, has: Callable[[str], bool], depth: int) -> tuple[bool, int]:
    value, at = _both(tokens, at, has, depth)
    while at < len(tokens) and tokens[at] == "||":
        other, at = _both(tokens, at + 1, has, depth)
        value = value or other
    return value, at


def _both(tokens: Sequence[str], at: int, has: Callable[[str], bool], depth: int) -> tuple[bool, int]:
    value, at = _not(tokens, at, has, depth)
    while at < len(tokens) and tokens[at] == "&&":
        other, at = _not(tokens, at + 1, has, depth)
        value = value and other
    return value, at


def _not(tokens: Sequence[str], at: int, has: Callable[[str], bool], depth: int) -> tuple[bool, int]:
    if at >= len(tokens) or depth > 100:
        raise _SyntaxError
    word = tokens[at]
    if word == "!":
        if tokens[at + 1 : at + 2] == ["!"]:
            raise _SyntaxError
        value, at = _not(tokens, at + 1, has, depth + 1)
        return not value, at
    if word == "(":
        value, at = _either(tokens, at + 1, has, depth + 1)
        if tokens[at : at + 1] != [")"]:
            raise _SyntaxError
        return value, at + 1
    if word in (")", "&&", "||"):
        raise _SyntaxError
    return has(word), at + 1
