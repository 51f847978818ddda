"""h1 hashes of real module zips per CPU-second: ours beside golang.org/x/mod's dirhash.

    make bench-hash                  a fixed list of modules, fetched through your own GOPROXY
    make bench-hash ARGS=--cache     every zip in your module cache

Both sides hash the same files, warm in the page cache, in interleaved rounds (the order turns from round to round);
counted is the CPU time, user and kernel, of all threads while hashing, without the start of the process. Every hash is
compared. The ratio is that of the medians; the range is that of the rounds' own ratios: how calm the machine was.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gopherwood import dirhash, modzip
from gopherwood.module import ModuleVersion, unescape_path, unescape_version
from gopherwood.toolchain import find_go, go_env

LIST = """
github.com/pkg/errors@v0.9.1 github.com/BurntSushi/toml@v1.4.0 github.com/google/uuid@v1.6.0
github.com/spf13/cobra@v1.8.1 github.com/stretchr/testify@v1.10.0 golang.org/x/text@v0.21.0
golang.org/x/sys@v0.28.0 golang.org/x/net@v0.33.0
golang.org/x/tools@v0.28.0 github.com/gorilla/mux@v1.8.1 gopkg.in/yaml.v3@v3.0.1 github.com/sirupsen/logrus@v1.9.3
github.com/prometheus/client_golang@v1.20.5 github.com/davecgh/go-spew@v1.1.1 github.com/cespare/xxhash/v2@v2.3.0
google.golang.org/protobuf@v1.36.1 google.golang.org/grpc@v1.69.2 k8s.io/api@v0.32.0 k8s.io/apimachinery@v0.32.0
github.com/docker/docker@v27.4.1+incompatible github.com/hashicorp/go-multierror@v1.1.1
github.com/go-sql-driver/mysql@v1.8.1 github.com/mattn/go-sqlite3@v1.14.24 github.com/klauspost/compress@v1.17.11
github.com/aws/aws-sdk-go@v1.55.5
"""
CLASSES = (("below 100 KB", 100_000), ("below 1 MB", 1_000_000), ("larger", sys.maxsize))


def main() -> None:
    """Run the benchmark and print its tables."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--cache", action="store_true", help="hash every zip in the module cache")
    options.add_argument("--rounds", type=int, default=7)
    args = options.parse_args()
    zips = cached() if args.cache else fetched()
    with tempfile.TemporaryDirectory() as folder:
        program = build(Path(folder))
        print("| zips | count | MB inflated | ours, CPU s | Go, CPU s | ratio | range |")
        print("|---|---|---|---|---|---|---|")
        low = 0
        for title, high in CLASSES:
            compare(title, [path for path in zips if low <= path.stat().st_size < high], program, args.rounds)
            low = high
        compare("all", zips, program, args.rounds)
    gate(zips)


def fetched() -> list[Path]:
    """Fetch the fixed list of modules, and return their zips."""
    command = [str(find_go()), "mod", "download", "-json", *LIST.split()]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=True)
    decoder, text, zips = json.JSONDecoder(), done.stdout.lstrip(), []
    while text:
        answer, end = decoder.raw_decode(text)
        zips.append(Path(answer["Zip"]))
        text = text[end:].lstrip()
    return zips


def cached() -> list[Path]:
    """Return all zips of the user's module cache."""
    return sorted((Path(go_env("GOMODCACHE")["GOMODCACHE"]) / "cache/download").rglob("*.zip"))


def build(folder: Path) -> Path:
    """Build the Go side."""
    env = os.environ | {"CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": "-mod=readonly"}
    source = Path(__file__).parents[1] / "oracle"
    subprocess.run([str(find_go()), "build", "-o", str(folder), "./hashzips"], cwd=source, env=env, check=True)
    return folder / "hashzips"


def compare(title: str, zips: list[Path], program: Path, rounds: int) -> None:
    """Hash the zips on both sides, round after round, and print a row of the table."""
    if not zips:
        return
    expected, _ = theirs(zips, program)
    ours(zips)  # both sides are warm now
    spent: dict[str, list[float]] = {"ours": [], "go": []}
    for turn in range(rounds):
        for side in ("ours", "go") if turn % 2 else ("go", "ours"):
            hashes, seconds = ours(zips) if side == "ours" else theirs(zips, program)
            assert hashes == expected
            spent[side].append(seconds)
    mine, go = spent.values()
    ratios = sorted(b / a for a, b in zip(mine, go, strict=True))
    size = sum(modzip_size(path) for path in zips) / 1e6
    a, b = statistics.median(mine), statistics.median(go)
    print(
        f"| {title} | {len(zips)} | {size:.1f} | {a:.3f} | {b:.3f} | {b / a:.2f} | {ratios[0]:.2f}-{ratios[-1]:.2f} |"
    )


def ours(zips: list[Path]) -> tuple[list[str], float]:
    """Hash with our dirhash."""
    before = time.process_time()
    hashes = [dirhash.hash_zip(path) for path in zips]
    return hashes, time.process_time() - before


def theirs(zips: list[Path], program: Path) -> tuple[list[str], float]:
    """Hash with x/mod's dirhash."""
    done = subprocess.run([program], input="\n".join(map(str, zips)), capture_output=True, text=True, check=True)
    *hashes, seconds = done.stdout.split()
    return hashes, float(seconds)


def modzip_size(path: Path) -> int:
    """Return the bytes that a zip inflates to."""
    return modzip.inspect(subject(path), path).uncompressed


def subject(path: Path) -> ModuleVersion:
    """Tell a module version from where its zip lies in the module cache."""
    escaped, _, version = str(path).partition("/cache/download/")[2].rpartition("/@v/")
    return ModuleVersion(unescape_path(escaped), unescape_version(version.removesuffix(".zip")))


def gate(zips: list[Path]) -> None:
    """Print the rate of `modzip.inspect`, the whole check that a publish asks for, on the small zips."""
    small = [(subject(path), path) for path in zips if path.stat().st_size < CLASSES[0][1]]
    before = time.process_time()
    for mv, path in small:
        modzip.inspect(mv, path)
    rate = len(small) / (time.process_time() - before)
    print(f"\nmodzip.inspect (every rule, h1, go.mod, sha256): {rate:.0f} zips below 100 KB a CPU-second")


if __name__ == "__main__":
    main()
