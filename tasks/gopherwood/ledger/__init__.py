"""The ledger: an append-only, signed transparency log of everything that is published, private modules included.

An entry says of a version what the public checksum database would, in its form, so the stock `go` command verifies
against ours (GOSUMDB). The tables are the catalog's (catalog/ledger.py); here is what they mean: `key` (who signs),
`append` (how it grows, and how a rolled-back catalog is noticed), `log` (what readers ask for), `verify` (the whole of
it against the store) and `show`, the verb `ledger`. Why it is so: docs/adr/0004-the-ledger.md.
"""

import argparse
import threading
from typing import Any

from gopherwood.config import Settings
from gopherwood.errors import UsageError
from gopherwood.module import ModuleVersion

ACTIONS = ("key", "head", "proof", "verify")


def add_arguments(verb: argparse.ArgumentParser) -> None:
    """Declare the flags of `ledger`."""
    verb.add_argument("action", choices=ACTIONS, metavar="|".join(ACTIONS), help="what to do; see docs/ledger.md")
    verb.add_argument("module", nargs="?", default="", metavar="MODULE@VERSION", help="proof: of this version")
    verb.add_argument("--name", default="", help="key: the ledger's name for ever, host[/path]", metavar="NAME")
    verb.add_argument("--since", type=int, default=0, metavar="N", help="verify: from this entry on (default: 0)")
    verb.add_argument("--no-store", action="store_true", help="verify: without hashing the files in the store again")


def check(args: argparse.Namespace) -> None:
    """Raise UsageError for flags that do not go with the action."""
    for flag, given, action in (
        ("MODULE@VERSION", args.module, "proof"),
        ("--name", args.name, "key"),
        ("--since", args.since, "verify"),
        ("--no-store", args.no_store, "verify"),
    ):
        if given and args.action != action:
            raise UsageError(f"`ledger {args.action}` takes no {flag}", hint=f"that goes with `ledger {action}`")
    if args.action == "proof" and not args.module:
        raise UsageError("a proof of what?", hint="name a MODULE@VERSION")
    if args.since < 0:
        raise UsageError(f"--since {args.since} is no entry", hint="entries are numbered from 0")


def run(settings: Settings, args: argparse.Namespace, mv: ModuleVersion | None, stop: threading.Event) -> Any:
    """Do what `check` has found to make sense; return the result."""
    from gopherwood.ledger import show, verify

    if args.action == "key":
        return show.key(settings, args.name)
    if args.action == "head":
        return show.head(settings)
    if args.action == "verify":
        return verify.run(settings, since=args.since, with_store=not args.no_store, stop=stop)
    assert mv is not None
    return show.proof(settings, mv)
