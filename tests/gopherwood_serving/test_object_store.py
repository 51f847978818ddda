"""Serving from an S3-compatible bucket: the same answers, streamed."""

import contextlib
import random
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fakes import s3
from fakes.goproxy import make_module
from fakes.site import Site

pytestmark = pytest.mark.xdist_group("bucket")
PATH = "example.com/in-a-bucket"


@pytest.fixture(scope="module")
def bucket(make_site: Callable[..., Site]) -> tuple[Site, bytes]:
    """Serve a small and a large zip out of a bucket."""
    server = s3.server()
    site = make_site(GOPHERWOOD_STORE=server.bucket(), GOPHERWOOD_S3_ENDPOINT=server.endpoint)
    site.publish(PATH, "v1.0.0")
    large = site.publish(PATH, "v1.1.0", make_module(PATH, "v1.1.0", {"d": random.Random(4).randbytes(5 << 20)}))
    site.start()
    return site, large.zip


def test_small_files_come_from_memory(bucket: tuple[Site, bytes]) -> None:
    """Everything up to a few megabytes is read once and kept."""
    site, _ = bucket
    first, second = (site.get(f"/{PATH}/@v/v1.0.0.zip") for _ in range(2))
    assert (first.status, first.body) == (200, second.body)
    assert site.get(f"/{PATH}/@v/list").text == "v1.0.0\nv1.1.0\n"


def test_a_large_zip_is_streamed(bucket: tuple[Site, bytes]) -> None:
    """Every byte, with its length and its validator known beforehand."""
    site, data = bucket
    reply = site.get(f"/{PATH}/@v/v1.1.0.zip")
    assert (reply.status, reply.body) == (200, data)
    assert int(reply.headers["Content-Length"]) == len(data)
    assert site.get(f"/{PATH}/@v/v1.1.0.zip", {"If-None-Match": reply.headers["ETag"]}).status == 304


def test_a_range_is_streamed(bucket: tuple[Site, bytes]) -> None:
    """A download that broke off goes on where it was."""
    site, data = bucket
    reply = site.get(f"/{PATH}/@v/v1.1.0.zip", {"Range": "bytes=2000000-"})
    assert (reply.status, reply.body) == (206, data[2_000_000:])


def test_clients_that_read_slowly_do_not_fill_memory(bucket: tuple[Site, bytes]) -> None:
    """Of a large zip that nobody takes the worker holds a piece, not the whole; who goes on reading gets every byte."""
    site, data = bucket
    request = f"GET /{PATH}/@v/v1.1.0.zip HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(("127.0.0.1", site.port), 20)) for _ in range(20)]
        before = rss(site)
        for client in clients:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
            client.sendall(request)
        heads = [client.recv(1 << 10) for client in clients]  # it has begun
        site.wait(lambda: settled(lambda: rss(site)))
        assert all(head.startswith(b"HTTP/1.1 200 ") for head in heads)
        assert rss(site) - before < len(clients) * len(data) / 2
        got = heads[0] + b"".join(iter(lambda: clients[0].recv(1 << 16), b""))
        assert got.partition(b"\r\n\r\n")[2] == data
    site.wait(lambda: site.metric("in_flight") == 1)  # this one: all who went away are forgotten


def rss(site: Site) -> int:
    """Return the bytes of memory that the site's worker holds."""
    assert site.process is not None
    (worker,) = Path(f"/proc/{site.process.pid}/task/{site.process.pid}/children").read_text().split()[-1:]
    (line,) = [each for each in Path(f"/proc/{worker}/status").read_text().splitlines() if each.startswith("RssAnon:")]
    return int(line.split()[1]) << 10


def settled(look: Callable[[], int]) -> bool:
    """Tell whether something has been the same for a while."""
    before = look()
    time.sleep(0.3)
    return abs(look() - before) < 1 << 20


def test_what_is_not_in_the_bucket_is_404(bucket: tuple[Site, bytes]) -> None:
    """Absent is absent, wherever the bytes are."""
    assert bucket[0].get(f"/{PATH}/@v/v1.2.0.info").status == 404


def test_a_download_out_of_a_bucket_is_finished(bucket: tuple[Site, bytes]) -> None:
    """SIGTERM in the middle of a large zip: the client gets every byte, then the server ends; this site's last test."""
    site, data = bucket
    with socket.create_connection(("127.0.0.1", site.port), timeout=20) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        slow.sendall(f"GET /{PATH}/@v/v1.1.0.zip HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        got = bytearray(slow.recv(1 << 12))
        assert site.process is not None
        site.process.send_signal(signal.SIGTERM)
        site.wait(lambda: refused(site.port))
        while piece := slow.recv(1 << 16):
            got += piece
    assert site.process.wait(60) == 0
    assert got.partition(b"\r\n\r\n")[2] == data


def refused(port: int) -> bool:
    """Tell whether nobody takes connections on a port any more."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
