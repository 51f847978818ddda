"""Releases and promotions: what was built and tested together, and how it reaches one environment after another.

`release` makes a record: images by digest, the charts themselves, the commit, test results, the head of the ledger.
`promote` brings a record into an environment once the one before it has verified these very digests: helm upgrades,
the chart's own tests look at the new pods, and only then the environment's lock is replaced. What fails is rolled
back. Parts: `environments` (their order), `record` (the file), `results` (of tests), `charts` (packing them), `git` and
`release`; `helm` (the program), `lock` and `promote`. Why it is so: docs/adr/0011-promotions.md.
"""

import argparse
from pathlib import Path


def add_release_arguments(verb: argparse.ArgumentParser) -> None:
    """Declare the flags of `release`."""
    takes = "results of the tests: JUnit's XML, or JSON with passed, failed and skipped; may be given again"
    verb.add_argument("--tests", type=Path, action="append", default=[], metavar="FILE", help=takes)
    says = "what `make images` wrote (default: build/images/digests.json of the checkout)"
    verb.add_argument("--images", type=Path, metavar="FILE", help=says)
    says = "folder that the record goes to (default: build/releases of the checkout)"
    verb.add_argument("--to", type=Path, metavar="DIR", help=says)


def add_promote_arguments(verb: argparse.ArgumentParser) -> None:
    """Declare the flags of `promote`."""
    verb.add_argument(
        "record", type=Path, metavar="RECORD", help="what `gopherwood release` wrote; may be relative to the checkout"
    )
    says = "the environment before it, which has verified the release; the first environment has none"
    verb.add_argument("--from", dest="source", default="", metavar="A", help=says)
    verb.add_argument("--to", required=True, metavar="B", help="the environment that gets it")
    verb.add_argument("--dry-run", action="store_true", help="show what would change, and change nothing")
    says = "seconds that each step of helm may take (default: 600)"
    verb.add_argument("--wait", type=int, default=600, metavar="SECONDS", help=says)
