"""One worker of an ingestion: fetch a batch, validate it, publish it, and again, till told to stop.

    python -m gopherwood.ingest.worker STYLE NUMBER PARENT

The three steps of one worker take turns; several workers make them overlap. Each step leases its own work from the
catalog, so it does not matter which worker fetched what it validates. An idle worker waits a little, and ends when
its parent has ended.
"""

import os
import signal
import sys
import threading

from gopherwood import fetch, output
from gopherwood.catalog import Catalog
from gopherwood.config import Settings
from gopherwood.errors import EXIT_DONE, EXIT_FAILED, EXIT_INTEGRITY, GopherwoodError
from gopherwood.http import Client
from gopherwood.publish import Publisher
from gopherwood.upstream import Upstream
from gopherwood.validate import Validator

SHORTEST_PAUSE, LONGEST_PAUSE = 0.02, 0.5
"""Seconds that an idle worker waits before it looks again; doubled each time."""


def work(settings: Settings, number: int, parent: int, stop: threading.Event) -> int:
    """Work till `stop` is set or the parent process is gone; return the exit code."""
    pause = SHORTEST_PAUSE
    size = settings.batch
    with (
        Catalog.open(settings) as catalog,
        Validator.open(settings) as validator,
        Publisher.open(settings) as publisher,
        Client(settings) as client,
    ):
        upstream = Upstream.from_settings(settings, client)
        while not stop.is_set() and not validator.result.proofs and os.getppid() == parent:
            fetched = fetch.run(settings, limit=size, worker=number, stop=stop, catalog=catalog, upstream=upstream)
            worked = fetched.staged + fetched.gone + fetched.rejected + fetched.failed > 0
            worked |= validator.batch(size, stop) > 0
            worked |= not stop.is_set() and publisher.batch(size) > 0
            if worked:
                pause = SHORTEST_PAUSE
            else:
                publisher.write_lists()
                stop.wait(pause)
                pause = min(LONGEST_PAUSE, pause * 2)
        contradicted = validator.result.integrity + validator.result.proofs + publisher.result.conflicts
        return EXIT_INTEGRITY if contradicted else EXIT_DONE


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
