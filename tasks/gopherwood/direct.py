"""Module versions straight from version control: what no proxy has, or may be asked about, by the `go` command.

`go` alone knows how a module version is made of a repository, so `go` makes it, in a sandbox: an environment that holds
nothing of the user's but what is listed below, a folder of its own that is removed afterwards, limits of time, space
and memory, and no prompts (sandbox.py runs it). What comes out is three files as a proxy would send them, Origin
included; they are staged, validated and published like all others, the checksum database included. What the sandbox
protects from, and what it does not, is in docs/adr/0008. Authority: `go help environment`, `go help vcs`, the Go
Modules Reference ("Mapping versions to commits"), cmd/go/internal/modfetch.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from gopherwood import module, reach, sandbox, semver, toolchain
from gopherwood.config import Settings
from gopherwood.credentials import redact
from gopherwood.errors import (
    ConfigError,
    GopherwoodError,
    InvalidVersionError,
    InvalidZipError,
    NotFoundError,
    RefusedError,
    StoppedError,
    TooLargeError,
    UpstreamError,
)
from gopherwood.module import ModuleVersion

MODES = ("off", "private", "on")
AT_ONCE = 4
"""Runs of `go` at once: each clones a repository."""
KEPT = 32
"""Versions whose files wait to be asked for; one run answers the questions for .info, .mod and .zip."""
MAX_OUTPUT = 16 << 20
PREFIX = "gopherwood-direct-"
_PASSED = re.compile(r"PATH|SSL_CERT_(FILE|DIR)|(?i:(https?|no)_proxy)|NETRC|GIT_CONFIG_GLOBAL|LANG")
"""What of our environment comes along. Of the user's files only those are read that a variable here names."""
_SWITCHED_OFF = {"gc.auto": "0", "maintenance.auto": "false", "core.hooksPath": os.devnull, "core.fsmonitor": "false"}
_GO_MOD = "module gopherwood.invalid/direct\n\ngo 1.21\n"
_NEWER_GO = "a newer Go on PATH can fetch it"

Versions: TypeAlias = list[str]
"""Said so because inside Direct `list` is a method."""


def mode(settings: Settings) -> str:
    """Return what the setting `direct` says; raises ConfigError when it is none of MODES."""
    if settings.direct not in MODES:
        raise ConfigError(f"GOPHERWOOD_DIRECT={settings.direct!r} is not known", hint=f"say one of {', '.join(MODES)}")
    return settings.direct


class Direct:
    """Fetches from version control. Any number of threads may share one; close it."""

    def __init__(self, settings: Settings, private: str = "") -> None:
        """Prepare; nothing is run yet. `private` are the patterns of modules that may live in our own network."""
        self._settings = settings
        self._private = private
        self._turns = threading.BoundedSemaphore(AT_ONCE)
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False
        self._kept: OrderedDict[ModuleVersion, Path] = OrderedDict()
        self._base: Path | None = None

    # --- the files of a version, as a proxy gives them

    def info(self, mv: ModuleVersion) -> bytes:
        """Return the `.info`, with the Origin that `go` writes into it."""
        return self._files(mv).joinpath("info").read_bytes()

    def mod(self, mv: ModuleVersion) -> bytes:
        """Return the `.mod`."""
        return self._files(mv).joinpath("mod").read_bytes()

    def zip_to(self, mv: ModuleVersion, path: Path) -> int:
        """Move the `.zip` to a path; return its bytes. A next question about this version is a new run."""
        folder = self._files(mv)
        with self._lock:
            self._kept.pop(mv, None)
        try:
            path.unlink(missing_ok=True)
            shutil.move(folder / "zip", path)
        finally:
            sandbox.remove(folder)
        return path.stat().st_size

    # --- questions

    def list(self, path: str) -> Versions:
        """Return the versions that the repository's tags name, sorted; raises NotFoundError where there is none."""
        said = self._ask(path, "latest", "-versions", "-retracted")
        versions = [str(version) for version in said.get("Versions", [])]
        semver.sort(versions)
        return versions

    def query(self, path: str, query: str) -> bytes:
        """Resolve any query that `go` knows (`latest`, `v1`, a branch, a commit); return the `.info` of the version."""
        said = self._ask(path, query)
        return json.dumps({key: said[key] for key in ("Version", "Time", "Origin") if key in said}).encode()

    # --- life

    def stop(self) -> None:
        """End all runs; those and all later ones raise StoppedError."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                process.terminate()

    def close(self) -> None:
        """End all runs and remove what they left."""
        self.stop()
        if self._base is not None:
            sandbox.remove(self._base)

    # --- runs of go

    def _files(self, mv: ModuleVersion) -> Path:
        """Return the folder with a version's three files."""
        with self._lock:
            if found := self._kept.get(mv):
                return found
        module.check(mv.path, mv.version)
        with self._turns, self._scratch() as scratch:
            said = self._go(scratch, mv.path, "mod", "download", "-json", str(mv))
            if said.get("Version") != mv.version:
                raise NotFoundError(f"{mv}: version control calls it {said.get('Version')}")
            kept = Path(tempfile.mkdtemp(prefix="files-", dir=self._base))
            for name, key in (("info", "Info"), ("mod", "GoMod"), ("zip", "Zip")):
                shutil.move(said[key], kept / name)
        with self._lock:
            self._kept[mv] = kept
            dropped = self._kept.popitem(last=False)[1] if len(self._kept) > KEPT else None
        if dropped:
            sandbox.remove(dropped)
        return kept

    def _ask(self, path: str, query: str, *flags: str) -> dict[str, Any]:
        module.check_path(path)
        module.escape_version(query)  # a file name, and so no command line's business
        with self._turns, self._scratch() as scratch:
            return self._go(scratch, path, "list", "-m", "-json", *flags, f"{path}@{query}")

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        """Give a run a folder that is gone afterwards."""
        with self._lock:
            if self._base is None:
                _sweep()
                self._base = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
        scratch = Path(tempfile.mkdtemp(prefix="run-", dir=self._base))
        try:
            for name in ("home", "work", "tmp", "said"):
                (scratch / name).mkdir()
            (scratch / "work" / "go.mod").write_text(_GO_MOD)  # or one in a folder above would count
            yield scratch
        finally:
            sandbox.remove(scratch)

    def _go(self, scratch: Path, path: str, *arguments: str) -> dict[str, Any]:
        """Run go in its sandbox; return the JSON object it says, or raise what its error means."""
        if not module.match_prefix_patterns(self._private, path):
            _refuse_inner(path)
        limits = (str(scratch), str(self._settings.direct_timeout), str(self._settings.direct_bytes))
        command = [sys.executable, "-I", sandbox.__file__, *limits, str(toolchain.find_go()), *arguments]
        code = self._run(command, scratch)
        out, err = (_read(scratch / "said" / name) for name in ("out", "err"))
        self._check_end(code, arguments[-1], err)
        try:
            said: dict[str, Any] = json.loads(out) if out.strip() else {}
        except ValueError:
            raise UpstreamError(f"{arguments[-1]}: `go` was cut short") from None
        if code or "Error" in said:
            raise _meaning(arguments[-1], str(said.get("Error") or err), scratch)
        return said

    def _run(self, command: Sequence[str], scratch: Path) -> int:
        with (scratch / "said" / "out").open("wb") as out, (scratch / "said" / "err").open("wb") as err:
            with self._lock:
                if self._stopped:
                    raise StoppedError("told to stop")
                process = subprocess.Popen(
                    command,
                    cwd=scratch / "work",
                    env=self._environ(scratch),
                    stdin=subprocess.PIPE,  # its end is how the sandbox learns of ours
                    stdout=out,
                    stderr=err,
                    start_new_session=True,
                )
                self._running.add(process)
            try:
                return process.wait()
            finally:
                with self._lock:
                    self._running.discard(process)
                assert process.stdin is not None
                process.stdin.close()
                process.wait()

    def _check_end(self, code: int, what: str, err: str) -> None:
        seconds, size = self._settings.direct_timeout, self._settings.direct_bytes
        if self._stopped or code == sandbox.STOPPED:
            raise StoppedError("told to stop")
        if code == sandbox.NOT_STARTED:
            raise ConfigError(f"the Go command cannot be run: {err.strip()}", hint="see to it that `go version` works")
        if code == sandbox.TIMED_OUT:
            raise UpstreamError(
                f"{what}: version control took longer than {seconds:g} seconds", hint="GOPHERWOOD_DIRECT_TIMEOUT"
            )
        if code == sandbox.TOO_LARGE:
            raise TooLargeError(
                f"{what}: its repository needs more than {size} bytes here", hint="GOPHERWOOD_DIRECT_BYTES"
            )
        if code < 0:
            raise UpstreamError(f"{what}: `go` was killed by signal {-code}")

    def _environ(self, scratch: Path) -> dict[str, str]:
        """Return the whole environment of a run."""
        environ = {name: value for name, value in os.environ.items() if _PASSED.fullmatch(name)}
        places = {"HOME": "home", "TMPDIR": "tmp", "GOTMPDIR": "tmp", "GOPATH": "gopath", "GOMODCACHE": "mod"}
        places |= {"GOCACHE": "cache", "XDG_CONFIG_HOME": "home/config", "XDG_CACHE_HOME": "home/cache"}
        environ |= {name: str(scratch / place) for name, place in places.items()}
        environ |= {"GOENV": "off", "GOWORK": "off", "GOFLAGS": "-modcacherw", "GO111MODULE": "on"}
        environ |= {"GOPROXY": "direct", "GOSUMDB": "off", "GOTOOLCHAIN": "local", "GOPRIVATE": self._private}
        environ |= {"GOVCS": self._settings.direct_vcs, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
        environ |= {"GIT_ASKPASS": "true", "SSH_ASKPASS": "true", "HGPLAIN": "1", "LC_ALL": "C"}
        environ.setdefault("GIT_CONFIG_GLOBAL", os.devnull)
        if certificates := environ.get("SSL_CERT_FILE"):
            environ["GIT_SSL_CAINFO"] = certificates
        if netrc := environ.get("NETRC"):  # git looks for it at home alone
            (scratch / "home" / ".netrc").symlink_to(Path(netrc).absolute())
        environ |= _protocols()
        for number, (key, value) in enumerate(_SWITCHED_OFF.items()):
            environ |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
        return environ | {"GIT_CONFIG_COUNT": str(len(_SWITCHED_OFF))}


def _protocols() -> dict[str, str]:
    """Return what git may speak: https, and ssh only as GIT_SSH_COMMAND says: by itself it finds the user's keys."""
    # http, and with it a redirect from https, only for who configures git: an insteadOf may lead there.
    schemes = "https:http" if "GIT_CONFIG_GLOBAL" in os.environ else "https"
    if ssh := os.environ.get("GIT_SSH_COMMAND"):
        command = f"{ssh} -o BatchMode=yes -o ControlMaster=no -o ControlPath=none"
        agent = {"SSH_AUTH_SOCK": os.environ["SSH_AUTH_SOCK"]} if "SSH_AUTH_SOCK" in os.environ else {}
        return agent | {"GIT_SSH_COMMAND": command, "GIT_ALLOW_PROTOCOL": f"{schemes}:ssh"}
    return {"GIT_SSH_COMMAND": "false", "GIT_ALLOW_PROTOCOL": schemes}


def _refuse_inner(path: str) -> None:
    """Refuse a public module whose host is in our own network: whoever names a module must not make us look there."""
    host = path.partition("/")[0]
    try:
        reach.check_name(host, 443, reach.Reach.PUBLIC)
    except RefusedError:
        raise RefusedError(
            f"{path}: {host} is no public host, and no pattern says that the module is private",
            hint="add it to GOPHERWOOD_PRIVATE if it is one of yours",
        ) from None
    except UpstreamError:
        return  # without an address here: `go` may know better (a proxy, insteadOf), or says so


def _read(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(MAX_OUTPUT).decode("utf-8", "replace")


_MEANINGS: tuple[tuple[str, type[GopherwoodError], str], ...] = (
    (
        r"executable file not found in \$PATH",
        ConfigError,
        "install git where `gopherwood` runs, or set GOPHERWOOD_DIRECT=off",
    ),
    (r"GOVCS disallows", RefusedError, "GOPHERWOOD_DIRECT_VCS says which version control may be used"),
    (r"transport '.*' not allowed", RefusedError, "https is used; ssh when GIT_SSH_COMMAND is set"),
    (r"requires go >= ", RefusedError, _NEWER_GO),
    (
        r"Authentication failed|could not read (Username|Password)|terminal prompts disabled|Permission denied"
        r"|returned error: 40[13]|40[13] (Unauthorized|Forbidden)",
        RefusedError,
        "name credentials: NETRC, GIT_CONFIG_GLOBAL or GIT_SSH_COMMAND",
    ),
    (r"invalid pseudo-version", InvalidVersionError, ""),
    (r"too large|too big", TooLargeError, ""),
    (r"create zip:|malformed file path", InvalidZipError, ""),
    (
        r"unknown revision|no matching versions|[Rr]epository .*not found|(404 Not Found|410 Gone)"
        r"|does not appear to be a git repository|no go-import meta tags|go\.mod has |missing .*go\.mod"
        r"|module contains a go\.mod",
        NotFoundError,
        "",
    ),
)
"""What `go` and git say, in the order in which they are looked for; all else may help to try again."""


def _meaning(what: str, says: str, scratch: Path) -> GopherwoodError:
    """Return the error that the words of `go` stand for."""
    text = re.sub(r"git [^\n]* in \S+: exit status \d+:\s*", "", says.replace(f"{scratch}/", ""))
    text = redact(" ".join(text.removeprefix("go: ").split()))
    text = "".join(char for char in text if char.isprintable()).removeprefix(f"{what}: ")[:500]
    for pattern, kind, hint in _MEANINGS:
        if re.search(pattern, text):
            return kind(f"{what}: {text}", hint=hint)
    return UpstreamError(f"{what}: {text or 'go failed without a word'}")


def _sweep() -> None:
    """Remove what killed processes of ours left behind."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        pid = folder.name.removeprefix(PREFIX).partition("-")[0]
        try:
            if pid.isdigit() and folder.stat().st_uid == os.getuid():
                os.kill(int(pid), 0)
        except ProcessLookupError:
            sandbox.remove(folder)
        except (FileNotFoundError, PermissionError):
            continue
