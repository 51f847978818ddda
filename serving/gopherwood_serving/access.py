"""The access log: what a request was is noted in its path in one append, and written by a thread of its own.

A request must not wait for a disk, and a hot one takes some microseconds in all. So the path of a request only keeps
what it has at hand; the rest of the line was made when its answer was put into memory. A few times a second the thread
makes lines of it and writes them, some hundred at a time, so that it never holds the interpreter for long. Whatever
happens to the log, serving goes on: lines that cannot be written, or that are too many, are counted and lost.
Fields: gopherwood/accesslog.
"""

import logging
import re
import secrets
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii as quoted
from time import perf_counter
from typing import Any, Protocol

from gopherwood.accesslog import agent_class
from gopherwood.errors import StorageError
from gopherwood_serving.routes import CACHED_ONLY, Route

log = logging.getLogger("gopherwood.serving")

FLUSH_SECONDS = 0.25
"""Between two looks at what has been noted: what a kill may lose."""
LINES_AT_ONCE = 256
"""Lines made and written together; a write lets other threads run."""
MOST_PENDING = 200_000
"""Requests noted and not yet written; beyond that the disk hangs, and they are lost."""
END_SECONDS = 5.0
"""How long the end waits for the last lines: a disk that hangs does not keep a worker from ending."""
MOST_AGENTS = 4096
"""User agents whose class is remembered."""
MODULE_KINDS = frozenset({"list", "latest", "query", "info", "mod", "zip"})
SILENT = frozenset({"probe"})
"""Kinds of requests that are not logged: probes and scrapes, several a minute for ever."""

_TRACE = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_ADDRESS = re.compile(r"\[?([0-9A-Fa-f.:]+?)\]?(:[0-9]+)?")

Noted = tuple[float, float, "Note", str | None, str | None, bool, str]
"""When it arrived and how long it took (of `perf_counter`), what it was, then headers: User-Agent, traceparent, whether
there was a Disable-Module-Fetch; and the client's address, or empty."""


@dataclass(frozen=True, slots=True)
class Note:
    """The part of a line that is the same for all requests that are answered alike."""

    text: str
    """JSON, without its braces, with a comma at the end."""
    policy: str = ""


class Sink(Protocol):
    """Where lines go. Used by one thread."""

    def write(self, data: bytes) -> None:
        """Write whole lines; raises OSError, and then not one of them has been written."""
        ...

    def tick(self) -> None:
        """Do what is due by time; raises OSError or StorageError."""
        ...

    def close(self) -> None:
        """Finish; raises OSError or StorageError."""
        ...


class AccessLog:
    """The log of one worker. `note` may be called by any thread, and never fails nor waits."""

    def __init__(self, sink: Sink, *, addresses: bool = False) -> None:
        self.addresses = addresses
        self.written = 0
        self.lost = 0
        self.failing = ""
        self._sink = sink
        self._pending: deque[Noted] = deque()
        self.note = self._pending.append
        self._lines = _Lines()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="access-log", daemon=True)
        self._thread.start()

    def bound(self) -> None:
        """Lose what has been noted if it is far too much."""
        if len(self._pending) > MOST_PENDING:
            self.lost += len(self._pending)
            self._pending.clear()

    def close(self) -> None:
        """Write what is left, within END_SECONDS."""
        self._ended.set()
        self._thread.join(END_SECONDS)

    def _run(self) -> None:
        while not self._ended.wait(FLUSH_SECONDS):
            self._flush()
            self._guarded(self._sink.tick)
        self._flush()
        self._guarded(self._sink.close)

    def _flush(self) -> None:
        shift = time.time() - perf_counter()
        while count := min(len(self._pending), LINES_AT_ONCE):
            try:
                noted = [self._pending.popleft() for _ in range(count)]
            except IndexError:  # `bound` was here
                continue
            data = self._lines.make(noted, shift)
            if self._guarded(lambda data=data: self._sink.write(data)):
                self.written += count
            else:
                self.lost += count

    def _guarded(self, work: Any) -> bool:
        """Do it; False when it failed. The first failure in a row is said, and the first success after it."""
        try:
            work()
        except (OSError, StorageError) as error:
            if not self.failing:
                log.error("the access log cannot be written, serving goes on: %s", error)
            self.failing = str(error)
            return False
        return True


def note_of(route: Route, method: str, status: int, outcome: str, sent: int) -> Note:
    """Return what can be said of a request once its answer is known."""
    kind = route.kind
    is_module = kind in MODULE_KINDS
    miss = "true" if is_module and status in (404, 410) else "false"
    version = route.version if is_module and kind != "list" else ""
    text = (
        f'"kind":"{kind}","module":{quoted(route.path if is_module else "")},"version":{quoted(version)},'
        f'"method":"{method if method in ("GET", "HEAD") else "other"}","status":{status},"outcome":"{outcome}",'
        f'"bytes":{sent},"miss":{miss},'
    )
    return Note(text, "" if route.fetches else CACHED_ONLY.strip("/"))


class _Lines:
    """Makes lines of what was noted. A million a minute may pass here: what repeats is kept as text.

    The lines of a batch are filled in by one call: that costs three quarters of a formatted string for each.
    """

    def __init__(self) -> None:
        self._form = f'%s%06dZ",%s"micros":%d,"id":"{secrets.token_hex(6)}-%d%s'
        self._number = 0
        self._second = 0
        self._start = ""
        self._tails: dict[tuple[str | None, bool, str], str] = {}

    def make(self, noted: Sequence[Noted], shift: float) -> bytes:
        """Return lines; `shift` is what the system's clock is ahead of `perf_counter`."""
        fields: list[str | int | float] = []
        add, tails, number = fields.extend, self._tails, self._number
        for started, seconds, note, says, traceparent, disabled, client in noted:
            at = int((started + shift) * 1e6)
            since = at - self._second
            if not 0 <= since < 1_000_000:
                since = self._begin(at)
            tail = tails.get((says, disabled, note.policy)) or self._tail(says, disabled, note.policy)
            if traceparent or client:
                tail = _with_trace(tail, traceparent or "", client)
            number += 1
            add((self._start, since, note.text, seconds * 1e6, number, tail))
        self._number = number
        return (self._form * len(noted) % tuple(fields)).encode("ascii")

    def _begin(self, at: int) -> int:
        """Begin another second; return the microseconds into it."""
        second, since = divmod(at, 1_000_000)
        self._second = second * 1_000_000
        self._start = time.strftime('{"time":"%Y-%m-%dT%H:%M:%S.', time.gmtime(second))
        return since

    def _tail(self, says: str | None, disabled: bool, policy: str) -> str:
        if len(self._tails) >= MOST_AGENTS:
            self._tails.clear()
        policy_text = policy or ("disable-module-fetch" if disabled else "")
        tail = f'","agent":"{agent_class(says or "")}","policy":"{policy_text}","trace":""}}\n'
        self._tails[says, disabled, policy] = tail
        return tail


def _with_trace(tail: str, traceparent: str, client: str) -> str:
    trace, address = _TRACE.fullmatch(traceparent), _ADDRESS.fullmatch(client)
    named = f'"{trace[1]}"' if trace else '""'
    return tail.removesuffix('""}\n') + named + (f',"address":"{address[1]}"' if address else "") + "}\n"
