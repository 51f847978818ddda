"""Run a program under strace: count its system calls, kill it or fail it at one of them, or write them all down."""

import atexit
import functools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CALLS = (
    "write,pwrite64,writev,fsync,fdatasync,link,linkat,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,"
    "rmdir,ftruncate,truncate,chmod,fchmodat"
)
"""Every system call by which a publish changes a disk."""

FULL = os.environ.get("GOPHERWOOD_CRASH_SWEEP") == "full"
"""Whether crash sweeps strike at every system call (make test-crash), or at a sample of them."""

LONGEST = 120
"""Seconds that a traced script may take."""

_LINE = re.compile(r"^\d+ +(?P<name>\w+)\((?P<arguments>.*)\) += (?P<result>-?\d+|\?)")


@dataclass(frozen=True)
class Call:
    """One successful system call: its name, and the paths among its arguments, in order."""

    name: str
    paths: tuple[str, ...]


def why_not() -> str:
    """Return why strace cannot be used here, empty when it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, text=True)
    return "" if tried.returncode == 0 else f"strace does not work here: {tried.stderr.strip()}"


def run(
    script: Path, *arguments: str, log: Path, env: Mapping[str, str], inject: str = "", calls: str = CALLS
) -> "subprocess.CompletedProcess[str]":
    """Run a Python script, its system calls of interest written to `log`, with one fault injected.

    It runs in a process forked from one that has imported everything, so its calls are those of the script alone.
    """
    fault: Sequence[str] = ["-e", f"inject={calls}:{inject}"] if inject else []
    zygote = _zygote()
    own = {name: log.with_name(f"{log.name}.{name}") for name in ("out", "err", "strace")}
    wanted = {"script": script, "arguments": arguments, "env": dict(env), "out": own["out"], "err": own["err"]}
    process = _ask(zygote, json.dumps(wanted, default=str))
    options = ["-f", "-y", "-s", "1", "-e", f"trace={calls}", *fault, "-o", str(log), "-p", str(process)]
    with own["strace"].open("wb") as said, subprocess.Popen(["strace", *options], stderr=said) as tracer:
        try:
            while b"attached" not in own["strace"].read_bytes():
                assert tracer.poll() is None, own["strace"].read_text()
                time.sleep(0.001)
            os.kill(process, signal.SIGCONT)
            tracer.wait(LONGEST)
        finally:
            if tracer.poll() is None:
                os.kill(process, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(_ask(zygote))
    return subprocess.CompletedProcess(wanted, code, own["out"].read_text(), own["err"].read_text())


@functools.cache
def _zygote() -> "subprocess.Popen[str]":
    """Return this process's zygote, started on the first call."""
    environ = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, str(Path(__file__).with_name("zygote.py"))]
    zygote = subprocess.Popen(command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(zygote.communicate)  # its stdin ends, and so does it
    return zygote


def _ask(zygote: "subprocess.Popen[str]", line: str = "") -> int:
    assert zygote.stdin is not None
    assert zygote.stdout is not None
    if line:
        print(line, file=zygote.stdin, flush=True)
    return int(zygote.stdout.readline())


def names(log: Path) -> list[str]:
    """Return the names of all calls in a log, failed ones too, in order."""
    return re.findall(r"^\d+ +(\w+)\(", log.read_text(), re.MULTILINE)


def numbered(log: Path) -> list[tuple[str, int]]:
    """Return all calls in a log as faults name them: a name, and the how manieth of that name it is."""
    seen: Counter[str] = Counter()
    found = []
    for name in names(log):
        seen[name] += 1
        found.append((name, seen[name]))
    return found


def calls(log: Path) -> list[Call]:
    """Return the successful calls in a log."""
    found = []
    for line in log.read_text().splitlines():
        if (match := _LINE.match(line)) and match["result"] != "?" and int(match["result"]) >= 0:
            paths = re.findall(r'"((?:[^"\\]|\\.)*)"|\d+<([^>]*)>', match["arguments"])
            found.append(Call(match["name"], tuple(quoted or of_fd for quoted, of_fd in paths)))
    return found
