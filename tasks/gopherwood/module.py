"""Module paths and versions: which are valid, and how they are written in URLs and file names.

`check` says whether a path and a version belong together. The escaped form replaces every upper-case letter by an
exclamation mark and the lower-case letter (github.com/Azure -> github.com/!azure), because neither file systems nor web
servers can be trusted to tell cases apart; the store's keys and the proxy protocol's URLs are made of it.
Authority: golang.org/x/mod/module/module.go, whose names these are in snake case and whose order this
file keeps; the texts of the errors are Go's.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from gopherwood import runes, semver
from gopherwood.errors import InvalidPathError, InvalidVersionError


@dataclass(frozen=True, slots=True, order=True)
class ModuleVersion:
    """A module path and a version, both plain (unescaped)."""

    path: str
    version: str

    def __str__(self) -> str:
        return f"{self.path}@{self.version}" if self.version else self.path


def check(path: str, version: str) -> None:
    """Check that the path is valid, the version is a semantic version, and the two belong together.

    Raises InvalidPathError or InvalidVersionError.
    """
    check_path(path)
    if not semver.is_valid(version):
        raise InvalidVersionError(f"{path}@{version}: invalid version: not a semantic version")
    if problem := _major_problem(version, split_path_version(path)[1]):
        raise InvalidVersionError(f"{path}@{version}: invalid version: {problem}")


# --- paths ------------------------------------------------------------------------------------------------------------

_WINDOWS_NAMES = frozenset(
    ["con", "prn", "aux", "nul", *(f"com{n}" for n in range(1, 10)), *(f"lpt{n}" for n in range(1, 10))]
)
_CHARS = {
    "module": "-._~0-9A-Za-z",
    "import": "-._~+0-9A-Za-z",
    "file": r"-!#$%&()+,.=@\[\]^_{}~ 0-9A-Za-z",
}
_OTHER_CHAR = {kind: re.compile(f"[^{chars}]") for kind, chars in _CHARS.items()}


def _surely_valid(chars: str) -> re.Pattern[str]:
    # One expression that decides for nearly every real path, so that the rules below run only to find the fault.
    element = rf"(?!(?:con|prn|aux|nul|com[1-9]|lpt[1-9])(?:[./]|\Z))[{chars}]++(?<!\.)"
    return re.compile(rf"{element}(?:/{element})*+", re.IGNORECASE | re.ASCII)


_SURE_IMPORT = _surely_valid(_CHARS["import"].replace("~", ""))
_SURE_FILE = _surely_valid(_CHARS["file"])


def check_path(path: str) -> None:
    """Check a module path: an import path whose first element is a lower-case domain name, with a valid /vN if any.

    Raises InvalidPathError.
    """
    if problem := _path_problem(path, "module") or _module_problem(path):
        raise InvalidPathError(f"malformed module path {runes.quote(path)}: {problem}")


def check_import_path(path: str) -> None:
    """Check an import path: elements of ASCII letters, digits and -._~+ that every file system can hold.

    Raises InvalidPathError.
    """
    if path[:1] != "-" and _SURE_IMPORT.fullmatch(path):
        return
    if problem := _path_problem(path, "import"):
        raise InvalidPathError(f"malformed import path {runes.quote(path)}: {problem}")


def check_file_path(path: str) -> None:
    """Check a slash-separated file path: as an import path, with all Unicode letters, spaces and more punctuation.

    Raises InvalidPathError.
    """
    if _SURE_FILE.fullmatch(path):
        return
    if problem := _path_problem(path, "file"):
        raise InvalidPathError(f"malformed file path {runes.quote(path)}: {problem}")


def _path_problem(path: str, kind: str) -> str:
    if not runes.is_valid(path):
        return "invalid UTF-8"
    if not path:
        return "empty string"
    if path[0] == "-" and kind != "file":
        return "leading dash"
    if "//" in path:
        return "double slash"
    if path[-1] == "/":
        return "trailing slash"
    return next(filter(None, (_element_problem(element, kind) for element in path.split("/"))), "")


def _element_problem(element: str, kind: str) -> str:
    if not element:
        return "empty path element"
    if element.count(".") == len(element):
        return f"invalid path element {runes.quote(element)}"
    if element[0] == "." and kind == "module":
        return "leading dot in path element"
    if element[-1] == ".":
        return "trailing dot in path element"
    for char in dict.fromkeys(_OTHER_CHAR[kind].findall(element)):
        if kind != "file" or char.isascii() or not runes.is_letter(char):
            return f"invalid char {runes.quote_rune(char)}"
    short = element.partition(".")[0]
    if runes.fold(short) in _WINDOWS_NAMES:
        return f"{runes.quote(short)} disallowed as path element component on Windows"
    # Windows' short names, as in PROGRA~1, are only an issue for import paths.
    if kind != "file" and re.search("~[0-9]+$", short):
        return "trailing tilde and digits in path element"
    return ""


def _module_problem(path: str) -> str:
    first = path.partition("/")[0]
    if "." not in first:
        return "missing dot in first path element"
    for char in first:
        if not (char in "-." or "0" <= char <= "9" or "a" <= char <= "z"):
            return f"invalid char {runes.quote_rune(char)} in first path element"
    return "" if split_path_version(path)[2] else "invalid version"


# --- major versions ---------------------------------------------------------------------------------------------------


def split_path_version(path: str) -> tuple[str, str, bool]:
    """Split off the major-version suffix: (prefix, path_major, ok), where prefix + path_major == path.

    path_major is "" or "/vN" with N >= 2; for gopkg.in paths, which must have one, ".vN". ok is False for a suffix that
    no module path may have, such as /v1, /v02 or /v2.3.
    """
    if path.startswith("gopkg.in/"):
        return _split_gopkg_in(path)
    i = len(path.rstrip("0123456789."))
    if i <= 1 or i == len(path) or path[i - 2 : i] != "/v":
        return path, "", True
    prefix, path_major = path[: i - 2], path[i - 2 :]
    if "." in path_major or path_major[2] == "0" or path_major == "/v1":
        return path, "", False
    return prefix, path_major, True


def _split_gopkg_in(path: str) -> tuple[str, str, bool]:
    i = len(path.removesuffix("-unstable").rstrip("0123456789"))
    if path[i - 2 : i] != ".v":
        return path, "", False
    prefix, path_major = path[: i - 2], path[i - 2 :]
    if len(path_major) <= 2 or (path_major[2] == "0" and path_major != ".v0"):
        return path, "", False
    return prefix, path_major, True


def match_path_major(v: str, path_major: str) -> bool:
    """Report whether the version may be one of a path with that major-version suffix."""
    return not _major_problem(v, path_major)


def check_path_major(v: str, path_major: str) -> None:
    """Check that the version may be one of a path with that major-version suffix; raises InvalidVersionError."""
    if problem := _major_problem(v, path_major):
        raise InvalidVersionError(f"version {runes.quote(v)} invalid: {problem}")


def _major_problem(v: str, path_major: str) -> str:
    if path_major.startswith(".v"):
        path_major = path_major.removesuffix("-unstable")
    if v.startswith("v0.0.0-") and path_major == ".v1":
        return ""  # an old bug wrote such pseudo-versions for gopkg.in/….v1, and go.mod files still name them
    major = semver.major(v)
    if not path_major:
        if major in ("v0", "v1") or semver.build(v) == "+incompatible":
            return ""
        return f"should be v0 or v1, not {major}"
    if path_major[0] in "/.":
        path_major = path_major[1:]
        if major == path_major:
            return ""
    return f"should be {path_major}, not {major}"


def path_major_prefix(path_major: str) -> str:
    """Return the major version that the suffix asks of tags: "/v2" -> "v2", "" -> "" (v0 or v1).

    Raises ValueError for what is no suffix of `split_path_version`.
    """
    if not path_major:
        return ""
    if path_major[0] not in "/.":
        raise ValueError(f"pathMajor suffix {path_major} passed to PathMajorPrefix lacks separator")
    if path_major.startswith(".v"):
        path_major = path_major.removesuffix("-unstable")
    major = path_major[1:]
    if major != semver.major(major):
        raise ValueError(f"pathMajor suffix {path_major} passed to PathMajorPrefix is not a valid major version")
    return major


def canonical_version(v: str) -> str:
    """Return the canonical form of v, which keeps the build suffix "+incompatible" and no other; "" if v is invalid."""
    canonical = semver.canonical(v)
    return canonical + "+incompatible" if semver.build(v) == "+incompatible" else canonical


# --- escaped forms ----------------------------------------------------------------------------------------------------


def escape_path(path: str) -> str:
    """Return the escaped form of a module path; raises InvalidPathError if the path is invalid."""
    check_path(path)
    return _escape(path)


def escape_version(v: str) -> str:
    """Return the escaped form of a version, which need not be semantic; raises InvalidVersionError if no file name."""
    if _element_problem(v, "file") or "!" in v:
        raise InvalidVersionError(f"version {runes.quote(v)} invalid: disallowed version string")
    if not v.isascii():
        raise InvalidVersionError("internal error: inconsistency in EscapePath")
    return _escape(v)


def unescape_path(escaped: str) -> str:
    """Return the module path of an escaped one; raises InvalidPathError if it is not one."""
    path = _unescape(escaped)
    if path is None:
        raise InvalidPathError(f"invalid escaped module path {runes.quote(escaped)}")
    try:
        check_path(path)
    except InvalidPathError as error:
        raise InvalidPathError(f"invalid escaped module path {runes.quote(escaped)}: {error}") from None
    return path


def unescape_version(escaped: str) -> str:
    """Return the version of an escaped one; raises InvalidVersionError if it is not one."""
    v = _unescape(escaped)
    if v is None:
        raise InvalidVersionError(f"invalid escaped version {runes.quote(escaped)}")
    if problem := _element_problem(v, "file"):
        raise InvalidVersionError(f"invalid escaped version {runes.quote(v)}: {problem}")
    return v


def _escape(text: str) -> str:
    return re.sub("[A-Z]", lambda upper: "!" + upper[0].lower(), text)


def _unescape(escaped: str) -> str | None:
    if not escaped.isascii() or re.search("[A-Z]|!(?![a-z])", escaped):
        return None
    return re.sub("!([a-z])", lambda lower: lower[1].upper(), escaped)


# --- patterns ---------------------------------------------------------------------------------------------------------


def match_prefix_patterns(globs: str, target: str) -> bool:
    """Report whether a path prefix of target matches a glob of the comma-separated list, as GOPRIVATE's do.

    A glob of N elements is held against the first N elements of target. Empty and malformed globs match nothing.
    """
    for glob in globs.split(","):
        glob = glob.removesuffix("/")
        elements = target.split("/")
        depth = glob.count("/") + 1
        if not glob or depth > len(elements):
            continue
        pattern = _glob_pattern(glob)
        if pattern is not None and pattern.fullmatch("/".join(elements[:depth])):
            return True
    return False


_TERM = re.compile(
    r"(?P<star>\*+)|(?P<any>\?)|\[(?P<not>\^?+)(?P<class>(?:(?:\\.|[^]\\-])(?:-(?:\\.|[^]\\-]))?)+)\]"
    r"|\\(?P<escaped>.)|(?P<char>[^*?\\[])",
    re.DOTALL,
)
_RANGE = re.compile(r"\\?(.)(?:-\\?(.))?", re.DOTALL)


@lru_cache(maxsize=256)
def _glob_pattern(glob: str) -> re.Pattern[str] | None:
    """Translate a glob of Go's path.Match; None if it is malformed.

    Each star but the last is an atomic, shortest match, as in Go: no glob can take exponential time.
    """
    chunks, pos = [""], 0
    while pos < len(glob):
        term = _TERM.match(glob, pos)
        if term is None:
            return None
        pos = term.end()
        if term["star"]:
            chunks.append("")
        else:
            chunks[-1] += _term_pattern(term)
    first, *starred = chunks
    middle = "".join(f"(?>[^/]*?{chunk})" for chunk in starred[:-1])
    last = f"[^/]*{starred[-1]}" if starred else ""
    return re.compile(first + middle + last, re.DOTALL)


def _term_pattern(term: re.Match[str]) -> str:
    if term["any"]:
        return "[^/]"
    if term["class"]:
        pairs = [(low, high or low) for low, high in _RANGE.findall(term["class"])]
        inside = "".join(f"{re.escape(low)}-{re.escape(high)}" for low, high in pairs if low <= high)
        if not inside:  # every range is upside down: the class is empty
            return "." if term["not"] else r"(?!)"
        return f"[{term['not']}{inside}]"
    return re.escape(term["escaped"] or term["char"])
