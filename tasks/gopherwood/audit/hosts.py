"""Manners towards the hosts that origins are on: a few questions at once, a moment between them, and no insisting.

All threads of a process share one `Hosts`. Where three repositories in a row could not be reached, the host is left
alone for the rest of the run.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from gopherwood.errors import NotFoundError, RefusedError, StoppedError, UpstreamError

AT_ONCE = 2
"""Questions to one host at the same time."""
PAUSE = 0.25
"""Seconds between the beginnings of two questions."""
ENOUGH = 3
"""Failures in a row after which a host is not asked again."""


@dataclass
class _Host:
    turns: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(AT_ONCE))
    lock: threading.Lock = field(default_factory=threading.Lock)
    next_at: float = 0.0
    failures: int = 0
    says: str = ""


class Hosts:
    """Who may ask which host when."""

    def __init__(self, stop: threading.Event, pause: float = PAUSE) -> None:
        self._stop = stop
        self._pause = pause
        self._hosts: dict[str, _Host] = {}
        self._lock = threading.Lock()

    @contextmanager
    def turn(self, name: str) -> Iterator[None]:
        """Wait for a turn with a host and hold it; count what becomes of it.

        Raises UpstreamError when the host has failed often enough, StoppedError when told to stop.
        """
        with self._lock:
            host = self._hosts.setdefault(name, _Host())
        with host.turns:
            if host.failures >= ENOUGH:
                raise UpstreamError(f"{name} is left alone for now: {host.says}")
            self._wait(host)
            try:
                yield
            except (NotFoundError, RefusedError):
                host.failures = 0  # an answer, if no friendly one
                raise
            except UpstreamError as error:
                host.failures += 1
                host.says = str(error)
                raise
            host.failures = 0

    def _wait(self, host: _Host) -> None:
        with host.lock:
            at = max(host.next_at, time.monotonic())
            host.next_at = at + self._pause
        if self._stop.wait(max(0.0, at - time.monotonic())):
            raise StoppedError("told to stop")
