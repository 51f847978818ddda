"""The HTTP client against a real server that fails in every way seen in the field."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes import loopback
from fakes.loopback import Answer, Loopback
from gopherwood import __version__, http
from gopherwood.config import Settings
from gopherwood.errors import (
    ConfigError,
    NotFoundError,
    RefusedError,
    StoppedError,
    StorageError,
    TooLargeError,
    TruncatedError,
    UpstreamError,
    UsageError,
)

BODY = bytes(range(256)) * 100


class Files(Loopback):
    """Serves BODY at any path but `missing`, and the path itself below `echo/`."""

    def answer(self, path: str, query: dict[str, str]) -> Answer:
        if path == "missing":
            return Answer(404, b"not here\nand more", (("Content-Type", "text/plain"),))
        return Answer(200, path.encode() if path.startswith("echo/") else BODY)


@pytest.fixture
def server() -> Iterator[Files]:
    with Files() as server:
        yield server


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "FIRST_PAUSE", 0.001)


@pytest.fixture
def client() -> Iterator[http.Client]:
    with http.Client(Settings(timeout=5)) as client:
        yield client


def get(client: http.Client, server: Files, path: str = "f", limit: int = 1 << 20) -> bytes:
    return client.get(f"{server.url}/{path}", limit=limit).body


def test_one_connection_serves_many_requests(client: http.Client, server: Files) -> None:
    """Connections are kept: twenty requests of one thread, one connection."""
    for _ in range(20):
        assert get(client, server) == BODY
    assert server.connections == 1


def test_threads_share_a_client(client: http.Client, server: Files) -> None:
    """Eight threads get what each asked for, over at most eight connections."""
    got: list[bool] = []

    def work(number: int) -> None:
        got.extend(get(client, server, f"echo/{number}-{i}") == f"echo/{number}-{i}".encode() for i in range(25))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(got), all(got), server.connections <= 8) == (200, True, True)


def test_says_who_it_is(client: http.Client, server: Files) -> None:
    """The User-Agent names the program and its version."""
    get(client, server)
    assert server.agents == {f"gopherwood/{__version__}"}


@pytest.mark.parametrize(
    "fault",
    [
        loopback.truncated,
        loopback.cut_in_headers,
        loopback.reset,
        loopback.chunked_cut,
        loopback.status(500),
        loopback.status(503),
    ],
)
def test_a_passing_fault_is_tried_again(
    client: http.Client, server: Files, tmp_path: Path, fault: loopback.Send
) -> None:
    """Whatever breaks twice and then works gives the right bytes, with nothing left of the broken tries."""
    server.fail("f", fault, times=2)
    assert client.download(f"{server.url}/f", tmp_path / "f", limit=1 << 20) == len(BODY)
    assert ((tmp_path / "f").read_bytes(), server.requests["f"]) == (BODY, 3)


@pytest.mark.parametrize("fault", [loopback.truncated, loopback.cut_in_headers, loopback.chunked_cut])
def test_a_cut_reply_is_never_taken_for_whole(client: http.Client, server: Files, fault: loopback.Send) -> None:
    """A reply that ends before its announced end, even inside its headers, is an error."""
    server.fail("f", fault)
    with pytest.raises(TruncatedError, match="cut"):
        get(client, server)
    assert server.requests["f"] == http.TRIES


@pytest.mark.parametrize("fault", [loopback.chunked, loopback.unsized])
def test_a_body_of_unknown_length_is_read_to_its_end(client: http.Client, server: Files, fault: loopback.Send) -> None:
    """Chunks are checked; a body that only the end of the connection ends is marked as unsized."""
    server.fail("f", fault)
    reply = client.get(f"{server.url}/f", limit=1 << 20)
    assert (reply.body, reply.sized) == (BODY, fault is loopback.chunked)


@pytest.mark.parametrize("fault", [None, loopback.chunked, loopback.unsized])
def test_the_limit_is_enforced_while_reading(client: http.Client, server: Files, fault: loopback.Send | None) -> None:
    """One byte over the limit is TooLargeError, announced or not, and asking again would not help."""
    if fault:
        server.fail("f", fault)
    with pytest.raises(TooLargeError):
        get(client, server, limit=len(BODY) - 1)
    assert server.requests["f"] == 1
    assert get(client, server, limit=len(BODY)) == BODY


@pytest.mark.parametrize(
    ("status", "error"),
    [(404, NotFoundError), (410, NotFoundError), (401, RefusedError), (403, RefusedError), (451, RefusedError)],
)
def test_a_refusal_is_not_tried_again(
    client: http.Client, server: Files, status: int, error: type[UpstreamError]
) -> None:
    """What the server means is asked once."""
    server.fail("f", loopback.status(status))
    with pytest.raises(error) as caught:
        get(client, server)
    assert (type(caught.value), caught.value.status, server.requests["f"]) == (error, status, 1)


def test_the_reason_of_a_refusal_is_in_the_message(client: http.Client, server: Files) -> None:
    """The first line of a plain-text body says why."""
    with pytest.raises(NotFoundError, match=r"404 Not Found: not here$"):
        get(client, server, "missing")


def test_redirects_are_followed(client: http.Client, server: Files) -> None:
    """A redirect, relative or not, leads to the file."""
    server.fail("f", loopback.redirect("/echo/there"))
    assert get(client, server) == b"echo/there"


def test_redirects_end(client: http.Client, server: Files) -> None:
    """A loop of redirects is an error."""
    server.fail("f", loopback.redirect("/f"))
    with pytest.raises(UpstreamError, match="redirects"):
        get(client, server)


def test_credentials_stay_with_their_origin(client: http.Client, server: Files) -> None:
    """The URL's user is sent to its own host and port, redirects there included, and not to another."""
    server.user = ("u", "p w")
    with Files() as other:
        server.fail("f", loopback.redirect("/g"))
        server.fail("h", loopback.redirect(f"{other.url}/f"))
        other.user = ("u", "p w")
        base = server.url.replace("://", "://u:p%20w@")
        assert client.get(f"{base}/f", limit=1 << 20).body == BODY
        with pytest.raises(RefusedError):
            client.get(f"{base}/h", limit=1 << 20)


def test_credentials_come_from_netrc(server: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of $NETRC is known by its host name, whatever else the file holds."""
    (tmp_path / "netrc").write_text("what is this\nmachine 127.0.0.1 login u password p\nmacdef init\nmachine no\n\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    server.user = ("u", "p")
    with http.Client(Settings()) as client:
        assert get(client, server) == BODY


def test_credentials_are_never_sent_in_the_clear(client: http.Client) -> None:
    """An http URL of another machine with a password in it is refused before anything is sent."""
    with pytest.raises(ConfigError, match="unencrypted"):
        client.get("http://u:secret@192.0.2.1/f", limit=10)


def test_no_message_holds_credentials(client: http.Client, server: Files) -> None:
    """Errors name the URL without its user and password."""
    server.fail("f", loopback.truncated)
    for path in ("missing", "f"):
        with pytest.raises(UpstreamError) as caught:
            client.get(f"{server.url}/{path}".replace("://", "://u:secret@"), limit=1 << 20)
        assert "secret" not in str(caught.value)
    assert http.redact("get https://u:p@h/x and http://h/y@v") == "get https://xxxxx@h/x and http://h/y@v"


def test_a_stale_connection_is_replaced(client: http.Client, server: Files) -> None:
    """A server that closes kept connections costs nothing: no try is counted, no error seen."""
    server.fail("g", loopback.unsized)
    get(client, server)
    for at in client._endpoints.values():
        for connection in at.idle:
            connection._socket.shutdown(socket.SHUT_RDWR)
    assert get(client, server) == BODY
    assert (server.requests["f"], server.connections) == (2, 2)


def test_nobody_there_is_an_upstream_error(client: http.Client) -> None:
    """A refused connection names the host and is worth another try later."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(UpstreamError, match=r"cannot connect to 127\.0\.0\.1"):
            client.get(f"http://127.0.0.1:{taken.getsockname()[1]}/f", limit=10)


def test_silence_is_an_error(server: Files) -> None:
    """A reply that stops for longer than the time-out is given up."""
    server.fail("f", loopback.slow(30))
    with http.Client(Settings(timeout=0.1), tries=1) as client, pytest.raises(UpstreamError, match=r"no byte for 0\.1"):
        get(client, server)


def test_stop_ends_what_is_under_way(server: Files) -> None:
    """A blocked download ends at once with StoppedError, and no new one begins."""
    server.fail("f", loopback.slow(30))
    errors: list[Exception] = []
    with http.Client(Settings(timeout=30)) as client:

        def work() -> None:
            with pytest.raises(StoppedError) as caught:
                get(client, server)
            errors.append(caught.value)

        thread = threading.Thread(target=work)
        thread.start()
        while not server.requests["f"]:
            pass
        client.stop()
        thread.join(10)
        with pytest.raises(StoppedError):
            get(client, server, "g")
    assert len(errors) == 1


def test_file_urls_are_read_from_disk(client: http.Client, tmp_path: Path) -> None:
    """A file is a 200, anything else a 404, and the limit holds."""
    (tmp_path / "a b").write_bytes(b"data")
    url = (tmp_path / "a b").as_uri()
    assert client.get(url, limit=4).body == b"data"
    with pytest.raises(TooLargeError):
        client.get(url, limit=3)
    for missing in (tmp_path / "no", tmp_path):
        with pytest.raises(NotFoundError):
            client.get(missing.as_uri(), limit=3)


@pytest.mark.parametrize(
    "url", ["ftp://h/x", "https://h/a b", "https://h/a\r\nX: y", "https:///x", "h/x", "https://h:x/y"]
)
def test_odd_urls_are_refused(client: http.Client, url: str) -> None:
    """What is no http, https or file URL, or could break out of the request line, is never sent."""
    with pytest.raises(UsageError, match="not an http"):
        client.get(url, limit=1)


def test_a_proxy_is_used(server: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """http_proxy gets the whole URL, and NO_PROXY is obeyed."""
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with http.Client(Settings()) as client:
        assert client.get("http://upstream.test/echo/x", limit=100).body == b"echo/x"
        assert get(client, server) == BODY


def test_an_empty_download_is_an_error(client: http.Client, server: Files, tmp_path: Path) -> None:
    """A 200 of no bytes is no file of a module."""
    server.fail("f", lambda handler, _answer: handler.send(Answer(200)))
    with pytest.raises(TruncatedError, match="no bytes"):
        client.download(f"{server.url}/f", tmp_path / "f", limit=10)


def test_a_full_disk_is_our_fault(client: http.Client, server: Files) -> None:
    """An error of writing is StorageError, not one of the upstream, and nothing is asked again."""
    with pytest.raises(StorageError):
        client.download(f"{server.url}/f", Path("/dev/full"), limit=1 << 20)
    assert server.requests["f"] == 1
