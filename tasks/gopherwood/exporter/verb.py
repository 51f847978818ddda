"""Running `exporter`: its sources, and the server that asks them for each scrape."""

import logging
import threading
from contextlib import ExitStack
from dataclasses import replace

from gopherwood import __version__
from gopherwood.catalog import Catalog
from gopherwood.config import Settings
from gopherwood.errors import EXIT_DONE
from gopherwood.exporter.airflow import Airflow
from gopherwood.exporter.families import Metric, gauge, render
from gopherwood.exporter.platform import Platform
from gopherwood.exporter.server import Server
from gopherwood.exporter.source import Source
from gopherwood.http import Client

log = logging.getLogger(__name__)

KEEP_CATALOG = 5.0
"""Seconds that an answer of the catalog is good for."""
KEEP_AIRFLOW = 60.0
"""The same of Airflow, whose API takes some twenty questions."""
TIMEOUT = 10.0
"""Seconds without a byte after which Airflow is given up for now."""


def run(settings: Settings, listen: str, stop: threading.Event) -> int:
    """Answer scrapes at `listen` till `stop` is set. Raises UsageError and ConfigError."""
    with ExitStack() as stack:
        catalog = stack.enter_context(Catalog.open(settings))
        sources = [Source("catalog", Platform(catalog, settings).ask, keep=KEEP_CATALOG)]
        if settings.airflow_url:
            client = stack.enter_context(Client(replace(settings, timeout=TIMEOUT)))
            stack.callback(client.stop)
            sources.append(Source("airflow", Airflow(settings, client).ask, keep=KEEP_AIRFLOW))
        for source in sources:
            stack.callback(source.close)
        server = Server(listen, lambda: scrape(sources))
        stack.callback(server.server_close)
        host, port = server.server_address[:2]
        log.info("metrics at http://%s:%d/metrics", str(host), port, extra={"port": port})
        thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
        thread.start()
        stop.wait()
        server.shutdown()
        thread.join()
    return EXIT_DONE


def scrape(sources: list[Source]) -> bytes:
    """Return what all sources say, and which of them said nothing."""
    said = [metric for source in sources for metric in source.metrics()]
    return render([*said, *_own(sources)])


def _own(sources: list[Source]) -> list[Metric]:
    up = {source.name: float(bool(source.is_up)) for source in sources}
    seconds = {source.name: source.seconds for source in sources}
    return [
        gauge("exporter_up", "Whether a source answered: 1 or 0.", up, "source"),
        gauge("exporter_ask_seconds", "How long its last answer took.", seconds, "source"),
        gauge("build_info", "1, with the version of the exporter.", {__version__: 1.0}, "version"),
    ]
