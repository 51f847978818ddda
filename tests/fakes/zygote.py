"""Starts Python scripts without the second that their imports take: it has imported everything, and forks for each.

A line on stdin asks for one: JSON with its path, arguments, environment, and the files for its output. The child stops
itself (SIGSTOP) before it runs anything, so that a tracer can take hold of it; its process id is answered. When it has
ended its wait status is answered, and the next line is read.
"""

import ctypes
import importlib
import json
import os
import runpy
import signal
import sys

IMPORTED = (
    "alembic.command",
    "gopherwood.audit.scrub",
    "gopherwood.cli",
    "gopherwood.commands",
    "gopherwood.export",
    "gopherwood.importing",
    "gopherwood.publish",
    "gopherwood.upstream",
    "gopherwood.validate",
    "sqlalchemy.dialects.sqlite",
)
PR_SET_PTRACER, PR_SET_PTRACER_ANY = 0x59616D61, -1


def main() -> None:
    """Fork for each line of stdin; in a child, run its script."""
    for name in IMPORTED:
        importlib.import_module(name)
    for line in sys.stdin:
        wanted = json.loads(line)
        child = os.fork()
        if child == 0:
            run(wanted)
            return
        os.waitpid(child, os.WUNTRACED)
        print(child, flush=True)
        print(os.waitpid(child, 0)[1], flush=True)


def run(wanted: dict[str, object]) -> None:
    """Become a process that runs the wanted script as if it had just been started."""
    for number, path in ((0, "/dev/null"), (1, wanted["out"]), (2, wanted["err"])):
        file = os.open(str(path), os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(file, number)
        os.close(file)
    ctypes.CDLL(None).prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0)  # where only parents may trace
    os.environ.clear()
    os.environ.update(wanted["env"])  # type: ignore[call-overload]
    sys.argv = [str(wanted["script"]), *wanted["arguments"]]  # type: ignore[misc]
    os.kill(os.getpid(), signal.SIGSTOP)
    runpy.run_path(str(wanted["script"]), run_name="__main__")


if __name__ == "__main__":
    del sys.path[0]  # the folder of this file holds modules of the tests
    main()
