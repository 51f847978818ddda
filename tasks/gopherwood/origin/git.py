"""The git command, on a short leash: nothing asks a person, runs a hook, or outlives us; all is bounded.

Only what git needs comes along from our environment: PATH, proxies, certificates, netrc (the file that NETRC names, or
the one at home) and the user's own configuration (GIT_CONFIG_GLOBAL, else the file at home), whose
`url.<base>.insteadOf` holds here as for `go`. What the system configures, credential helpers, prompts and ssh are not
used. A run has a limit of seconds, of bytes it may say and of bytes a file of it may grow to, and is a process group of
its own, which ends with us.
"""

import os
import re
import selectors
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from gopherwood.errors import ConfigError, StoppedError, TooLargeError, UpstreamError
from gopherwood.http import redact

MAX_SAYS = 64 << 20
"""Bytes of output that are read: the refs of a repository with half a million of them."""
MAX_FILE = 2 << 30
"""Bytes that a file which git writes may grow to."""
PATIENCE = 10
"""A whole run may take this many times as long as a silence may (the setting `timeout`)."""
_SHELL = Path("/bin/sh")
_KEPT = re.compile(r"(?i)(https?|all|no)_proxy|ssl_cert_(file|dir)|path|lang|tmpdir|xdg_config_home|git_config_global")
_OPTIONS = {
    "credential.helper": "",
    "core.askPass": "",
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "http.followRedirects": "false",
    "http.lowSpeedLimit": "1000",
    "protocol.version": "2",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "fetch.fsckObjects": "true",
    "submodule.recurse": "false",
}


class Done(NamedTuple):
    """What a run of git came to."""

    code: int
    out: bytes
    says: str
    """The last thing it said on stderr, without credentials."""


class Git:
    """Runs git; any number of threads may share one. Close it, or use it as a context manager."""

    def __init__(self, timeout: float, stop: threading.Event | None = None) -> None:
        """Prepare the environment; raises ConfigError when there is no git command. `timeout` is in seconds."""
        found = shutil.which("git")
        if found is None:
            raise ConfigError(
                "no git command on PATH",
                hint="install git, or take a base with git for the tasks' image: looking back needs it",
            )
        self._git = found
        self._timeout = timeout
        self._stop = stop or threading.Event()
        self._home = tempfile.TemporaryDirectory(prefix="gopherwood-git-")
        self._environ = self._make_environ(Path(self._home.name))

    def __enter__(self) -> "Git":
        return self

    def __exit__(self, *_: object) -> None:
        self._home.cleanup()

    def run(self, *arguments: str, options: Sequence[str] = (), schemes: str = "", folder: Path | None = None) -> Done:
        """Run git; `schemes` are the protocols it may speak, joined by colons (none: it stays on this machine).

        Raises StoppedError when told to stop, UpstreamError after too long, TooLargeError when it says too much.
        """
        settings = [flag for name, value in _OPTIONS.items() for flag in ("-c", f"{name}={value}")]
        settings += ["-c", f"http.lowSpeedTime={max(1, round(self._timeout))}"]
        # The shell sets a limit that Python could only set in a forked copy of this process, threads and all.
        limit = ["/bin/sh", "-c", f'ulimit -f {MAX_FILE // 512}; exec "$0" "$@"'] if _SHELL.exists() else []
        process = subprocess.Popen(
            [*limit, self._git, *settings, *options, *arguments],
            cwd=folder or self._home.name,
            env=self._environ | {"GIT_ALLOW_PROTOCOL": schemes or "none"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            out, err = self._listen(process, arguments[0])
            return Done(process.wait(), out, _last_line(err))
        finally:
            if process.returncode is None:
                _end(process)
            for pipe in (process.stdout, process.stderr):
                if pipe:
                    pipe.close()

    @contextmanager
    def repository(self) -> Iterator[Path]:
        """Make a bare, empty repository that is gone when the caller is done."""
        with tempfile.TemporaryDirectory(prefix="gopherwood-git-") as name:
            folder = Path(name)
            done = self.run("init", "--quiet", "--bare", str(folder), options=("-c", "init.templateDir="))
            if done.code:
                raise UpstreamError(f"git init: {done.says}")
            # As go: an archive holds every file, as it was committed.
            (folder / "info").mkdir(exist_ok=True)
            (folder / "info" / "attributes").write_text("* -export-subst -export-ignore\n")
            yield folder

    def _listen(self, process: "subprocess.Popen[bytes]", what: str) -> tuple[bytes, bytes]:
        assert process.stdout
        assert process.stderr
        said: dict[str, bytearray] = {"out": bytearray(), "err": bytearray()}
        until = time.monotonic() + PATIENCE * self._timeout
        with selectors.DefaultSelector() as open_pipes:
            open_pipes.register(process.stdout, selectors.EVENT_READ, "out")
            open_pipes.register(process.stderr, selectors.EVENT_READ, "err")
            while open_pipes.get_map():
                for pipe, _ in open_pipes.select(0.2):
                    data = os.read(pipe.fd, 1 << 16)
                    if not data:
                        open_pipes.unregister(pipe.fileobj)
                    said[pipe.data] += data
                if self._stop.is_set():
                    raise StoppedError("told to stop")
                if time.monotonic() > until:
                    raise UpstreamError(f"git {what} took longer than {PATIENCE * self._timeout:.0f} seconds")
                if sum(map(len, said.values())) > MAX_SAYS:
                    raise TooLargeError(f"git {what} said more than {MAX_SAYS} bytes")
        return bytes(said["out"]), bytes(said["err"])

    def _make_environ(self, home: Path) -> dict[str, str]:
        environ = {name: value for name, value in os.environ.items() if _KEPT.fullmatch(name)}
        own = Path(os.environ.get("HOME") or os.devnull)
        configs = [own / ".gitconfig", Path(environ.get("XDG_CONFIG_HOME") or own / ".config") / "git" / "config"]
        config = next((path for path in configs if path.is_file()), Path(os.devnull))
        environ.setdefault("GIT_CONFIG_GLOBAL", str(config))
        netrc = Path(os.environ.get("NETRC") or own / ".netrc")
        if netrc.is_file():
            (home / ".netrc").symlink_to(netrc.absolute())
        if certificates := environ.get("SSL_CERT_FILE"):
            environ["GIT_SSL_CAINFO"] = certificates
        return environ | {
            "HOME": str(home),
            "LC_ALL": "C",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "",
            "SSH_ASKPASS": "",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_SSH_COMMAND": "false",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_LFS_SKIP_SMUDGE": "1",
        }


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a run with all its children. It was not waited for yet, so its number is nobody else's."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _last_line(said: bytes) -> str:
    lines = [line.strip() for line in said.decode("utf-8", "replace").splitlines()]
    lines = [line for line in lines if line and not line.startswith(("hint:", "warning:"))]
    errors = [line for line in lines if line.startswith(("fatal:", "remote:", "error:"))]
    text = (errors or lines or [""])[-1]
    return redact("".join(char for char in text if char.isprintable()))[:300]
