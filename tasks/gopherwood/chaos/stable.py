"""Starts commands of ours without the half second that their imports take: it has imported all, and forks for each.

    python -m gopherwood.chaos.stable

An experiment that kills a command two hundred times would else spend most of its time on imports, in which nothing can
be lost. A line of JSON on stdin starts a command (`start`, `environ`, `log`), and its process id is answered; `poll`
asks for the exit code of one, and is answered by null while it runs. Each child leads a session of its own and dies
with this process, which ends with its stdin. `Stable` is the other end.
"""

import ctypes
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1
IMPORTED = (
    *("alembic.command", "gopherwood.cli", "gopherwood.commands", "gopherwood.fetch", "gopherwood.ingest.standing"),
    *("gopherwood.publish", "gopherwood.status", "gopherwood.upstream", "gopherwood.validate"),
    "sqlalchemy.dialects.sqlite",
)


class Stable:
    """A process that starts commands; use it as a context manager. For one thread at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> "Stable":
        command = [sys.executable, "-m", "gopherwood.chaos.stable"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def start(self, arguments: Sequence[str], environ: Mapping[str, str], log: Path) -> "Forked":
        """Start `gopherwood` with these arguments; its output is appended to `log`."""
        said = {"start": list(arguments), "environ": dict(environ), "log": str(log)}
        return Forked(self, int(self.ask(said)))

    def ask(self, said: Mapping[str, Any]) -> Any:
        """Send a line, return the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            print(json.dumps(said), file=self._process.stdin, flush=True)
            return json.loads(self._process.stdout.readline())


class Forked:
    """A command that was started so; it is asked like a Popen."""

    def __init__(self, stable: Stable, pid: int) -> None:
        self._stable = stable
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return its exit code, None while it runs."""
        if self.returncode is None:
            self.returncode = self._stable.ask({"poll": self.pid})
        return self.returncode

    def wait(self, timeout: float = 1e9) -> int:
        """Wait for its end; raises subprocess.TimeoutExpired."""
        end = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired("gopherwood", timeout)
            time.sleep(0.005)
        return code

    def terminate(self) -> None:
        """Ask it to end."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGTERM)


def main() -> None:
    """Fork for each line that starts something; in a child, run it."""
    for name in IMPORTED:
        importlib.import_module(name)
    for line in sys.stdin:
        said = json.loads(line)
        answer: Any
        if "poll" in said:
            pid, status = os.waitpid(said["poll"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        else:
            answer = os.fork()
            if answer == 0:
                _run(said)
        sys.stdout.write(f"{json.dumps(answer)}\n")
        sys.stdout.flush()


def _run(said: Mapping[str, Any]) -> None:
    """Become the command."""
    parent = os.getppid()
    os.setsid()
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
    log = os.open(said["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, null), (1, log), (2, log)):
        os.dup2(source, target)
    os.environ.clear()
    os.environ.update(said["environ"])
    sys.argv = ["gopherwood", *said["start"]]
    code: object = 1
    try:
        runpy.run_module("gopherwood", run_name="__main__")  # as `python -m gopherwood` does
    except SystemExit as end:
        code = end.code
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
