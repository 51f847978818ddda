"""The open-model player, a process of its own: `python -m gopherwood.loadtest.player PLAN RESULT`.

It sends each request of the plan at its time, whether or not others have been answered: connections are opened as they
are needed. No task, no thread and no timer a request: one loop, callbacks, and llhttp for the replies, so that a core
plays some thousand requests a second without being late. Clocks of event loops tick in milliseconds; a timer of the
kernel's (timerfd) wakes it to the microsecond, because what it is late counts as the server's latency.
"""

import asyncio
import ctypes
import hashlib
import json
import os
import ssl
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from httptools import HttpParserError, HttpResponseParser

from gopherwood import wire
from gopherwood.loadtest.answers import Answers
from gopherwood.loadtest.limits import BESIDE, most_open_files
from gopherwood.loadtest.measure import Measured, Stopwatch
from gopherwood.loadtest.plan import HEADERS, Plan, Shot

LEAD = 0.2
"""Seconds between the decision to begin and the first arrival."""


class Player:
    """Plays one plan."""

    def __init__(self, plan: Plan, loop: asyncio.AbstractEventLoop) -> None:
        self.plan, self.loop = plan, loop
        self.measured, self.answers = Measured(), Answers()
        self.idle: list[Connection] = []
        self.busy: set[Connection] = set()
        self._waiting: deque[tuple[Shot, float]] = deque()
        parts = urlsplit(plan.url)
        self._address = (str(parts.hostname), parts.port or (443 if parts.scheme == "https" else 80))
        self._tls: ssl.SSLContext | None = wire.tls() if parts.scheme == "https" else None
        host = parts.netloc.rpartition("@")[2]
        lines = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
        self._before, self._after = f"GET {parts.path}", f" HTTP/1.1\r\nhost: {host}\r\n{lines}\r\n"
        self._open = 0
        self._most = min(plan.connections, most_open_files() - BESIDE)
        self._begin = 0.0
        self._left = len(plan.shots)
        self._opening: set[asyncio.Task[None]] = set()
        self._done: asyncio.Future[None] = loop.create_future()
        loop.set_exception_handler(lambda _, context: self.crash(context))

    async def play(self) -> Measured:
        """Play all of it; return what was measured."""
        for shot in self.plan.shots:
            self.measured.expect(shot.at)
        self._begin = time.monotonic() + LEAD
        self.measured.began_at = self._begin
        watch = Stopwatch()
        timer = Timer(self.loop, self._fire)
        self._next, self._timer = 0, timer
        self._fire()
        sweeper = self.loop.create_task(self._sweep())
        if self._left:
            await self._done
        sweeper.cancel()
        watch.stop(self.measured)
        self.measured.seconds = self.now()
        timer.close()
        self.measured.checked = self.answers.checked
        return self.measured

    def request(self, shot: Shot) -> bytes:
        """Return the bytes that ask for something."""
        return f"{self._before}{shot.path}{self._after}".encode()

    def now(self) -> float:
        """Return seconds since the begin."""
        return time.monotonic() - self._begin

    def _fire(self) -> None:
        """Begin what is due, and set the timer for what is next."""
        shots, number = self.plan.shots, self._next
        while number < len(shots) and shots[number].at <= (now := self.now()):
            shot = shots[number]
            number += 1
            self.measured.begin(shot.at, now - shot.at)
            self._start(shot, now)
        self._next = number
        if number < len(shots):
            self._timer.wake_in(max(shots[number].at - self.now(), 0.0))

    def _start(self, shot: Shot, began: float) -> None:
        if self.idle:
            self.idle.pop().send(shot, began)
        elif self._open < self._most:
            self._open += 1
            opening = self.loop.create_task(self._connect(shot, began))
            self._opening.add(opening)  # a loop keeps only weak references
            opening.add_done_callback(self._opened)
        else:
            self._waiting.append((shot, began))  # nothing is lost: its latency grows

    def _opened(self, opening: "asyncio.Task[None]") -> None:
        self._opening.discard(opening)
        if not opening.cancelled() and (error := opening.exception()):
            self.crash({"exception": error})

    def crash(self, context: dict[str, Any]) -> None:
        """End the run: a fault of the player's own must not be counted as one of the server."""
        if not self._done.done():
            self._done.set_exception(context.get("exception") or RuntimeError(str(context.get("message"))))

    async def _connect(self, shot: Shot, began: float) -> None:
        connection = Connection(self)
        connection.shot, connection.began = shot, began
        self.busy.add(connection)
        host, port = self._address
        name = host if self._tls else None
        try:
            opening = self.loop.create_connection(lambda: connection, host, port, ssl=self._tls, server_hostname=name)
            await asyncio.wait_for(opening, self.plan.timeout)
        except (OSError, TimeoutError) as error:
            self._open -= 1
            if connection.shot is not None:
                connection.fail(f"no connection: {getattr(error, 'strerror', None) or type(error).__name__}")
            return
        if connection.is_free():
            connection.close()  # it came too late
        else:
            connection.send(shot, began)

    def again(self, connection: "Connection", shot: Shot, began: float) -> None:
        """Ask on another connection: the server had closed this one while it was idle, as it may (RFC 9112, 9.3.1)."""
        self.busy.discard(connection)
        self._start(shot, began)

    def ended(self, connection: "Connection", reusable: bool) -> None:
        """Take back a connection whose request has an outcome."""
        self.busy.discard(connection)
        if reusable:
            if self._waiting:
                connection.send(*self._waiting.popleft())
            else:
                self.idle.append(connection)
        self._left -= 1
        if not self._left and not self._done.done():
            self._done.set_result(None)

    def closed(self, connection: "Connection") -> None:
        """Forget a connection; what waited for one gets a new one."""
        self._open -= 1
        if connection in self.idle:
            self.idle.remove(connection)
        if self._waiting and self._open < self._most:
            self._start(*self._waiting.popleft())

    async def _sweep(self) -> None:
        """Give up what nobody would wait for any longer."""
        while True:
            await asyncio.sleep(0.5)
            limit = self.now() - self.plan.timeout
            for connection in [each for each in self.busy if each.began < limit]:
                connection.fail("time-out")
            while self._waiting and self._waiting[0][1] < limit:
                shot, began = self._waiting.popleft()
                self.measured.give_up(shot.kind, shot.at, began - shot.at, self.now() - began, "no free connection")
                self._left -= 1
            if not self._left and not self._done.done():
                self._done.set_result(None)


class Connection(asyncio.Protocol):
    """A connection, and the one request that is on it."""

    def __init__(self, player: Player) -> None:
        self.player = player
        self.shot: Shot | None = None
        self.began = 0.0
        self._transport: asyncio.Transport | None = None
        self._parser = HttpResponseParser(self)
        self._answers = 0
        self._received = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def is_free(self) -> bool:
        """Tell whether there is no request on it: its own may have been given up while it was opened."""
        return self.shot is None

    def send(self, shot: Shot, began: float) -> None:
        """Ask; `began` is when the arrival began, which may have waited for a connection."""
        assert self._transport is not None
        self.shot, self.began = shot, began
        self.player.busy.add(self)
        self._received = False
        self._etag, self._size, self._digest = "", 0, hashlib.sha256()
        self._transport.write(self.player.request(shot))

    def data_received(self, data: bytes) -> None:
        """Read on."""
        if self.shot is None:
            return
        self._received = True
        try:
            self._parser.feed_data(data)
        except HttpParserError as error:
            self.fail(f"no HTTP: {error}")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep the validator."""
        if name.lower() == b"etag":
            self._etag = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Note whether the connection may be used again: it cannot be told later."""
        self._reusable = self._parser.should_keep_alive()

    def on_body(self, data: bytes) -> None:
        """Hash a piece of the body."""
        self._size += len(data)
        self._digest.update(data)

    def on_message_complete(self) -> None:
        """Judge the answer, and give the connection back."""
        shot, player = self.shot, self.player
        assert shot is not None
        now = player.now()
        status = self._parser.get_status_code()
        digest = self._digest.hexdigest()
        fault = player.answers.fault(shot.kind, shot.path, shot.wanted, status, self._etag, digest)
        player.measured.end(shot.kind, shot.at, self.began - shot.at, now - self.began, self._size, fault)
        self.shot = None
        self._answers += 1
        if not self._reusable:
            self.close()
        player.ended(self, self._reusable)

    def fail(self, why: str) -> None:
        """End without an answer."""
        shot, player = self.shot, self.player
        assert shot is not None
        self.shot = None
        player.measured.give_up(shot.kind, shot.at, self.began - shot.at, player.now() - self.began, why)
        self.close()
        player.ended(self, False)

    def connection_lost(self, error: Exception | None) -> None:
        """Note that the server closed."""
        shot, self.shot = self.shot, None
        if shot is not None and self._answers and not self._received:
            self.player.again(self, shot, self.began)
        elif shot is not None:
            self.shot = shot
            self.fail("connection closed" if error is None else f"connection: {type(error).__name__}")
        self.player.closed(self)

    def close(self) -> None:
        """Close it at once."""
        if self._transport is not None:
            self._transport.abort()


class Timer:
    """Calls back at a time to the microsecond: timerfd where there is one, else the loop's own clock."""

    def __init__(self, loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
        self._loop, self._call = loop, call
        self._libc = ctypes.CDLL(None, use_errno=True)
        make = getattr(self._libc, "timerfd_create", None)
        self._fd = make(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC) if make else -1
        if self._fd >= 0:
            loop.add_reader(self._fd, self._woken)

    def wake_in(self, seconds: float) -> None:
        """Call back after so many seconds."""
        if self._fd < 0:
            self._loop.call_later(seconds, self._call)
            return
        nanos = max(int(seconds * 1e9), 1)  # 0 would switch it off
        when = (ctypes.c_long * 4)(0, 0, nanos // 10**9, nanos % 10**9)
        self._libc.timerfd_settime(self._fd, 0, when, None)

    def close(self) -> None:
        """End it."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)

    def _woken(self) -> None:
        try:
            os.read(self._fd, 8)
        except BlockingIOError:
            return
        self._call()


def main() -> None:
    """Play the plan of the first argument, and write what was measured where the second says."""
    plan = Plan.read(Path(sys.argv[1]))
    try:
        import uvloop
    except ModuleNotFoundError:
        loop = asyncio.new_event_loop()
    else:
        loop = uvloop.new_event_loop()
    player = Player(plan, loop)
    measured = loop.run_until_complete(player.play())
    Path(sys.argv[2]).write_text(json.dumps(measured.data()))


if __name__ == "__main__":
    main()
