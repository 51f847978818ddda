"""`gopherwood VERB --flags`: every verb and flag, and what an exit code, a signal or a crash looks like from outside.

`build_parser` is the one place for verbs and flags; a test parses every command line that a DAG issues with it. What
a verb does is in commands.py and below, imported only once a verb runs, so `--help` answers at once. SIGTERM and
Ctrl-C set an event that every verb watches: leases are given back, nothing is lost, and a verb that does not end in
time is ended here.
"""

import argparse
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from gopherwood import __version__, flags
from gopherwood.config import PREFIX, Settings
from gopherwood.errors import EXIT_FAILED, EXIT_INTEGRITY, EXIT_USAGE, GopherwoodError

GRACE = 20.0
"""Seconds that a verb has to end after SIGTERM; less than the 30 that Kubernetes grants."""

SOURCES = ("seed", "index", "updates", "closure", "requests", "sumdb")

Verbs = Any  # argparse keeps the type of its sub-parsers private
Verb = argparse.ArgumentParser


class _Parser(argparse.ArgumentParser):
    """A parser whose errors look like all others of ours: what is wrong, then what to do."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and the error; exit with 2."""
        self.print_usage(sys.stderr)
        self.exit(EXIT_USAGE, f"{self.prog}: {message}\n`{self.prog} --help` tells what it takes.\n")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of every verb and flag."""
    parser = _Parser(
        prog="gopherwood",
        description="A curated, immutable Go module repository.",
        usage="gopherwood [flags] VERB ...",
        epilog="`gopherwood VERB --help` tells of a verb.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"gopherwood {__version__}")
    _common(parser)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True, prog="gopherwood")
    for add in (_ingest, _work, _discover, _fetch, _validate, _publish, _status, _plan):
        add(verbs)
    for add in (_export, _import, _requeue, _check_zip, _hash, _audit, _index, _quality, _ledger, _usage, _notify):
        add(verbs)
    for add in (_exporter, _loadtest, _chaos, _migrate, _smoke, _release, _promote, _up):
        add(verbs)
    return parser


def commands_of(parser: argparse.ArgumentParser) -> dict[str, Verb]:
    """Return the parser of each verb by its name: for documentation and its test."""
    verbs: dict[str, Verb] = next(action.choices for action in parser._actions if isinstance(action.choices, dict))
    return verbs


# --- a function a verb ------------------------------------------------------------------------------------------------


def _ingest(verbs: Verbs) -> None:
    verb = _verb(verbs, "ingest", "enqueue, then fetch, validate and publish till the queue is drained", "[WANTED ...]")
    _wanted(verb)
    verb.add_argument(
        "--closure", action="store_true", help="then add what building them needs, till nothing is missing"
    )
    verb.add_argument(
        "--max", type=flags.count, default=100_000, metavar="N", help="most versions --closure adds (default: 100000)"
    )
    verb.add_argument(
        "--workers", type=flags.count, metavar="N", help="processes (default: one a core, one for a short queue)"
    )
    verb.add_argument(
        "--wait", type=flags.seconds, default=120.0, metavar="SECONDS", help="longest wait for a retry (default: 120)"
    )


def _work(verbs: Verbs) -> None:
    verb = _verb(verbs, "work", "stand ready: fetch, validate and publish what is queued, till told to end")
    verb.add_argument("--pulse", type=Path, metavar="FILE", help="a file to touch while work goes on, for a probe")


def _discover(verbs: Verbs) -> None:
    verb = _verb(verbs, "discover", "enqueue module versions from a source", "[WANTED ...]")
    _wanted(verb)
    verb.add_argument("--source", choices=SOURCES, help="where to look (default: seed, when something is WANTED)")
    verb.add_argument("--since", metavar="ISO", help="index: from this time on (default: where the last run ended)")
    verb.add_argument("--until", metavar="ISO", help="index: up to, and without, this time")
    verb.add_argument(
        "--max", type=flags.count, default=100_000, metavar="N", help="most versions to add (default: 100000)"
    )


def _fetch(verbs: Verbs) -> None:
    verb = _verb(verbs, "fetch", "download queued versions from the upstream into staging")
    verb.add_argument(
        "--worker", type=flags.number, default=0, metavar="I", help="number of this worker, for its lease and its log"
    )
    _limit(verb)


def _validate(verbs: Verbs) -> None:
    _limit(_verb(verbs, "validate", "check staged versions against every rule"))


def _publish(verbs: Verbs) -> None:
    _limit(_verb(verbs, "publish", "put valid versions into the store, for ever"))


def _status(verbs: Verbs) -> None:
    says = "say what is where: the queue, what was refused and why, a module's versions, or one version's story"
    verb = _verb(verbs, "status", says, "[MODULE[@VERSION] ...]")
    verb.add_argument("wanted", nargs="*", metavar="MODULE[@VERSION]", help="tell of these (default: of everything)")
    verb.add_argument(
        "--recent", type=flags.number, default=10, metavar="N", help="how many refusals to show (default: 10)"
    )


def _plan(verbs: Verbs) -> None:
    verb = _verb(verbs, "plan", "print how many fetch workers the queue asks for, as a list of their numbers")
    verb.add_argument("--max-workers", type=flags.count, default=4, metavar="N", help="most workers (default: 4)")
    verb.add_argument(
        "--per-worker", type=flags.count, default=200, metavar="N", help="due versions worth a worker (default: 200)"
    )
    # More than the hour between two runs of the DAG: what was queued since the last one is not late.
    says = "time that the oldest may have been due for each worker (default: 7200)"
    verb.add_argument("--step", type=flags.count, default=7200, metavar="SECONDS", help=says)


def _export(verbs: Verbs) -> None:
    says = "write published versions and what proves them into a bundle, for a place without a network"
    verb = _verb(verbs, "export", says, "--to DIR|FILE.tar")
    verb.add_argument("--to", type=Path, required=True, metavar="DIR|FILE.tar", help="where the bundle goes")
    verb.add_argument(
        "--since", default="", metavar="TIME|N", help="only what was published since this time, or after this number"
    )
    takes = "only what building these needs: a go.mod, a go.sum or MODULE@VERSION"
    verb.add_argument("--modules", nargs="+", action="extend", default=[], metavar="WANTED", help=takes)
    verb.add_argument("--allow-missing", action="store_true", help="export the rest, when some of that is not held")
    verb.add_argument("--key", type=Path, metavar="FILE", help="the signer key of the bundle (default: the ledger's)")


def _import(verbs: Verbs) -> None:
    says = "verify and publish a bundle, or a plain tree such as GOMODCACHE/cache/download"
    verb = _verb(verbs, "import", says, "FILE.tar|DIR")
    verb.add_argument("source", type=Path, metavar="FILE.tar|DIR", help="the bundle, or the tree")
    takes = "whose bundles are taken: NAME+HASH+KEY or a file that holds it (also GOPHERWOOD_IMPORT_KEYS)"
    verb.add_argument("--key", action="append", default=[], metavar="VERIFIER", help=takes)
    verb.add_argument("--unsigned", action="store_true", help="take a bundle that no known key signed")
    says = "take versions too that the checksum database could not be asked about"
    verb.add_argument("--unverified", action="store_true", help=says)


def _requeue(verbs: Verbs) -> None:
    says = "put rejected, gone, failed or (with --state held) held versions back into the queue"
    verb = _verb(verbs, "requeue", says, "[MODULE[@VERSION] ...]")
    verb.add_argument("wanted", nargs="*", metavar="MODULE[@VERSION]", help="these, or all of a module (or of a glob)")
    verb.add_argument("--state", choices=("rejected", "gone", "failed", "held"), help="only those in this state")
    verb.add_argument("--reason", default="", metavar="WORD", help="only those with this reason, e.g. invalid-zip")


def _check_zip(verbs: Verbs) -> None:
    says = "check a module zip against every rule of the format; touches no state"
    verb = _verb(verbs, "check-zip", says, "MODULE@VERSION FILE.zip")
    verb.add_argument("module", metavar="MODULE@VERSION", help="the module version that it claims to be")
    verb.add_argument("file", type=Path, metavar="FILE.zip", help="the zip")


def _hash(verbs: Verbs) -> None:
    verb = _verb(verbs, "hash", "print the h1 hash of zips and go.mod files, as go.sum has it", "FILE ...")
    verb.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a zip, a go.mod or a *.mod file")


def _audit(verbs: Verbs) -> None:
    from gopherwood import audit

    audit.add_arguments(
        _verb(verbs, "audit", "look back at what is published: our own bytes, and where they came from")
    )


def _index(verbs: Verbs) -> None:
    from gopherwood import facts

    says = "read what published versions contain, for pages and the API"
    facts.add_arguments(_verb(verbs, "index", says, "[MODULE@VERSION ...]"))


def _quality(verbs: Verbs) -> None:
    from gopherwood import quality

    quality.add_arguments(_verb(verbs, "quality", "check the data sets as a whole, and write reports for people"))


def _chaos(verbs: Verbs) -> None:
    from gopherwood import chaos

    says = "hurt the platform on purpose, with care, and say honestly what became of it"
    chaos.add_arguments(_verb(verbs, "chaos", says, "[EXPERIMENT]"))


def _usage(verbs: Verbs) -> None:
    from gopherwood import usage

    usage.add_arguments(_verb(verbs, "usage", "count the access log by the hour: downloads, misses, latency, bytes"))


def _ledger(verbs: Verbs) -> None:
    from gopherwood import ledger

    says = "the signed log of all that is published: its key, its head, the proof of a version, all of it verified"
    ledger.add_arguments(_verb(verbs, "ledger", says, "|".join(ledger.ACTIONS) + " [MODULE@VERSION]"))


def _notify(verbs: Verbs) -> None:
    from gopherwood import notices

    notices.add_arguments(_verb(verbs, "notify", "tell people and programs what happened: Slack, webhooks, mail, Atom"))


def _exporter(verbs: Verbs) -> None:
    from gopherwood import exporter

    says = "stand by with the batch side's metrics, for Prometheus: queue, publishes, damages, ledger, notices, DAGs"
    exporter.add_arguments(_verb(verbs, "exporter", says))


def _loadtest(verbs: Verbs) -> None:
    from gopherwood import loadtest

    says = "put load on serving or on the pipeline, and say with a report whether it holds what is promised"
    loadtest.add_arguments(_verb(verbs, "loadtest", says, "SCENARIO"))


def _migrate(verbs: Verbs) -> None:
    _verb(verbs, "migrate", "create the catalog's tables, or bring them up to this program's version")


def _smoke(verbs: Verbs) -> None:
    says = "prove that catalog, store, staging, upstream and Go toolchain answer; touches no data"
    verb = _verb(verbs, "smoke", says)
    says = "ask serving there instead: is it ready, has it what is published last, is its ledger up to date"
    verb.add_argument("--serving", default="", metavar="URL", help=says)


def _release(verbs: Verbs) -> None:
    from gopherwood import deploy

    says = "write down what was built and tested together, as a record that can be promoted"
    deploy.add_release_arguments(_verb(verbs, "release", says, "--tests FILE"))


def _promote(verbs: Verbs) -> None:
    from gopherwood import deploy

    says = "bring a release into an environment, once the one before it has verified it; what fails is rolled back"
    deploy.add_promote_arguments(_verb(verbs, "promote", says, "RECORD [--from A] --to B"))


def _up(verbs: Verbs) -> None:
    from gopherwood import up

    up.add_arguments(_verb(verbs, "up", "run the platform on this machine: Airflow, serving, a first ingestion"))


# --- what they share --------------------------------------------------------------------------------------------------


def _verb(verbs: Verbs, name: str, says: str, takes: str = "") -> Verb:
    verb: Verb = verbs.add_parser(
        name,
        help=says,
        description=f"{says[0].upper()}{says[1:]}.",
        usage=f"gopherwood {name} [flags] {takes}".rstrip(),
        allow_abbrev=False,  # a flag that is there one day may be the beginning of two the next
    )
    verb.set_defaults(command=name)
    _common(verb)
    return verb


def _wanted(verb: Verb) -> None:
    says = "MODULE, MODULE@VERSION, MODULE@latest, MODULE@all, a go.mod, a go.sum, a file of such lines, or - for stdin"
    verb.add_argument("wanted", nargs="*", metavar="WANTED", help=says)
    verb.add_argument(
        "--seed", action="append", default=[], metavar="NAME|FILE", help="a seed list: `default`, or a file"
    )


def _limit(verb: Verb) -> None:
    verb.add_argument("--limit", type=flags.count, metavar="N", help="stop after this many (default: all there are)")


def _common(parser: Verb) -> None:
    """Add what every verb takes, before its name or after it: form of the output, and the settings."""
    quiet = argparse.SUPPRESS
    output = parser.add_argument_group("output")
    output.add_argument(
        "--json", action="store_true", default=quiet, help="the result as one line of JSON, also on a terminal"
    )
    output.add_argument(
        "--log", choices=("json", "text"), default=quiet, help="form of the log (default: text on a terminal)"
    )
    output.add_argument(
        "--xcom", action="store_true", default=quiet, help="also write the result where Airflow reads it"
    )
    group = parser.add_argument_group("settings", f"each is also an environment variable, e.g. {PREFIX}HOME for --home")
    for spec in fields(Settings):
        if not spec.name.startswith(("serving_", "airflow_")) and not spec.metadata["secret"]:
            flag, says = f"--{spec.name.replace('_', '-')}", spec.metadata["doc"]
            group.add_argument(flag, dest=f"set_{spec.name}", default=quiet, metavar="X", help=says)


def settings_of(args: argparse.Namespace) -> Settings:
    """Return the settings: flags over the environment.

    Raises ConfigError when one has the wrong form.
    """
    flags = {f"{PREFIX}{spec.name.upper()}": getattr(args, f"set_{spec.name}", "") for spec in fields(Settings)}
    return Settings.from_env(os.environ | {name: text for name, text in flags.items() if text})


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code (errors.py)."""
    argv = sys.argv[1:] if argv is None else list(argv)
    if not argv:
        build_parser().print_help(sys.stderr)
        return EXIT_USAGE
    args = build_parser().parse_args([*argv[1:], "--help"] if argv[0] == "help" else argv)
    from gopherwood import output

    # `up` talks to a person, whatever its output is piped into.
    output.start_logging(getattr(args, "log", None) or ("text" if args.command == "up" else None), verb=args.command)
    stop, began = threading.Event(), time.monotonic()
    code, error = _outcome(args, stop)
    output.say_end(args.command, code, time.monotonic() - began, error, stopped=stop.is_set())
    return code


def _outcome(args: argparse.Namespace, stop: threading.Event) -> tuple[int, Exception | None]:
    """Run a command; return its exit code, and the error that it ended with."""
    try:
        # `up` waits for its children as it sees fit.
        with _stoppable(stop, None if args.command == "up" else GRACE):
            return _run(args, stop), None
    except GopherwoodError as error:
        return error.exit_code, error
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED, None
    except KeyboardInterrupt:
        return EXIT_FAILED, None
    except Exception as error:  # noqa: BLE001  # the one broad net: a crash is exit code 1 and a traceback in the log
        return EXIT_FAILED, error


def _run(args: argparse.Namespace, stop: threading.Event) -> int:
    from gopherwood import commands, output

    settings = settings_of(args)
    result = commands.COMMANDS[args.command](settings, args, stop)
    if isinstance(result, int):
        return result
    as_json = True if getattr(args, "json", False) else None
    output.show(args.command, result, as_json=as_json, xcom=getattr(args, "xcom", False))
    code: int = getattr(result, "exit_code", 0)
    return EXIT_FAILED if stop.is_set() and code != EXIT_INTEGRITY else code


@contextmanager
def _stoppable(stop: threading.Event, grace: float | None) -> Iterator[None]:
    """Let SIGTERM and SIGINT set an event; `grace` seconds later the process ends, whatever it is doing.

    A second SIGINT raises KeyboardInterrupt.
    """

    def on_signal(number: int, _frame: FrameType | None) -> None:
        if stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.set()
        if grace is not None:
            last = threading.Timer(grace, os._exit, args=(EXIT_FAILED,))
            last.daemon = True
            last.start()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    sys.exit(main())
