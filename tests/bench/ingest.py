"""`make bench-ingest`: ten thousand synthetic modules, twice, beside `go mod download` of the same list.

Both copy from one synthetic upstream (a process of its own on loopback), through its checksum database, into an empty
folder of the same file system, on all cores. Ours does more: every rule with its evidence, durable files (go syncs
nothing), a catalog. Go also unpacks. The second pass of ours must fetch nothing. Rounds alternate, so that a slow
minute of the machine hits both.

    make bench-ingest ARGS="--modules 1000 --rounds 3"
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / folder) for folder in ("tasks", "tests")]

from gopherwood import toolchain  # noqa: E402
from gopherwood.loadtest.synthetic import upstream as synthetic  # noqa: E402

ROWS = ("ours, first pass", "ours, second pass", "go mod download")


@dataclass
class Figures:
    """Seconds and CPU seconds of every round, by row."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: {row: [] for row in ROWS})
    cpu: dict[str, list[float]] = field(default_factory=lambda: {row: [] for row in ROWS})

    def measure(self, row: str, run: Callable[[], None]) -> None:
        """Run once, and note wall clock and the CPU of child processes."""
        before, started = children(), time.perf_counter()
        run()
        self.seconds[row].append(time.perf_counter() - started)
        self.cpu[row].append(children() - before)
        print(f"  {row}: {self.seconds[row][-1]:.2f} s, {self.cpu[row][-1]:.2f} CPU s", flush=True)


def children() -> float:
    """Return the CPU seconds of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def ours(upstream: synthetic.Synthetic, folder: Path, sumdb: str, workers: int | None, *, expect: int) -> None:
    """Ingest everything, and fail unless the outcome is the expected one: 0 for all published, 99 for nothing to do."""
    seed = folder / "seed.txt"
    seed.write_text("".join(f"{version.mv}\n" for version in upstream.versions))
    command = [
        sys.executable,
        "-m",
        "gopherwood",
        "ingest",
        str(seed),
        *(["--workers", str(workers)] if workers else []),
    ]
    environ = os.environ | {
        "PYTHONPATH": sys.path[0],
        "GOPHERWOOD_HOME": str(folder / "home"),
        "GOPHERWOOD_UPSTREAM": upstream.url,
        "GOPHERWOOD_SUMDB": sumdb,
    }
    done = subprocess.run(command, env=environ, capture_output=True, text=True)
    assert done.returncode == expect, done.stderr[-2000:]
    published = json.loads(done.stdout)["published"]
    assert published == (len(upstream.versions) if expect == 0 else 0), done.stdout


def theirs(upstream: synthetic.Synthetic, folder: Path, sumdb: str) -> None:
    """Download everything with the go command into an empty module cache."""
    folder.mkdir()
    (folder / "go.mod").write_text("module bench\n")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GO")}
    environ |= {"GOPROXY": upstream.url, "GOSUMDB": sumdb, "GOFLAGS": "-modcacherw", "GOTOOLCHAIN": "local"}
    names = [str(version.mv) for version in upstream.versions]
    command = [toolchain.find_go(), "mod", "download", *names]
    done = subprocess.run(command, cwd=folder, env=environ | {"GOPATH": str(folder)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def one_round(figures: Figures, upstream: synthetic.Synthetic, sumdb: str, workers: int | None, at: Path) -> None:
    """Measure all three once."""
    with tempfile.TemporaryDirectory(prefix="bench-ingest-", dir=at, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        figures.measure(ROWS[0], lambda: ours(upstream, folder, sumdb, workers, expect=0))
        before, asked = (upstream.stats()["requests"] for _ in range(2))
        figures.measure(ROWS[1], lambda: ours(upstream, folder, sumdb, workers, expect=99))
        fetched = upstream.stats()["requests"] - asked - (asked - before)  # asking may count as a request, too
        assert fetched == 0, f"the second pass made {fetched} requests"
        figures.measure(ROWS[2], lambda: theirs(upstream, folder / "go", sumdb))
        os.sync()  # nobody pays for the dirty pages of another


def table(figures: Figures, modules: int) -> str:
    """Render medians as Markdown."""
    go = statistics.median(figures.seconds[ROWS[2]])
    lines = ["| | modules/s | seconds | CPU ms a module | rate / go |", "|---|---|---|---|---|"]
    for row in ROWS:
        seconds, cpu = statistics.median(figures.seconds[row]), statistics.median(figures.cpu[row])
        rate = f"{modules / seconds:,.0f} | {seconds:.2f} | {1000 * cpu / modules:.2f} | {go / seconds:.2f}"
        lines.append(f"| {row} | {rate} |")
    first, second = (statistics.median(figures.seconds[row]) for row in ROWS[:2])
    return "\n".join([*lines, "", f"Second pass: {first / second:.1f} times as fast as the first, 0 bytes fetched."])


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--modules", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--no-sumdb", action="store_true", help="GOSUMDB=off, for both")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="file system to work on")
    args = parser.parse_args()
    figures = Figures()
    with synthetic.running(args.modules) as upstream:
        sumdb = "off" if args.no_sumdb else upstream.vkey
        for number in range(args.rounds):
            print(f"round {number + 1} of {args.rounds}, {args.modules} modules, {os.cpu_count()} cores", flush=True)
            one_round(figures, upstream, sumdb, args.workers, args.folder)
    print(f"\n{table(figures, args.modules)}")


if __name__ == "__main__":
    main()
