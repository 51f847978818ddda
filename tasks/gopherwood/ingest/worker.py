"""One worker of an ingestion: fetch a batch, validate it, and again, while another thread publishes; till told to stop.

    python -m gopherwood.ingest.worker STYLE NUMBER PARENT

Publishing waits for the disk most of the time, so it has a thread of its own. Each step leases its own work from the
catalog, so it does not matter which worker fetched what another validates. An idle worker waits a little, and ends
when its parent has ended.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing

from gopherwood import fetch, output
from gopherwood.catalog import Catalog
from gopherwood.config import Settings
from gopherwood.errors import EXIT_DONE, EXIT_FAILED, EXIT_INTEGRITY, GopherwoodError
from gopherwood.publish import Publisher
from gopherwood.upstream import Upstream
from gopherwood.validate import Validator

SHORTEST_PAUSE, LONGEST_PAUSE = 0.02, 0.5
"""Seconds that an idle worker waits before it looks again; doubled each time."""


def work(settings: Settings, number: int, parent: int, stop: threading.Event) -> int:
    """Work till `stop` is set or the parent process is gone; return the exit code."""
    with (
        Catalog.open(settings) as catalog,
        Validator.open(settings) as validator,
        Publisher.open(settings) as publisher,
        closing(Upstream.from_settings(settings)) as upstream,
    ):

        def check() -> bool:
            done = fetch.run(
                settings, limit=settings.batch, worker=number, stop=stop, catalog=catalog, upstream=upstream
            )
            checked = validator.batch(settings.batch, stop)
            if validator.result.proofs:
                stop.set()
            return checked + done.staged + done.gone + done.rejected + done.failed > 0

        def publish() -> bool:
            if publisher.batch(settings.batch):
                return True
            publisher.write_lists()
            return False

        with ThreadPoolExecutor(2) as threads:
            both = [threads.submit(_again, step, parent, stop) for step in (check, publish)]
            for each in as_completed(both):
                stop.set()  # the other one has no reason to go on
                each.result()
        contradicted = validator.result.integrity + validator.result.proofs + publisher.result.conflicts
        return EXIT_INTEGRITY if contradicted else EXIT_DONE


def _again(step: Callable[[], bool], parent: int, stop: threading.Event) -> None:
    """Do a step over and over, with a pause whenever it found nothing to do."""
    pause = SHORTEST_PAUSE
    while not stop.is_set() and os.getppid() == parent:
        if step():
            pause = SHORTEST_PAUSE
        else:
            stop.wait(pause)
            pause = min(LONGEST_PAUSE, pause * 2)


def main(style: str, number: str, parent: str) -> int:
    """Run one worker; return its exit code (errors.py)."""
    output.start_logging(style)
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
