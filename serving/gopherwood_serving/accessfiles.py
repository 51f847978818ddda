"""Where lines of the access log go: files that are finished by size and time, or standard output.

A file has one writer, which holds a lock on it (flock) till it is finished or the process ends, however that is. So
whoever finds a file unlocked may move it away: each worker moves finished files, its own and those of workers that were
killed, to GOPHERWOOD_ACCESS_LOG_STORE where that is set. Names: gopherwood/accesslog/files.py.
"""

import contextlib
import errno
import fcntl
import os
import re
import secrets
import select
import socket
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from gopherwood.accesslog import FileName
from gopherwood.config import Settings
from gopherwood.errors import ConfigError
from gopherwood.objects import Objects, open_objects
from gopherwood_serving.access import AccessLog

PIPE_BUFFER = select.PIPE_BUF
"""Bytes that a pipe takes as one, whoever else writes to it (POSIX promises 512, Linux 4096)."""
SHIP_SECONDS = 30.0
"""Between two looks for files that others left finished."""


class Files:
    """Files of at most so many bytes and seconds below a folder. Nothing is opened before the first line."""

    def __init__(self, folder: Path, *, most_bytes: int, seconds: float, store: Objects | None = None) -> None:
        self.folder = folder.absolute()
        self._most_bytes = most_bytes
        self._seconds = seconds
        self._store = store
        self._descriptor = -1
        self._size = 0
        self._window = 0
        self._ship_at = 0.0

    def write(self, data: bytes) -> None:
        """Write whole lines. Those of a write that failed half-way are taken out of the file again."""
        if self._descriptor < 0 or not self._is_current(len(data)):
            self._finish()
            self._begin()
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError as error:
            self._take_back(error)
            raise
        self._size += len(data)

    def tick(self) -> None:
        """Finish a file whose time is over, and move finished ones where they belong."""
        if self._descriptor >= 0 and not self._is_current(0):
            self._finish()
        if self._store is not None and time.monotonic() >= self._ship_at:
            self._ship_at = time.monotonic() + SHIP_SECONDS
            ship(self.folder, self._store)

    def close(self) -> None:
        """Finish the file, and move it."""
        self._finish()
        self._ship_at = 0.0
        self.tick()

    def _is_current(self, more: int) -> bool:
        """Tell whether the open file may take so many bytes more: by its size, its time, and its name being there."""
        if self._size and self._size + more > self._most_bytes:
            return False
        return self._window == self._now() and os.fstat(self._descriptor).st_nlink > 0

    def _now(self) -> int:
        return int(time.time() // self._seconds)

    def _begin(self) -> None:
        now = datetime.now(UTC).replace(microsecond=0)
        path = self.folder / FileName(now, _host(), secrets.token_hex(6)).key
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o640)
        self._size, self._window = 0, self._now()
        with contextlib.suppress(OSError):  # a file system without locks; then nothing should be moved from it either
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _take_back(self, error: OSError) -> None:
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, self._size)
        # A file that may not grow is finished, but an empty one is kept: else each try would leave one behind.
        if error.errno == errno.EFBIG and self._size:
            self._finish()

    def _finish(self) -> None:
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            self._ship_at = 0.0
            os.close(descriptor)


class Stream:
    """A pipe or a terminal that several processes write to: lines of one do not mix with those of another."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, data: bytes) -> None:
        """Write whole lines, each piece of them no longer than what a pipe takes as one."""
        start = 0
        while start < len(data):
            end = len(data) if len(data) - start <= PIPE_BUFFER else data.rfind(b"\n", start, start + PIPE_BUFFER) + 1
            end = end if end > start else data.index(b"\n", start) + 1  # a line longer than that, alone
            piece = memoryview(data)[start:end]
            while piece:
                piece = piece[os.write(self._descriptor, piece) :]
            start = end

    def tick(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing: others write to it too."""


def open_access_log(settings: Settings) -> AccessLog | None:
    """Start the log that the settings ask for, if any; raises ConfigError."""
    if settings.access_log_addresses not in ("on", "off"):
        says = f"GOPHERWOOD_ACCESS_LOG_ADDRESSES={settings.access_log_addresses} is neither"
        raise ConfigError(says, hint="set it to on or off")
    if settings.access_log == "off":
        return None
    addresses = settings.access_log_addresses == "on"
    if settings.access_log == "stdout":
        return AccessLog(Stream(sys.stdout.fileno()), addresses=addresses)
    store = open_objects(settings.access_log_store, settings=settings) if settings.access_log_store else None
    limits = {"most_bytes": settings.access_log_bytes, "seconds": settings.access_log_seconds}
    return AccessLog(Files(settings.access_log_folder, store=store, **limits), addresses=addresses)  # type: ignore[arg-type]


def ship(folder: Path, store: Objects) -> int:
    """Move the files that nobody writes to into a store; return how many. Raises StorageError, and moves none twice.

    Killed between the two steps it leaves a file in both places, equal: the next one finds it there and goes on.
    """
    moved = 0
    for path in sorted(folder.glob("*/access-*.jsonl")):
        key = path.relative_to(folder).as_posix()
        if FileName.parse(key) is None:
            continue
        with contextlib.suppress(FileNotFoundError, BlockingIOError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(file.fileno()).st_nlink:  # else another worker was faster
                if os.fstat(file.fileno()).st_size:
                    store.create(key, path)
                path.unlink()
                moved += 1
    return moved


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname())[:64] or "host"
