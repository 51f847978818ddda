"""Clients, as they are while an experiment goes on: they ask at fixed times, whatever happens, and check bytes.

An open model: a request is due when it is due, and its latency counts from then, so that an outage is not hidden by
clients who wait. As `go` does (net/http's Transport), connections are kept, and a GET is sent once more on a new one
when a kept one turns out to have been closed before the first byte of an answer; nothing else is tried again. What is
asked for are published files, whose bytes are known: a 200 with others is a failure, and the worst one.
"""

import hashlib
import http.client
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from gopherwood import store
from gopherwood.catalog import Catalog
from gopherwood.module import ModuleVersion
from gopherwood.objects import Objects

CONNECTIONS = 8
TIMEOUT = 10.0
"""Seconds that one request may take."""
LARGEST = 1 << 20
"""Bytes of a file that is asked for: what is measured is the platform, not its network."""
FILES = 60
SLOW = 1.0
"""Seconds after which an answer is no good service."""
LATE = 0.25
"""Seconds that an idle client may be late itself."""
STALE = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)


@dataclass(frozen=True, slots=True)
class File:
    """A file that clients ask for, and what it must be."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: when it was due (seconds since 1970), how long it took from then, and why it failed."""

    due: float
    seconds: float
    problem: str = ""

    @property
    def good(self) -> bool:
        """Whether it was answered, rightly and soon."""
        return not self.problem and self.seconds <= SLOW


def files_of(catalog: Catalog, objects: Objects, seed: int) -> list[File]:
    """Return some published files, drawn by the seed, with the hashes of their bytes in the store."""
    known = [ModuleVersion(each.path, each.version) for each in catalog.published_since(limit=2000)]
    chosen = random.Random(seed).sample(known, min(FILES // len(store.SUFFIXES), len(known)))  # noqa: S311
    rows = catalog.rows_of(chosen)
    found = []
    for mv in chosen:
        small = (rows[mv].facts.get("zip_size") or 0) <= LARGEST
        for suffix in store.SUFFIXES if small else (".mod", store.MARK):
            key = store.key(mv, suffix)
            found.append(File(f"/{quote(key, safe='/@!+:~')}", hashlib.sha256(objects.read(key)).hexdigest()))
    return found


@dataclass
class Clients:
    """Some clients; `start` them, `stop` them, and see what they have seen."""

    url: str
    files: Sequence[File]
    rate: float
    seed: int
    asked: list[Asked] = field(default_factory=list)
    late: int = 0
    """Requests that were sent late with nothing in their way: then this machine was too slow to tell anything."""
    again: int = 0
    """Requests that were sent once more, because a kept connection had been closed."""

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin to ask."""
        begin = time.time() + 0.05
        self._threads = [
            threading.Thread(target=self._client, args=(begin, number), daemon=True) for number in range(CONNECTIONS)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ask no more, and wait for the answers that are due."""
        self._stop.set()
        for thread in self._threads:
            thread.join(2 * TIMEOUT)
        self.asked.sort(key=lambda each: each.due)

    def seen(self) -> list[Asked]:
        """Return what was seen so far, in the order of being due."""
        with self._lock:
            return sorted(self.asked, key=lambda each: each.due)

    def _client(self, begin: float, number: int) -> None:
        rng = random.Random(f"{self.seed}/{number}")  # noqa: S311
        client, turn = _Connection(self.url), number
        while True:
            due = begin + turn / self.rate
            idle = due - time.time()
            if self._stop.wait(max(0.0, idle)):
                return
            is_late = idle > 0 and time.time() - due > LATE
            problem = client.ask(rng.choice(self.files))
            with self._lock:
                self.asked.append(Asked(due, time.time() - due, problem))
                self.late += is_late
                self.again += client.again
                client.again = 0
            turn += CONNECTIONS


class _Connection:
    """A connection that is kept."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._address = (parts.hostname or "", parts.port)
        self._prefix = parts.path.rstrip("/")
        self._way: http.client.HTTPConnection | None = None
        self.again = 0

    def ask(self, file: File) -> str:
        """Ask for a file; return why it failed, "" when it did not."""
        kept = self._way is not None
        try:
            try:
                return self._send(file)
            except STALE:
                self._drop()
                if not kept:
                    raise
                self.again += 1
                return self._send(file)
        except (OSError, http.client.HTTPException) as error:
            self._drop()
            return f"{type(error).__name__}: {error}"

    def _send(self, file: File) -> str:
        if self._way is None:
            self._way = self._kind(self._address[0], self._address[1], timeout=TIMEOUT)
        self._way.request("GET", self._prefix + file.path)
        answer = self._way.getresponse()
        digest = hashlib.sha256()
        while piece := answer.read(1 << 16):
            digest.update(piece)
        if answer.will_close:
            self._drop()
        if answer.status != 200:
            return f"status {answer.status}"
        return "" if digest.hexdigest() == file.sha256 else f"other bytes of {file.path}"

    def _drop(self) -> None:
        if self._way is not None:
            self._way.close()
            self._way = None


def summary(asked: Sequence[Asked], deed: float | None) -> dict[str, Any]:
    """Return what clients saw: `deed` is when the first victim was hit, in seconds since 1970.

    The error window is the longest stretch in which no request that was due was answered; its end is when the first
    one was due that was. Recovery is from the deed to the first request after the last bad one, None when it did not
    come.
    """
    failed = [each for each in asked if each.problem]
    window, begun = 0.0, None
    for each in asked:
        if each.problem:
            begun = each.due if begun is None else begun
        elif begun is not None:
            window, begun = max(window, each.due - begun), None
    if begun is not None:
        window = max(window, asked[-1].due - begun)
    latencies = sorted(each.seconds for each in asked) or [0.0]
    return {
        "requests": len(asked),
        "failed": len(failed),
        "problems": _counts([each.problem for each in failed]),
        "other_bytes": sum(each.problem.startswith("other bytes") for each in failed),
        "availability": 1 - len(failed) / len(asked) if asked else None,
        "error_window_seconds": round(window, 3),
        "recovery_seconds": None if deed is None else recovery(asked, deed),
        "p50_seconds": latencies[len(latencies) // 2],
        "p99_seconds": latencies[len(latencies) * 99 // 100],
    }


def recovery(asked: Sequence[Asked], deed: float) -> float | None:
    """Return the seconds from the deed till all was well, 0 when it never was not, None when it never was again."""
    after = [each for each in asked if each.due + each.seconds >= deed]
    bad = [number for number, each in enumerate(after) if not each.good]
    if not after:
        return None
    if not bad:
        return 0.0
    return None if bad[-1] + 1 == len(after) else round(max(0.0, after[bad[-1] + 1].due - deed), 3)


def _counts(problems: Sequence[str]) -> dict[str, int]:
    names = [each.partition("]")[2].strip() or each if each.startswith("[") else each for each in problems]
    return {name: names.count(name) for name in sorted(set(names))[:20]}
