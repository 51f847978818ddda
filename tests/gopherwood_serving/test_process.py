"""The process: flags, a taken port, several workers, and an end that loses no request."""

import contextlib
import os
import random
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fakes.goproxy import make_module
from fakes.site import Site
from gopherwood import __version__
from gopherwood.errors import ConfigError
from gopherwood_serving import cli, fastlane

PROGRAM = Path(sys.executable).with_name("gopherwood-serving")


def run(*arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    """Run the command to its end."""
    return subprocess.run(
        [PROGRAM, *arguments], capture_output=True, text=True, env={**os.environ, **environ}, timeout=30
    )


def test_help_and_version() -> None:
    """--help names the settings behind the flags; --version is the package's."""
    assert "GOPHERWOOD_SERVING_PORT" in run("--help").stdout
    assert __version__ in run("--version").stdout


def test_a_taken_port_names_the_setting(tmp_path: Path, site: Site) -> None:
    """Exit 2 and the setting to change, even though another server of ours would share its port."""
    done = run("--port", str(site.port), GOPHERWOOD_HOME=str(tmp_path))
    assert done.returncode == 2
    assert "GOPHERWOOD_SERVING_PORT" in done.stderr
    assert f"port {site.port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_free_port_is_nobody_elses_before_the_server_listens() -> None:
    """Two servers that asked for a free port at once were once given the same one, and shared its requests."""
    with cli.take_port("127.0.0.1", 0) as taken:
        host, port = taken.getsockname()
        with pytest.raises(ConfigError, match=f"port {port}"):
            cli.take_port(host, port)
        with socket.socket() as worker:
            worker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            worker.bind((host, port))


@pytest.mark.parametrize(
    ("arguments", "environ", "says"),
    [
        (["--workers", "0"], {}, "--workers"),
        (["--port", "70000"], {}, "GOPHERWOOD_SERVING_PORT"),
        ([], {"GOPHERWOOD_SERVING_PORT": "http"}, "GOPHERWOOD_SERVING_PORT"),
        (["--port", "0"], {"GOPHERWOOD_STORE": "ftp://x/y"}, "store"),
        (["--port", "0"], {"GOPHERWOOD_CATALOG": "mysql://x/y"}, "catalog"),
    ],
    ids=["workers", "port", "not-a-number", "store", "catalog"],
)
def test_a_wrong_setting_is_exit_2(tmp_path: Path, arguments: list[str], environ: dict[str, str], says: str) -> None:
    """A setting that cannot be is named before anything starts."""
    done = run(*arguments, **{"GOPHERWOOD_HOME": str(tmp_path), **environ})
    assert (done.returncode, says in done.stderr) == (2, True)
    assert "Traceback" not in done.stderr


def test_workers_share_one_port(make_site: Callable[..., Site]) -> None:
    """Two workers answer on the same port, and each says which it is."""
    pair = make_site("--workers", "2")
    pair.publish("example.com/m", "v1.0.0")
    pair.start()
    seen: set[str] = set()

    def both() -> bool:
        seen.update(
            line.partition('worker="')[2][0] for line in pair.get("/metrics").text.splitlines() if "sequence{" in line
        )
        return seen == {"1", "2"}

    pair.wait(both)
    pair.wait(lambda: {pair.get("/example.com/m/@v/list").text for _ in range(8)} == {"v1.0.0\n"})
    assert pair.stop() == 0


def test_idle_connections_keep_nobody_out(site: Site) -> None:
    """More connections than granian answers at once by default stay open, and the next one is answered."""
    wanted, (soft, hard) = 1200, resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, wanted + 500)), hard))
    with contextlib.ExitStack() as stack:
        for _ in range(wanted):
            idle = stack.enter_context(socket.create_connection(("127.0.0.1", site.port), timeout=10))
        idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle.recv(100).startswith(b"HTTP/1.1 200 OK")


def test_hot_answers_take_the_fast_lane(site: Site) -> None:
    """With the granian of the lock no answer from memory takes a turn of the event loop."""
    site.publish("example.com/lane", "v1.0.0")
    assert {site.get("/example.com/lane/@v/v1.0.0.info").status for _ in range(5)} == {200}
    assert re.search(r'route="info",outcome="hit",worker="1"} [1-9]', site.get("/metrics").text)
    assert site.metric("late_hits_total") == 0


def test_without_the_fast_lane_everything_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A granian that is built in another way loses speed and nothing else: then nothing is wrapped."""
    monkeypatch.setattr(fastlane, "MAKE", "not there any more")
    assert not fastlane.install(lambda scope, protocol: True)


def test_sigterm_turns_readiness_off_first(make_site: Callable[..., Site]) -> None:
    """During the grace new requests are answered, and /readyz tells the load balancer to send no more."""
    site = make_site(GOPHERWOOD_SERVING_GRACE="5")
    site.start()
    assert site.process is not None
    site.process.send_signal(signal.SIGTERM)
    site.wait(lambda: site.get("/readyz").status == 503)
    assert "draining" in site.get("/readyz").text
    assert site.get("/healthz").status == 200
    site.process.send_signal(signal.SIGTERM)  # once more: no grace
    assert site.process.wait(4) == 0


def test_a_download_under_way_is_finished(make_site: Callable[..., Site]) -> None:
    """SIGTERM in the middle of a large zip: the client gets every byte, then the server ends."""
    site = make_site()
    path = "example.com/large"
    made = site.publish(path, "v1.0.0", make_module(path, "v1.0.0", {"data.bin": random.Random(3).randbytes(24 << 20)}))
    site.start()
    got = bytearray()
    with socket.create_connection(("127.0.0.1", site.port), timeout=20) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        slow.sendall(f"GET /{path}/@v/v1.0.0.zip HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        got += slow.recv(1 << 16)
        ended = threading.Thread(target=site.stop)
        ended.start()
        site.wait(lambda: refused(site.port))
        while piece := slow.recv(1 << 16):
            got += piece
    ended.join()
    assert got.partition(b"\r\n\r\n")[2] == made.zip


def refused(port: int) -> bool:
    """Tell whether nobody takes connections on a port any more."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_ctrl_c_ends_it_quietly(make_site: Callable[..., Site]) -> None:
    """SIGINT to the whole group, as a terminal sends it, ends with 0."""
    site = make_site()
    site.start()
    assert site.process is not None
    os.killpg(site.process.pid, signal.SIGINT)
    assert site.process.wait(20) == 0


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="asks Linux how much is in a socket's buffer")
def test_a_client_that_does_not_read_ties_up_little(make_site: Callable[..., Site]) -> None:
    """Of a large zip that nobody takes the kernel holds at most 256 KiB a connection, not megabytes."""
    site = make_site("--workers", "2")
    path = "example.com/unread"
    site.publish(path, "v1.0.0", make_module(path, "v1.0.0", {"data.bin": random.Random(4).randbytes(12 << 20)}))
    site.start()
    request = f"GET /{path}/@v/v1.0.0.zip HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(("127.0.0.1", site.port), 20)) for _ in range(8)]
        for client in clients:
            client.sendall(request)
        ports = {client.getsockname()[1] for client in clients}
        site.wait(lambda: len(unsent(site.port, ports)) == len(ports) and settled(lambda: unsent(site.port, ports)))
        assert 0 < max(unsent(site.port, ports).values()) <= 256 << 10


def unsent(port: int, clients: set[int]) -> dict[int, int]:
    """Return the bytes in the server's buffers for each client's port, where there are any."""
    found = {}
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, _, queues, *_ = line.split()
        client, waiting = int(remote.partition(":")[2], 16), int(queues.partition(":")[0], 16)
        if int(local.partition(":")[2], 16) == port and client in clients and waiting:
            found[client] = waiting
    return found


def settled(look: Callable[[], object]) -> bool:
    """Tell whether something has been the same for a while."""
    before = look()
    time.sleep(0.3)
    return before == look()
