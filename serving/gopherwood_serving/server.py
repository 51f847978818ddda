"""Worker processes, and how they end.

SIGTERM: the workers say 503 on /readyz for a grace period, while they go on answering, so that a load balancer turns
away first; then they take no new connection, finish what is under way, and end. A second signal skips the grace. Who
has not ended when the time of the drain is over is killed. A worker that ends by itself ends the server: whoever
started it starts it anew, and sees that something was wrong.
"""

import logging
import multiprocessing
import os
import resource
import signal
import sys
import threading
from multiprocessing.connection import wait
from typing import Any

from gopherwood.config import Settings
from gopherwood.errors import GopherwoodError
from gopherwood_serving import worker
from gopherwood_serving.listener import MOST_CONNECTIONS

log = logging.getLogger("gopherwood.serving")


class WorkerDiedError(GopherwoodError):
    """A worker process ended, and nobody asked it to."""


class Server:
    """Our workers, from the first to the last."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # A fork is ready at once, and safe: here are no threads yet and no open database. macOS wants a new process.
        context: Any = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
        numbers = range(1, settings.serving_workers + 1)
        self._workers = [context.Process(target=worker.main, args=(settings, number)) for number in numbers]
        self._is_draining = self._is_ending = False

    def run(self) -> None:
        """Serve until a signal ends it; raises WorkerDiedError when something else does."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = MOST_CONNECTIONS * 2 if hard == resource.RLIM_INFINITY else min(hard, MOST_CONNECTIONS * 2)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
        for process in self._workers:
            process.start()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        wait([process.sentinel for process in self._workers])
        was_asked = self._is_ending
        self._end()
        for process in self._workers:
            process.join()
        if not was_asked:
            codes = ", ".join(str(process.exitcode) for process in self._workers)
            raise WorkerDiedError(f"a worker ended by itself (exit codes: {codes})", hint="its log says why")

    def _on_signal(self, *_arguments: Any) -> None:
        if self._is_draining:
            self._end()
            return
        self._is_draining = True
        self._tell(signal.SIGUSR1)
        _later(self._settings.serving_grace, self._end)

    def _end(self) -> None:
        if not self._is_ending:
            self._is_ending = True
            self._tell(signal.SIGTERM)
            _later(max(self._settings.serving_drain, 1.0), lambda: self._tell(signal.SIGKILL))

    def _tell(self, number: signal.Signals) -> None:
        for process in self._workers:
            if process.pid is not None and process.is_alive():
                os.kill(process.pid, number)


def _later(seconds: float, what: Any) -> None:
    timer = threading.Timer(seconds, what)
    timer.daemon = True
    timer.start()
