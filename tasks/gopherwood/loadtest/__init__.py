"""Verb `loadtest`: load that says no when it should, with a report that says why.

Four scenarios: `ui` (a population on Locust), `replay` (our access log on an open-model player), `backend` (modules
from an upstream of our own through the real verbs, twice) and `build` (real `go mod download` clients with empty
caches). A run comes to pass, fail or invalid: a run whose generator was late, that lost arrivals, or whose count is not
the server's own, says nothing of the server (validity.py). Reports are kept with all others (gopherwood.reporting), and
serving shows them at /reports/. docs/load.md tells what is promised, and what was measured.
"""

import argparse
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gopherwood import flags
from gopherwood.config import Settings
from gopherwood.errors import ConfigError, UsageError

SCENARIOS = ("ui", "replay", "backend", "build", "verdict")


def add_arguments(verb: argparse.ArgumentParser) -> None:
    """Declare the flags of `loadtest`."""
    says = "what to run; `verdict` runs nothing, and ends as the run --name did"
    verb.add_argument("scenario", choices=SCENARIOS, metavar="SCENARIO", help=f"{', '.join(SCENARIOS)}: {says}")
    verb.add_argument("--url", default="", metavar="URL", help="serving, for ui, replay and build; there is no default")
    says = "where serving tells its metrics: each pod's own, repeated (default: URL/metrics)"
    verb.add_argument("--metrics", action="append", default=[], metavar="URL", help=says)
    verb.add_argument("--slo", type=Path, metavar="FILE", help="thresholds, in TOML (default: slo.toml of the program)")
    verb.add_argument("--name", default="", help="of this run, in the reports (default: from scenario and time)")
    says = "runs are compared with former ones of the same environment (default: from machine and cores)"
    verb.add_argument("--environment", default="", metavar="NAME", help=says)
    says = "end with 0 also when it failed, and leave that to a later `verdict`; what is invalid is 4 at once"
    verb.add_argument("--defer-verdict", action="store_true", help=says)
    says = "how long serving is watched for a burning error budget before (default: 2)"
    verb.add_argument("--watch", type=_number(0), default=2.0, metavar="SECONDS", help=says)
    _ui(verb)
    _replay(verb)
    _build_and_backend(verb)


def _ui(verb: argparse.ArgumentParser) -> None:
    group = verb.add_argument_group("ui")
    group.add_argument("--users", type=flags.count, default=10_000, metavar="N", help="the population (default: 10000)")
    says = "requests a second of all of them together (default: 100)"
    group.add_argument("--rate", type=_number(1e-6), default=100.0, metavar="R", help=says)
    group.add_argument("--duration", type=_number(1), default=120.0, metavar="SECONDS", help="how long (default: 120)")
    group.add_argument("--seed", type=int, default=1, metavar="N", help="of chance; also of backend (default: 1)")


def _replay(verb: argparse.ArgumentParser) -> None:
    group = verb.add_argument_group("replay")
    group.add_argument("--since", metavar="ISO", help="from this time of the access log on (default: an hour ago)")
    group.add_argument("--until", metavar="ISO", help="up to, and without, this time (default: now)")
    says = "how many times as fast as it was recorded (default: 1)"
    group.add_argument("--speed", type=_number(1e-6), default=1.0, metavar="FACTOR", help=says)


def _build_and_backend(verb: argparse.ArgumentParser) -> None:
    group = verb.add_argument_group("backend and build")
    says = "module versions (default: 10000 for backend, 100 for build)"
    group.add_argument("--modules", type=flags.count, metavar="N", help=says)
    says = "backend: also with an upstream whose bytes have changed meanwhile"
    group.add_argument("--hostile", action="store_true", help=says)
    group.add_argument(
        "--workers", type=flags.count, metavar="N", help="backend: processes of `ingest` (default: its own)"
    )
    says = "backend: where its own home, catalog and store are made, and removed (default: the temporary folder)"
    group.add_argument("--scratch", type=Path, metavar="FOLDER", help=says)
    group.add_argument(
        "--clients", type=flags.count, default=4, metavar="N", help="build: `go` commands at once (default: 4)"
    )


def _number(least: float) -> Callable[[str], float]:
    def convert(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = least - 1
        if not least <= number < float("inf"):
            raise argparse.ArgumentTypeError(f"{text!r} is no number, {least:g} or above")
        return number

    return convert


def run(settings: Settings, args: argparse.Namespace, stop: threading.Event) -> Any:
    """Run a scenario, or tell what one came to."""
    if args.scenario == "verdict" and not args.name:
        raise UsageError("the verdict of which run?", hint="--name NAME, as the report has it")
    try:
        from gopherwood.loadtest import verb
    except ModuleNotFoundError as error:
        hint = "install gopherwood[loadtest], or use the image that has it"
        raise ConfigError(f"load tests need {error.name}, which is not here", hint=hint) from error
    return verb.run(settings, args, stop)
