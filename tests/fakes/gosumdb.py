"""A checksum database by golang.org/x/mod itself, behind a module proxy, as a process of its own; and its hostile twin.

The program is tests/oracle/sumdbserver (its hostile.go lists what it can do wrong); it is built with the user's own Go.

    server = GoSumDB(build(folder), root, forged)
    case = server.case()          # a proxy and a database of their own, at case.url
    case.do("grow", 767)
    case.do("leaf")
    server.kill()                 # unplugged
"""

import itertools
import os
import subprocess
import urllib.request
from collections.abc import Iterable
from pathlib import Path

from fakes.goproxy import Module, make_module
from gopherwood import module, note
from gopherwood.module import ModuleVersion
from gopherwood.toolchain import find_go

NAME = "sum.example"
SECRET, KEY = note.generate_key(NAME, bytes(range(32)))
OTHER_SECRET, _ = note.generate_key(NAME, bytes(32))


def build(folder: Path) -> Path:
    """Build the program into a folder."""
    binary = folder / "sumdbserver"
    env = os.environ | {"CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": "-mod=readonly"}
    command = [str(find_go()), "build", "-o", str(binary), "./sumdbserver"]
    oracle = Path(__file__).parent.parent / "oracle"
    done = subprocess.run(command, cwd=oracle, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return binary


def write_tree(
    root: Path, versions: Iterable[ModuleVersion], *, content: str = "honest"
) -> dict[ModuleVersion, Module]:
    """Write made-up module versions into a folder, laid out as GOPROXY=file:// wants it."""
    made = {}
    for mv in versions:
        made[mv] = make_module(mv.path, mv.version, {"m.go": f"package m // {content}\n"})
        folder = root / module.escape_path(mv.path) / "@v"
        folder.mkdir(parents=True, exist_ok=True)
        for suffix, data in zip((".info", ".mod", ".zip"), made[mv], strict=True):
            (folder / f"{mv.version}{suffix}").write_bytes(data)
    return made


class Case:
    """A proxy, its database, and what is done to them."""

    def __init__(self, url: str) -> None:
        self.url = url
        """The GOPROXY."""
        self.database = f"{url}/sumdb/{NAME}"
        """The database, to be asked without a proxy."""

    def do(self, what: str, n: int = 0) -> int:
        """Change what happens from now on; return how many records the log has."""
        with urllib.request.urlopen(f"{self.url}?do={what}&n={n}", data=b"", timeout=30) as reply:
            return int(reply.read())


class GoSumDB:
    """The process. It ends by `kill`, or when its parent does."""

    def __init__(self, binary: Path, root: Path, forged: Path) -> None:
        flags = {"root": root, "forged": forged, "name": NAME, "skey": SECRET, "other": OTHER_SECRET}
        command = [str(binary), *(f"-{name}={value}" for name, value in flags.items())]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        self._numbers = itertools.count()

    def case(self) -> Case:
        """Return a fresh proxy with an empty log."""
        return Case(f"{self.url}/{next(self._numbers)}")

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()
