"""Serving beside its peers over the same store: nginx (static files), goproxy/goproxy, Athens; one worker each.

`make bench-serving` (or `make bench-serving ARGS=--quick`). wrk asks each server in turn for the same file, keep-alive,
in interleaved rounds; a run during which others used much of the machine is repeated; ratios are taken within a round,
and the median of the rounds is printed. The peers are built from their Go modules, at exactly these versions, into
.cache/bench.
"""

import argparse
import contextlib
import hashlib
import json
import os
import random
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from fakes.goproxy import make_module  # noqa: E402
from fakes.site import Site  # noqa: E402
from gopherwood import toolchain  # noqa: E402
from gopherwood.store import list_key  # noqa: E402

CACHE = ROOT / ".cache" / "bench"
PEERS = {
    "goproxy": ("github.com/goproxy/goproxy", "v0.26.1", "github.com/goproxy/goproxy/cmd/goproxy"),
    "athens": ("github.com/gomods/athens", "v0.18.0", "github.com/gomods/athens/cmd/proxy"),
}
MODULE = "example.com/bench"
BASE = f"/{MODULE}/@v"
CASES = {
    "list (40 versions)": f"{BASE}/list",
    ".info": f"{BASE}/v1.0.0.info",
    ".mod": f"{BASE}/v1.0.0.mod",
    "zip, 60 KB": f"{BASE}/v1.0.0.zip",
    "zip, 9 MB": f"{BASE}/v1.1.0.zip",
}
AIMS = {"list (40 versions)": 1.4, ".info": 1.6, ".mod": 1.4, "zip, 60 KB": 1.2, "zip, 9 MB": 1.0}
"""What is to be reached against goproxy."""
DISTURBED = 0.1
"""Share of the machine that others may use during a run."""
UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


@dataclass(frozen=True)
class Server:
    """A running server and the ids of its processes."""

    name: str
    port: int
    pid: int


@dataclass(frozen=True)
class Run:
    """What wrk saw in one run, and the CPU time that the server took for it."""

    rate: float
    p50: float
    p99: float
    per_cpu_second: float
    others: float
    """Share of the machine that neither the server nor wrk used, but somebody did."""


def main() -> int:
    """Build what is missing, start everything, measure, print a table."""
    flags = parse_flags()
    for program, package in (("wrk", "wrk"), ("nginx", "nginx-light")):
        if find(program) is None:
            print(f"{program} is missing: on Debian, apt-get install {package}", file=sys.stderr)
            return 2
    seconds, rounds = (1, 2) if flags.quick else (flags.seconds, flags.rounds)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gopherwood-bench-")))
        site = make_store(folder / "home")
        store = Path(str(site.objects.local_path("x"))).parent
        servers = [stack.enter_context(start(name, folder, store, site, flags)) for name in flags.servers.split(",")]
        for server in servers:
            check(server, store)
        for connections in map(int, flags.connections.split(",")):
            found = {
                name: measure(path, servers, connections, seconds, rounds, flags.patience)
                for name, path in CASES.items()
            }
            print(table(found, connections, seconds, rounds, flags.go_procs), flush=True)
    return 0


def parse_flags() -> argparse.Namespace:
    """Return the flags."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="2 rounds of 1 s: does it work?")
    parser.add_argument("--seconds", type=int, default=4, help="of each run (default 4)")
    parser.add_argument("--rounds", type=int, default=3, help="default 3")
    parser.add_argument("--connections", default="64", help="kept alive by wrk; several as 16,64 (default 64)")
    parser.add_argument("--patience", type=int, default=3, help="times that a disturbed run is made (default 3)")
    parser.add_argument("--servers", default="nginx,goproxy,athens,ours", help="in this order (default: all)")
    parser.add_argument("--go-procs", type=int, default=1, help="GOMAXPROCS of the peers in Go (default 1: one worker)")
    return parser.parse_args()


def find(program: str) -> str | None:
    """Return where a program is; Debian keeps servers in /usr/sbin, which is not on everybody's PATH."""
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


# --- the store, and the servers on it ------------------------------------------------------------------------------


def make_store(home: Path) -> Site:
    """Publish 40 versions of one module: one with a zip of 60 KB, one of 9 MB, the others small."""
    site, chance = Site.new(home), random.Random(1)
    requires = "".join(f"\texample.com/dependency{i} v1.{i}.0\n" for i in range(20))
    go_mod = f"module {MODULE}\n\ngo 1.22\n\nrequire (\n{requires})\n"
    origin = {"VCS": "git", "URL": f"https://{MODULE}", "Hash": "ab" * 20, "Ref": "refs/tags/v1.0.0"}
    versions = [f"v1.{minor}.0" for minor in range(40)]
    for version, size in zip(versions, [60_000, 9_000_000, *[100] * 38], strict=True):
        files = {"go.mod": go_mod, "data.bin": chance.randbytes(size)}
        site.publish(MODULE, version, make_module(MODULE, version, files, origin=origin))
    site.objects.replace(list_key(MODULE), "".join(f"{version}\n" for version in versions).encode())
    return site


@contextlib.contextmanager
def start(name: str, folder: Path, store: Path, site: Site, flags: argparse.Namespace) -> Iterator[Server]:
    """Start one server over the store, on a free port; end it at the end."""
    if name == "ours":
        site.start()
        try:
            assert site.process is not None
            yield Server(name, site.port, site.process.pid)
        finally:
            site.stop()
        return
    port = free_port()
    command, environ = {"nginx": nginx, "goproxy": goproxy, "athens": athens}[name](folder, store, port)
    go = {
        "GOPROXY": "off",
        "GOMAXPROCS": str(flags.go_procs),
        "PATH": f"{toolchain.find_go().parent}:{os.environ['PATH']}",
    }
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, env={**os.environ, **go, **environ}, stdout=log, stderr=log)
    try:
        yield Server(name, port, process.pid)
    finally:
        process.terminate()
        process.wait(20)


def nginx(folder: Path, store: Path, port: int) -> tuple[list[str], dict[str, str]]:
    """Return how to start nginx on the tree: one worker, sendfile, no log, as fast as it gets without a cache."""
    config = folder / "nginx.conf"
    config.write_text(
        f"worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log /dev/null;\n"
        "events { worker_connections 1024; }\n"
        "http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;\n"
        f"server {{ listen 127.0.0.1:{port}; root {store}; }} }}\n"
    )
    if os.geteuid() == 0:
        config.write_text("user root;\n" + config.read_text())
    return [str(find("nginx")), "-e", "/dev/null", "-c", str(config)], {}


def goproxy(folder: Path, store: Path, port: int) -> tuple[list[str], dict[str, str]]:
    """Return how to start goproxy/goproxy with a copy of the tree as its cache and no upstream."""
    shutil.copytree(store, folder / "goproxy")
    flags = ["server", "--address", f"127.0.0.1:{port}", "--cacher-dir", str(folder / "goproxy")]
    return [str(build("goproxy")), *flags], {}


def athens(folder: Path, store: Path, port: int) -> tuple[list[str], dict[str, str]]:
    """Return how to start Athens offline on a copy of the store in its own layout."""
    for info in (store / MODULE / "@v").glob("*.info"):
        target = folder / "athens" / MODULE / info.stem
        target.mkdir(parents=True)
        # with_suffix would cut the last number of a version off: the stem of an .info is whole.
        shutil.copy(info, target / info.name)
        shutil.copy(info.parent / f"{info.stem}.mod", target / "go.mod")
        shutil.copy(info.parent / f"{info.stem}.zip", target / "source.zip")
    return [str(build("athens"))], {
        "ATHENS_STORAGE_TYPE": "disk",
        "ATHENS_DISK_STORAGE_ROOT": str(folder / "athens"),
        "ATHENS_NETWORK_MODE": "offline",
        "ATHENS_PORT": f"127.0.0.1:{port}",
        "ATHENS_LOG_LEVEL": "error",
        "ATHENS_GO_BINARY_PATH": str(toolchain.find_go()),
    }


def build(peer: str) -> Path:
    """Build a peer from its module at its exact version, once; a go.mod thrown away afterwards requires it."""
    module, version, package = PEERS[peer]
    program = CACHE / f"{peer}-{version}"
    if not program.exists():
        print(f"building {module}@{version} (once; minutes)", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "go.mod").write_text(f"module throwaway\n\ngo 1.24\n\nrequire {module} {version}\n")
            command = [toolchain.find_go(), "build", "-mod=mod", "-trimpath", "-o", program, package]
            subprocess.run(command, cwd=folder, check=True, env={**os.environ, "GOFLAGS": ""})
    return program


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def check(server: Server, store: Path) -> None:
    """See that a server answers every case with the right bytes; Athens writes .info and lists in its own way."""
    for name, path in CASES.items():
        body = get(server, path)
        wanted = (store / path[1:]).read_bytes()
        if name == ".info":
            same = json.loads(body)["Version"] == json.loads(wanted)["Version"]
        elif "list" in name:
            same = sorted(body.split()) == sorted(wanted.split())
        else:
            same = hashlib.sha256(body).digest() == hashlib.sha256(wanted).digest()
        assert same, f"{server.name} answers {path} with other bytes"


def get(server: Server, path: str) -> bytes:
    """Ask a server for a path, waiting for it to start."""
    for _ in range(200):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}") as response:
                return bytes(response.read())
        except ConnectionError:
            time.sleep(0.1)
        except urllib.error.URLError as error:
            if not isinstance(error.reason, ConnectionError):
                raise
            time.sleep(0.1)
    raise AssertionError(f"{server.name} did not start")


# --- measuring ------------------------------------------------------------------------------


def measure(
    path: str, servers: list[Server], connections: int, seconds: int, rounds: int, patience: int
) -> dict[str, list[Run]]:
    """Return the runs of each server, one a round; each round begins with another server."""
    runs: dict[str, list[Run]] = {server.name: [] for server in servers}
    for number in range(rounds):
        turn = number % len(servers)
        for server in servers[turn:] + servers[:turn]:
            runs[server.name].append(calm_run(server, path, connections, seconds, patience))
    return runs


def calm_run(server: Server, path: str, connections: int, seconds: int, patience: int) -> Run:
    """Run wrk until others leave the machine alone, at most `patience` times; return the calmest run."""
    runs: list[Run] = []
    while len(runs) < patience and not (runs and runs[-1].others < DISTURBED):
        runs.append(wrk(server, path, connections, seconds))
    return min(runs, key=lambda run: run.others)


def wrk(server: Server, path: str, connections: int, seconds: int) -> Run:
    """Run wrk once."""
    command = [
        find("wrk"),
        "-t1",
        f"-c{connections}",
        f"-d{seconds}s",
        "--latency",
        f"http://127.0.0.1:{server.port}{path}",
    ]
    before, busy, own = cpu_seconds(server.pid), busy_seconds(), resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    out = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True).stdout
    spent, lasted, end = (
        cpu_seconds(server.pid) - before,
        time.monotonic() - began,
        resource.getrusage(resource.RUSAGE_CHILDREN),
    )
    wrk_spent = end.ru_utime + end.ru_stime - own.ru_utime - own.ru_stime
    others = (busy_seconds() - busy - spent - wrk_spent) / lasted / (os.cpu_count() or 1)
    assert "Non-2xx" not in out, f"{server.name}: {out}"
    requests = int(re.search(r"(\d+) requests in", out)[1])  # type: ignore[index]
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1])  # type: ignore[index]
    percentiles = {
        percent: float(n) * UNITS[unit] for percent, n, unit in re.findall(r"(\d+)%\s+([\d.]+)(us|ms|s|m)", out)
    }
    return Run(rate, percentiles["50"], percentiles["99"], requests / max(spent, 0.01), max(others, 0.0))


def busy_seconds() -> float:
    """Return the CPU time that the whole machine has used (Linux); what a hypervisor stole counts as used."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process and its children have used (Linux)."""
    total = 0.0
    for each in (pid, *children(pid)):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def children(pid: int) -> list[int]:
    """Return the ids of the processes that this one started."""
    lists = [(task / "children").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    return [int(child) for text in lists for child in text.split()]


def table(found: dict[str, dict[str, list[Run]]], connections: int, seconds: int, rounds: int, go_procs: int) -> str:
    """Return the results as a Markdown table."""
    others = statistics.median(run.others for runs in found.values() for each in runs.values() for run in each)
    lines = [
        f"\n{connections} connections, {rounds} rounds of {seconds} s, GOMAXPROCS={go_procs}, {os.cpu_count()} cores, "
        f"{others:.0%} used by others; medians; ratios to goproxy in the same round\n",
        "| | server | req/s | / goproxy | / nginx | p50 ms | p99 ms | req / CPU s |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for case, runs in found.items():
        for name, ours in runs.items():
            cells = [
                f"{median(ours, lambda run: run.rate):,.0f}",
                ratio(ours, runs.get("goproxy")),
                ratio(ours, runs.get("nginx")),
                f"{median(ours, lambda run: run.p50):.2f}",
                f"{median(ours, lambda run: run.p99):.2f}",
                f"{median(ours, lambda run: run.per_cpu_second):,.0f}",
            ]
            aim = f" (to reach: {AIMS[case]})" if name == "ours" else ""
            lines.append(f"| {case}{aim} | {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def median(runs: list[Run], of: Callable[[Run], float]) -> float:
    """Return the median over the rounds."""
    return statistics.median(of(run) for run in runs)


def ratio(ours: list[Run], theirs: list[Run] | None) -> str:
    """Return the median of the ratios within the rounds."""
    if theirs is None:
        return ""
    return f"{statistics.median(one.rate / other.rate for one, other in zip(ours, theirs, strict=True)):.2f}"


if __name__ == "__main__":
    sys.exit(main())
