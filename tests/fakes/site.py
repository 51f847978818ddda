"""A site: a real server process over a real store and catalog, filled the way the pipeline fills them."""

import hashlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from fakes import catalogs
from fakes.goproxy import Module, make_module
from gopherwood.catalog import Catalog, Kind, Outcome
from gopherwood.config import Settings
from gopherwood.module import ModuleVersion
from gopherwood.objects import Objects
from gopherwood.states import State
from gopherwood.store import key, open_store


@dataclass
class Reply:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass
class Site:
    """A store, its catalog, and a server on them."""

    settings: Settings
    objects: Objects
    catalog: Catalog
    options: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    process: "subprocess.Popen[str] | None" = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @classmethod
    def new(cls, home: Path, *options: str, **environ: str) -> "Site":
        """Make an empty store and catalog below `home`; `options` and `environ` are the server's."""
        settings = Settings.from_env({"GOPHERWOOD_HOME": str(home), **environ})
        catalogs.make(settings.catalog_url)
        catalog = Catalog.open(settings)
        return cls(settings, open_store(settings), catalog, options, environ)

    def start(self, until: str = "/readyz") -> None:
        """Start the server, and wait till it is ready, or answers another path with 200."""
        program = Path(sys.executable).with_name("gopherwood-serving")
        environ = {**os.environ, "GOPHERWOOD_HOME": str(self.settings.home), "GOPHERWOOD_SERVING_GRACE": "0.01"}
        self.process = subprocess.Popen(
            [program, "--port", "0", *self.options],
            env={**environ, **self.environ},
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline().rpartition(":")[2])
        self.wait(lambda: self.get(until).status == 200)

    def stop(self) -> int:
        """End the server as an operator does; return its exit code, 0 if it never ran."""
        self.catalog.close()
        if self.process is None or self.process.stdout is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        self.process.stdout.close()
        return code

    def get(self, path: str, headers: Mapping[str, str] | None = None, method: str = "GET") -> Reply:
        """Send one request with this path, as it is."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.putrequest(method, path, skip_host="Host" in (headers or {}))
            for name, value in (headers or {}).items():
                connection.putheader(name, value)
            connection.endheaders()
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read())
        finally:
            connection.close()

    def raw(self, request: bytes) -> bytes:
        """Send bytes, and return all that comes back until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(request)
            return b"".join(iter(lambda: connection.recv(1 << 16), b""))

    def metric(self, name: str) -> float:
        """Return the value of a gauge or counter of the first worker."""
        wanted = f'gopherwood_serving_{name}{{worker="1"}} '
        (line,) = [line for line in self.get("/metrics").text.splitlines() if line.startswith(wanted)]
        return float(line.removeprefix(wanted))

    def wait(self, done: Callable[[], bool], seconds: float = 30) -> None:
        """Wait till something holds."""
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            try:
                if done():
                    return
            except OSError:
                pass
            time.sleep(0.02)
        raise AssertionError(f"not within {seconds} s")

    def publish(self, path: str, version: str, made: Module | None = None) -> Module:
        """Publish a version, unless it is: through every state of the catalog, its mark last."""
        mv = ModuleVersion(path, version)
        made = made or make_module(path, version)
        if self.objects.size(key(mv, ".info")) is not None:
            return made
        self.catalog.enqueue([mv], source="test")
        self._move("fetch", mv, State.STAGED)
        digest = hashlib.sha256(made.zip).hexdigest()
        self._move("validate", mv, State.VALID, time=datetime(2020, 1, 2, tzinfo=UTC), zip_sha256=digest)
        for suffix, data in ((".zip", made.zip), (".mod", made.mod), (".info", made.info)):
            self.objects.create(key(mv, suffix), data)
        self._move("publish", mv, State.PUBLISHED)
        return made

    def reject(self, path: str, version: str, reason: str, detail: str) -> None:
        """Let a version end as rejected."""
        mv = ModuleVersion(path, version)
        self.catalog.enqueue([mv], source="test")
        (job,) = self.catalog.lease("fetch", owner="test", limit=1, seconds=60)
        self.catalog.finish([Outcome(job=job, state=State.REJECTED, reason=reason, detail=detail)])

    def _move(self, kind: Kind, mv: ModuleVersion, state: State, **facts: object) -> None:
        (job,) = self.catalog.lease(kind, owner="test", limit=1, seconds=60)
        assert mv == job.mv
        self.catalog.finish([Outcome(job=job, state=state, facts=facts)])
