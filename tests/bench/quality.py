"""Time and memory of the checks of data quality on a catalog of a million published versions.

The catalog is real (SQLite, eight rows of evidence a version, a ledger), the names are made up, and so is the listing
of the store: its keys are yielded without three million files behind them, and go through the same temporary database.
Processor seconds count, not the clock; memory is the most that the process ever held.

    python tests/bench/quality.py [--versions N] [--page N]
"""

import argparse
import base64
import hashlib
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "tasks")]

from gopherwood import store  # noqa: E402
from gopherwood.catalog import Catalog  # noqa: E402
from gopherwood.catalog.db import insert_rows  # noqa: E402
from gopherwood.catalog.schema import counters, evidence, ledger, to_micros, versions  # noqa: E402
from gopherwood.config import Settings  # noqa: E402
from gopherwood.module import ModuleVersion  # noqa: E402
from gopherwood.quality import datasets  # noqa: E402
from gopherwood.quality.rules import Cut  # noqa: E402

EACH = 8
"""Versions of a module, and rows of evidence of a version."""
BATCH = 20_000
BEGAN = to_micros(datetime(2026, 1, 1, tzinfo=UTC))


def name(number: int) -> ModuleVersion:
    return ModuleVersion(f"example.com/{number // EACH % 997:03}/m{number // EACH:07}", f"v1.{number % EACH}.0")


def rows(numbers: range) -> Iterator[dict[str, Any]]:
    for number in numbers:
        mv, at = name(number), BEGAN + number * 1000
        digest = hashlib.sha256(str(mv).encode())
        h1 = f"h1:{base64.b64encode(digest.digest()).decode()}"
        yield {
            "id": number + 1,
            "path": mv.path,
            "version": mv.version,
            "state": "published",
            "source": "index",
            "ready_at": at,
            "changed_at": at,
            "attempt": 3,
            "first_observed": at - 1,
            "time": BEGAN - 10**12 + number,
            "h1": h1,
            "go_mod_h1": h1,
            "zip_size": 20_000 + number % 1_000_000,
            "mod_size": 200,
            "zip_sha256": digest.hexdigest(),
            "info_sha256": digest.hexdigest(),
            "published_at": at,
            "sequence": number + 1,
        }


def fill(catalog: Catalog, count: int) -> None:
    """Write a catalog as if so many versions had come through the pipeline."""
    for start in range(0, count, BATCH):
        batch = list(rows(range(start, min(count, start + BATCH))))
        logged = [
            {"number": r["sequence"] - 1, "at": r["published_at"]}
            | {key: r[key] for key in ("path", "version", "h1", "go_mod_h1")}
            for r in batch
        ]
        said = [
            {"version_id": r["id"], "attempt": 2, "number": n, "rule": f"rule-{n}", "ok": True, "detail": "", "at": 1}
            for r in batch
            for n in range(EACH)
        ]
        with catalog._transaction() as connection:
            insert_rows(connection, versions, batch)
            insert_rows(connection, ledger, logged)
            insert_rows(connection, evidence, said)
    with catalog._transaction() as connection:
        insert_rows(connection, counters, [{"name": "published", "value": count, "at": BEGAN}])


class Keys:
    """The listing of a store that has every file."""

    def __init__(self, count: int) -> None:
        self.count = count

    def keys(self, prefix: str = "") -> Iterator[str]:
        for number in range(self.count):
            for suffix in store.SUFFIXES:
                yield store.key(name(number), suffix)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--versions", type=int, default=1_000_000)
    parser.add_argument("--page", type=int, default=50_000)
    parser.add_argument("--runs", type=int, default=2)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder))
        with Catalog.ready(settings) as catalog:
            fill(catalog, args.versions)
            store.open_store = lambda _settings: Keys(args.versions)  # type: ignore[assignment, return-value]
            began = time.process_time()
            from gopherwood.quality.check import check

            print(f"import: {time.process_time() - began:.1f} s, {held()} MiB")
            for run in range(args.runs):
                began = time.process_time()
                with catalog.snapshot() as snapshot:
                    cut = Cut(settings, catalog, snapshot, page=args.page)
                    found = check(datasets.all_of_them()["versions"], cut).run
                spent = time.process_time() - began
                bad = [result.rule for result in found.results if not result.ok]
                print(f"run {run + 1}: {found.rows:,} rows, {spent:.1f} s of processor, {held()} MiB; failed: {bad}")
        print(f"catalog: {(Path(folder) / 'catalog.db').stat().st_size / 2**20:,.0f} MiB")


def held() -> int:
    """Return the most memory that this process has held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


if __name__ == "__main__":
    main()
