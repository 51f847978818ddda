"""What hostile, and merely huge, zips cost: CPU seconds and peak memory of `modzip.inspect`, each in its own process.

    .venv/bin/python tests/bench/hostile.py

The figures in docs/content-rules.md are this table. Memory is the growth of the peak resident set over a process that
has imported the same modules; of a memory-mapped file the pages read count too, though the kernel can take them back.
"""

import multiprocessing
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from fakes.rawzip import STORED, File, build, deflate
from gopherwood import modzip, zipdir
from gopherwood.errors import ContentError
from gopherwood.module import ModuleVersion

MV = ModuleVersion("example.com/m", "v1.0.0")
TOP = f"{MV}/"
MOST = zipdir.MAX_ENTRIES
BARE = {"method": STORED, "flags": 0}


def zeros(size: int) -> bytes:
    """Return a deflate stream of that many zero bytes."""
    return deflate(bytes(size), 9)


def huge() -> bytes:
    size = modzip.MAX_ZIP_FILE
    return build([File(name=TOP + "a", packed=zeros(size), size=size, crc=0, flags=0)])


def full() -> bytes:
    size = modzip.MAX_ZIP_FILE // MOST
    content, packed = bytes(size), zeros(size)
    return build(File(name=f"{TOP}{i}", content=content, packed=packed) for i in range(MOST))


def source() -> bytes:
    """Return 500 MB of text that compresses as source code does."""
    draw = random.Random(1)
    words = [bytes(draw.choices(b"abcdefghijklmnopqrstuvwxyz(){}=.\n\t", k=draw.randint(2, 9))) for _ in range(3000)]
    content = b" ".join(draw.choices(words, k=600_000))[: 4 << 20]
    packed = deflate(content)
    return build(
        File(name=f"{TOP}{i}", content=content, packed=packed) for i in range(modzip.MAX_ZIP_FILE // len(content))
    )


def empty_blocks() -> bytes:
    """Return a stream of nearly 500 MiB that inflates to nothing: each block is a Huffman table and an end mark."""
    order = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1)
    fields = [(0, 1), (2, 2), (0, 5), (0, 5), (14, 4), *((int(symbol in (1, 18)), 3) for symbol in order)]
    fields += [
        (1, 1),
        (127, 7),
        (1, 1),
        (107, 7),
        (0, 1),
        (0, 1),
        (0, 1),
    ]  # 256 times no code, one code each, the end mark
    bits = "".join(f"{value:0{width}b}"[::-1] for value, width in fields) * 8
    block = int(bits[::-1], 2).to_bytes(len(bits) // 8, "little")
    packed = block * ((modzip.MAX_ZIP_FILE - 1000) // len(block)) + b"\3\0"
    return build([File(name=TOP + "a", packed=packed)])


def overlapping() -> bytes:
    kernel = File(name=TOP + "kernel", packed=zeros(8000), size=8000)
    return build([kernel, *(File(name=f"{TOP}{i}", size=8000, offset=0, **BARE) for i in range(MOST - 1))])


def deep() -> bytes:
    """Return folders within folders, up to just below our bound on their names."""
    names, left = [], modzip.MAX_FOLDER_NAMES
    while left > 0:
        depth = min(2000, int(left**0.5))
        names.append(f"{TOP}{len(names)}/" + "a/" * depth)
        left -= depth * (depth + 10)
    return build(File(name=name, **BARE) for name in names[:-1])


def long_names(letter: str) -> bytes:
    name = letter * (60_000 // len(letter.encode()))
    return build(File(name=f"{TOP}{i}{name}", **BARE) for i in range(zipdir.MAX_DIRECTORY // 60_100))


CASES: dict[str, Callable[[], bytes]] = {
    "500 MiB of zeros in one entry (legal)": huge,
    "500 MiB in 65,535 entries (legal)": full,
    "500 MB of source code (legal)": source,
    "500 MiB of empty deflate blocks (legal)": empty_blocks,
    "65,535 empty files (legal)": lambda: build(File(name=f"{TOP}{i}", **BARE) for i in range(MOST)),
    "declares 10 bytes, inflates to 500 MiB": lambda: build([File(name=TOP + "a", packed=zeros(500 << 20), size=10)]),
    "declares 10 times 500 MiB": lambda: build(File(name=f"{TOP}{i}", size=500 << 20) for i in range(10)),
    "65,535 entries that quote one kernel": overlapping,
    "500,000 entries": lambda: build((File(name=f"{TOP}{i}", **BARE) for i in range(500_000)), zip64=True),
    "65,535 times the same name": lambda: build(File(name=TOP + "a", **BARE) for _ in range(MOST)),
    "65,535 names of another module": lambda: build(File(name=f"x/{i}", **BARE) for i in range(MOST)),
    "65,535 names equal but for case": lambda: build(File(name=f"{TOP}{'aA'[i % 2]}/{i}", **BARE) for i in range(MOST)),
    "folders 2,000 deep, up to the bound": deep,
    "32 MiB of names, ASCII": lambda: long_names("a"),
    "32 MiB of names, Chinese": lambda: long_names("世"),
    "directory above 32 MiB": lambda: build(File(name="x" * 65_000, **BARE) for _ in range(2000)),
}


def main() -> None:
    """Print a row for each case."""
    print("| zip | its size | verdict | CPU s | MB |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.zip"
        for title, make in CASES.items():
            path.write_bytes(make())
            verdict, seconds, memory = apart(path)
            print(
                f"| {title} | {path.stat().st_size / 1e6:.1f} MB | {verdict} | {seconds:.2f} | {memory:.0f} |",
                flush=True,
            )


def apart(path: Path) -> tuple[str, float, float]:
    """Inspect in a fresh process."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(inspect, (path,))


def inspect(path: Path) -> tuple[str, float, float]:
    """Return the verdict, the CPU seconds and the megabytes that it took."""
    before, memory = time.process_time(), peak()
    try:
        modzip.inspect(MV, path)
        verdict = "accepted"
    except ContentError as error:
        verdict = f"{error.reason}: " + (text if len(text := str(error)) < 90 else text[:90] + " …")
    return verdict, time.process_time() - before, (peak() - memory) / 1e3


def peak() -> float:
    """Return the peak resident set of this process, in kilobytes (getrusage would count its parent's in)."""
    status = Path("/proc/self/status").read_text()
    return float(status.partition("VmHWM:")[2].split()[0])


if __name__ == "__main__":
    main()
