"""Waiting for threads never makes a process deaf."""

import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from gopherwood.ends import as_they_end


@pytest.fixture
def told() -> Iterator[threading.Event]:
    """Set an event by SIGUSR1."""
    event = threading.Event()
    before = signal.signal(signal.SIGUSR1, lambda *_: event.set())
    yield event
    signal.signal(signal.SIGUSR1, before)


def test_a_signal_that_another_thread_got_is_heard(told: threading.Event) -> None:
    """The system may give it to the very thread that we wait for."""

    def work() -> bool:
        time.sleep(0.1)  # by now the main thread waits
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
        return told.wait(20)

    with ThreadPoolExecutor(1) as pool:
        assert [each.result() for each in as_they_end([pool.submit(work)])] == [True]


def test_what_ends_first_comes_first() -> None:
    """One that waits for another comes after it, and none is left out."""
    first = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        late, early = pool.submit(first.wait, 20), pool.submit(lambda: "early")
        ends = as_they_end([late, early])
        assert next(ends) is early
        first.set()
        assert list(ends) == [late]
