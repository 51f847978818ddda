"""The `.info` of a module version: what it is called, when it was committed, and where it came from.

Upstreams send other bytes for the same facts (pretty-printed, with keys of their own), so an `.info` is parsed and
written again in one canonical form: compact JSON with the keys Version, Time and Origin, in Go's order and spelling.
`.mod` and `.zip` are never rewritten. Authority: `go help goproxy`, modfetch.RevInfo and codehost.Origin of cmd/go.
"""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, NoReturn

from gopherwood.errors import InvalidInfoError
from gopherwood.module import ModuleVersion

MAX_INFO = 1 << 20
"""Bytes of the largest `.info` that is looked at; real ones are below 2 KiB."""

_ORIGIN_KEYS = ("VCS", "URL", "Subdir", "Hash", "TagPrefix", "TagSum", "Ref", "RepoSum")
_KEYS = ("Version", "Time", "Origin")
_RFC3339 = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?(?:Z|([+-])([0-9]{2}):([0-9]{2}))"
)
_ZERO_TIME = datetime(1, 1, 1, tzinfo=UTC)
_SURROGATES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Info:
    """The facts of an `.info`."""

    version: str
    time: datetime | None
    """Commit time in UTC, None if the upstream gave none."""
    origin: dict[str, Any] | None
    """Where it came from (VCS, URL, Hash, Ref …), as the upstream gave it; often missing."""
    nanoseconds: int = 0
    """The part of the time below one microsecond, which `datetime` cannot hold."""


def parse(data: bytes, mv: ModuleVersion) -> Info:
    """Parse an `.info` and check that it is the asked version's; raises InvalidInfoError."""
    if len(data) > MAX_INFO:
        raise InvalidInfoError(f"{mv}: .info of {len(data)} bytes is too large (max size is {MAX_INFO} bytes)")
    try:
        loaded = json.loads(data.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidInfoError(f"{mv}: .info is not JSON: {error}") from None
    if not isinstance(loaded, dict):
        raise InvalidInfoError(f"{mv}: .info is not a JSON object")
    known = {key: _field(loaded, key) for key in _KEYS}
    if known["Version"] != mv.version:
        raise InvalidInfoError(f"{mv}: .info is of version {known['Version']!r}")
    if not isinstance(known["Origin"], dict | None):
        raise InvalidInfoError(f"{mv}: Origin in .info is not a JSON object")
    time, nanoseconds = _parse_time(known["Time"], mv)
    info = Info(mv.version, time, known["Origin"], nanoseconds)
    try:
        canonical(info)
    except ValueError as error:  # a number that JSON cannot hold, such as 1e999
        raise InvalidInfoError(f"{mv}: Origin in .info: {error}") from None
    return info


def canonical(info: Info) -> bytes:
    """Return the one form in which an `.info` is stored and served: the bytes that Go's json.Marshal gives."""
    fields: dict[str, Any] = {"Version": info.version, "Time": _format_time(info)}
    if info.origin is not None:
        known = {key: info.origin[key] for key in _ORIGIN_KEYS if key in info.origin}
        fields["Origin"] = known | info.origin
    text = json.dumps(fields, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for char in "<>&\u2028\u2029":  # Go escapes them for use inside HTML and JavaScript
        text = text.replace(char, f"\\u{ord(char):04x}")
    return _SURROGATES.sub("\ufffd", text).encode()


def _field(loaded: dict[str, Any], key: str) -> Any:
    # Go matches the keys of a JSON object without regard to case.
    if key in loaded:
        return loaded[key]
    return next((value for name, value in loaded.items() if name.lower() == key.lower()), None)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _parse_time(text: object, mv: ModuleVersion) -> tuple[datetime | None, int]:
    if text is None:
        return None, 0
    match = _RFC3339.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise InvalidInfoError(f"{mv}: Time in .info is not RFC 3339: {text!r}")
    nanoseconds = int((match[7] or "0")[:9].ljust(9, "0"))
    year, month, day, hour, minute, second = (int(match[i]) for i in range(1, 7))
    try:
        local = datetime(year, month, day, hour, minute, second, nanoseconds // 1000, _zone(match))
        time = local.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidInfoError(f"{mv}: Time in .info: {text!r}: {error}") from None
    return (None if time == _ZERO_TIME else time), nanoseconds % 1000


def _zone(match: re.Match[str]) -> timezone:
    if not match[8]:
        return UTC
    if int(match[10]) > 59:
        raise ValueError("minutes of the time zone must be in 0..59")
    offset = timedelta(hours=int(match[9]), minutes=int(match[10]))
    return timezone(-offset if match[8] == "-" else offset)


def _format_time(info: Info) -> str:
    time = (info.time or _ZERO_TIME).astimezone(UTC)
    fraction = f"{time.microsecond:06}{info.nanoseconds:03}".rstrip("0")
    seconds = f"{time.year:04}-{time:%m-%dT%H:%M:%S}"
    return f"{seconds}.{fraction}Z" if fraction else f"{seconds}Z"
