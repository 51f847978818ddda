"""A scrub of a whole store beside `sha256sum` of the same bytes.

    make bench-scrub

Two stores of synthetic versions, many small zips and a few large ones, are published; then both sides read all of each,
warm in the page cache, in interleaved rounds whose order turns. Counted are CPU seconds, user and kernel, of the
processes; and the wall clock, which says something on a calm machine only. The scrub does its whole work: catalog,
leases, checkpoints, all names, and the h1 of each go.mod; `--deep` also the h1 of every zip.
"""

import argparse
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / folder) for folder in ("tasks", "tests")]

from fakes import valid  # noqa: E402
from gopherwood import publish  # noqa: E402
from gopherwood.config import Settings  # noqa: E402
from gopherwood.module import ModuleVersion  # noqa: E402

STORES = (("small", 600, 20_000), ("large", 12, 16_000_000))
"""Name of a store, how many versions, and about how many bytes of each zip."""


def main() -> None:
    """Run the benchmark and print a table for each store."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=3)
    args = options.parse_args()
    for name, count, size in STORES:
        with tempfile.TemporaryDirectory(prefix="gopherwood-bench-") as folder:
            settings = Settings(home=Path(folder))
            fill(settings, name, count, size)
            publish.run(settings)
            compare(name, settings, args.rounds)
    start = [str(Path(sys.executable).with_name("gopherwood")), "--version"]
    empty = statistics.median(run(start)[0] for _ in range(3))
    print(f"Of each scrub, {empty:.2f} CPU s are the start of the command alone (`gopherwood --version`).")


def compare(name: str, settings: Settings, rounds: int) -> None:
    """Read a store on each side, and print a table."""
    files = sorted(path for path in (settings.home / "store").rglob("*") if path.is_file())
    print(f"{name}: {len(files)} files, {sum(path.stat().st_size for path in files) / 1e6:.0f} MB\n")
    names = "\0".join(map(str, files)).encode()
    sides = {
        "sha256sum": lambda: run(["xargs", "-0", "sha256sum"], names),
        "scrub": lambda: run(scrub(settings)),
        "scrub --deep": lambda: run(scrub(settings, "--deep")),
    }
    table(sides, rounds)
    print()


def fill(settings: Settings, name: str, count: int, size: int) -> None:
    """Bring so many versions to `valid`, each with this many bytes that do not compress."""
    source = random.Random(size)
    for number in range(0, count, 100):
        numbers = range(number, min(number + 100, count))
        mvs = [ModuleVersion(f"example.com/{name}/m{each}", "v1.0.0") for each in numbers]
        # Hexadecimal digits are packed to about half: so the zip has `size` bytes.
        valid.make_valid(settings, mvs, body=source.randbytes(size // 2).hex(), level=1, times=1)


def scrub(settings: Settings, *flags: str) -> list[str]:
    """Return the command line of a scrub of the whole store."""
    program = str(Path(sys.executable).with_name("gopherwood"))
    return [program, "audit", "--scrub", "--all", "--no-heal", "--home", str(settings.home), *flags]


def run(command: Sequence[str], names: bytes = b"") -> tuple[float, float]:
    """Run a command; return its CPU seconds and its seconds by the clock."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, input=names, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return spent, time.perf_counter() - began


def table(sides: dict[str, Callable[[], tuple[float, float]]], rounds: int) -> None:
    """Measure all sides, round after round, and print the medians."""
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for turn in range(rounds + 1):
        for name in list(sides) if turn % 2 else reversed(list(sides)):
            found = sides[name]()
            if turn:  # the first round warms both
                spent[name].append(found)
    base = [statistics.median(column) for column in zip(*spent["sha256sum"], strict=True)]
    print("| | CPU s | to sha256sum | wall s | to sha256sum |\n|---|---|---|---|---|")
    for name, rows in spent.items():
        cpu, wall = (statistics.median(column) for column in zip(*rows, strict=True))
        print(f"| {name} | {cpu:.2f} | {cpu / base[0]:.2f} | {wall:.2f} | {wall / base[1]:.2f} |")


if __name__ == "__main__":
    main()
