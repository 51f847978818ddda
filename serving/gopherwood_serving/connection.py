"""One client's connection: requests in, answers out, in order; it waits for nobody and holds no copy of what it sends.

An answer from memory is sent in the turn of the event loop that read its request, by one system call when the socket
takes it all. What a socket does not take waits as a view of the one copy in memory, or as a place in a file; so a
client that reads slowly costs a few hundred bytes and no thread. While an answer is under way no further request is
read. Authority: RFC 9112, sections 9.3 (persistence, pipelining) and 9.6 (an end that loses no answer: the sending
half is closed first, and what the client still sends is thrown away).
"""

import asyncio
import logging
import socket
from typing import TYPE_CHECKING

from gopherwood_serving.answers import UNCACHED, Headers, head_of
from gopherwood_serving.filepart import FilePart
from gopherwood_serving.request import MOST_HEAD, BadRequestError, parse

if TYPE_CHECKING:
    from gopherwood_serving.listener import Listener

log = logging.getLogger("gopherwood.serving")

READ = 64 << 10
"""Bytes read at a time."""
JOINED = 16 << 10
"""Bytes of a body up to which copying it behind its head costs less than sending two buffers."""
IDLE_SWEEPS = 3
"""Sweeps of the listener without a request after which a connection is closed; a request that is sent in drops counts
as none."""
STALLED_SWEEPS = 12
"""The same for a client that takes nothing of its answer."""
NOTHING: Headers = [("cache-control", UNCACHED)]
"""Headers of an answer to what cannot be answered."""
_MORE = getattr(socket, "MSG_MORE", 0)


class Connection:
    """A connection, from its first byte to its end. Everything happens on the event loop."""

    __slots__ = (
        "_file",
        "_is_busy",
        "_is_ending",
        "_is_fetching",
        "_keep",
        "_left",
        "_listener",
        "_quiet",
        "_socket",
        "_started",
        "_task",
        "_unread",
        "_waiter",
        "is_closed",
    )

    def __init__(self, accepted: socket.socket, listener: "Listener") -> None:
        self._socket = accepted
        self._listener = listener
        self._unread = b""
        self._left: list[memoryview] = []
        self._file: FilePart | None = None
        self._task: asyncio.Task[None] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._is_busy = self._is_ending = self._is_fetching = self._started = self.is_closed = False
        self._keep = True
        self._quiet = 0
        listener.loop.add_reader(accepted, self._readable)

    @property
    def client(self) -> str:
        """The address of the client, empty when it has left."""
        try:
            return str(self._socket.getpeername()[0])
        except OSError:
            return ""

    # --- what an application calls: exactly one of these a request ---------------------------------------------------

    def send(self, head: bytes, body: bytes = b"") -> None:
        """Send a whole answer. After a first one that is not complete, an abrupt end is all that can be said."""
        if self._started:
            self.close()
            return
        self._started = True
        listener = self._listener
        tail = listener.tail if self._keep else listener.last_tail
        try:
            if len(body) <= JOINED:
                data = head + tail + body
                sent = self._socket.send(data)
                if sent != len(data):
                    self._left = _rest((data,), sent)
            else:
                sent = self._socket.sendmsg((head, tail, body))
                if sent != len(head) + len(tail) + len(body):
                    self._left = _rest((head, tail, body), sent)
        except BlockingIOError:
            self._left = _rest((head, tail, body), 0)
        except OSError:
            self.close()
            return
        if self._left:
            self._await_writable()
        elif self._task is None:
            self._is_busy = False

    def send_file(self, head: bytes, file: FilePart) -> None:
        """Send an answer whose body is a part of a file, which is closed at the end, whatever happens."""
        if not self._send_head(head):
            file.close()
            return
        self._file = file
        self._await_writable()

    def send_head(self, head: bytes) -> None:
        """Begin an answer whose body follows by `write`."""
        if self._send_head(head) and self._left:
            self._await_writable()

    async def write(self, piece: bytes) -> None:
        """Send a piece of a body, and wait till the socket has taken it; raises ConnectionError when nobody listens."""
        if self.is_closed:
            raise ConnectionResetError("the client has left")
        is_waiting = bool(self._left)
        self._left.append(memoryview(piece))
        if not is_waiting:
            self._await_writable()
        self._waiter = self._listener.loop.create_future()
        await self._waiter

    # --- requests -------------------------------------------------------------------------------------------------

    def _readable(self) -> None:
        try:
            data = self._socket.recv(READ)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self.close()
        elif not self._is_ending:
            self._take(self._unread + data if self._unread else data)

    def _take(self, data: bytes) -> None:
        """Answer every complete request of some bytes, as long as each is answered at once."""
        while data:
            end = data.find(b"\r\n\r\n")
            if end < 0 and len(data) <= MOST_HEAD:
                break
            if not 0 <= end <= MOST_HEAD:
                self._refuse(431 if b"\r\n" in data[:MOST_HEAD] else 414)
            else:
                head, data = data[: end + 2], data[end + 4 :]
                self._answer(head)
            if self._is_busy:
                self._listener.loop.remove_reader(self._socket)
                break
            if self._is_ending or self.is_closed:
                return
        self._unread = data

    def _answer(self, head: bytes) -> None:
        try:
            request = parse(head)
        except BadRequestError as error:
            self._refuse(error.status)
            return
        listener = self._listener
        self._quiet = 0
        self._keep = request.keep_alive and not listener.is_stopping
        self._started, self._is_busy = False, True
        if not listener.answer_now(request, self):
            self._task = listener.loop.create_task(listener.answer(request, self))
            self._task.add_done_callback(self._answered)
        elif not self._is_busy and not self._keep:
            self._end()

    def _answered(self, task: "asyncio.Task[None]") -> None:
        self._task = None
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("a request was not answered", exc_info=error)
            if self._started:
                self.close()
        if not self._started:
            self.send(head_of(500, NOTHING, 0))
        if not self._left and self._file is None:
            self._complete()

    def _refuse(self, status: int) -> None:
        """Answer what cannot be understood, and end: nobody knows where the next request begins."""
        self._started = self._keep = False
        self._is_busy = True
        self.send(head_of(status, NOTHING, 0))
        if not self._is_busy:
            self._end()

    # --- answers --------------------------------------------------------------------------------------------------

    def _send_head(self, head: bytes) -> bool:
        if self._started:
            self.close()
        if self.is_closed:
            return False
        self._started = True
        data = head + (self._listener.tail if self._keep else self._listener.last_tail)
        try:
            sent = self._socket.send(data, _MORE)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close()
            return False
        if sent != len(data):
            self._left = _rest((data,), sent)
        return True

    def _await_writable(self) -> None:
        if not self.is_closed:
            self._listener.loop.add_writer(self._socket, self._writable)

    def _writable(self) -> None:
        self._quiet = 0
        try:
            while self._left:
                sent = self._socket.send(self._left[0])
                self._left = _rest(self._left, sent)
            if self._file is not None:
                if not self._file.is_at_hand():
                    self._fetch(self._file)
                    return
                self._send_turn(self._file)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        self._sent()

    def _send_turn(self, file: FilePart) -> None:
        file.send(self._socket.fileno())
        if not file.left:
            file.close()
            self._file = None

    def _sent(self) -> None:
        """Go on after a piece: with the next turn, the application, or the next request."""
        if self._file is not None:
            return
        self._listener.loop.remove_writer(self._socket)
        if self._waiter is not None:
            waiter, self._waiter = self._waiter, None
            if not waiter.done():
                waiter.set_result(None)
        elif self._task is None:
            self._complete()

    def _fetch(self, file: FilePart) -> None:
        loop = self._listener.loop
        loop.remove_writer(self._socket)
        self._is_fetching = True
        loop.run_in_executor(self._listener.readers, file.fetch).add_done_callback(self._fetched)

    def _fetched(self, done: "asyncio.Future[None]") -> None:
        self._is_fetching = False
        file, error = self._file, done.exception()
        if file is None:
            return
        if self.is_closed:
            file.close()
            return
        self._await_writable()
        try:
            if error is not None:
                raise error
            self._send_turn(file)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        self._sent()

    def _complete(self) -> None:
        """Go on after an answer that was not sent at once."""
        self._is_busy = False
        if self.is_closed:
            return
        if not self._keep or self._listener.is_stopping:
            self._end()
            return
        self._listener.loop.add_reader(self._socket, self._readable)
        if self._unread:
            self._take(self._unread)

    # --- the end --------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Notice at each sweep of the listener whether anything happens here."""
        if self._task is not None and self._waiter is None:
            return  # it waits for us
        self._quiet += 1
        if self._quiet > (STALLED_SWEEPS if self._is_busy else IDLE_SWEEPS):
            self.close()

    def finish(self) -> None:
        """End it after the request that is under way, or has arrived and was not read yet; without one, now."""
        if not self._is_busy and not self._is_ending:
            self._readable()
        if not self._is_busy and not self._is_ending and not self._unread:
            self.close()

    def close(self) -> None:
        """End it at once."""
        if self.is_closed:
            return
        self.is_closed = True
        self._listener.loop.remove_reader(self._socket)
        self._listener.loop.remove_writer(self._socket)
        self._socket.close()
        self._left = []
        if self._file is not None and not self._is_fetching:
            self._file.close()
            self._file = None
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(ConnectionResetError("the client has left"))
        self._listener.forget(self)

    def _end(self) -> None:
        """End it after its last answer: once the client has ended too, so that no answer is lost to a reset."""
        if self.is_closed:
            return
        self._is_ending, self._unread = True, b""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()
            return
        self._listener.loop.add_reader(self._socket, self._readable)


def _rest(buffers: "tuple[bytes, ...] | list[memoryview]", sent: int) -> list[memoryview]:
    """Return what is left of some buffers of which so many bytes are sent."""
    left = []
    for buffer in buffers:
        if sent < len(buffer):
            left.append(memoryview(buffer)[sent:])
        sent = max(sent - len(buffer), 0)
    return left
