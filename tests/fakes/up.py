"""`gopherwood up` as a user has it: a process with a home, ports and surroundings of its own, to be shared by tests."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from fakes.goproxy import GoProxy
from fakes.index import Index
from gopherwood.catalog import Catalog
from gopherwood.config import Settings
from gopherwood.module import ModuleVersion
from gopherwood.up import airflow, children

GOPHERWOOD = Path(sys.executable).with_name("gopherwood")


def free_port() -> int:
    """Return a port that was free a moment ago, below those that systems give to clients: it will be used again."""
    while True:
        port = random.randrange(20_000, 30_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def wait_for(condition: Callable[[], Any], seconds: float = 180) -> Any:
    """Wait till something holds, and return it."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.2)
    return found


@dataclass
class Up:
    """A `gopherwood up`, its surroundings, and what it has said."""

    home: Path
    upstream: GoProxy
    index: Index
    serving_port: int = field(default_factory=free_port)
    airflow_port: int = field(default_factory=free_port)
    said: list[str] = field(default_factory=list)

    @property
    def env(self) -> dict[str, str]:
        """The settings, as a user exports them."""
        return os.environ | {
            "GOPHERWOOD_HOME": str(self.home),
            "GOPHERWOOD_UPSTREAM": self.upstream.url,
            "GOPHERWOOD_INDEX": self.index.url,
            "GOPHERWOOD_SUMDB": "off",
            "GOPHERWOOD_SERVING_PORT": str(self.serving_port),
            "GOPHERWOOD_AIRFLOW_PORT": str(self.airflow_port),
        }

    @property
    def settings(self) -> Settings:
        """The same settings, for looking at what has happened."""
        return Settings.from_env(self.env)

    @property
    def api(self) -> airflow.Api:
        """Airflow's REST API, logged in."""
        return airflow.Api(self.settings)

    def start(self, patience: float = 180) -> None:
        """Start it, and wait (seconds) till it says how to use it."""
        self.said.clear()
        command = [GOPHERWOOD, "up", "--seed", str(self.home.parent / "seed.txt")]
        self.process = subprocess.Popen(
            command, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        threading.Thread(target=self._read, daemon=True).start()
        try:
            wait_for(lambda: self.says("Ctrl-C stops everything") or self.process.poll() is not None, patience)
        except AssertionError:
            self.stop()  # or it would be left running
            raise
        assert self.process.poll() is None, "".join(self.said)
        self.sessions = sessions_below(self.process.pid)

    def stop(self) -> None:
        """End it as a person does, unless it has ended."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(60)

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.said.extend(self.process.stdout)

    def says(self, text: str) -> bool:
        """Say whether a text was printed by now."""
        return text in "".join(self.said)

    def get(self, path: str) -> str:
        """Return what serving answers."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.serving_port}/{path}") as response:
            return str(response.read().decode())

    def page(self, path: str, *, login: bool = True) -> tuple[int, str, str]:
        """Return status, text and policy of a page of ours in Airflow."""
        request = urllib.request.Request(f"{airflow.url(self.settings)}/gopherwood/{path}")
        if login:
            who = {"username": airflow.USER, "password": airflow.password(self.settings)}
            request.add_header("Authorization", f"Bearer {self.api.post('/auth/token', who)['access_token']}")
        try:
            reply: Any = urllib.request.urlopen(request, timeout=60)
        except urllib.error.HTTPError as error:
            reply = error
        with reply:
            return reply.status, reply.read().decode(), reply.headers["content-security-policy"] or ""

    def state(self, path: str, version: str) -> str | None:
        """Return the state of a version in the catalog."""
        with Catalog.open(self.settings) as catalog:
            row = catalog.state_of(ModuleVersion(path, version))
            return str(row.state) if row else None

    def leftovers(self) -> list[int]:
        """List the processes of all its sessions, and its ports that are taken."""
        alive = [pid for session in self.sessions for pid in children.members(session)]
        return alive + [port for port in (self.serving_port, self.airflow_port) if is_listening(port)]


def sessions_below(pid: int) -> set[int]:
    """Return the sessions of a process and of those it has started."""
    return {pid} | {os.getsid(child.pid) for child in psutil.Process(pid).children()}


def is_listening(port: int) -> bool:
    """Say whether somebody answers on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
