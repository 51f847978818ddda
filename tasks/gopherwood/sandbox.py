"""A small program that runs another one on a short leash, and outlives neither it nor us.

    python -I sandbox.py SCRATCH SECONDS BYTES PROGRAM [ARGUMENT ...]

It is a process of its own, so that limits need not be set in a forked copy of a process with threads, and so that the
end of whoever started it, be it by SIGKILL, is seen: its stdin closes. Then, on SIGTERM, after SECONDS, or when the
folder SCRATCH holds more than BYTES, PROGRAM and all its descendants are killed, those included that left its process
group (on Linux they become our children). When its starter is gone SCRATCH is removed too. Its exit code is PROGRAM's,
or one of those below. Used by direct.py. It imports nothing of ours: it starts in 30 ms.
"""

import contextlib
import ctypes
import os
import resource
import selectors
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

TIMED_OUT, TOO_LARGE, STOPPED, NOT_STARTED = 101, 102, 103, 104
"""Exit codes that PROGRAM has no use for."""
ADDRESS_SPACE = 8 << 30
"""Bytes that one process may map: the Go runtime and git map far more than they touch."""
LOOK_EVERY = 0.1
MEASURE_EVERY = 0.5
_PR_SET_CHILD_SUBREAPER = 36
_CHANGEABLE = 0o700


def size_of(folder: Path) -> int:
    """Return the bytes of all files in a folder, which may change meanwhile; links count as nothing."""
    total = 0
    for place, folders, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_blocks * 512  # noqa: PTH118
        total += 4096 * len(folders)  # many empty folders are no way round the limit
    return total


def remove(folder: Path) -> None:
    """Remove a folder with all that is in it; a module cache is read-only."""
    with contextlib.suppress(FileNotFoundError):
        for place, folders, _ in os.walk(folder):
            for name in folders:
                path = Path(place, name)
                if not path.is_symlink():
                    path.chmod(_CHANGEABLE)
    shutil.rmtree(folder, ignore_errors=True)


def main(scratch: Path, seconds: float, size: int, command: list[str]) -> int:
    """Run the command; return its exit code, or why it was ended."""
    told: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: told.append(number))
    _adopt_descendants()
    _limit(resource.RLIMIT_CPU, int(seconds) + 1)
    _limit(resource.RLIMIT_FSIZE, size)
    _limit(resource.RLIMIT_AS, ADDRESS_SPACE)
    _limit(resource.RLIMIT_CORE, 0)
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        return NOT_STARTED
    try:
        return _watch(child, scratch, seconds, size, told)
    finally:
        _kill(child)


def _watch(child: "subprocess.Popen[bytes]", scratch: Path, seconds: float, size: int, told: list[int]) -> int:
    began = measured = time.monotonic()
    with selectors.DefaultSelector() as starter:
        starter.register(sys.stdin, selectors.EVENT_READ)
        while (code := child.poll()) is None:
            now = time.monotonic()
            if starter.select(min(LOOK_EVERY, 0.01 + (now - began) / 10)):
                _kill(child)
                remove(scratch)
                return STOPPED
            if told:
                return STOPPED
            if now - began > seconds:
                return TIMED_OUT
            if now - measured > MEASURE_EVERY:
                if size_of(scratch) > size:
                    return TOO_LARGE
                measured = time.monotonic()
    if size_of(scratch) > size or code == -signal.SIGXFSZ:
        return TOO_LARGE
    return code if code >= 0 else 128 - code


def _adopt_descendants() -> None:
    # Linux alone; elsewhere the process group is all that can be ended.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _limit(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))


def _kill(child: "subprocess.Popen[bytes]") -> None:
    """Kill the command's process group, then whatever of its descendants is left."""
    if child.returncode is None:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    while orphans := _children():
        for pid in orphans:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _children() -> list[int]:
    try:
        return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]
    except OSError:  # no Linux
        return []


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]))
