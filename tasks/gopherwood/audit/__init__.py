"""Verb `audit`: look back at what is published, at our own bytes and at where they came from.

`--scrub` re-hashes what is in the store and compares it with the catalog (scrub.py). Each kind of audit is a module of
its own, imported once it runs.
"""

import argparse
import threading
from typing import Any

from gopherwood.config import Settings


def add_arguments(verb: argparse.ArgumentParser) -> None:
    """Declare the flags of `audit`."""
    kinds = verb.add_mutually_exclusive_group(required=True)
    kinds.add_argument("--scrub", action="store_true", help="re-hash published files and compare them with the catalog")


def run(settings: Settings, args: argparse.Namespace, stop: threading.Event) -> Any:
    """Run the kind of audit that was asked for; return its result."""
    from gopherwood.audit import scrub

    return scrub.run(settings, stop=stop)
