"""The workers of an ingestion: processes, because one Python process keeps one core busy and no more.

A worker is a child process that runs worker.py. It ends when told by SIGTERM, and by itself when its parent is gone;
its leases are given back either way, or taken over when they expire. Settings travel in the environment, not on the
command line, where anybody could read the credentials of an upstream.
"""

import logging
import os
import subprocess
import sys
import time
from dataclasses import fields

from gopherwood.config import PREFIX, Settings
from gopherwood.errors import EXIT_DONE, EXIT_FAILED

log = logging.getLogger(__name__)

GRACE = 15.0
"""Seconds that workers have to end; less than the grace of the command itself."""

RESTARTS = 3
"""Workers that may die and be replaced, in one run."""


class Crew:
    """Some worker processes; use it as a context manager, which ends them."""

    def __init__(self, settings: Settings, size: int, style: str) -> None:
        self._command = [sys.executable, "-m", "gopherwood.ingest.worker", style]
        self._environ = os.environ | {
            f"{PREFIX}{spec.name.upper()}": str(getattr(settings, spec.name)) for spec in fields(Settings)
        }
        self._workers: list[subprocess.Popen[bytes]] = []
        self._restarts = RESTARTS
        self._size = size
        self.exit_code = EXIT_DONE
        """The worst exit code of a worker so far."""

    def __enter__(self) -> "Crew":
        for number in range(self._size):
            self._start(number)
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def _start(self, number: int) -> None:
        command = [*self._command, str(number), str(os.getpid())]
        self._workers.append(subprocess.Popen(command, env=self._environ, stdin=subprocess.DEVNULL, stdout=2))

    def check(self) -> bool:
        """Replace workers that died; False when one asks to stop everything (integrity), or too many died."""
        for worker in [each for each in self._workers if each.poll() is not None]:
            self._workers.remove(worker)
            code = worker.returncode
            if code not in (EXIT_DONE, EXIT_FAILED) and code > 0:
                self.exit_code = max(self.exit_code, code)
                return False
            log.error("worker died", extra={"pid": worker.pid, "exit_code": code})
            if not self._restarts:
                self.exit_code = max(self.exit_code, EXIT_FAILED)
                return False
            self._restarts -= 1
            self._start(self._size + RESTARTS - self._restarts)
        return True

    def end(self) -> None:
        """Ask all workers to end, and end those that do not within the grace."""
        for worker in self._workers:
            worker.terminate()
        deadline = time.monotonic() + GRACE
        for worker in self._workers:
            try:
                worker.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.error("worker killed: it did not end in time", extra={"pid": worker.pid})
                worker.kill()
                worker.wait()
            self.exit_code = max(self.exit_code, worker.returncode)
        self._workers.clear()
