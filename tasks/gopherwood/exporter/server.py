"""A small HTTP server of one page: `/metrics`, and `/healthz` for a probe. For Prometheus, and nobody else.

It binds loopback unless told otherwise, answers GET only, takes eight requests at once and gives a slow client ten
seconds, so that nobody who reaches it can hold more than that.
"""

import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from gopherwood import __version__
from gopherwood.errors import ConfigError, UsageError
from gopherwood.exporter.families import TEXT

AT_ONCE = 8
PLAIN = "text/plain; charset=utf-8"


class Server(HTTPServer):
    """Answers scrapes with what `scrape` returns; `serve_forever` till `shutdown`."""

    request_queue_size = 64

    def __init__(self, listen: str, scrape: Callable[[], bytes]) -> None:
        """Listen at `HOST:PORT`. Raises UsageError for another form, ConfigError when it cannot be bound."""
        host, port = address(listen)
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.scrape = scrape
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="scrape")
        try:
            super().__init__((host, port), _Handler)
        except OSError as error:
            why = error.strerror or error
            raise ConfigError(f"cannot listen at {listen}: {why}", hint="name a free port with --listen") from None

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of a few."""
        self._pool.submit(self._answer, request, client_address)

    def server_close(self) -> None:
        """Listen no more, and end the threads."""
        super().server_close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _answer(self, request: Any, client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        except OSError:
            pass  # the client went away
        finally:
            self.shutdown_request(request)


class _Handler(BaseHTTPRequestHandler):
    timeout = 10
    server_version = f"gopherwood/{__version__}"
    sys_version = ""
    server: Server

    def do_GET(self) -> None:
        match self.path.partition("?")[0]:
            case "/metrics":
                self._send(HTTPStatus.OK, self.server.scrape(), TEXT)
            case "/healthz":
                self._send(HTTPStatus.OK, b"ok\n", PLAIN)
            case _:
                self._send(HTTPStatus.NOT_FOUND, b"/metrics and /healthz\n", PLAIN)

    def _send(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: scrapes are many."""


def address(listen: str) -> tuple[str, int]:
    """Return host and port of `HOST:PORT` or `[HOST]:PORT`. Raises UsageError."""
    host, colon, port = listen.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65_535:
        raise UsageError(f"{listen!r} is no HOST:PORT", hint="for example 127.0.0.1:8482, or 0.0.0.0:8482 in a pod")
    return host.strip("[]"), int(port)
