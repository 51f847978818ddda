"""The live page: what happens is told as it happens, to as many as may look, till the worker drains."""

import json
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import IO, Any

from fakes.site import Site
from gopherwood_serving.live import MOST_STREAMS, STREAM


@contextmanager
def stream(site: Site) -> Iterator[IO[bytes]]:
    """Open the stream of events, behind its head; the first line is that of the status."""
    with closing(socket.create_connection(("127.0.0.1", site.port), timeout=20)) as client:
        client.sendall(f"GET {STREAM} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        with client.makefile("rb") as lines:
            yield lines


def events(lines: IO[bytes]) -> Iterator[tuple[str, Any]]:
    """Yield kind and data of each event."""
    kind = ""
    for line in lines:
        name, _, text = line.decode().strip().partition(": ")
        if name == "event":
            kind = text
        elif name == "data":
            yield kind, json.loads(text)


def test_a_publish_is_told_as_it_happens(site: Site) -> None:
    """First what was before, then the numbers every two seconds, for everybody who looks."""
    with stream(site) as one, stream(site) as other:
        told, also = events(one), events(other)
        assert next(told)[0] == next(also)[0] == "history"
        before = next(told)[1]["published"]
        site.publish("example.com/live", "v1.0.0")
        last = next(data for kind, data in told if kind == "message" and data["published"] == before + 1)
        assert last["newest"][0] == "example.com/live@v1.0.0"
        assert last in (data for _, data in also)
        assert site.metric("live_streams") == 2
    site.wait(lambda: site.metric("live_streams") == 0)


def test_only_so_many_may_look(site: Site) -> None:
    """One more is told to come again; who goes makes room."""
    with ExitStack() as stack:
        opened = [stack.enter_context(stream(site)) for _ in range(MOST_STREAMS)]
        assert {lines.readline() for lines in opened} == {b"HTTP/1.1 200 OK\r\n"}
        with stream(site) as refused:
            assert refused.readline().startswith(b"HTTP/1.1 503 ")
        assert site.get("/healthz").status == 200
    site.wait(lambda: site.metric("live_streams") == 0)
    with stream(site) as lines:
        assert lines.readline() == b"HTTP/1.1 200 OK\r\n"


def test_only_this_page_has_a_script(site: Site) -> None:
    """One file of ours, which may ask nobody else; every other page allows none. Without it there are numbers."""
    page, home = site.get("/status/live"), site.get("/")
    policy = page.headers["content-security-policy"]
    assert "script-src 'self'; connect-src 'self'" in policy
    assert "script-src" not in home.headers["content-security-policy"]
    assert page.text.count("<script") == 1
    assert '<noscript><meta http-equiv="refresh"' in page.text
    script = site.get("/static/live.js")
    assert (script.status, script.headers["content-type"].partition(";")[0]) == (200, "text/javascript")
    assert "://" not in script.text


def test_streams_end_when_the_worker_drains(make_site: Callable[..., Site]) -> None:
    """Nobody who looks holds up the end of a server."""
    own = make_site()
    own.start()
    with stream(own) as lines:
        assert next(events(lines))[0] == "history"
        assert own.process is not None
        own.process.send_signal(signal.SIGTERM)
        for _ in events(lines):
            pass  # till the stream ends
        assert own.process.wait(20) == 0
