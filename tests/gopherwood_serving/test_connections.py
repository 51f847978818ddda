"""Connections as raw bytes: persistence, pipelining, framing, and an end that loses nothing."""

import os
import random
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from fakes.goproxy import Module, make_module
from fakes.site import Site
from gopherwood_serving.filepart import TURN, FilePart
from gopherwood_serving.request import BadRequestError, parse

PATH = "example.com/wire"
INFO = f"GET /{PATH}/@v/v1.0.0.info HTTP/1.1\r\nHost: x\r\n".encode()
ZIP = f"GET /{PATH}/@v/v1.0.0.zip HTTP/1.1\r\nHost: x\r\n".encode()


@pytest.fixture(scope="module")
def wire(site: Site) -> tuple[Site, Module]:
    """Return a site with a version whose zip is sent from its file, in more than one turn."""
    data = random.Random(5).randbytes(3 * TURN)
    return site, site.publish(PATH, "v1.0.0", make_module(PATH, "v1.0.0", {"data.bin": data}))


def bodies(raw: bytes) -> list[bytes]:
    """Cut what came back at the lengths that the heads announce."""
    found = []
    while raw:
        head, _, raw = raw.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        found.append(raw[:length])
        raw = raw[length:]
    return found


def test_pipelined_requests_are_answered_in_order(wire: tuple[Site, Module]) -> None:
    """Small and large, hot and cold, sent at once: each answer is whole, and in its place."""
    site, made = wire
    last = INFO + b"Connection: close\r\n\r\n"
    got = site.raw((INFO + b"\r\n") * 3 + (ZIP + b"\r\n") * 2 + (INFO + b"\r\n") + last)
    assert bodies(got) == [made.info] * 3 + [made.zip] * 2 + [made.info] * 2


def test_a_request_may_arrive_byte_by_byte(wire: tuple[Site, Module]) -> None:
    """A head in pieces is one request, and one packet may hold the end of one and the start of the next."""
    site, made = wire
    sent = INFO + b"\r\n" + INFO + b"Connection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", site.port), timeout=10) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in sent:
            client.sendall(bytes([byte]))
        got = b"".join(iter(lambda: client.recv(1 << 16), b""))
    assert bodies(got) == [made.info] * 2


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 30\r\n",
        b"Content-Length: 0, 30\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: xchunked\r\nContent-Length: 0\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"Content-Length: 0\r\n Content-Length: 30\r\n",
        b"X: a\nTransfer-Encoding: chunked\r\n",
    ],
)
def test_no_second_request_hides_in_a_body(wire: tuple[Site, Module], fields: bytes) -> None:
    """Whatever frames a body, what follows the head is never read as a request."""
    site, _ = wire
    assert site.raw(INFO + fields + b"\r\n" + INFO + b"\r\n").count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("fields", [b"", b"Host: a\r\nHost: b\r\n", b"Host: a\r\nBroken\r\n", b"Host: a\x00\r\n"])
def test_a_broken_head_is_400_and_the_end(wire: tuple[Site, Module], fields: bytes) -> None:
    """HTTP/1.1 needs one Host; no line may be anything but a field."""
    site, _ = wire
    got = site.raw(b"GET /healthz HTTP/1.1\r\n" + fields + b"\r\n" + INFO + b"\r\n")
    assert (got[:13], got.count(b"HTTP/1.1 ")) == (b"HTTP/1.1 400 ", 1)


def test_http_1_0_and_a_whole_address_are_understood(wire: tuple[Site, Module]) -> None:
    """Old proxies speak 1.0 without a Host and expect an end; some name the whole address."""
    site, made = wire
    assert bodies(site.raw(f"GET http://x.example/{PATH}/@v/v1.0.0.info HTTP/1.0\r\n\r\n".encode())) == [made.info]


def test_head_leaves_the_connection_usable(wire: tuple[Site, Module]) -> None:
    """The length is announced, no body follows, and the next answer begins where it should."""
    site, made = wire
    got = site.raw(ZIP.replace(b"GET", b"HEAD", 1) + b"\r\n" + INFO + b"Connection: close\r\n\r\n")
    head, _, rest = got.partition(b"\r\n\r\n")
    assert f"content-length: {len(made.zip)}".encode() in head
    assert bodies(rest) == [made.info]


def test_a_client_that_leaves_early_leaves_nothing_open(make_site: Callable[..., Site]) -> None:
    """Resets in the middle of large answers: files are closed, and the next client is served."""
    site = make_site()
    made = site.publish(PATH, "v1.0.0", make_module(PATH, "v1.0.0", {"d": random.Random(6).randbytes(8 << 20)}))
    site.start()
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", site.port), timeout=10) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            client.sendall(ZIP + b"\r\n")
            client.recv(1000)
    assert site.get(f"/{PATH}/@v/v1.0.0.zip").body == made.zip
    site.wait(lambda: opened(site, ".zip") == 0)
    assert site.stop() == 0


def opened(site: Site, suffix: str) -> int:
    """Count the open files of the workers whose names end so."""
    assert site.process is not None
    children = Path(f"/proc/{site.process.pid}/task/{site.process.pid}/children").read_text().split()
    links = [link for pid in children for link in Path(f"/proc/{pid}/fd").iterdir()]
    return sum(os.path.realpath(link).endswith(suffix) for link in links)


def test_a_file_that_is_not_in_memory_is_brought_by_a_thread(tmp_path: Path) -> None:
    """What would make the event loop wait for a disk says so; once it was read, it does not."""
    data = random.Random(7).randbytes(TURN + 5000)
    path = tmp_path / "large"
    path.write_bytes(data)
    file = FilePart(os.open(path, os.O_RDONLY), range(3, len(data)))
    os.fsync(file._descriptor)
    os.posix_fadvise(file._descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    if file.is_at_hand():
        pytest.skip("this file system does not drop what it has cached")
    file.fetch()
    ours, theirs = socket.socketpair()
    got = b""
    with ours, theirs:
        ours.setblocking(False)
        theirs.settimeout(5)
        while file.left:
            file.fetch()
            file.send(ours.fileno())
            while len(got) < file.offset - 3:
                got += theirs.recv(1 << 20)
    file.close()
    assert got == data[3:]


def test_what_is_remembered_of_heads_is_what_was_sent() -> None:
    """The second time as the first; fields of one request are never those of another."""
    for _ in range(2):
        one = parse(b"GET /a%20b?c=d HTTP/1.1\r\nHost: x\r\nRange: bytes=0-1\r\n")
        other = parse(b"HEAD /a%20b?c=d HTTP/1.1\r\nHost: x\r\n")
        assert (one.method, one.path, one.query_string, one.headers["range"]) == ("GET", "/a b", "c=d", "bytes=0-1")
        assert (one.is_plain, other.is_plain, "range" in other.headers) == (False, False, False)
        with pytest.raises(BadRequestError):
            parse(b"GET /a HTTP/1.1\r\nHost x\r\n")
