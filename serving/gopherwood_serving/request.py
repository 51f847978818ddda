"""A request's head, read strictly: what is not plainly HTTP/1.1 (or 1.0) is refused before anything looks at it.

The request line is matched whole, the header fields after it are read by llhttp (`httptools`). Hot requests have the
same heads again and again, and clients send the same fields whatever they ask for: so both are remembered. No request
here needs a body; one that announces a body is answered, and its connection ends, so nobody can hide a second request
in it.
Authority: RFC 9112, sections 2 to 6; RFC 9110, section 7.2 (Host).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

import httptools

MOST_HEAD = 32 << 10
"""Bytes of a request's head: the longest path that can name anything is a tenth of it."""
_LINE = re.compile(rb"([A-Z]{1,20}) ([!-~]+) HTTP/1\.([01])")
_AUTHORITY = re.compile(r"https?://[^/?#]*", re.IGNORECASE)
SHORT_HEAD = 1 << 10
"""Bytes of a head up to which it is remembered."""
_SHORT_HEADS = 2048
_DISTINCT_FIELDS = 512


class BadRequestError(Exception):
    """What arrived is no request that can be answered; `status` says so to the client."""

    status = 400


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for."""

    method: str
    path: str
    """Decoded, and not normalised: what is written in another way has another name."""
    query_string: str
    headers: Mapping[str, str]
    """By lower-case name; several of one name are joined by commas."""
    keep_alive: bool
    """Whether the connection may go on after the answer."""
    is_plain: bool
    """Whether it is a GET in which nothing asks for less than the whole answer."""


def parse(head: bytes) -> Request:
    """Read a head, which ends with the line break of its last line; raises BadRequestError."""
    return _known(head) if len(head) <= SHORT_HEAD else _parse(head)


def _parse(head: bytes) -> Request:
    line, _, rest = head.partition(b"\r\n")
    match = _LINE.fullmatch(line)
    if match is None:
        raise BadRequestError("this is no HTTP/1.1 request")
    method, target, minor = match.groups()
    fields = (_known_fields if len(rest) <= SHORT_HEAD else _parse_fields)(minor, rest)
    path, _, query = target.decode("ascii").partition("?")
    if path[0] != "/":
        path = _AUTHORITY.sub("", path, count=1) or "/"
    if "%" in path:
        path = unquote(path, errors="replace")
    is_plain = method == b"GET" and fields.asks_for_all
    return Request(method.decode("ascii"), path, query, fields.headers, fields.keep_alive, is_plain)


@dataclass(frozen=True, slots=True)
class _Fields:
    """The header fields of a request, and what follows from them."""

    headers: Mapping[str, str]
    keep_alive: bool
    asks_for_all: bool


class _Collector:
    """What llhttp calls with each field."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.hosts = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1").strip()
        self.hosts += key == "host"
        self.headers[key] = f"{self.headers[key]}, {text}" if key in self.headers else text


def _parse_fields(minor: bytes, rest: bytes) -> _Fields:
    collector: Any = _Collector()
    parser = httptools.HttpRequestParser(collector)
    try:
        parser.feed_data(b"GET / HTTP/1." + minor + b"\r\n" + rest + b"\r\n")
    except httptools.HttpParserUpgrade:
        pass  # we do not; the request itself is an ordinary one
    except httptools.HttpParserError:
        raise BadRequestError("the header fields of this request are broken") from None
    headers = collector.headers
    if collector.hosts > 1 or (minor == b"1" and not collector.hosts):
        raise BadRequestError("a request names exactly one Host")
    has_body = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
    keep_alive = minor == b"1" and not has_body and "close" not in headers.get("connection", "").lower()
    return _Fields(headers, keep_alive, "range" not in headers and "if-none-match" not in headers)


_known = lru_cache(_SHORT_HEADS)(_parse)
_known_fields = lru_cache(_DISTINCT_FIELDS)(_parse_fields)
