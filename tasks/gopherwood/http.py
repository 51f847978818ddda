"""The one HTTP client: what upstream, index and checksum database are asked with.

It reuses connections among threads, enforces a limit of bytes while it reads, checks every announced length, follows a
few redirects and re-checks each, tries again with jitter and as Retry-After says (which then holds for all threads),
and speaks through the proxies that the environment names. `file://` URLs are read from disk, for GOPROXY=file:///... .
No message holds credentials. Why no library does it: docs/adr/0003-http-client.md.
"""

import email.utils
import random
import threading
import time
import urllib.request
from collections.abc import Callable, Collection, Mapping
from http.client import responses
from pathlib import Path
from types import TracebackType
from typing import IO, NamedTuple, Self
from urllib.parse import urljoin, urlsplit

from gopherwood import endpoint, reach, wire
from gopherwood.config import Settings
from gopherwood.credentials import redact
from gopherwood.errors import (
    NotFoundError,
    RefusedError,
    StoppedError,
    StorageError,
    TooLargeError,
    TruncatedError,
    UntrustedError,
    UpstreamError,
    UsageError,
)
from gopherwood.reach import Reach

__all__ = ["Client", "Response", "redact"]

TRIES = 4
"""Times one request is made before its module version waits in the catalog for its next attempt."""
PATIENCE = 20.0
"""Seconds we sleep at most between two tries; a longer Retry-After is the catalog's to wait for. Also the longest that
one reply's Retry-After holds up the requests of others to the same server."""
FIRST_PAUSE = 0.25
"""Seconds before the second try, doubled for each further one; drawn between half of it and the whole."""
LARGE = 8 << 20
"""Bytes from which on a download is large."""
LARGE_AT_ONCE = 2
"""Large downloads at once: with the number of threads this bounds the bytes under way."""
MAX_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})
_BLOCK = 1 << 20
Sink = Callable[[bytes], object]


class Response(NamedTuple):
    """A whole reply."""

    status: int
    headers: dict[str, str]
    body: bytes
    sized: bool
    """Whether the length was announced; an unsized body may be cut short and must be verified by other means."""


class _Way(NamedTuple):
    """How near to us the first URL may lead, None for anywhere, and how many redirects are followed."""

    allowed: Reach | None = None
    redirects: int = MAX_REDIRECTS


class Client:
    """Asks upstreams. Any number of threads may share one; close it, or use it as a context manager."""

    def __init__(self, settings: Settings, *, tries: int = TRIES, patience: float = PATIENCE) -> None:
        self._timeout = settings.timeout
        self._tries = tries
        self._patience = patience
        self._endpoints: dict[str, endpoint.Endpoint] = {}
        self._busy: set[wire.Connection] = set()
        self._stopped = threading.Event()
        self._large = threading.BoundedSemaphore(LARGE_AT_ONCE)
        self._proxies = urllib.request.getproxies()

    def get(
        self,
        url: str,
        *,
        limit: int,
        accept_status: Collection[int] = (200,),
        allowed: Reach | None = None,
        follow: bool = True,
    ) -> Response:
        """Return the reply to a GET, of at most `limit` bytes.

        `allowed` is how near to us the URL itself may lead: for one that no setting named. Without `follow` a redirect
        is the reply. Raises NotFoundError (404, 410), RefusedError (401, 403, 451), TooLargeError, TruncatedError,
        UpstreamError, and StoppedError after `stop`.
        """
        parts: list[bytes] = []
        way = _Way(allowed, MAX_REDIRECTS if follow else 0)
        head, refusal = self._request(url, limit, parts.append, parts.clear, way)
        if head.status not in accept_status:
            raise _error_for(url, head, refusal)
        return Response(head.status, head.headers, b"".join(parts) or refusal, head.sized)

    def download(self, url: str, into: Path | IO[bytes], *, limit: int) -> int:
        """Write the body of a GET into a file, created or emptied, or a seekable stream; return its size in bytes.

        Raises what `get` raises, and TruncatedError for a body of no bytes, StorageError when the file
        cannot be written.
        """
        try:
            if isinstance(into, Path):
                with into.open("wb") as file:
                    return self._download(url, file, limit)
            return self._download(url, into, limit)
        except OSError as error:
            raise StorageError(f"cannot write what {redact(url)} gave: {error}") from None

    def _download(self, url: str, into: IO[bytes], limit: int) -> int:
        turn = _Turn(self._large, self._stopped)

        def write(data: bytes) -> None:
            turn.wait_for(len(data))
            # An error of our disk must not be taken for one of the connection.
            try:
                into.write(data)
            except OSError as error:
                raise StorageError(f"cannot write what {redact(url)} gave: {error}") from None

        def again() -> None:
            into.seek(0)
            into.truncate()

        with turn:
            head, refusal = self._request(url, limit, write, again)
        if head.status != 200:
            raise _error_for(url, head, refusal)
        if not head.size:
            raise TruncatedError(f"{redact(url)}: the reply has no bytes")
        return head.size

    def post(self, url: str, body: bytes, headers: Mapping[str, str], *, limit: int = 1 << 20) -> Response:
        """Return the reply to a POST, whatever its status: asked once, on its own connection; no redirect is followed.

        Whether it may be sent again only the caller knows. No message names the path of the URL, which may be secret.
        Raises UpstreamError when there is no whole reply, and StoppedError.
        """
        return self._once("POST", url, body, headers, limit)

    def get_once(self, url: str, headers: Mapping[str, str], *, limit: int = 1 << 20) -> Response:
        """Return the reply to a GET with headers of its own, as `post` does: for an API that wants a token."""
        return self._once("GET", url, b"", headers, limit)

    def _once(self, method: str, url: str, body: bytes, headers: Mapping[str, str], limit: int) -> Response:
        match = endpoint.URL.fullmatch(url)
        if not match:
            raise UsageError("not an http or https URL")
        at = endpoint.Endpoint.of(match, self._proxies, self._timeout)
        parts: list[bytes] = []
        request = at.request_with_body(method, match["target"] or "/", headers, body)
        try:
            head, refusal = self._on(at.connection(), at, request, limit, parts.append)
        except UpstreamError as error:
            raise type(error)(f"{at.host}: {error}", hint=error.hint) from None
        finally:
            at.close()
        return Response(head.status, head.headers, b"".join(parts) or refusal, head.sized)

    def stop(self) -> None:
        """End every request under way and refuse new ones: they raise StoppedError. Callable from any thread."""
        self._stopped.set()
        for connection in tuple(self._busy):
            connection.abort()

    def close(self) -> None:
        """Close the connections that nobody uses."""
        for at in self._endpoints.values():
            at.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    # --- tries

    def _request(
        self, url: str, limit: int, write: Sink, again: Callable[[], object], way: "_Way | None" = None
    ) -> tuple[wire.Head, bytes]:
        """Ask until there is an answer for good; `again` takes back what `write` got before the next try."""
        tried = 0
        while True:
            try:
                head, refusal = self._follow(url, limit, write, way or _Way())
                if head.status != 429 and head.status < 500:
                    return head, refusal
                error: UpstreamError = _error_for(url, head, refusal)
            except UpstreamError as caught:
                error = type(caught)(f"{redact(url)}: {caught}", hint=caught.hint)
                if isinstance(error, RefusedError | UntrustedError):
                    raise error from None
            except TooLargeError as caught:
                raise TooLargeError(f"{redact(url)}: {caught}") from None
            tried += 1
            wait = FIRST_PAUSE * 2 ** (tried - 1) * random.uniform(0.5, 1) + (error.retry_after or 0)  # noqa: S311
            if tried >= self._tries or wait > self._patience:
                raise error
            again()
            self._stopped.wait(wait)

    def _follow(self, url: str, limit: int, write: Sink, way: "_Way") -> tuple[wire.Head, bytes]:
        """Ask and follow redirects; none leads from https to http, nor inwards (reach.py)."""
        if url.startswith("file:"):
            return _read_file(url, limit, write)
        allowed = way.allowed
        for _ in range(way.redirects + 1):
            head, refusal, met = self._exchange(url, limit, write, allowed)
            location = head.headers.get("location")
            if head.status not in REDIRECTS or not location or not way.redirects:
                return head, refusal
            url = target(url, location)
            allowed = reach.after(met if allowed is None else min(met, allowed))
        raise UpstreamError(f"more than {MAX_REDIRECTS} redirects")

    def _exchange(self, url: str, limit: int, write: Sink, allowed: Reach | None) -> tuple[wire.Head, bytes, Reach]:
        """Ask once. A connection that went stale while nobody used it is replaced, which is no try."""
        match = endpoint.URL.fullmatch(url.partition("#")[0])
        if not match:
            raise UsageError(f"not an http, https or file URL: {redact(url)}")
        at = self._endpoints.get(match["base"])
        if at is None:
            made = endpoint.Endpoint.of(match, self._proxies, self._timeout)
            at = self._endpoints.setdefault(match["base"], made)
        request = at.request(match["target"] or "/")
        while True:
            self._keep_off(at)
            connection = at.connection(allowed)
            try:
                head, refusal = self._on(connection, at, request, limit, write)
            except wire.StaleError:
                continue
            may_pass = head.status == 429 or head.status >= 500
            if may_pass and (wait := retry_after(head.headers.get("retry-after", ""))):
                at.not_before = max(at.not_before, time.monotonic() + min(wait, self._patience))
            return head, refusal, at.reach_of(connection)

    def _keep_off(self, at: endpoint.Endpoint) -> None:
        """Wait while the server wants no requests, whoever it told so; not longer than our patience."""
        until = time.monotonic() + self._patience
        while (now := time.monotonic()) < min(at.not_before, until) and not self._stopped.is_set():
            self._stopped.wait(min(at.not_before, until) - now)

    def _on(
        self, connection: wire.Connection, at: endpoint.Endpoint, request: bytes, limit: int, write: Sink
    ) -> tuple[wire.Head, bytes]:
        self._busy.add(connection)
        try:
            if self._stopped.is_set():
                raise StoppedError("told to stop")
            return connection.exchange(request, limit, write)
        finally:
            self._busy.discard(connection)
            if connection.reusable:
                at.idle.append(connection)
            else:
                connection.close()


class _Turn:
    """A download's turn: once it has turned out to be large, it waits till few enough others are."""

    def __init__(self, large: threading.Semaphore, stopped: threading.Event) -> None:
        self._large = large
        self._stopped = stopped
        self._size = 0
        self._has = False

    def wait_for(self, more: int) -> None:
        """Count bytes that are about to be written, and wait if they are too many for now."""
        self._size += more
        while self._size > LARGE and not self._has:
            self._has = self._large.acquire(timeout=1)
            if self._stopped.is_set():
                raise StoppedError("told to stop")

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        if self._has:
            self._large.release()


def target(url: str, location: str) -> str:
    """Return where a redirect leads, with the credentials of `url` if that is the same origin, and with no others.

    Raises RefusedError for one that leaves https. All else that is wrong with it is UpstreamError: theirs, not usage.
    """
    try:
        target = urljoin(url, location).partition("#")[0]
    except ValueError:
        target = ""
    old, new = endpoint.URL.fullmatch(url.partition("#")[0]), endpoint.URL.fullmatch(target)
    if not old or not new:
        raise UpstreamError(f"it redirects to what is no http or https URL: {redact(location)[:200]}")
    if (old["scheme"], new["scheme"]) == ("https", "http"):
        raise RefusedError(f"refusing a redirect that leaves https: {redact(target)}")
    origin = ("scheme", "host", "port")
    user = f"{old['user']}@" if old["user"] and old.group(*origin) == new.group(*origin) else ""
    port = f":{new['port']}" if new["port"] else ""
    return f"{new['scheme']}://{user}{new['host']}{port}{new['target'] or '/'}"


def _read_file(url: str, limit: int, write: Sink) -> tuple[wire.Head, bytes]:
    """Answer a file:// URL as a server would: 200, or 404 for what is no file."""
    path = Path(urllib.request.url2pathname(urlsplit(url).path))
    try:
        with path.open("rb") as file:
            size = 0
            while block := file.read(_BLOCK):
                size += len(block)
                if size > limit:
                    raise TooLargeError(f"more than {limit} bytes")
                write(block)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return wire.Head(404, {}, True, 0), b""
    except OSError as error:
        raise UpstreamError(f"cannot read: {error.strerror}") from None
    return wire.Head(200, {}, True, size), b""


def _error_for(url: str, head: wire.Head, refusal: bytes) -> UpstreamError:
    """Return the error that a reply's status stands for, with the reason that a plain-text body gives."""
    said = ""
    if head.headers.get("content-type", "").startswith("text/plain"):
        first_line = refusal.decode("utf-8", "replace").strip().partition("\n")[0]
        said = ": " + "".join(char for char in first_line[:200] if char.isprintable()) if first_line else ""
    message = redact(f"{url}: {head.status} {responses.get(head.status, '')}".rstrip() + said)
    if head.status in (404, 410):
        return NotFoundError(message, status=head.status)
    if head.status in (401, 403, 451):
        return RefusedError(message, status=head.status)
    return UpstreamError(message, status=head.status, retry_after=retry_after(head.headers.get("retry-after", "")))


def retry_after(value: str) -> float | None:
    """Return the seconds that a Retry-After header (seconds or a date) asks to wait; None when it says nothing."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return min(float(value), MAX_RETRY_AFTER)
    try:
        at = email.utils.parsedate_to_datetime(value).timestamp()
    except ValueError:
        return None
    return min(max(at - time.time(), 0.0), MAX_RETRY_AFTER)


MAX_RETRY_AFTER = 86400.0
"""Seconds; who asks for more than a day is asked again after a day."""
