"""Waiting for threads in a way that signals get through.

Python handles signals in the main thread alone, and the system may deliver one to any thread, which does not wake the
main one: where that waits without an end, SIGTERM stays unheard. Seen: a worker that slept on till it was killed, with
its leases. Authority: https://docs.python.org/3/library/signal.html#execution-of-python-signal-handlers
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import TypeVar

T = TypeVar("T")

HEED = 0.5
"""Seconds till a signal is handled at the latest."""


def as_they_end(futures: Iterable[Future[T]]) -> Iterator[Future[T]]:
    """Yield each future when it has ended, as `concurrent.futures.as_completed` does, and heed signals meanwhile."""
    going_on = set(futures)
    while going_on:
        ended, going_on = wait(going_on, HEED, FIRST_COMPLETED)
        yield from ended
