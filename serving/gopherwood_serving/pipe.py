"""A body that is sent as fast as its client takes it, and no faster: through a named pipe.

granian's stream has no back pressure: whatever it is given it takes at once, and keeps till the client has it. Its file
response has: it reads on only when the socket takes more, and what it reads may be a pipe. A pipe in the file system is
also a meeting: it can be opened for writing without waiting only once granian has opened it for reading, and from
then on its name is not needed. When the client goes away granian closes its end, which the writer is told by EPIPE.
A writer that fails closes its end early: the client then misses bytes of the announced length, and knows.
"""

import asyncio
import errno
import os
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

FIRST_PAUSE, LONGEST_PAUSE = 0.001, 0.1
"""Seconds between two looks whether the pipe is read; doubled each time."""
NOBODY_AFTER = 300.0
"""Seconds after which nobody will open the pipe any more: the client went away before its answer was begun."""

Read = Callable[[], Awaitable[bytes]]


async def pour(read: Read, respond: Callable[[str], None]) -> int:
    """Let `respond` answer with the file of a path, and write into it what `read` returns until that is nothing.

    Returns the bytes that were taken: fewer than there are when the client went away.
    """
    with tempfile.TemporaryDirectory(prefix="gopherwood-serving-") as folder:
        path = Path(folder) / "body"
        os.mkfifo(path, 0o600)
        respond(str(path))
        end = await _open(path)
    if end is None:
        return 0
    taken = 0
    try:
        while piece := await read():
            await _write(end, piece)
            taken += len(piece)
    except BrokenPipeError:
        pass
    finally:
        os.close(end)
    return taken


async def _open(path: Path) -> int | None:
    """Return the writing end once somebody reads, None when nobody does."""
    loop = asyncio.get_running_loop()
    deadline, pause = loop.time() + NOBODY_AFTER, FIRST_PAUSE
    while loop.time() < deadline:
        try:
            return os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
        await asyncio.sleep(pause)
        pause = min(LONGEST_PAUSE, pause * 2)
    return None


async def _write(end: int, piece: bytes) -> None:
    left = memoryview(piece)
    while left:
        try:
            left = left[os.write(end, left) :]
        except BlockingIOError:
            await _writable(end)


async def _writable(end: int) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_writer(end, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_writer(end)
