"""What is still to be sent of a file: from the kernel's page cache to the socket, without a copy in this process.

A file that is not in the page cache would make sendfile wait for the disk, and with it every other connection. So the
kernel is asked first whether it is (`preadv2` with RWF_NOWAIT, Linux); if not, a thread reads the next piece, which
brings it there. Where the kernel cannot say (some network file systems, macOS), a thread always reads first.
"""

import os
from typing import ClassVar

TURN = 512 << 10
"""Bytes of a file that one connection sends before others have their turn."""
_NOWAIT = getattr(os, "RWF_NOWAIT", None)


class FilePart:
    """An open file and the bytes of it that are to be sent. Closed by whoever sends it."""

    __slots__ = ("_descriptor", "left", "offset")
    _probe: ClassVar[list[bytearray]] = [bytearray(1)]

    def __init__(self, descriptor: int, part: range) -> None:
        self._descriptor = descriptor
        self.offset = part.start
        self.left = len(part)

    def send(self, socket: int) -> None:
        """Send a turn's worth at most. Raises BlockingIOError when the socket takes nothing now, and OSError."""
        sent = os.sendfile(socket, self._descriptor, self.offset, min(self.left, TURN))
        if not sent:
            raise OSError(f"a file ended {self.left} bytes early")
        self.offset += sent
        self.left -= sent

    def is_at_hand(self) -> bool:
        """Tell whether the next turn can be sent without waiting for a disk."""
        if _NOWAIT is None:
            return False
        try:
            os.preadv(self._descriptor, self._probe, self.offset + min(self.left, TURN) - 1, _NOWAIT)
        except OSError:
            return False
        return True

    def fetch(self) -> None:
        """Wait for the disk to bring the next turn; for a thread."""
        os.pread(self._descriptor, min(self.left, TURN), self.offset)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)
