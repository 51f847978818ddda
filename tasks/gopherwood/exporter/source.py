"""Somebody who is asked for metrics: not too often, not for too long, and by one question at a time.

An answer is kept for a few seconds, so a storm of scrapes costs one question. One that does not come is not waited for:
the scrape says that the source is down and has nothing of it, for old numbers would look like calm ones.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from time import monotonic

from gopherwood.errors import GopherwoodError
from gopherwood.exporter.families import Metric

log = logging.getLogger(__name__)

PATIENCE = 5.0
"""Seconds that a scrape waits for an answer; Prometheus itself gives up after ten."""


class Source:
    """One who is asked. Any number of threads may call `metrics`."""

    def __init__(self, name: str, ask: Callable[[], Sequence[Metric]], *, keep: float) -> None:
        """Ask `ask`, which never runs twice at once; its answer is good for `keep` seconds."""
        self.name = name
        self.is_up: bool | None = None
        """Whether it answered when it was asked last."""
        self.seconds = 0.0
        """How long the last answer took."""
        self._ask = ask
        self._keep = keep
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._asked: Future[Sequence[Metric]] | None = None
        self._good_until = 0.0

    def metrics(self) -> Sequence[Metric]:
        """Return its metrics; none when it does not answer (`is_up`)."""
        with self._lock:
            if self._asked is None or (self._asked.done() and monotonic() >= self._good_until):
                self._asked = self._thread.submit(self._timed)
            asked = self._asked
        wait([asked], PATIENCE)
        problem = _problem(asked)
        if self.is_up is not (not problem):
            self.is_up = not problem
            log.info("%s answers", self.name) if self.is_up else log.error("%s: %s", self.name, problem)
        return () if problem else asked.result()

    def close(self) -> None:
        """Ask no more; a question under way is left to itself."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _timed(self) -> Sequence[Metric]:
        began = monotonic()
        try:
            return self._ask()
        finally:
            self.seconds = monotonic() - began
            self._good_until = monotonic() + self._keep


def _problem(asked: Future[Sequence[Metric]]) -> str:
    if not asked.done():
        return f"no answer within {PATIENCE:.0f} s"
    error = asked.exception()
    if error is not None and not isinstance(error, GopherwoodError):
        raise error
    return error.diagnostics() if error else ""
