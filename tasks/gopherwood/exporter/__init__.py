"""Verb `exporter`: the batch side as metrics, for Prometheus to scrape. docs/monitoring.md says what they mean.

Commands of the batch side live for minutes and often in pods: nobody could scrape them. What they did is in the catalog
(and, of DAGs, in Airflow), so one process asks there. It only reads; its answers are kept for a few seconds, so that
many scrapes cost one question; and no name that somebody else chose becomes a label, but those of DAGs and of sinks,
which are the operator's own.
"""

import argparse
import threading

from gopherwood.config import Settings

LISTEN = "127.0.0.1:8482"


def add_arguments(verb: argparse.ArgumentParser) -> None:
    """Declare the flags of `exporter`."""
    says = f"address and port to listen at, port 0 for a free one (default: {LISTEN})"
    verb.add_argument("--listen", default=LISTEN, metavar="HOST:PORT", help=says)


def run(settings: Settings, args: argparse.Namespace, stop: threading.Event) -> int:
    """Answer scrapes till `stop` is set."""
    from gopherwood.exporter import verb

    return verb.run(settings, args.listen, stop)
