"""Verb `index`: what pages and the API need to know of a version, read once from its bytes, and kept.

For each published version that this program's TOOL has not read: its packages with their documentation and imports, its
README, licences, requirements. The facts are files beside the store (files.py), their rows are in the catalog. Then,
for each module, the version that stands for it is chosen anew (stand.py), since a later one may have taken it back: its
packages are what is searched and what imports are counted by.

A version that cannot be read, or not in its time, is kept as one with an error: it is served as ever, and not tried
again before TOOL grows or it is named. Running it again is harmless, and so are two at a time.
"""

import argparse
import threading
from collections.abc import Sequence
from typing import Any

from gopherwood import flags
from gopherwood.config import Settings
from gopherwood.module import ModuleVersion


def add_arguments(verb: argparse.ArgumentParser) -> None:
    """Declare the flags of `index`."""
    says = "read these again, whatever is known of them (default: all that were not read)"
    verb.add_argument("wanted", nargs="*", metavar="MODULE@VERSION", help=says)
    verb.add_argument("--limit", type=flags.count, metavar="N", help="read at most N versions")


def run(settings: Settings, wanted: Sequence[ModuleVersion], limit: int | None, stop: threading.Event) -> Any:
    """Read what is not read, or what is named."""
    from gopherwood.facts import verb

    return verb.run(settings, wanted, limit=limit, stop=stop)
