"""Run a program under strace: count its system calls, kill it or fail it at one of them, or write them all down."""

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CALLS = (
    "write,pwrite64,writev,fsync,fdatasync,link,linkat,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,"
    "rmdir,ftruncate,truncate,chmod,fchmodat"
)
"""Every system call by which a publish changes a disk."""

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
    """Run a Python script, its system calls of interest written to `log`, with one fault injected."""
    options: Sequence[str] = ["-e", f"inject={calls}:{inject}"] if inject else []
    command = ["strace", "-f", "-y", "-qq", "-s", "1", "-e", f"trace={calls}", *options, "-o", str(log)]
    program = [sys.executable, str(script), *arguments]
    return subprocess.run([*command, *program], capture_output=True, text=True, env=dict(env), timeout=120)


def names(log: Path) -> list[str]:
    """Return the names of all calls in a log, failed ones too, in order."""
    return re.findall(r"^\d+ +(\w+)\(", log.read_text(), re.MULTILINE)


def calls(log: Path) -> list[Call]:
    """Return the successful calls in a log."""
    found = []
    for line in log.read_text().splitlines():
        if (match := _LINE.match(line)) and match["result"] != "?" and int(match["result"]) >= 0:
            paths = re.findall(r'"((?:[^"\\]|\\.)*)"|\d+<([^>]*)>', match["arguments"])
            found.append(Call(match["name"], tuple(quoted or of_fd for quoted, of_fd in paths)))
    return found
