"""Semantic versions as Go writes them: a leading "v", and vMAJOR and vMAJOR.MINOR as short forms.

    vMAJOR[.MINOR[.PATCH[-PRERELEASE][+BUILD]]]

Numbers are decimal without extra leading zeros; prerelease and build are series of non-empty identifiers [0-9A-Za-z-]
joined by dots, and an all-numeric prerelease identifier has no leading zero. Invalid versions are no error here: they
are less than all valid ones, and equal to each other.
Authority: golang.org/x/mod/semver, whose names these are in snake case.
"""

import re
from typing import TypeAlias

_NUMBER = r"(?:0|[1-9][0-9]*)"
_PRE_IDENT = rf"(?:{_NUMBER}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_VERSION = re.compile(
    rf"v(?P<major>{_NUMBER})(?:\.(?P<minor>{_NUMBER})(?:\.(?P<patch>{_NUMBER})"
    rf"(?P<pre>-{_PRE_IDENT}(?:\.{_PRE_IDENT})*)?(?P<build>\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?)?)?"
)

_Number: TypeAlias = tuple[int, str]
Key: TypeAlias = tuple[_Number, _Number, _Number, int, tuple[tuple[int, int, str], ...]] | tuple[()]
"""What `key` returns; the empty tuple, which is less than every other, stands for an invalid version."""


def is_valid(v: str) -> bool:
    """Report whether v is a semantic version."""
    return _VERSION.fullmatch(v) is not None


def canonical(v: str) -> str:
    """Fill in missing .MINOR and .PATCH and drop build metadata; "" if v is invalid.

    Two versions compare equal exactly if their canonical forms are equal.
    """
    m = _VERSION.fullmatch(v)
    if m is None:
        return ""
    if m["patch"] is not None:
        return v[: m.start("build")] if m["build"] else v
    return v + (".0" if m["minor"] is not None else ".0.0")


def major(v: str) -> str:
    """Return the major version with its "v", so "v2" of "v2.1.0"; "" if v is invalid."""
    m = _VERSION.fullmatch(v)
    return "v" + m["major"] if m else ""


def major_minor(v: str) -> str:
    """Return vMAJOR.MINOR, so "v2.0" of "v2"; "" if v is invalid."""
    m = _VERSION.fullmatch(v)
    return f"v{m['major']}.{m['minor'] or '0'}" if m else ""


def prerelease(v: str) -> str:
    """Return the prerelease suffix with its "-", so "-pre" of "v2.1.0-pre+meta"; "" if there is none."""
    m = _VERSION.fullmatch(v)
    return (m["pre"] or "") if m else ""


def build(v: str) -> str:
    """Return the build suffix with its "+", so "+meta" of "v2.1.0+meta"; "" if there is none."""
    m = _VERSION.fullmatch(v)
    return (m["build"] or "") if m else ""


def compare(v: str, w: str) -> int:
    """Return -1, 0 or +1 as v is of lower, equal or higher precedence than w; build metadata does not count."""
    a, b = key(v), key(w)
    return (a > b) - (a < b)


def key(v: str) -> Key:
    """Return a sort key that orders as `compare` does.

    Numbers are ordered by length and then as text, never converted: a version may have any number of digits.
    """
    m = _VERSION.fullmatch(v)
    if m is None:
        return ()
    idents = tuple(map(_ident_key, m["pre"][1:].split("."))) if m["pre"] else ()
    # A release (1) is above its prereleases (0).
    return (_number(m["major"]), _number(m["minor"]), _number(m["patch"]), int(not idents), idents)


def _number(digits: str | None) -> _Number:
    return (len(digits), digits) if digits else (1, "0")


def _ident_key(ident: str) -> tuple[int, int, str]:
    # Numeric identifiers are below all others, and in order of their value.
    return (0, len(ident), ident) if ident.isdigit() else (1, 0, ident)


def sort(versions: list[str]) -> None:
    """Sort in place by precedence; versions of equal precedence by their text."""
    versions.sort(key=lambda v: (key(v), v))
