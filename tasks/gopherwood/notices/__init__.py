"""Verb `notify`: tell people and programs what happened, from the outbox of the catalog, each sink at its own pace.

Events are written in the transaction that causes them, but for those of Airflow's runs, which are read from Airflow
(runs.py); this verb delivers them (deliver.py), to the sinks (sinks/, a
file each) and by the rules (routes.py) of one file that is checked before anything is sent (parse.py). Each is told at
least once, in order for each subject, and once only unless a notifier dies between a delivery and its settling; what
identifies it goes along, so that the other side can tell. A sink that fails holds up nobody: neither who writes events
nor another sink. docs/notices.md is for who sets it up.
"""

import argparse
import threading
from pathlib import Path
from typing import Any

from gopherwood.config import Settings
from gopherwood.errors import UsageError


def add_arguments(verb: argparse.ArgumentParser) -> None:
    """Declare the flags of `notify`."""
    how = verb.add_mutually_exclusive_group()
    how.add_argument("--once", action="store_true", help="deliver what is due, and end (the default)")
    how.add_argument("--follow", action="store_true", help="go on, till told to end")
    how.add_argument("--check", action="store_true", help="only check the file of sinks and routes; deliver nothing")
    verb.add_argument("--pulse", type=Path, metavar="FILE", help="a file to touch while --follow goes on, for a probe")


def run(settings: Settings, args: argparse.Namespace, stop: threading.Event) -> Any:
    """Deliver, or check the file that says what to whom."""
    from gopherwood.notices import verb

    if args.pulse and not args.follow:
        raise UsageError("--pulse without --follow", hint="a probe looks at what goes on; use both")
    if args.check:
        return verb.check(settings)
    return verb.run(settings, follow=args.follow, pulse=args.pulse, stop=stop)
