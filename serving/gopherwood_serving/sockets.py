"""What the kernel keeps for one connection: little that is not yet under way.

Left alone, Linux takes up to 4 MiB of a large file into a socket's buffer at once. So whoever drew the first turns has
much of a zip in flight while others wait for their first bytes (measured: docs/benchmarks/serving.md), and a client
that does not read ties up those megabytes. TCP_NOTSENT_LOWAT (Linux, and macOS) bounds what a socket has accepted but
not sent; unlike a small send buffer it does not limit what is in flight on a long, fast path.

granian has no setting for it. Accepted connections inherit it from the listening socket, so it is set there, as soon
as the worker listens.
"""

import os
import socket
import stat
from pathlib import Path

UNSENT = 128 << 10
"""Bytes that a connection may have unsent: one piece of granian's file response, and more than most zips have."""


def bound_unsent(most: int = UNSENT) -> int:
    """Bound what each connection accepted from now on has unsent; return the listening sockets that were found.

    It asks Linux for the sockets of this process; elsewhere it finds none, and all works as before.
    """
    return sum(_bound(descriptor, most) for descriptor in _sockets())


def _sockets() -> list[int]:
    try:
        numbers = [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]
    except FileNotFoundError:
        return []
    found = []
    for number in numbers:
        try:
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                found.append(number)
        except OSError:  # closed meanwhile, as the one that listed the folder is
            continue
    return found


def _bound(descriptor: int, most: int) -> bool:
    with socket.socket(fileno=os.dup(descriptor)) as shared:
        if shared.family not in (socket.AF_INET, socket.AF_INET6) or shared.type != socket.SOCK_STREAM:
            return False
        if not shared.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return False
        shared.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, most)
    return True
