"""Worker processes on granian, and how they end.

SIGTERM: the workers say 503 on /readyz for a grace period, while they go on answering, so that a load balancer turns
away first; then they take no new connection, finish what is under way, and end. A second signal skips the grace.
"""

import gc
import os
import resource
import signal
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from granian.constants import HTTPModes, Interfaces, Loops, RuntimeModes
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server as Granian

from gopherwood.config import Settings
from gopherwood_serving import fastlane
from gopherwood_serving.app import App, create_app

MOST_CONNECTIONS = 20_000
"""Connections of one worker, if the system's limit of open files allows as many."""
CONNECTION_BUFFER = 64 << 10
"""Bytes buffered for one connection; granian's own 400 KiB are the memory of every client that reads slowly."""

FILE_THREADS = 4
"""Threads of a worker that read large files; granian's own 512 mostly wake and wait for each other (measured)."""

GARBAGE_THRESHOLD = 50_000
"""Objects made and kept between two searches for cycles."""


class Server(Granian):  # type: ignore[misc,valid-type]
    """granian with our options, numbered workers, and a drain before the end."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(
            "gopherwood_serving.app:App",
            address=settings.serving_host,
            port=settings.serving_port,
            interface=Interfaces.RSGI,
            workers=settings.serving_workers,
            workers_kill_timeout=round(settings.serving_drain) or 1,
            # Measured (docs/benchmarks/serving.md): one runtime thread a worker has the lowest p99.
            runtime_mode=RuntimeModes.st,
            runtime_blocking_threads=FILE_THREADS,
            loop=Loops.auto,
            http=HTTPModes.http1,
            # granian counts connections here, idle ones too: at its default of 1024 the next client is not answered.
            backpressure=MOST_CONNECTIONS,
            http1_settings=HTTP1Settings(max_buffer_size=CONNECTION_BUFFER),
            websockets=False,
            log_level=LogLevels.warning,
        )
        self._grace = settings.serving_grace
        self._settings = settings
        self._draining = False

    def run(self) -> None:
        """Serve until a signal ends it."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = MOST_CONNECTIONS * 2 if hard == resource.RLIM_INFINITY else min(hard, MOST_CONNECTIONS * 2)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
        self.serve(target_loader=partial(_load, self._settings), wrap_loader=False)

    def signal_handler_interrupt(self, *arguments: Any, **options: Any) -> None:
        """Drain, then end as granian does."""
        finish = super().signal_handler_interrupt
        if self._draining:
            finish()
            return
        self._draining = True
        for worker in self.wrks:
            os.kill(worker.inner.pid, signal.SIGUSR1)
        timer = threading.Timer(self._grace, finish)
        timer.daemon = True
        timer.start()

    def _spawn_worker(self, idx: int, target: Any, callback_loader: Callable[..., App]) -> Any:
        return super()._spawn_worker(idx, target, partial(callback_loader, worker=idx + 1))


def _load(settings: Settings, worker: int) -> App:
    app = create_app(settings, worker)
    fastlane.install(app.answer_from_memory)
    # What is noted for the access log lives till it is written, and each few hundred of it would start a search for
    # cycles, of which hot requests make none.
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD, 10, 10)
    return app
