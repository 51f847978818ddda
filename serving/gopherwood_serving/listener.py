"""Where connections begin: accepts them, watches over them, and ends them without losing an answer."""

import asyncio
import errno
import logging
import socket
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from typing import Any

from gopherwood_serving.connection import Connection
from gopherwood_serving.request import Request

log = logging.getLogger("gopherwood.serving")

MOST_CONNECTIONS = 20_000
"""Connections of one worker; more wait in the kernel's queue."""
BACKLOG = 1024
SWEEP_SECONDS = 10.0
UNSENT = 128 << 10
"""Bytes that a connection may have unsent in the kernel. Left alone, Linux takes up to 4 MiB of a large file at once:
whoever drew the first turns has much of a zip in flight while others wait for their first bytes, and a client that does
not read ties up those megabytes. Unlike a small send buffer, TCP_NOTSENT_LOWAT does not limit what is in flight on a
long, fast path."""
FILE_THREADS = 4
"""Threads that bring files from a disk into the page cache."""

AnswerNow = Callable[[Request, Connection], bool]
"""True when it has answered. Must neither wait nor raise."""
AnswerLater = Callable[[Request, Connection], Coroutine[Any, Any, None]]


class Listener:
    """Accepts connections for one worker, until `stop`."""

    def __init__(self, answer_now: AnswerNow, answer: AnswerLater, host: str, port: int) -> None:
        self.loop = asyncio.get_running_loop()
        self.answer_now = answer_now
        self.answer = answer
        self.readers = ThreadPoolExecutor(FILE_THREADS, thread_name_prefix="reader")
        self.is_stopping = False
        self.tail = self.last_tail = b""
        """How each head ends: the date, and whether the connection goes on."""
        self._connections: set[Connection] = set()
        self._ended: asyncio.Future[None] = self.loop.create_future()
        self._socket = _listen(host, port)
        self._is_accepting = False
        self._tick()
        self._timer = self.loop.call_later(SWEEP_SECONDS, self._sweep)
        self._resume()

    async def stop(self) -> None:
        """Take no new connection, let every request that is under way be answered, and end."""
        self._accept()  # whoever is in the kernel's queue was let in
        self.is_stopping = True
        self._pause()
        self._socket.close()
        for connection in list(self._connections):
            connection.finish()
        if self._connections:
            await self._ended
        self._timer.cancel()
        self._clock.cancel()
        self.readers.shutdown(wait=False, cancel_futures=True)

    def forget(self, connection: Connection) -> None:
        """Note that a connection has ended."""
        self._connections.discard(connection)
        if self.is_stopping:
            if not self._connections and not self._ended.done():
                self._ended.set_result(None)
        elif not self._is_accepting and len(self._connections) < MOST_CONNECTIONS:
            self._resume()

    def _accept(self) -> None:
        for _ in range(BACKLOG):
            if len(self._connections) >= MOST_CONNECTIONS:
                self._pause()
                return
            try:
                accepted, _ = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    raise
                log.error("no new connection for a second: %s", error)
                self._pause()
                self.loop.call_later(1.0, self._resume)
                return
            accepted.setblocking(False)
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections.add(Connection(accepted, self))

    def _pause(self) -> None:
        if self._is_accepting:
            self._is_accepting = False
            self.loop.remove_reader(self._socket)

    def _resume(self) -> None:
        if not self._is_accepting and not self.is_stopping:
            self._is_accepting = True
            self.loop.add_reader(self._socket, self._accept)

    def _tick(self) -> None:
        date = f"date: {formatdate(usegmt=True)}\r\n"
        self.tail, self.last_tail = f"{date}\r\n".encode(), f"{date}connection: close\r\n\r\n".encode()
        self._clock = self.loop.call_later(1.0, self._tick)

    def _sweep(self) -> None:
        for connection in list(self._connections):
            connection.tick()
        self._timer = self.loop.call_later(SWEEP_SECONDS, self._sweep)


def _listen(host: str, port: int) -> socket.socket:
    """Listen with others of us on one port; raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listening = socket.socket(family, kind, protocol)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)  # accepted ones inherit it
    listening.bind(address)
    listening.listen(BACKLOG)
    listening.setblocking(False)
    return listening
