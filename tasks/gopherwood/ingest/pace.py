"""When a worker that has nothing to do, or nobody to ask, tries again."""

import random
import threading
import time
from collections.abc import Callable

from gopherwood import fetch

SHORTEST_PAUSE = 0.02
"""Seconds."""
ENOUGH = 16
"""An upstream is out when so many failed, and none did not."""


class Rest:
    """The pauses of one thread: doubled each time that it found nothing to do, up to the longest (in seconds).

    Each is shorter by chance, up to a half: workers that started together do not ask together for ever.
    """

    def __init__(self, stop: threading.Event, longest: float) -> None:
        self._stop = stop
        self._longest = longest
        self._pause = SHORTEST_PAUSE

    def after(self, *, worked: bool) -> None:
        """Pause, unless there was something to do."""
        if worked:
            self._pause = SHORTEST_PAUSE
            return
        self._stop.wait(self._pause * random.uniform(0.5, 1.0))  # noqa: S311
        self._pause = min(self._longest, self._pause * 2)


class Outage:
    """Whether an upstream that answered nobody is asked again yet, and how much of it.

    A run of fetch ends when the upstream seems to be out. Going on at once would burn a try of version after version,
    till those that are wanted most are given up. So there is a pause, doubled up to the longest, and after it one
    version asks for all.
    """

    FIRST, LONGEST = 15.0, 300.0
    """Seconds of a pause."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pause = 0.0
        self._until = 0.0

    def limit(self, batch: int) -> int:
        """Return how many versions may be fetched now: a batch, one to see whether it answers again, or none yet."""
        if not self._pause:
            return batch
        return 1 if self._clock() >= self._until else 0

    def learn(self, done: fetch.Result, *, told_to_stop: bool) -> float:
        """Take what became of the fetch that `limit` allowed; return the seconds till the next, 0 for at once."""
        answered = done.staged + done.gone + done.rejected
        fails = done.failed >= (1 if self._pause else ENOUGH)
        if told_to_stop or answered or not (fails or done.stopped):
            # Also a look that found nothing to ask for: then there is nobody to spare.
            self._pause = 0.0
        else:
            self._pause = min(self.LONGEST, self._pause * 2 or self.FIRST)
            self._until = self._clock() + self._pause * random.uniform(0.75, 1.0)  # noqa: S311
        return self._pause
