"""A synthetic upstream: the corpus as a GOPROXY, with index and checksum database, fast enough never to be the limit.

    python -m gopherwood.loadtest.synthetic.upstream --modules 10000 --seed 1 --port 0      # prints its URL

It runs in a process of its own, on granian, from memory and one mapped file: a test then measures the platform and
not its upstream. `--hostile` serves other bytes for one version in a hundred: what a second pass must not take over.
`/-/stats` tells the requests and bytes served so far, and the processor time.
"""

import argparse
import asyncio
import contextlib
import json
import mmap
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gopherwood import module
from gopherwood.loadtest.synthetic.corpus import Corpus, Version, escaped_key
from gopherwood.loadtest.synthetic.log import Log

PROGRAM = "gopherwood.loadtest.synthetic.upstream"
HOSTILE_EVERY = 100
"""Of so many versions a hostile upstream has one with other bytes."""
SUMDB = "sum.synthetic.test"
_TEXT = [("content-type", "text/plain; charset=utf-8")]
_BYTES = [("content-type", "application/octet-stream")]


class App:
    """The RSGI application: a dictionary of small files, and places in the pack."""

    def __init__(self, corpus: Corpus, *, hostile: bool = False) -> None:
        self.small: dict[str, bytes] = {}
        self.zips: dict[str, tuple[int, int]] = {}
        self.served: Counter[str] = Counter()
        with corpus.pack.open("rb") as file:
            self.pack = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        lists: dict[str, list[str]] = {}
        for number, version in enumerate(corpus.versions):
            self.small["/" + escaped_key(version.mv, ".info")] = version.info
            self.small["/" + escaped_key(version.mv, ".mod")] = version.mod
            zip_key = "/" + escaped_key(version.mv, ".zip")
            if hostile and number % HOSTILE_EVERY == 0:
                self.small[zip_key] = corpus.tampered(version)
            else:
                self.zips[zip_key] = (version.start, version.size)
            lists.setdefault(f"/{module.escape_path(version.mv.path)}/@v/list", []).append(version.mv.version)
        self.small |= {key: "".join(f"{v}\n" for v in versions).encode() for key, versions in lists.items()}
        self.feed = [(version.timestamp.strftime("%Y-%m-%dT%H:%M:%SZ"), version) for version in corpus.versions]
        self.log = _sumdb(corpus)

    async def __call__(self, scope: Any, protocol: Any) -> None:
        """Answer one request."""
        path = scope.path
        body = self.small.get(path)
        if body is None and (place := self.zips.get(path)):
            body = self.pack[place[0] : place[0] + place[1]]
        if body is None:
            body = self._other(path, scope.query_string)
        if body is None:
            self.served["missing"] += 1
            protocol.response_bytes(404, _TEXT, b"not found\n")
            return
        if not path.startswith("/-/"):
            self.served["requests"] += 1
            self.served["bytes"] += len(body)
        protocol.response_bytes(200, _BYTES, body)

    def _other(self, path: str, query: str) -> bytes | None:
        if path.startswith(f"/sumdb/{SUMDB}/"):
            return self.log.answer(path.removeprefix(f"/sumdb/{SUMDB}/"))
        if path == "/index":
            return self._page(dict(part.split("=", 1) for part in query.split("&") if "=" in part))
        if path != "/-/stats":
            return None
        return json.dumps({**self.served, "cpu_seconds": time.process_time()}).encode()

    def _page(self, query: dict[str, str]) -> bytes:
        since = query.get("since", "").replace("%3A", ":").partition(".")[0].rstrip("Z")
        found = [line for line in self.feed if line[0].rstrip("Z") >= since][: int(query.get("limit", "2000"))]
        lines = ({"Path": v.mv.path, "Version": v.mv.version, "Timestamp": at} for at, v in found)
        return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines).encode()


def _sumdb(corpus: Corpus) -> Log:
    """Return the log of all versions: complete, so that its head does not change while it is asked."""
    log = Log({version.mv: (version.h1, version.go_mod_h1) for version in corpus.versions}, SUMDB)
    for version in corpus.versions:
        log.add(version.mv)
    return log


@dataclass(frozen=True, slots=True)
class Synthetic:
    """A running synthetic upstream, and the corpus it serves."""

    url: str
    vkey: str
    """The verifier key of its checksum database."""
    corpus: Corpus

    @property
    def versions(self) -> list[Version]:
        """What it serves."""
        return list(self.corpus.versions)

    def stats(self) -> dict[str, float]:
        """Return `requests`, `bytes` and `missing` so far, where there were any, and `cpu_seconds`."""
        with urllib.request.urlopen(f"{self.url}/-/stats") as reply:  # noqa: S310
            found: dict[str, float] = json.load(reply)
            return found


@contextlib.contextmanager
def running(
    modules: int = 10_000, seed: int = 1, *, hostile: bool = False, folder: Path | None = None
) -> Iterator[Synthetic]:
    """Run a synthetic upstream in a process of its own while the block lasts."""
    corpus = Corpus.open(modules, seed, folder)
    command = [sys.executable, "-m", PROGRAM, "--modules", str(modules), "--seed", str(seed)]
    command += ["--hostile"] * hostile + (["--folder", str(folder)] if folder else [])
    roots = f"{Path(__file__).parents[3]}{os.pathsep}{os.environ.get('PYTHONPATH', '')}".rstrip(os.pathsep)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": roots})
    try:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        yield Synthetic(said["url"], said["vkey"], corpus)
    finally:
        process.terminate()
        process.wait(10)


async def _serve(app: App, port: int) -> None:
    from granian.constants import Interfaces
    from granian.server.embed import Server

    port = port or _free_port()
    server = Server(app, port=port, interface=Interfaces.RSGI, log_enabled=False, websockets=False, backlog=1024)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
    serving = asyncio.create_task(server.serve())
    while not serving.done() and not await loop.run_in_executor(None, _answers, port):
        await asyncio.sleep(0.02)
    print(json.dumps({"url": f"http://127.0.0.1:{port}", "vkey": app.log.vkey}), flush=True)  # noqa: T201
    await serving


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--modules", type=int, default=10_000, help="how many module versions")
    parser.add_argument("--seed", type=int, default=1, help="of the generator: same seed, same bytes")
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--folder", type=Path, help="where the corpus is kept")
    parser.add_argument("--hostile", action="store_true", help="serve other bytes for one version in a hundred")
    args = parser.parse_args()
    app = App(Corpus.open(args.modules, args.seed, args.folder), hostile=args.hostile)
    asyncio.run(_serve(app, args.port))


if __name__ == "__main__":
    main()
