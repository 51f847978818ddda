"""What a connection makes of replies, byte by byte."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from gopherwood import wire
from gopherwood.errors import TooLargeError, UpstreamError

Got = tuple[wire.Head, bytes, bytes]


@contextmanager
def answering(*replies: bytes) -> Iterator[wire.Connection]:
    """Yield a connection to a server that answers each request with the next reply, whatever it is."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with listener.accept()[0] as peer:
                for reply in replies:
                    peer.recv(65536)
                    peer.sendall(reply)
                with suppress(ConnectionError):
                    peer.recv(1)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        connection = wire.connect("http", "127.0.0.1", listener.getsockname()[1], timeout=5)
        try:
            yield connection
        finally:
            connection.close()
            thread.join(5)


def ask(connection: wire.Connection, limit: int = 1 << 20) -> Got:
    parts: list[bytes] = []
    head, refusal = connection.exchange(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", limit, parts.append)
    return head, b"".join(parts), refusal


def test_an_informational_reply_is_passed_over() -> None:
    """103 Early Hints comes before the answer and is not the answer."""
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    with answering(hints + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi") as connection:
        head, body, _ = ask(connection)
    assert (head.status, head.size, body, "link" in head.headers) == (200, 2, b"hi", False)


def test_a_second_reply_to_one_request_is_an_error() -> None:
    """Bytes after the announced end are no answer to the next request."""
    one = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    with answering(one + one) as connection, pytest.raises(UpstreamError):
        ask(connection)


@pytest.mark.parametrize(
    "reply",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi!",
        b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhi\r\n0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nhi",
    ],
)
def test_ambiguous_replies_are_errors(reply: bytes) -> None:
    """What is no HTTP, or has two meanings, is refused."""
    with answering(reply) as connection, pytest.raises(UpstreamError):
        ask(connection)


def test_endless_headers_are_cut_off() -> None:
    """Headers are bounded."""
    with (
        answering(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000) as connection,
        pytest.raises(UpstreamError, match="headers"),
    ):
        ask(connection)


def test_an_announced_length_over_the_limit_is_refused_at_once() -> None:
    """Nothing of the body is waited for."""
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n") as connection, pytest.raises(TooLargeError):
        ask(connection)


def test_a_long_refusal_is_not_read_to_its_end() -> None:
    """Of an error page the beginning is enough, and the connection is not used again."""
    with answering(b"HTTP/1.1 404 No\r\nContent-Length: 100000000\r\n\r\n" + b"x" * 100_000) as connection:
        head, body, refusal = ask(connection)
        assert (head.status, body, len(refusal) > 0, connection.reusable) == (404, b"", True, False)


@pytest.mark.parametrize(("headers", "reusable"), [(b"", True), (b"Connection: close\r\n", False)])
def test_a_connection_is_kept_unless_the_server_closes_it(headers: bytes, reusable: bool) -> None:
    """`Connection: close` is obeyed."""
    with answering(b"HTTP/1.1 200 OK\r\n" + headers + b"Content-Length: 2\r\n\r\nhi") as connection:
        ask(connection)
        assert connection.reusable is reusable
