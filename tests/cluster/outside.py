"""What pods find outside of their cluster: a PostgreSQL, a bucket, an upstream with its checksum database, an index.

Real servers on loopback of this machine, made reachable for pods by the cluster's recipe under another name.
"""

import re
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from cluster.kube import RECIPE
from fakes import s3, sumdb
from fakes.goproxy import GoProxy
from fakes.index import Index
from fakes.loopback import Answer, Handler
from fakes.postgres import Server
from gopherwood.module import ModuleVersion

NAME = "host.kp.local"
"""This machine, as pods know it."""


def expose(*ports: int) -> None:
    """Let pods reach ports of this machine's loopback."""
    subprocess.run([RECIPE / "expose", *map(str, ports)], check=True)


@dataclass
class Gate:
    """Holds back one answer of the upstream, so that something can be done while it is waited for."""

    arrived: threading.Event = field(default_factory=threading.Event)
    open: threading.Event = field(default_factory=threading.Event)

    def __call__(self, handler: Handler, answer: Answer) -> None:
        """Answer when the gate is opened."""
        self.arrived.set()
        while not (self.open.wait(0.1) or handler.owner.stopping.is_set()):
            pass
        handler.send(answer)


class Outside:
    """All of it; one for a session."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.database = Server(port)
        self.objects = s3.Server()
        self.upstream, self.index = GoProxy(), Index()
        self.upstream.__enter__()
        self.index.__enter__()
        self.sums: dict[ModuleVersion, sumdb.Sums] = {}
        self.log = sumdb.SumDBLog(self.sums)
        self.log.grow(300)
        self.upstream.mount(f"sumdb/{self.log.name}", self.log.answer)
        ports = [port, int(self.objects.endpoint.rpartition(":")[2]), self.upstream.port, self.index.port]
        expose(*ports)

    def stop(self) -> None:
        """Stop the servers."""
        self.upstream.__exit__(None, None, None)
        self.index.__exit__(None, None, None)
        self.database.stop()

    def inside(self, url: str) -> str:
        """Return the URL by which a pod reaches what we reach by this one."""
        if url.startswith("postgresql"):
            return re.sub(r"@/(\w+)\?.*", rf"@{NAME}:{self.database.port}/\1", url)
        return url.replace("127.0.0.1", NAME)

    def add(self, path: str, version: str, files: Mapping[str, str] | None = None) -> ModuleVersion:
        """Let the upstream have a module version, and the checksum database know it."""
        mv, made = ModuleVersion(path, version), self.upstream.add(path, version, files)
        with tempfile.NamedTemporaryFile(suffix=".zip") as scratch:
            Path(scratch.name).write_bytes(made.zip)
            self.sums[mv] = sumdb.sums(scratch.name, made.mod)
        return mv

    @contextmanager
    def held(self, path: str) -> Iterator[Gate]:
        """Hold back the upstream's next answer at a path."""
        gate = Gate()
        self.upstream.fail(path, gate, times=1)
        try:
            yield gate
        finally:
            gate.open.set()
            self.upstream.faults.pop(path, None)

    @contextmanager
    def table_held(self, url: str, table: str) -> Iterator["psycopg.Connection[tuple[object, ...]]"]:
        """Let nobody write to a table; `waiting` says how many try."""
        with psycopg.connect(url.replace("postgresql+psycopg", "postgresql")) as connection:
            connection.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE")
            yield connection
            connection.rollback()


def waiting(connection: "psycopg.Connection[tuple[object, ...]]", table: str) -> int:
    """Return how many sessions wait for a lock of a table."""
    query = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = %s::regclass"
    row = connection.execute(query, [table]).fetchone()
    assert row is not None
    return int(str(row[0]))
