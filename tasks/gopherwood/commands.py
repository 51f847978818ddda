"""From parsed flags to a verb: one small function a verb, which imports it, runs it and returns its result.

Imports happen inside: a command loads what it needs and nothing else, and `gopherwood --help` loads none of it. Each
takes the settings, the parsed flags and the event that asks it to stop, and returns a result (output.py) or an exit
code.
"""

import argparse
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from gopherwood import module, times
from gopherwood.config import Settings
from gopherwood.errors import ContentError, UsageError
from gopherwood.module import ModuleVersion

Command = Callable[[Settings, argparse.Namespace, threading.Event], Any]


def ingest(settings: Settings, args: argparse.Namespace, stop: threading.Event) -> Any:
    """Run `ingest`."""
    from gopherwood import ingest

    if args.closure and not (args.wanted or args.seed):
        raise UsageError("--closure of what?", hint="name modules; `gopherwood discover --source closure` is of all")
    return ingest.run(
        settings,
        wanted=args.wanted,
        seeds=args.seed,
        closure=args.closure,
        limit=args.max,
        workers=args.workers,
        wait=args.wait,
        style=getattr(args, "log", None),
        stop=stop,
    )


def work(settings: Settings, args: argparse.Namespace, stop: threading.Event) -> int:
    """Run `work`."""
    from gopherwood.ingest import standing

    return standing.run(settings, pulse=args.pulse, stop=stop)


def discover(settings: Settings, args: argparse.Namespace, stop: threading.Event) -> Any:
    """Run `discover`."""
    from gopherwood import discover

    source = args.source or ("seed" if args.wanted or args.seed else None)
    if source is None:
        raise UsageError("what to discover?", hint="name modules, a --seed list, or a --source")
    if source not in ("seed", "closure") and (args.wanted or args.seed):
        raise UsageError(f"--source {source} takes no modules", hint="name them without it, or with --source closure")
    since, until = times.between(args.since, args.until, may_be_empty=True)
    if (since or until) and source != "index":
        raise UsageError(f"--source {source} knows no times", hint="--since and --until go with --source index")
    return discover.run(
        settings, source, wanted=args.wanted, seeds=args.seed, since=since, until=until, limit=args.max, stop=stop
    )


def fetch(settings: Settings, args: argparse.Namespace, stop: threading.Event) -> Any:
    """Run `fetch`."""
    from gopherwood import fetch

    return fetch.run(settings, worker=args.worker, limit=args.limit, stop=stop)


def validate(settings: Settings, args: argparse.Namespace, stop: threading.Event) -> Any:
    """Run `validate`."""
    from gopherwood import validate

    return validate.run(settings, limit=args.limit, stop=stop)


def publish(settings: Settings, args: argparse.Namespace, stop: threading.Event) -> Any:
    """Run `publish`."""
    from gopherwood import publish

    return publish.run(settings, limit=args.limit, stop=stop)


def export(settings: Settings, args: argparse.Namespace, stop: threading.Event) -> Any:
    """Run `export`."""
    from gopherwood import export

    return export.run(
        settings,
        args.to,
        since=args.since,
        modules=args.modules,
        allow_missing=args.allow_missing,
        key=args.key,
        stop=stop,
    )


def import_bundle(settings: Settings, args: argparse.Namespace, stop: threading.Event) -> Any:
    """Run `import`."""
    from gopherwood import importing

    return importing.run(
        settings, args.source, keys=args.key, unsigned=args.unsigned, unverified=args.unverified, stop=stop
    )


def status(settings: Settings, args: argparse.Namespace, stop: threading.Event) -> Any:
    """Run `status`."""
    from gopherwood import status

    if not args.wanted:
        return status.run(settings, recent=args.recent)
    versions = [_version(name) for name in args.wanted if "@" in name]
    return status.stories(settings, versions, [_path(name) for name in args.wanted if "@" not in name])


def plan(settings: Settings, args: argparse.Namespace, stop: threading.Event) -> Any:
    """Run `plan`."""
    from gopherwood import scaling, status

    rule = scaling.Rule(per_worker=args.per_worker, step=timedelta(seconds=args.step), most=args.max_workers)
    return status.plan(settings, rule)


def requeue(settings: Settings, args: argparse.Namespace, stop: threading.Event) -> Any:
    """Run `requeue`."""
    from gopherwood import status

    versions = [_version(name) for name in args.wanted if "@" in name]
    globs = [name for name in args.wanted if "@" not in name]
    return status.requeue(settings, versions, globs, state=args.state, reason=args.reason)


def check_zip(settings: Settings, args: argparse.Namespace, stop: threading.Event) -> Any:
    """Run `check-zip`."""
    from gopherwood import check

    return check.check_zip(_version(args.module), args.file)


def hash_files(settings: Settings, args: argparse.Namespace, stop: threading.Event) -> Any:
    """Run `hash`."""
    from gopherwood import check

    return check.hash_files(args.files)


def audit(settings: Settings, args: argparse.Namespace, stop: threading.Event) -> Any:
    """Run `audit`."""
    from gopherwood import audit

    return audit.run(settings, args, stop)


def index(settings: Settings, args: argparse.Namespace, stop: threading.Event) -> Any:
    """Run `index`."""
    from gopherwood import facts

    return facts.run(settings, [_version(name) for name in args.wanted], args.limit, stop)


def quality(settings: Settings, args: argparse.Namespace, stop: threading.Event) -> Any:
    """Run `quality`."""
    from gopherwood import quality

    return quality.run(settings, args, stop)


def chaos(settings: Settings, args: argparse.Namespace, stop: threading.Event) -> Any:
    """Run `chaos`."""
    from gopherwood import chaos

    return chaos.run(settings, args, stop)


def ledger(settings: Settings, args: argparse.Namespace, stop: threading.Event) -> Any:
    """Run `ledger`."""
    from gopherwood import ledger

    ledger.check(args)
    return ledger.run(settings, args, _version(args.module) if args.module else None, stop)


def usage(settings: Settings, args: argparse.Namespace, stop: threading.Event) -> Any:
    """Run `usage`."""
    from gopherwood import usage

    since, until = usage.interval(args)
    return usage.run(settings, since, until, top=args.top, stop=stop)


def notify(settings: Settings, args: argparse.Namespace, stop: threading.Event) -> Any:
    """Run `notify`."""
    from gopherwood import notices

    return notices.run(settings, args, stop)


def exporter(settings: Settings, args: argparse.Namespace, stop: threading.Event) -> int:
    """Run `exporter`."""
    from gopherwood import exporter

    return exporter.run(settings, args, stop)


def loadtest(settings: Settings, args: argparse.Namespace, stop: threading.Event) -> Any:
    """Run `loadtest`."""
    from gopherwood import loadtest

    return loadtest.run(settings, args, stop)


def migrate(settings: Settings, args: argparse.Namespace, stop: threading.Event) -> Any:
    """Run `migrate`."""
    from gopherwood import status

    return status.migrate(settings)


def smoke(settings: Settings, args: argparse.Namespace, stop: threading.Event) -> Any:
    """Run `smoke`."""
    from gopherwood import smoke

    return smoke.run(settings, args.serving)


def release(settings: Settings, args: argparse.Namespace, stop: threading.Event) -> Any:
    """Run `release`."""
    from gopherwood.deploy import release

    return release.run(settings, args)


def promote(settings: Settings, args: argparse.Namespace, stop: threading.Event) -> Any:
    """Run `promote`."""
    from gopherwood.deploy import promote

    return promote.run(settings, args, stop)


def up(settings: Settings, args: argparse.Namespace, stop: threading.Event) -> int:
    """Run `up`."""
    from gopherwood import up

    return up.run(settings, args, stop)


COMMANDS: dict[str, Command] = {
    "ingest": ingest,
    "work": work,
    "discover": discover,
    "fetch": fetch,
    "validate": validate,
    "publish": publish,
    "export": export,
    "import": import_bundle,
    "status": status,
    "plan": plan,
    "requeue": requeue,
    "check-zip": check_zip,
    "hash": hash_files,
    "audit": audit,
    "index": index,
    "quality": quality,
    "chaos": chaos,
    "ledger": ledger,
    "usage": usage,
    "notify": notify,
    "exporter": exporter,
    "loadtest": loadtest,
    "migrate": migrate,
    "smoke": smoke,
    "release": release,
    "promote": promote,
    "up": up,
}


def _version(name: str) -> ModuleVersion:
    """Return the module version that `MODULE@VERSION` names; raises UsageError when it names none."""
    path, _, version = name.partition("@")
    try:
        module.check(_path(path), version)
    except ContentError as error:
        says = str(error) if version else f"{name} names no version"
        raise UsageError(says, hint="name a MODULE@VERSION, e.g. golang.org/x/mod@v0.17.0") from None
    return ModuleVersion(path, version)


def _path(name: str) -> str:
    """Return a module path as it is; raises UsageError when it is none."""
    try:
        module.check_path(name)
    except ContentError as error:
        raise UsageError(str(error), hint="name a MODULE or MODULE@VERSION, e.g. golang.org/x/mod@v0.17.0") from None
    return name
