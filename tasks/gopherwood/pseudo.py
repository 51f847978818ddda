"""Pseudo-versions: versions that name a commit nobody tagged, and sort between the tags round it.

    (1) vX.0.0-yyyymmddhhmmss-abcdef123456                          no earlier tag
    (2) vX.Y.(Z+1)-0.yyyymmddhhmmss-abcdef123456[+incompatible]     after vX.Y.Z
    (3) vX.Y.Z-pre.0.yyyymmddhhmmss-abcdef123456[+incompatible]     after vX.Y.Z-pre

The numbers above are this file's; "base" is the earlier tag. A pseudo-version never belongs in a `@v/list`.
Authority: golang.org/x/mod/module/pseudo.go, whose names these are in snake case.
"""

import re
from datetime import UTC, datetime
from typing import NamedTuple

from gopherwood import semver
from gopherwood.errors import InvalidVersionError
from gopherwood.runes import quote

_PSEUDO = re.compile(
    r"v[0-9]+\.(?:0\.0-|[0-9]+\.[0-9]+-(?:[^+]*\.)?0\.)[0-9]{14}-[A-Za-z0-9]+(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)
_ZERO_TIME = datetime(1, 1, 1, tzinfo=UTC)


class _Parts(NamedTuple):
    base: str  # "vX.0.0", "vX.Y.(Z+1)-0" or "vX.Y.Z-pre.0"
    timestamp: str
    rev: str
    build: str


def pseudo_version(major: str, older: str, t: datetime, rev: str) -> str:
    """Make the pseudo-version of a commit.

    `major` is "v2" or "" (v0), `older` the tag before it or "", `t` the commit's time (without a time zone: UTC) and
    `rev` its identifier.
    """
    t = t.astimezone(UTC) if t.tzinfo else t
    stamp = f"{t.year:04}{t.month:02}{t.day:02}{t.hour:02}{t.minute:02}{t.second:02}"
    segment = f"{stamp}-{rev}"
    build, older = semver.build(older), semver.canonical(older)
    if not older:
        return f"{major or 'v0'}.0.0-{segment}"
    if semver.prerelease(older):
        return f"{older}.0.{segment}{build}"
    minor, _, patch = older.rpartition(".")
    return f"{minor}.{_inc_decimal(patch)}-0.{segment}{build}"


def zero_pseudo_version(major: str) -> str:
    """Return the placeholder pseudo-version with a zero time and revision."""
    return pseudo_version(major, "", _ZERO_TIME, "0" * 12)


def is_pseudo_version(v: str) -> bool:
    """Report whether v has the form of a pseudo-version."""
    return v.count("-") >= 2 and semver.is_valid(v) and _PSEUDO.fullmatch(v) is not None


def is_zero_pseudo_version(v: str) -> bool:
    """Report whether v is what `zero_pseudo_version` returns for its major version."""
    return v == zero_pseudo_version(semver.major(v))


def pseudo_version_time(v: str) -> datetime:
    """Return the commit time in v, in UTC; raises InvalidVersionError if v is none, or has no such time in it."""
    stamp = _parse(v).timestamp
    numbers = [int(stamp[:4]), *(int(stamp[i : i + 2]) for i in range(4, 14, 2))]
    try:
        year, month, day, hour, minute, second = numbers
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        raise _invalid(v, f"malformed time {quote(stamp)}") from None


def pseudo_version_rev(v: str) -> str:
    """Return the commit's identifier in v; raises InvalidVersionError if v is none."""
    return _parse(v).rev


def pseudo_version_base(v: str) -> str:
    """Return the tag that v comes after, or "" for form (1); raises InvalidVersionError if v cannot have one."""
    base, _, _, build = _parse(v)
    pre = semver.prerelease(base)
    if not pre:
        if build:
            # "vX.0.0-" says that there is no earlier tag, "+incompatible" that there is one.
            raise _invalid(v, f"lacks base version, but has build metadata {quote(build)}")
        return ""
    if pre != "-0":
        return base.removesuffix(".0") + build
    minor, _, patch = base.removesuffix(pre).rpartition(".")
    before = _dec_decimal(patch)
    if not before:
        raise _invalid(v, f"version before {base.removesuffix(pre)} would have negative patch number")
    return f"{minor}.{before}{build}"


def _parse(v: str) -> _Parts:
    if not is_pseudo_version(v):
        raise _invalid(v, "syntax error")
    build = semver.build(v)
    rest, _, rev = v.removesuffix(build).rpartition("-")
    # The timestamp follows the last dot, or in form (1), whose prerelease has none, the last dash.
    base, _, timestamp = rest.rpartition("." if rest.rfind(".") > rest.rfind("-") else "-")
    return _Parts(base, timestamp, rev, build)


def _invalid(v: str, why: str) -> InvalidVersionError:
    return InvalidVersionError(f"pseudo-version {quote(v)} invalid: {why}")


# Decimal strings of any length: `int` refuses to parse thousands of digits.


def _inc_decimal(decimal: str) -> str:
    head = decimal.rstrip("9")
    zeros = "0" * (len(decimal) - len(head))
    return (head[:-1] + str(int(head[-1]) + 1) if head else "1") + zeros


def _dec_decimal(decimal: str) -> str:
    head = decimal.rstrip("0")
    if not head:
        return ""  # nothing is below zero
    nines = "9" * (len(decimal) - len(head))
    return nines if head == "1" and nines else head[:-1] + str(int(head[-1]) - 1) + nines
