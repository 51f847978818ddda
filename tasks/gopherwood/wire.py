"""One HTTP/1.1 exchange over one reused connection, with every byte of the reply accounted for.

The task commands make tens of thousands of small requests, so the cost of one is the cost of an ingestion: on loopback
`requests` takes 740 µs of CPU for one, urllib3 220, the standard library's own reader 75, and this 20. The standard
library still opens the connection (names, TLS, proxy tunnels); llhttp (`httptools`, the parser of Node.js) reads the
reply. A strict parser also tells what others swallow: a reply that is cut inside its headers is an error here, and not
a 200 of no bytes. Credentials, redirects and retries are http.py's business. Authority: RFC 9112.
"""

import http.client
import os
import select
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from gopherwood import reach
from gopherwood.errors import (
    ConfigError,
    StoppedError,
    TooLargeError,
    TruncatedError,
    UntrustedError,
    UpstreamError,
)

MAX_HEAD = 64 << 10
"""Bytes of status line and headers that one reply may have."""
MAX_REFUSAL = 4 << 10
"""Bytes kept of the body of a reply that is not 200: enough to say why."""
MIN_RATE = 1 << 10
"""Bytes a second below which a reply is given up, once it has taken longer than the time-out."""
MAX_TRUST = 1.0
"""Seconds after which a kept connection is looked at before it is used again."""
_CHUNK = 64 << 10
_CLOSED = (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError)
"""What sending to or reading from a connection raises that the other side has closed."""


class StaleError(Exception):
    """A kept connection was closed by the other side before it answered: no failure, ask on another."""


@dataclass(frozen=True, slots=True)
class Head:
    """Status line and headers of a reply."""

    status: int
    headers: dict[str, str]
    """Names in lower case; of repeated headers the last."""
    sized: bool
    """Whether the end of the body was announced (by length or chunks), and so checked."""
    size: int
    """Bytes of the body."""


class _Reply:
    """The reply being read on a connection: what the parser calls back, message after message."""

    def __init__(self) -> None:
        self.parser = HttpResponseParser(self)
        self.parts: list[bytes] = []
        self.expect()

    def expect(self) -> None:
        """Forget the last reply: another request is sent."""
        self.done = False
        self.on_message_begin()

    def on_message_begin(self) -> None:
        if self.done:
            raise ValueError("a second reply to one request")
        self.headers: dict[bytes, bytes] = {}
        self.begun = self.keep = False
        self.size = 0
        self.parts.clear()

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        self.begun = True
        self.keep = self.parser.should_keep_alive()  # it cannot be told later
        self.status = self.parser.get_status_code()

    def on_body(self, data: bytes) -> None:
        self.size += len(data)
        self.parts.append(data)

    def on_message_complete(self) -> None:
        # An informational reply (1xx) is followed by the real one.
        self.done = self.status >= 200

    def is_sized(self) -> bool:
        return b"content-length" in self.headers or b"transfer-encoding" in self.headers

    def pass_on(self, limit: int | None, write: Callable[[bytes], object]) -> None:
        if limit is not None and max(self.size, int(self.headers.get(b"content-length", b"0"))) > limit:
            raise TooLargeError(f"more than {limit} bytes")
        for part in self.parts:
            write(part)
        self.parts.clear()


class Connection:
    """One connection to one origin. Not for two threads at once, except `abort`."""

    def __init__(self, opened: http.client.HTTPConnection, timeout: float) -> None:
        self._opened = opened
        self._socket: socket.socket = opened.sock
        self._timeout = timeout
        self._reply = _Reply()
        self._readable = select.poll()
        self._readable.register(self._socket, select.POLLIN)
        self._aborted = False
        self._received = 0
        self._used = False
        self._idle_since = 0.0
        self.reusable = False
        self.reach = reach.of(self._socket.getpeername()[0])
        """How near the other end is; of what is behind a proxy it says nothing."""

    def exchange(self, request: bytes, limit: int, write: Callable[[bytes], object]) -> tuple[Head, bytes]:
        """Send `request` and read its reply, giving the body of a 200 to `write` as it arrives.

        Returns the head and, for other replies than 200, the beginning of the body. Raises StaleError, StoppedError,
        TooLargeError when the body exceeds `limit` bytes, TruncatedError and UpstreamError.
        """
        if self._used and time.monotonic() - self._idle_since > MAX_TRUST and self._readable.poll(0):
            raise StaleError  # closed meanwhile, or it holds bytes that belong to no request
        self.reusable = False
        self._received = 0
        try:
            self._socket.sendall(request)
            return self._read(limit, write)
        except (HttpParserError, HttpParserUpgrade) as error:
            raise UpstreamError(f"not an HTTP reply: {error}") from None
        except TimeoutError:
            raise UpstreamError(f"no byte for {self._timeout:g} seconds") from None
        except OSError as error:
            self._check_stopped()
            if self._used and not self._received and isinstance(error, _CLOSED):
                raise StaleError from None
            raise UpstreamError(f"connection broke: {error}") from None

    def _read(self, limit: int, write: Callable[[bytes], object]) -> tuple[Head, bytes]:
        reply = self._reply
        reply.expect()
        started = time.monotonic()
        refusal: list[bytes] = []
        while not reply.done:
            data = self._socket.recv(_CHUNK)
            if not data:
                self._end_of_stream(reply)
                break
            self._received += len(data)
            reply.parser.feed_data(data)
            if not reply.begun:
                if self._received > MAX_HEAD:
                    raise UpstreamError(f"more than {MAX_HEAD} bytes of headers")
            elif reply.status == 200:
                reply.pass_on(limit, write)
            else:
                reply.pass_on(None, refusal.append)
                if reply.size > MAX_REFUSAL:
                    break  # why it refuses is told by now
            if not reply.done:
                self._check_pace(reply.size, time.monotonic() - started)
        self._used = True
        self._idle_since = time.monotonic()
        self.reusable = reply.done and reply.keep
        return self._head(reply), b"".join(refusal)

    def _end_of_stream(self, reply: _Reply) -> None:
        self._check_stopped()
        if not self._received and self._used:
            raise StaleError
        if not reply.begun:
            raise TruncatedError(f"the reply was cut inside its headers, after {self._received} bytes")
        if reply.is_sized():
            raise TruncatedError(f"the reply was cut after {reply.size} bytes of its body")

    def _check_pace(self, size: int, seconds: float) -> None:
        self._check_stopped()
        if seconds > self._timeout and size < seconds * MIN_RATE:
            raise UpstreamError(f"only {size} bytes in {seconds:.0f} seconds")

    def _check_stopped(self) -> None:
        if self._aborted:
            raise StoppedError("stopped inside a reply")

    @staticmethod
    def _head(reply: _Reply) -> Head:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in reply.headers.items()}
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise UpstreamError("the reply has a content encoding that nobody asked for")
        return Head(reply.status, headers, reply.is_sized(), reply.size)

    def abort(self) -> None:
        """End a blocked exchange from another thread: it raises StoppedError."""
        self._aborted = True
        try:
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # not TLS's own, which would race with the reader
        except OSError:
            return  # it had ended by itself

    def close(self) -> None:
        """Close the socket."""
        self._opened.close()


def connect(
    scheme: str, host: str, port: int | None, *, timeout: float, tunnel: tuple[str, int, dict[str, str]] | None = None
) -> Connection:
    """Open a connection to an origin, through the CONNECT tunnel of a proxy when one is given.

    `timeout` is in seconds and holds for connecting and for each wait for a byte. Raises UpstreamError, its subclass
    UntrustedError when the certificate does not convince, and ConfigError.
    """
    opened: http.client.HTTPConnection
    at, at_port = (tunnel[0], tunnel[1]) if tunnel else (host, port)
    if scheme == "https":
        opened = http.client.HTTPSConnection(at, at_port, timeout=timeout, context=tls())
    else:
        opened = http.client.HTTPConnection(at, at_port, timeout=timeout)
    if tunnel:
        opened.set_tunnel(host, port or http.client.HTTPS_PORT, tunnel[2])
    try:
        opened.connect()
        return Connection(opened, timeout)
    except ssl.SSLCertVerificationError as error:
        opened.close()
        raise UntrustedError(
            f"the certificate of {host} is not trusted: {error.verify_message.rstrip('.')}",
            hint="is it the right host? SSL_CERT_FILE names the certificates of a private authority (a PEM file)",
        ) from None
    except (OSError, http.client.HTTPException, UnicodeError, OverflowError) as error:
        opened.close()
        way = f"{host} through the proxy {at}" if tunnel else host
        raise UpstreamError(f"cannot connect to {way}: {error}") from None


def tls() -> ssl.SSLContext:
    """Return the TLS settings: the system's certificates, or those that SSL_CERT_FILE and SSL_CERT_DIR name.

    Raises ConfigError when SSL_CERT_FILE cannot be read: OpenSSL would say nothing, and then trust nobody.
    """
    return _tls(os.environ.get("SSL_CERT_FILE", ""), os.environ.get("SSL_CERT_DIR", ""))


@lru_cache(maxsize=4)
def _tls(file: str, _folder: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if file:
        try:
            context.load_verify_locations(Path(file))
        except OSError as error:
            raise ConfigError(f"SSL_CERT_FILE={file} holds no certificates: {error.strerror or error}") from None
    return context
