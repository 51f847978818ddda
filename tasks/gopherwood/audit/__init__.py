"""Verb `audit`: look back at what is published, at our own bytes and at where they came from.

`--scrub` re-hashes what is in the store and compares it with the catalog (scrub.py); `--origin` asks the repositories
that versions came from (origin.py); `--invariants` checks what must hold at every instant (invariants/). Each kind of
audit is a module of its own, imported once it runs.
"""

import argparse
import threading
from pathlib import Path
from typing import Any

from gopherwood import flags
from gopherwood.config import Settings


def add_arguments(verb: argparse.ArgumentParser) -> None:
    """Declare the flags of `audit`."""
    from gopherwood.audit.budget import budget

    kinds = verb.add_mutually_exclusive_group(required=True)
    kinds.add_argument("--scrub", action="store_true", help="re-hash published files: a day's share of the store")
    kinds.add_argument("--heal", action="store_true", help="try again to heal what is damaged")
    kinds.add_argument("--origin", action="store_true", help="ask the repositories that versions came from anew")
    kinds.add_argument("--invariants", action="store_true", help="check the eight sentences that hold at every instant")
    scrub = verb.add_argument_group("with --scrub")
    scrub.add_argument("--all", action="store_true", help="the whole store, not a day's share of it")
    scrub.add_argument(
        "--partitions", type=flags.count, metavar="N", help="so many parts, the oldest first (there are 257 at most)"
    )
    scrub.add_argument("--budget", type=budget, metavar="BYTES|TIME", help="no more than this, e.g. 20GB or 90m")
    scrub.add_argument("--workers", type=flags.count, default=1, metavar="N", help="parts at once (default: 1)")
    scrub.add_argument("--deep", action="store_true", help="compute the h1 of every zip, too")
    scrub.add_argument("--no-heal", action="store_true", help="only find what is damaged, and withhold it")
    origin = verb.add_argument_group("with --origin")
    origin.add_argument("--limit", type=flags.count, metavar="N", help="look at this many versions at most")
    origin.add_argument("--seconds", type=flags.count, metavar="N", help="begin no look after this many seconds")
    invariants = verb.add_argument_group("with --invariants")
    invariants.add_argument("--quick", action="store_true", help="of a zip look at no more than its size")
    says = "the JSON of an earlier run: nothing that was acknowledged then may be lost or changed"
    invariants.add_argument("--after", type=Path, metavar="FILE", help=says)


def run(settings: Settings, args: argparse.Namespace, stop: threading.Event) -> Any:
    """Run the kind of audit that was asked for; return its result."""
    if args.origin:
        from gopherwood.audit import origin

        return origin.run(settings, limit=args.limit, seconds=args.seconds, stop=stop)
    if args.invariants:
        from gopherwood.audit import invariants

        return invariants.run(settings, quick=args.quick, after=args.after, stop=stop)
    from gopherwood.audit import scrub

    if args.heal:
        return scrub.heal(settings, stop=stop)
    return scrub.run(
        settings,
        everything=args.all,
        parts=args.partitions,
        budget=args.budget,
        workers=args.workers,
        heal=not args.no_heal,
        deep=args.deep,
        stop=stop,
    )
