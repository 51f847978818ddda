"""Sending an answer: HEAD, If-None-Match and Range are the same for every resource, so they live in one place.

Authority: RFC 9110, sections 13 (conditional requests) and 14 (ranges). One range is honoured; several, or a malformed
one, may be ignored and are.
"""

import asyncio
import os
import re
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import BinaryIO, NamedTuple

from gopherwood.errors import StorageError
from gopherwood_serving.answers import Answer, FileBody, ObjectBody, head_of
from gopherwood_serving.connection import Connection
from gopherwood_serving.filepart import FilePart
from gopherwood_serving.request import Request

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


async def send(answer: Answer, request: Request, connection: Connection, open_object: Open, pool: Executor) -> Sent:
    """Send an answer as the request wants it.

    What a client does not take at once goes on after this. Raises StorageError, and ConnectionError.
    """
    if answer.status != 200:
        return _send_error(answer, request, connection)
    wanted, size = request.headers, answer.size
    if answer.etag and _matches(wanted.get("if-none-match", ""), answer.etag):
        kept = [header for header in answer.headers if header[0] in ("etag", "cache-control")]
        connection.send(head_of(304, kept, None))
        return Sent(304, "not_modified", 0)
    if request.method == "HEAD":
        connection.send(head_of(200, answer.headers, size))
        return Sent(200, "ok", 0)
    part = None
    if "range" in wanted and wanted.get("if-range", answer.etag) == answer.etag:
        part = _part(wanted["range"], size)
    if part is None:
        await _send_part(answer, head_of(200, answer.headers, size), range(size), connection, open_object, pool)
        return Sent(200, "ok", size)
    if part == _UNSATISFIABLE:
        connection.send(head_of(416, [("content-range", f"bytes */{size}"), ("content-type", "text/plain")], 0))
        return Sent(416, "refused", 0)
    headers = [*answer.headers, ("content-range", f"bytes {part.start}-{part.stop - 1}/{size}")]
    await _send_part(answer, head_of(206, headers, len(part)), part, connection, open_object, pool)
    return Sent(206, "partial", len(part))


def _send_error(answer: Answer, request: Request, connection: Connection) -> Sent:
    body = answer.body if isinstance(answer.body, bytes) else b""
    head = head_of(answer.status, answer.headers, len(body))
    if request.method == "HEAD":
        body = b""
    connection.send(head, body)
    return Sent(answer.status, _outcome(answer.status), len(body))


def _outcome(status: int) -> str:
    if status < 400:
        return "redirect"
    if status in (404, 410):
        return "not_found"
    return "refused" if status < 500 else "error"


async def _send_part(
    answer: Answer, head: bytes, part: range, connection: Connection, open_object: Open, pool: Executor
) -> None:
    body = answer.body
    if isinstance(body, bytes):
        connection.send(head, body if len(part) == len(body) else body[part.start : part.stop])
    elif isinstance(body, FileBody):
        descriptor = await asyncio.get_running_loop().run_in_executor(pool, body.open)
        connection.send_file(head, FilePart(descriptor, part))
    else:
        await _stream(body, head, part, connection, open_object, pool)


async def _stream(
    body: ObjectBody, head: bytes, part: range, connection: Connection, open_object: Open, pool: Executor
) -> None:
    loop = asyncio.get_running_loop()
    file = await loop.run_in_executor(pool, open_object, body.key)
    try:
        if await loop.run_in_executor(pool, file.seek, 0, os.SEEK_END) != body.size:  # healed meanwhile, packed anew
            raise StorageError(f"{body.key} has changed its size since it was looked at")
        await loop.run_in_executor(pool, file.seek, part.start)
        connection.send_head(head)
        left = len(part)
        while left and (piece := await loop.run_in_executor(pool, partial(file.read, min(left, PIECE)))):
            await connection.write(piece)
            left -= len(piece)
        if left:
            raise StorageError(f"{body.key} ended {left} bytes early")
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
