"""A task as a process of this machine: the same command line, log, exit codes and way to die as in a pod.

The command leads a process group of its own, so that a kill reaches everything it started: SIGTERM first, SIGKILL to
what is left after the grace. Were this process killed outright, the kernel kills the command (parent-death signal): an
orphan would go on working under a lease that Airflow has given to its next try.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from airflow.sdk import BaseOperator

from gopherwood_airflow import command, reports, sizes, trace
from gopherwood_airflow.jobs import Job
from gopherwood_airflow.node_pools import DEFAULT, NodePool

GRACE = 4.0
"""Seconds from SIGTERM to SIGKILL. Airflow kills the task itself five seconds after it asked it to end."""
PR_SET_PDEATHSIG = 1


class LocalProcess(command.CommandLine, BaseOperator):
    """Runs a command line as a local process; see `pods.TaskPod` for the parameters."""

    template_fields: Sequence[str] = (*command.TEMPLATE_FIELDS, "modules", "report")
    ui_color = "#e8f0fe"

    def __init__(
        self,
        *,
        arguments: Sequence[str],
        more_arguments: str = "",
        only_if: str = "true",
        node_pool: NodePool = DEFAULT,
        size: sizes.Size = sizes.NORMAL,
        job: Job | None = None,
        modules: str = "",
        report: str | bool = "",
        result: bool = False,
        program: Sequence[str] = command.PROGRAM,
        **kwargs: Any,
    ) -> None:
        del job  # it is about pods
        super().__init__(do_xcom_push=result or report is True, **kwargs)
        self.arguments = arguments  # type: ignore[assignment]  # a template until it is rendered, if mapped
        self.more_arguments = more_arguments
        self.only_if = only_if
        self.modules = (
            modules  # a label of pods; rendered here too, so that a template which cannot be fails everywhere
        )
        self.report = report
        self.operator_extra_links = reports.links(report)
        self.node_pool = node_pool
        self.size = size
        self.program = program
        self._process: subprocess.Popen[str] | None = None

    def execute(self, context: Any) -> Any:
        """Run the command; return what it handed over, if it is asked for a result."""
        line = [*self.program, *self.command_line()]
        self.log.info("running %s (on a cluster: in node pool %s)", " ".join(line), self.node_pool.name)
        with tempfile.TemporaryDirectory(prefix="gopherwood-task-") as folder:
            handed_over = Path(folder, "result.json")
            code = self._run(line, {"GOPHERWOOD_XCOM": str(handed_over), **trace.environment(context)})
            text = handed_over.read_text() if self.do_xcom_push and handed_over.exists() else ""
            if self.report is True:
                self.report = reports.named_in(text)
            if error := command.failure(code, line[0]):
                raise error
            return command.result(text)

    def _run(self, line: Sequence[str], env: Mapping[str, str]) -> int:
        self._process = start(line, env)
        try:
            for text in _lines(self._process):
                self.log.log(*command.readable(text.rstrip("\n")))
            return self._process.wait()
        finally:  # a timeout arrives as an exception out of the loop
            end(self._process)

    def on_kill(self) -> None:
        """Ask the command to end and make sure that it will; `execute` goes on reading its last words meanwhile."""
        if self._process is not None:
            signal_group(self._process, signal.SIGTERM)
            timer = threading.Timer(GRACE, signal_group, (self._process, signal.SIGKILL))
            timer.daemon = True
            timer.start()


def start(line: Sequence[str], env: Mapping[str, str]) -> subprocess.Popen[str]:
    """Start a command as the leader of a process group that dies with us; both its streams are `stdout`."""
    beside = Path(sys.executable).parent
    program = beside / line[0] if (beside / line[0]).exists() else line[0]
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), str(beside)])  # last: a Go of the user comes first
    return subprocess.Popen(
        [program, *line[1:]],
        env={**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1", **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        process_group=0,  # not a session: whoever ends our session ends the command too
        preexec_fn=_die_with_parent(os.getpid()),
    )


def end(process: subprocess.Popen[str], grace: float = GRACE) -> None:
    """End a command and all it started, and wait for it; nothing happens to one that has ended by itself."""
    if process.poll() is None:
        signal_group(process, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=grace)
    signal_group(process, signal.SIGKILL)
    process.communicate()


def signal_group(process: subprocess.Popen[str], number: signal.Signals) -> None:
    """Signal the command's process group, if any of it is left."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _lines(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stdout is not None
    return process.stdout


def _die_with_parent(parent: int) -> Callable[[], None] | None:
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl

    def arrange() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the kernel knew
            os._exit(1)

    return arrange
