"""Verb `chaos`: hurt the platform on purpose, with care, and say honestly what became of it (docs/chaos.md).

    experiment.py   the file: hypothesis, whom to hit, what is tolerated
    guard.py        the rails: whom, when and how many
    phases.py       preflight, baseline, load, inject, verify, restore, over journal.py
    verdict.py      from what is known to a verdict; report.py and page.py tell it
    actions/        what is done: processes, pods, rehearsals

It asks the verbs below by their command lines, and their audit by its function.
"""

import argparse
import threading
from typing import Any

from gopherwood.config import Settings

PHASES = ("preflight", "baseline", "load", "inject", "verify", "restore", "report", "verdict")


def add_arguments(verb: argparse.ArgumentParser) -> None:
    """Declare the flags of `chaos`."""
    says = "an experiment by name, or a file.json (default: list what there is)"
    verb.add_argument("experiment", nargs="?", default="", metavar="EXPERIMENT", help=says)
    verb.add_argument("--execute", action="store_true", help="do it; without, it is a dry run and nobody is hit")
    verb.add_argument("--seed", type=_seed, metavar="N", help="draw everything random by this (default: a new one)")
    verb.add_argument("--serving", default="", metavar="URL", help="where clients find serving (default: by settings)")
    verb.add_argument("--roll-back", action="store_true", help="undo what runs that were killed have left")
    verb.add_argument("--run", default="", metavar="NAME", help="the name of the run")
    verb.add_argument("--phase", choices=PHASES, help="make one phase of a run only: for the DAG")


def run(settings: Settings, args: argparse.Namespace, stop: threading.Event) -> Any:
    """Run an experiment, or what else was asked for."""
    from gopherwood.chaos import verb

    return verb.run(settings, args, stop)


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number, zero or above")
    return int(text)
