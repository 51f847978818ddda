"""Verb `work`: a worker that stands ready, and drains the queue between the runs of the DAG `ingest`; till told to end.

It does what a worker of `ingest` does, with another idea of waiting. Nobody looks on, so when idle it asks the catalog
every few seconds only; and an upstream that is out is asked ever less, one version at a time, instead of once for
everything. On a cluster it is a Deployment, scaled by the queue (scaling.py, docs/scaling.md); one process keeps one
core busy, so more work wants more of them and not larger ones.

SIGTERM gives back what it holds, as everywhere; SIGKILL leaves leases that end within a minute. It ends by itself with
exit code 3 when anything contradicts what was published or proved, and with 1 when our own storage fails: whoever
started it starts it again, and a cluster does so ever later.
"""

import logging
import os
import threading
import time
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from gopherwood import fetch
from gopherwood.catalog import Catalog
from gopherwood.config import Settings
from gopherwood.ingest import LEASE
from gopherwood.ingest.pace import Outage
from gopherwood.ingest.worker import Worker

log = logging.getLogger(__name__)


class Pulse:
    """A file whose time of change says when the slower of both threads was last at work; for a probe."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._beats: dict[str, float] = {}

    def beat(self, thread: str) -> None:
        """Note that a thread is at work; the file is there once both were."""
        self._beats[thread] = time.time()
        if self._file and len(self._beats) == 2:  # check and publish
            self._file.touch()
            slower = min(self._beats.values())
            os.utime(self._file, (slower, slower))


class Standing(Worker):
    """A worker that nobody waits for."""

    longest_pause = 5.0
    """Seconds that an idle worker waits at most: little beside what a fetch takes, and a two-hundredth of a core."""
    pulse = Pulse(None)

    @cached_property
    def outage(self) -> Outage:
        """What is known of the upstream."""
        return Outage()

    def check(self) -> bool:
        """Fetch as much as the upstream stands, and validate."""
        self.pulse.beat("check")
        return super().check()

    def fetch(self, limit: int, progress: fetch.Progress | None = None) -> fetch.Result:
        """Fetch up to `limit` versions; fewer, or none, while the upstream is out."""
        allowed = self.outage.limit(limit)
        if not allowed:
            return fetch.Result()
        done = super().fetch(allowed, lambda _outcome: self.pulse.beat("check"))
        if pause := self.outage.learn(done, told_to_stop=self.stop.is_set()):
            log.warning("the upstream seems to be out", extra={"failed": done.failed, "again_in_seconds": round(pause)})
        return done

    def publish(self) -> bool:
        """Publish a batch, and say so."""
        self.pulse.beat("publish")
        before = self.publisher.result.published
        worked = super().publish()
        if count := self.publisher.result.published - before:
            log.info("published", extra={"versions": count})
        return worked


def run(settings: Settings, *, pulse: Path | None = None, stop: threading.Event) -> int:
    """Work till `stop` is set, or something contradicts what was proved; return the exit code (errors.py).

    `pulse` is a file that is touched while work goes on. Raises StorageError and ConfigError.
    """
    Catalog.ready(settings).close()
    settings = replace(settings, lease_seconds=min(LEASE, settings.lease_seconds))
    with Standing.open(settings, 0, stop) as worker:
        worker.pulse = Pulse(pulse)
        log.info("ready to work")
        code = worker.run(lambda: not worker.contradicted)
    log.info("ended", extra={"published": worker.publisher.result.published, "exit_code": code})
    return code
