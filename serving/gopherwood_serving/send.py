"""Sending an answer: HEAD, If-None-Match and Range are the same for every resource, so they live in one place.

Authority: RFC 9110, sections 13 (conditional requests) and 14 (ranges). One range is honoured; several, or a malformed
one, may be ignored and are. The server strips bodies of HEAD and adds Date and the length of bodies it is given as
bytes.
"""

import asyncio
import os
import re
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import Any, BinaryIO, NamedTuple

from gopherwood.errors import StorageError
from gopherwood_serving.answers import Answer, FileBody, Headers, ObjectBody
from gopherwood_serving.pipe import pour

PIECE = 128 << 10
"""Bytes read from an object store and sent at a time."""
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.IGNORECASE | re.ASCII)
_UNSATISFIABLE = range(0)

Open = Callable[[str], BinaryIO]


class Sent(NamedTuple):
    """What was sent."""

    status: int
    outcome: str
    """See metrics.OUTCOMES."""
    bytes: int
    """Of body."""


async def send(answer: Answer, scope: Any, protocol: Any, open_object: Open, pool: Executor) -> Sent:
    """Send an answer as the request wants it."""
    if answer.status != 200:
        return _send_error(answer, scope, protocol)
    wanted, size = scope.headers, answer.size
    if answer.etag and _matches(wanted.get("if-none-match", ""), answer.etag):
        protocol.response_empty(304, [header for header in answer.headers if header[0] in ("etag", "cache-control")])
        return Sent(304, "not_modified", 0)
    if scope.method == "HEAD":
        protocol.response_empty(200, [*answer.headers, ("content-length", str(size))])
        return Sent(200, "ok", 0)
    part = None
    if "range" in wanted and wanted.get("if-range", answer.etag) == answer.etag:
        part = _part(wanted.get("range"), size)
    if part is None:
        await _send_part(answer, 200, answer.headers, range(size), protocol, open_object, pool)
        return Sent(200, "ok", size)
    if part == _UNSATISFIABLE:
        protocol.response_bytes(416, [("content-range", f"bytes */{size}"), ("content-type", "text/plain")], b"")
        return Sent(416, "refused", 0)
    headers = [*answer.headers, ("content-range", f"bytes {part.start}-{part.stop - 1}/{size}")]
    await _send_part(answer, 206, headers, part, protocol, open_object, pool)
    return Sent(206, "partial", len(part))


def _send_error(answer: Answer, scope: Any, protocol: Any) -> Sent:
    body = answer.body if isinstance(answer.body, bytes) else b""
    if scope.method == "HEAD":
        protocol.response_empty(answer.status, [*answer.headers, ("content-length", str(len(body)))])
    else:
        protocol.response_bytes(answer.status, answer.headers, body)
    return Sent(answer.status, _outcome(answer.status), 0 if scope.method == "HEAD" else len(body))


def _outcome(status: int) -> str:
    if status < 400:
        return "redirect"
    if status in (404, 410):
        return "not_found"
    return "refused" if status < 500 else "error"


async def _send_part(
    answer: Answer, status: int, headers: Headers, part: range, protocol: Any, open_object: Open, pool: Executor
) -> None:
    body = answer.body
    if isinstance(body, bytes):
        protocol.response_bytes(status, headers, body if len(part) == len(body) else body[part.start : part.stop])
        return
    headers = [*headers, ("content-length", str(len(part)))]
    if isinstance(body, FileBody):
        if len(part) == body.size:
            protocol.response_file(status, headers, body.path)
        else:
            protocol.response_file_range(status, headers, body.path, part.start, part.stop)
    else:
        await _stream(body, status, headers, part, protocol, open_object, pool)


async def _stream(
    body: ObjectBody, status: int, headers: Headers, part: range, protocol: Any, open_object: Open, pool: Executor
) -> None:
    loop = asyncio.get_running_loop()
    file = await loop.run_in_executor(pool, open_object, body.key)
    try:
        if await loop.run_in_executor(pool, file.seek, 0, os.SEEK_END) != body.size:  # healed meanwhile, packed anew
            raise StorageError(f"{body.key} has changed its size since it was looked at")
        await loop.run_in_executor(pool, file.seek, 0)
        if part.start:
            await loop.run_in_executor(pool, file.seek, part.start)
        left = len(part)

        async def read() -> bytes:
            nonlocal left
            piece = await loop.run_in_executor(pool, file.read, min(left, PIECE)) if left else b""
            left -= len(piece)
            return piece

        await pour(read, partial(protocol.response_file, status, headers))
    finally:
        await loop.run_in_executor(pool, file.close)


def _matches(condition: str, etag: str) -> bool:
    """Tell whether a validator is in an If-None-Match, by weak comparison."""
    if not condition:
        return False
    given = [each.strip().removeprefix("W/") for each in condition[:4096].split(",")]
    return etag in given or given == ["*"]


def _part(header: str, size: int) -> range | None:
    """Return the bytes that a Range header wants; None to ignore it, `_UNSATISFIABLE` when there are none."""
    match = _RANGE.fullmatch(header.strip())
    if match is None or match[0].endswith("=-"):
        return None
    first, last = match.groups()
    if not first:  # the last N bytes
        start, stop = max(size - int(last), 0), size
    else:
        start, stop = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None
    return range(start, stop) if start < stop else _UNSATISFIABLE
