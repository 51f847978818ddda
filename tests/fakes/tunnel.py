"""A forward proxy: CONNECT tunnels to wherever its table says that a host is, and nowhere else.

with Tunnel({"upstream.test:443": server.port}) as proxy:
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
"""

import base64
import select
import socket
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Self


@dataclass
class Tunnel:
    """A proxy on 127.0.0.1; use it as a context manager."""

    ports: dict[str, int]
    """The loopback port that stands for each `host:port`."""
    user: tuple[str, str] | None = None
    """User name and password that requests must carry."""
    asked: list[str] = field(default_factory=list)
    """What tunnels were asked for to, in order."""

    def __enter__(self) -> Self:
        owner = self

        class Handler(_Handler):
            tunnel = owner

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    tunnel: Tunnel

    def do_CONNECT(self) -> None:
        self.tunnel.asked.append(self.path)
        if self.tunnel.user:
            wanted = base64.b64encode(":".join(self.tunnel.user).encode()).decode()
            if self.headers.get("Proxy-Authorization") != f"Basic {wanted}":
                self.send_error(407)
                return
        if self.path not in self.tunnel.ports:
            self.send_error(502)
            return
        with socket.create_connection(("127.0.0.1", self.tunnel.ports[self.path])) as there:
            self.send_response_only(200)
            self.end_headers()
            self._pass_on(there)
        self.close_connection = True

    def _pass_on(self, there: socket.socket) -> None:
        ways = {self.connection: there, there: self.connection}
        while True:
            for source in select.select(list(ways), [], [])[0]:
                try:
                    data = source.recv(65536)
                except OSError:
                    return
                if not data:
                    return
                ways[source].sendall(data)

    def log_message(self, *_args: object) -> None:
        """Say nothing."""
