"""Verb `release`: write down what was built and tested together, as one record that can be promoted."""

import argparse
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gopherwood import tlog
from gopherwood.catalog import Catalog
from gopherwood.config import Settings
from gopherwood.deploy import charts, files, git, results
from gopherwood.deploy.record import SCHEMA, Record
from gopherwood.errors import EXIT_DONE, UsageError
from gopherwood.form import contradiction

NEEDED = ("proxy", "serving", "tasks")
"""Images without which an environment cannot be installed; others of the build come along."""


@dataclass(frozen=True, slots=True)
class Result:
    """The record that was made."""

    record: str
    file: str
    commit: str
    images: dict[str, str]
    charts: dict[str, str]
    passed: int
    entries: int
    exit_code: int = EXIT_DONE


def run(settings: Settings, args: argparse.Namespace) -> Result:
    """Make a record and write it, whole or not at all.

    Raises UsageError when the checkout is not what is committed, an image has no digest, is missing or of another
    commit, or a test failed.
    """
    checkout = settings.checkout
    commit = git.clean_commit(checkout)
    made = Record(
        commit=commit,
        tests=results.read(args.tests),
        images=_images(args.images or checkout / "build/images/digests.json", commit),
        charts={name: charts.pack(checkout, folder) for name, folder in charts.FOLDERS.items()},
        store=_head(settings),
        created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    if problem := contradiction(json.loads(made.to_json()), json.loads(SCHEMA.read_text()), "the record"):
        raise UsageError(f"no record can be made of this: {problem}")
    file = (args.to or checkout / "build/releases") / f"{made.name}.json"
    files.replace(file, made.to_json())
    digests = {name: image["digest"] for name, image in made.images.items()}
    versions = {name: chart.version for name, chart in made.charts.items()}
    return Result(made.name, str(file), made.commit, digests, versions, made.tests["passed"], made.store["size"])


def _images(file: Path, commit: str) -> dict[str, dict[str, str]]:
    """Return what the build pinned; raises UsageError unless every image is known by a digest, and is of the commit."""
    hint = "`make images` writes it; or name another file with --images"
    try:
        built = json.loads(file.read_text())
        images = {name: {key: str(text) for key, text in image.items()} for name, image in built.items()}
    except FileNotFoundError:
        raise UsageError(f"{file} is not there: which images?", hint=hint) from None
    except (OSError, ValueError, AttributeError):
        raise UsageError(f"{file} does not say which images were built", hint=hint) from None
    if missing := [name for name in NEEDED if name not in images]:
        raise UsageError(f"{file} has no image {', '.join(missing)}", hint=hint)
    unknown = [name for name, image in images.items() if not image.get("digest")]
    if unknown:
        raise UsageError(
            f"the digest of {', '.join(unknown)} is not known", hint=f"write what the push printed to {file}"
        )
    others = {name: of for name, image in images.items() if (of := image.pop("commit", commit)) != commit}
    if others:
        says = ", ".join(f"{name} is of {of[:12]}" for name, of in others.items())
        raise UsageError(f"the release would be of {commit[:12]}, but {says}", hint="build them anew: make images")
    return images


def _head(settings: Settings) -> dict[str, object]:
    """Return where the ledger stands: its key, size and root."""
    with Catalog.ready(settings) as catalog:
        size = catalog.ledger_size()
        root = tlog.tree_hash(size, catalog.ledger_hashes)
        return {"key": catalog.ledger_key() or "", "size": size, "root": tlog.format_hash(root)}
