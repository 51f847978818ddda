"""Verb `up`: the whole platform on this machine, from one command, till Ctrl-C. It is what `make run` runs.

Airflow (SQLite, LocalExecutor) and serving are child processes, bound to loopback; their state is below `home`.
Whatever ends this process, they end with it: see children.py. Neither is imported here: `up` knows command lines, ports
and Airflow's REST API.
"""

import argparse
import threading

from gopherwood.config import Settings


def add_arguments(verb: argparse.ArgumentParser) -> None:
    """Declare the flags of `up`."""
    verb.add_argument("--once", action="store_true", help="end after the first ingestion: exit code 0 if it succeeded")
    verb.add_argument("--seed", default="default", metavar="NAME|FILE|none", help="what to ingest first: a seed list")


def run(settings: Settings, args: argparse.Namespace, stop: threading.Event) -> int:
    """Run the platform till `stop` is set or a part of it dies; return the exit code."""
    from gopherwood.up import platform

    return platform.run(settings, seed=args.seed, once=args.once, stop=stop)
