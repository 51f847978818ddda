"""A real HTTP server on a loopback port, with counters and with every way to fail that upstreams have shown.

Subclasses say what is served (`answer`); tests say what goes wrong (`fail`) and look at what was asked (`requests`).
"""

import base64
import os
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import parse_qs, unquote, urlsplit


class Answer(NamedTuple):
    """What a server says: status, body, extra headers."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


Send = Callable[["Handler", Answer], None]


@dataclass
class Fault:
    """A way to fail, for the first `times` requests of a path (None: for all)."""

    send: Send
    times: int | None = None


def status(code: int, body: str = "", *, retry_after: str | None = None) -> Send:
    """Answer with another status."""
    extra = (("Content-Type", "text/plain; charset=utf-8"),) + ((("Retry-After", retry_after),) if retry_after else ())
    return lambda handler, _answer: handler.send(Answer(code, body.encode(), extra))


def redirect(url: str, code: int = 302) -> Send:
    """Send the client elsewhere."""
    return lambda handler, _answer: handler.send(Answer(code, b"", (("Location", url),)))


def wrong_bytes(handler: "Handler", answer: Answer) -> None:
    """Flip one bit in the middle."""
    at = len(answer.body) // 2
    handler.send(answer._replace(body=answer.body[:at] + bytes([answer.body[at] ^ 1]) + answer.body[at + 1 :]))


def truncated(handler: "Handler", answer: Answer) -> None:
    """Announce all the bytes, send half of them, and close."""
    handler.send_head(answer, len(answer.body))
    handler.wfile.write(answer.body[: len(answer.body) // 2])
    handler.close_connection = True


def cut_in_headers(handler: "Handler", _answer: Answer) -> None:
    """Close in the middle of the headers."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-str")
    handler.close_connection = True


def reset(handler: "Handler", answer: Answer) -> None:
    """Send half of the body, then reset the connection."""
    handler.send_head(answer, len(answer.body))
    handler.wfile.write(answer.body[: len(answer.body) // 2])
    handler.wfile.flush()
    time.sleep(0.05)  # or the reset overtakes the bytes
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(handler.connection.detach())


def unsized(handler: "Handler", answer: Answer) -> None:
    """Send neither a length nor chunks: the end of the connection is the end of the body."""
    handler.send_head(answer, None)
    handler.wfile.write(answer.body)
    handler.close_connection = True


def chunked(handler: "Handler", answer: Answer) -> None:
    """Send the body in chunks."""
    handler.send_head(answer._replace(headers=(*answer.headers, ("Transfer-Encoding", "chunked"))), None)
    for at in range(0, len(answer.body), 1000):
        part = answer.body[at : at + 1000]
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
    handler.wfile.write(b"0\r\n\r\n")


def chunked_cut(handler: "Handler", answer: Answer) -> None:
    """Send one chunk and close without the last."""
    handler.send_head(answer._replace(headers=(*answer.headers, ("Transfer-Encoding", "chunked"))), None)
    handler.wfile.write(b"%x\r\n%s\r\n" % (len(answer.body), answer.body))
    handler.close_connection = True


def slow(seconds: float) -> Send:
    """Send the head and half of the body at once, and the rest after a pause."""

    def send(handler: "Handler", answer: Answer) -> None:
        handler.send_head(answer, len(answer.body))
        half = len(answer.body) // 2
        handler.wfile.write(answer.body[:half])
        handler.wfile.flush()
        handler.owner.stopping.wait(seconds)
        handler.wfile.write(answer.body[half:])

    return send


@dataclass
class Loopback:
    """A server on 127.0.0.1; use it as a context manager. `url` has no slash at its end."""

    requests: Counter[str] = field(default_factory=Counter)
    """How often each path was asked for (unquoted, without its leading slash)."""
    sent: int = 0
    """Bytes of bodies sent."""
    user: tuple[str, str] | None = None
    """User name and password that requests must carry."""
    agents: set[str] = field(default_factory=set)
    """User-Agent headers seen."""
    connections: int = 0
    tls: ssl.SSLContext | None = None
    """The server's side of TLS; without it, plain HTTP."""
    seen: list[tuple[str, str | None]] = field(default_factory=list)
    """Path and Authorization header of each request, in order."""
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    stopping: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, path: str, query: dict[str, str]) -> Answer:
        """Say what is served at a path (unquoted, without its leading slash)."""
        raise KeyError(path, query)

    def take(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """Say what becomes of a POST; called for one that then goes wrong, too."""
        raise KeyError(path, headers, body)

    def fail(self, path: str, send: Send, times: int | None = None) -> None:
        """Let requests of a path go wrong; faults of one path follow each other."""
        self.faults.setdefault(path, []).append(Fault(send, times))

    def heal(self) -> None:
        """Forget all faults."""
        self.faults.clear()

    def fault_of(self, path: str) -> Send | None:
        """Return what goes wrong at a path now, counting it."""
        with self.lock:
            for fault in self.faults.get(path, []):
                if fault.times is None:
                    return fault.send
                if fault.times > 0:
                    fault.times -= 1
                    return fault.send
        return None

    def __enter__(self) -> Self:
        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.owner = self
        self.port: int = self._server.server_address[1]
        self.url = f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"
        if self.tls:
            self._server.socket = self.tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    owner: Loopback
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that hang up are part of the tests."""


class Handler(BaseHTTPRequestHandler):
    """Serves what its owner answers, or fails as its owner's tests want it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    @property
    def owner(self) -> Loopback:
        """The server this handler works for."""
        return self.server.owner

    def setup(self) -> None:
        super().setup()
        self.owner.connections += 1

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        path = unquote(parts.path).lstrip("/")
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        with self.owner.lock:
            self.owner.requests[path] += 1
            self.owner.seen.append((path, self.headers.get("Authorization")))
            self.owner.agents.add(self.headers.get("User-Agent", ""))
        if not self._is_authorized():
            self.send(Answer(401, b"who are you?\n", (("WWW-Authenticate", "Basic"),)))
            return
        answer = self.owner.answer(path, query)
        fault = self.owner.fault_of(path)
        if fault:
            fault(self, answer)
        else:
            self.send(answer)

    do_HEAD = do_GET  # noqa: N815

    def do_POST(self) -> None:
        path = unquote(urlsplit(self.path).path).lstrip("/")
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        with self.owner.lock:
            self.owner.requests[path] += 1
            answer = self.owner.take(path, dict(self.headers.items()), body)
        fault = self.owner.fault_of(path)
        if fault:
            fault(self, answer)
        else:
            self.send(answer)

    def _is_authorized(self) -> bool:
        if self.owner.user is None:
            return True
        wanted = base64.b64encode(":".join(self.owner.user).encode()).decode()
        return self.headers.get("Authorization") == f"Basic {wanted}"

    def send(self, answer: Answer) -> None:
        """Send a whole answer."""
        self.send_head(answer, len(answer.body))
        if self.command != "HEAD":
            self.wfile.write(answer.body)
            with self.owner.lock:
                self.owner.sent += len(answer.body)

    def send_head(self, answer: Answer, length: int | None) -> None:
        """Send status and headers, with a length unless it is None."""
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        """Say nothing."""
