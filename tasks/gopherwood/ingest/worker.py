"""One worker of an ingestion: fetch a batch, validate it, and again, while another thread publishes; till told to stop.

    python -m gopherwood.ingest.worker STYLE NUMBER PARENT

Publishing waits for the disk most of the time, so it has a thread of its own. Each step leases its own work from the
catalog, so it does not matter which worker fetched what another validates. An idle worker waits a little, and ends
when its parent has ended. standing.py has the one that nobody waits for.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import ClassVar, Self

from gopherwood import fetch, output
from gopherwood.catalog import Catalog
from gopherwood.config import Settings
from gopherwood.ends import as_they_end
from gopherwood.errors import EXIT_DONE, EXIT_FAILED, EXIT_INTEGRITY, GopherwoodError
from gopherwood.ingest.pace import Rest
from gopherwood.publish import Publisher
from gopherwood.upstream import Upstream
from gopherwood.validate import Validator

LONGEST_PAUSE = 0.5
"""Seconds that an idle worker waits at most before it looks again: somebody is waiting for it."""


@dataclass
class Worker:
    """The steps of a worker, over all that they need; `run` does them till `stop` is set."""

    settings: Settings
    number: int
    stop: threading.Event
    catalog: Catalog
    upstream: Upstream
    validator: Validator
    publisher: Publisher
    longest_pause: ClassVar[float] = LONGEST_PAUSE

    @classmethod
    @contextmanager
    def open(cls, settings: Settings, number: int, stop: threading.Event) -> Iterator[Self]:
        """Open all that a worker needs; what it still has leased is given back at the end."""
        with (
            Catalog.open(settings) as catalog,
            Validator.open(settings) as validator,
            Publisher.open(settings) as publisher,
            closing(Upstream.from_settings(settings)) as upstream,
        ):
            yield cls(settings, number, stop, catalog, upstream, validator, publisher)

    @property
    def contradicted(self) -> int:
        """How often what we were given contradicted a checksum database, what we published, or what must hold."""
        validated, published = self.validator.result, self.publisher.result
        return validated.integrity + validated.proofs + published.conflicts + published.held

    def run(self, wanted: Callable[[], bool]) -> int:
        """Work till `stop` is set or nobody wants it any more; return the exit code."""
        with ThreadPoolExecutor(2) as threads:
            both = [threads.submit(self._again, step, wanted) for step in (self.check, self.publish)]
            for each in as_they_end(both):
                self.stop.set()  # the other one has no reason to go on
                each.result()
        return EXIT_INTEGRITY if self.contradicted else EXIT_DONE

    def check(self) -> bool:
        """Fetch and validate a batch; tell whether there was anything to do."""
        fetched = self.fetch(self.settings.batch)
        checked = self.validator.batch(self.settings.batch, self.stop)
        if self.validator.result.proofs:
            self.stop.set()
        return checked + fetched.staged + fetched.gone + fetched.rejected + fetched.failed > 0

    def fetch(self, limit: int, progress: fetch.Progress | None = None) -> fetch.Result:
        """Fetch up to `limit` versions."""
        return fetch.run(
            self.settings,
            limit=limit,
            worker=self.number,
            stop=self.stop,
            catalog=self.catalog,
            upstream=self.upstream,
            progress=progress,
        )

    def publish(self) -> bool:
        """Publish a batch; tell whether there was one."""
        if self.publisher.batch(self.settings.batch):
            return True
        self.publisher.write_lists()
        return False

    def _again(self, step: Callable[[], bool], wanted: Callable[[], bool]) -> None:
        """Do a step over and over, with a pause whenever it found nothing to do."""
        rest = Rest(self.stop, self.longest_pause)
        while not self.stop.is_set() and wanted():
            rest.after(worked=step())


def work(settings: Settings, number: int, parent: int, stop: threading.Event) -> int:
    """Work till `stop` is set or the parent process is gone; return the exit code."""
    with Worker.open(settings, number, stop) as worker:
        return worker.run(lambda: os.getppid() == parent)


def main(style: str, number: str, parent: str) -> int:
    """Run one worker; return its exit code (errors.py)."""
    output.start_logging(style, verb="ingest")
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    try:
        return work(Settings.from_env(), int(number), int(parent), stop)
    except GopherwoodError as error:
        print(f"worker {number}: {error.diagnostics()}", file=sys.stderr)  # noqa: T201
        return EXIT_FAILED if error.retry else error.exit_code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
