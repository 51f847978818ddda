"""Reading versions in processes of their own, so that none costs more than its time: see reader.py.

`Readers` keeps one process for each thread that asks, and starts another in place of one that was killed or died.
"""

import json
import selectors
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gopherwood.module import ModuleVersion

SECONDS = 120.0
"""How long a version may take; the largest real ones take ten."""
LOOK_EVERY = 0.5

COMMAND = (sys.executable, "-I", "-m", "gopherwood.facts.reader")


class Readers:
    """Processes that read, one a thread; use it as a context manager, which ends them."""

    def __init__(self, seconds: float = SECONDS, command: Sequence[str] = COMMAND) -> None:
        self._seconds = seconds
        self._command = command
        self._own = threading.local()
        self._all: list[subprocess.Popen[bytes]] = []
        self._lock = threading.Lock()

    def __enter__(self) -> "Readers":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._all:
            _end(process)

    def read(self, mv: ModuleVersion, zip_path: Path, mod_path: Path, target: Path, stop: threading.Event) -> str:
        """Write the facts of a version to `target`; return "" or why there are none.

        Raises InterruptedError once `stop` is set.
        """
        process = self._process()
        asked = json.dumps([mv.path, mv.version, str(zip_path), str(mod_path), str(target)])
        try:
            assert process.stdin is not None
            process.stdin.write(asked.encode() + b"\n")
            process.stdin.flush()
            answer = self._answer(process, stop)
        except BrokenPipeError:
            answer = None
        if answer is None:
            code = _end(process)
            return f"reading it ended its process ({code})"
        return str(answer.get("error", ""))

    def _answer(self, process: "subprocess.Popen[bytes]", stop: threading.Event) -> dict[str, Any] | None:
        """Return what it answers, None when it died; one that takes too long is killed."""
        assert process.stdout is not None
        limit = time.monotonic() + self._seconds
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while not selector.select(LOOK_EVERY):
                if stop.is_set():
                    _end(process)
                    raise InterruptedError
                if time.monotonic() > limit:
                    _end(process)
                    return {"error": f"it takes more than {self._seconds:g} seconds"}
        line = process.stdout.readline()
        return json.loads(line) if line else None

    def _process(self) -> "subprocess.Popen[bytes]":
        process: subprocess.Popen[bytes] | None = getattr(self._own, "process", None)
        if process is None or process.poll() is not None:
            process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            self._own.process = process
            with self._lock:
                self._all.append(process)
        return process


def _end(process: "subprocess.Popen[bytes]") -> int:
    """End a process for certain; return its exit code."""
    if process.poll() is None:
        process.kill()
    code = process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None and not pipe.closed:
            try:
                pipe.close()
            except BrokenPipeError:
                continue
    return code
