"""`make bench-ledger`: a million entries, appended in batches as publish does it, each batch with a signed head.

Measured: appends a second of wall clock and of CPU (at the beginning and at the end: an append is O(log n)), bytes an
entry in the database, the time of a lookup and of both kinds of proof in the full log, and how fast it is verified.
Entries are made before the clock runs. Only the log's own tables are filled: no versions, no store.

    make bench-ledger ARGS="--entries 100000 --postgres"
"""

import argparse
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / folder) for folder in ("tasks", "tests")]

import sqlalchemy as sa  # noqa: E402

from fakes import logged, postgres  # noqa: E402
from gopherwood import tlog  # noqa: E402
from gopherwood.catalog import Catalog  # noqa: E402
from gopherwood.catalog.values import LedgerEntry  # noqa: E402
from gopherwood.ledger.log import Log  # noqa: E402
from gopherwood.ledger.verify import Walk  # noqa: E402
from gopherwood.module import ModuleVersion  # noqa: E402

PROOFS = 1_000
TENTHS = 10


def entry(number: int) -> LedgerEntry:
    """Return an entry of the usual length: ten versions to a module."""
    mv = ModuleVersion(f"github.com/owner{number // 10:06}/repository", f"v1.{number % 10}.0")
    return LedgerEntry(mv, f"h1:{number:043}=", f"h1:{number + 1:043}=")


def append(catalog: Catalog, entries: int, batch: int) -> list[tuple[float, float]]:
    """Append all; return wall clock and CPU seconds of each tenth."""
    figures, share = [], entries // TENTHS
    for tenth in range(TENTHS):
        made = [entry(number) for number in range(tenth * share, (tenth + 1) * share)]
        wall, cpu = time.perf_counter(), time.process_time()
        for at in range(0, share, batch):
            catalog.ledger_append(made[at : at + batch], logged.signer())
        figures.append((time.perf_counter() - wall, time.process_time() - cpu))
        print(f"  {(tenth + 1) * share:,} entries: {figures[-1][0]:.1f} s, {figures[-1][1]:.1f} CPU s", flush=True)
    return figures


def size_of(catalog: Catalog) -> int:
    """Return the bytes of the log's tables and indexes."""
    with catalog._reading() as connection:
        if catalog.is_sqlite:
            pages = connection.execute(
                sa.text("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
            )
            return int(pages.scalar_one())
        tables = ("ledger", "ledger_tiles", "ledger_heads")
        query = " + ".join(f"pg_total_relation_size('{name}')" for name in tables)
        return int(connection.execute(sa.text(f"SELECT {query}")).scalar_one())


def times(ask: Callable[[int], object], numbers: list[int]) -> str:
    """Ask for each number; return the median and the 99th percentile, in CPU milliseconds."""
    took = []
    for number in numbers:
        began = time.process_time()
        assert ask(number) is not None
        took.append(1000 * (time.process_time() - began))
    return f"{statistics.median(took):.2f} (p99 {statistics.quantiles(took, n=100)[98]:.2f})"


def rows(catalog: Catalog, entries: int, batch: int) -> list[tuple[str, str]]:
    """Do all of it; return what was measured, by name."""
    empty = size_of(catalog)
    tenths = append(catalog, entries, batch)
    wall, cpu = (sum(column) for column in zip(*tenths, strict=True))
    share = entries // TENTHS
    numbers = random.Random(1).choices(range(1, entries), k=PROOFS)
    log, head = Log(catalog), catalog.ledger_head()
    assert head is not None
    found = log.inclusion(entry(numbers[0]).mv)
    assert found is not None
    tlog.check_record(found.proof, head.size, head.root, numbers[0], tlog.record_hash(found.entry.record))
    measured = [
        ("appended, entries/s", f"{entries / wall:,.0f}"),
        ("appended, entries a CPU-second", f"{entries / cpu:,.0f}"),
        ("the same, first and last tenth", f"{share / tenths[0][1]:,.0f} and {share / tenths[-1][1]:,.0f}"),
        ("bytes an entry in the database", f"{(size_of(catalog) - empty) / entries:,.0f}"),
        ("lookup, CPU ms", times(lambda number: log.lookup(entry(number).mv, head), numbers)),
        ("inclusion proof, CPU ms", times(lambda number: log.inclusion(entry(number).mv, head), numbers)),
        ("consistency proof, CPU ms", times(lambda number: log.consistency(number, entries), numbers)),
    ]
    began = time.process_time()
    verified = Walk(catalog, None, threading.Event()).run(0)
    assert (verified.entries, verified.wrong) == (entries, 0)
    rate = entries / (time.process_time() - began)
    return [*measured, (f"verified with {verified.heads:,} heads, entries a CPU-second", f"{rate:,.0f}")]


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="file system to work on")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-ledger-", dir=args.folder) as folder:
        url = postgres.server().url() if args.postgres else f"sqlite:///{folder}/catalog.db"
        with Catalog.open(url) as catalog:
            catalog.migrate()
            lines = rows(catalog, args.entries, args.batch)
    kind = "PostgreSQL" if args.postgres else "SQLite"
    print(f"\n| {args.entries:,} entries, batches of {args.batch} | {kind} |\n|---|---|")
    print("\n".join(f"| {name} | {figure} |" for name, figure in lines))


if __name__ == "__main__":
    main()
