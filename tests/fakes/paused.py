"""Processes that stand still for a while, as a machine without memory, or a busy one, makes them."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fakes.site import Site


@contextmanager
def paused(site: Site, find: Callable[[], list[int]], seconds: float) -> Iterator[None]:
    """Stop processes for a while once the server has answered a few more requests than before."""

    def answered() -> int:
        text = site.get("/metrics").text.splitlines()
        counts = [line for line in text if "_count{" in line and 'route="probe"' not in line]
        return sum(int(line.rpartition(" ")[2]) for line in counts)

    def pause() -> None:
        site.wait(lambda: over.is_set() or answered() > before + 10, 60)
        if over.is_set():
            return
        pids = find()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(seconds)
        for pid in pids:
            os.kill(pid, signal.SIGCONT)

    before, over = answered(), threading.Event()
    thread = threading.Thread(target=pause)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def children(name: str) -> list[int]:
    """Return the processes that this one has started and whose command line has `name` in it."""
    found = []
    for task in Path("/proc/self/task").iterdir():
        for pid in (task / "children").read_text().split():
            if name.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(int(pid))
    return found
