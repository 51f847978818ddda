"""An upstream that fails as upstreams do: a real HTTP server of the GOPROXY protocol, over what we have published.

It listens on loopback only, answers from a store, and fails in one way, from `fail` till `heal`: slow (half of a body,
then a pause), reset (half, then RST), truncated (half, then an orderly end), down (the connection is closed at once),
lying (a bit of a zip or a go.mod is flipped). docs/chaos.md says what the platform is to do about each.
"""

import os
import socket
import struct
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import unquote, urlsplit

from gopherwood.errors import StorageError
from gopherwood.objects import MissingError, Objects
from gopherwood.store import BESIDE, SUFFIXES

FAULTS = ("slow", "reset", "truncated", "down", "lying")
PAUSE = 30.0
"""Seconds that a slow answer waits in its middle, unless it is healed before."""


class FaultProxy:
    """The server; use it as a context manager. Any number of clients may ask at once."""

    def __init__(self, objects: Objects, pause: float = PAUSE) -> None:
        self.objects = objects
        self.pause = pause
        self.fault = ""
        self.failed: Counter[str] = Counter()
        """How often it has failed, by fault."""
        self.paused = threading.Semaphore(0)
        """Released whenever an answer begins to wait in its middle."""
        self.healed = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.owner = self

    @property
    def url(self) -> str:
        """The GOPROXY URL."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def fail(self, fault: str) -> None:
        """Fail from now on."""
        self.healed.clear()
        self.fault = fault

    def heal(self) -> None:
        """Fail no more; whoever waits goes on."""
        self.fault = ""
        self.healed.set()

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.heal()
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    owner: FaultProxy
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that hang up are what this is about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def do_GET(self) -> None:
        owner = self.server.owner
        key, fault = unquote(urlsplit(self.path).path).lstrip("/"), owner.fault
        if fault:
            owner.failed[fault] += 1
        if fault == "down":
            self._reset()
            return
        data = self._read(key)
        if data is None:
            self._head(404, 0)
            return
        if fault == "lying" and not key.endswith(".info"):
            middle = len(data) // 2
            data = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
        self._head(200, len(data))
        half = len(data) // 2 if fault in ("slow", "reset", "truncated") else len(data)
        self.wfile.write(data[:half])
        self.wfile.flush()
        if fault == "slow":
            owner.paused.release()
            owner.healed.wait(owner.pause)
            self.wfile.write(data[half:])
        elif fault == "reset":
            self._reset()
        elif fault == "truncated":
            self.close_connection = True

    def _read(self, key: str) -> bytes | None:
        if not key.endswith((*SUFFIXES, "/@v/list")) or key.startswith((*BESIDE, ".")):
            return None
        try:
            return self.server.owner.objects.read(key)
        except (MissingError, StorageError):
            return None

    def _head(self, status: int, length: int) -> None:
        self.send_response_only(status)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def _reset(self) -> None:
        """Close so that the other end is told of it by RST."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())

    def log_message(self, *_: object) -> None:
        """Say nothing."""
