"""How the HTTP client keeps to what a busy server asks for: Retry-After, for all threads, within bounds."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from fakes import loopback
from fakes.goproxy import GoProxy
from fakes.loopback import Answer, Loopback
from gopherwood import fetch, http
from gopherwood.catalog import Catalog
from gopherwood.config import Settings
from gopherwood.errors import StoppedError, UpstreamError
from gopherwood.module import ModuleVersion

BODY = b"whole"


class Files(Loopback):
    """Serves BODY at any path."""

    def answer(self, path: str, query: dict[str, str]) -> Answer:
        return Answer(200, BODY)


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


def get(client: http.Client, server: Files, path: str = "f") -> bytes:
    return client.get(f"{server.url}/{path}", limit=1 << 20).body


@pytest.mark.parametrize(
    "form", [str, lambda seconds: format_datetime(datetime.now(UTC) + timedelta(seconds=int(seconds)), usegmt=True)]
)
def test_a_long_retry_after_is_handed_up(client: http.Client, server: Files, form: Callable[[str], str]) -> None:
    """Seconds or a date: when it is longer than our patience, the caller is told how long, after one request."""
    server.fail("f", loopback.status(429, retry_after=form("600")))
    with pytest.raises(UpstreamError) as caught:
        get(client, server)
    assert caught.value.retry_after == pytest.approx(600, abs=5)
    assert server.requests["f"] == 1


def test_a_short_retry_after_is_waited_for(client: http.Client, server: Files) -> None:
    """A 429 with a short Retry-After is no error in the end."""
    server.fail("f", loopback.status(429, retry_after="0"), times=1)
    assert get(client, server) == BODY


class Limited(Files):
    """Answers its first request, and all that come within the second after it, with 429."""

    closed_until = 0.0
    refused = 0

    def answer(self, path: str, query: dict[str, str]) -> Answer:
        now = time.monotonic()
        self.closed_until = self.closed_until or now + 0.9
        if now >= self.closed_until:
            return super().answer(path, query)
        self.refused += 1
        return Answer(429, b"", (("Retry-After", "1"),))


def test_a_retry_after_holds_for_all_threads(client: http.Client) -> None:
    """One thread is told to wait: of eight others none asks before the time has come, and all get their answer."""
    with Limited() as server, ThreadPoolExecutor(9) as pool:
        first = pool.submit(get, client, server, "f")
        while not any(at.not_before for at in list(client._endpoints.values())):
            assert not first.done()
        others = [pool.submit(get, client, server, f"g{n}") for n in range(8)]
        assert [first.result(), *(other.result() for other in others)] == [BODY] * 9
        assert (server.refused, server.requests.total()) == (1, 10)


def test_a_long_retry_after_holds_others_up_no_longer_than_our_patience(server: Files) -> None:
    """An hour for one file is not an hour for all: after a moment the next is asked for."""
    server.fail("f", loopback.status(429, retry_after="3600"))
    with http.Client(Settings(timeout=5), patience=0.05) as client:
        with pytest.raises(UpstreamError):
            get(client, server)
        assert (get(client, server, "g"), server.requests["f"], server.requests["g"]) == (BODY, 1, 1)


def test_a_stop_ends_the_waiting(server: Files) -> None:
    """Who waits for a server's leave is told to stop at once, and asks nothing more."""
    server.fail("f", loopback.status(503, retry_after="10"), times=1)
    with http.Client(Settings(timeout=5)) as client, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(get, client, server)
        while not any(at.not_before for at in list(client._endpoints.values())):
            pass
        client.stop()
        with pytest.raises(StoppedError):
            waiting.result()
    assert server.requests["f"] == 1


@pytest.mark.parametrize(
    ("text", "seconds"), [("5", 5.0), (" 5 ", 5.0), ("99999999", 86400.0), ("", None), ("soon", None), ("-1", None)]
)
def test_retry_after_forms(text: str, seconds: float | None) -> None:
    """Seconds are bounded by a day; what is neither seconds nor a date says nothing."""
    assert http.retry_after(text) == seconds


class LimitedProxy(GoProxy):
    """Serves modules, but for a second after its twentieth request."""

    closed_until = 0.0
    refused = 0

    def answer(self, path: str, query: dict[str, str]) -> Answer:
        now = time.monotonic()
        if self.requests.total() >= 20:
            self.closed_until = self.closed_until or now + 0.9
        if now >= self.closed_until:
            return super().answer(path, query)
        self.refused += 1
        return Answer(429, b"", (("Retry-After", "1"),))


def test_a_limited_upstream_sees_few_refused_requests(tmp_path: Path) -> None:
    """Forty versions over eight threads: no more is refused than was under way, and nothing fails."""
    with LimitedProxy() as proxy:
        settings = Settings(home=tmp_path, upstream=proxy.url, concurrency=8, batch=50, timeout=5)
        with Catalog.open(settings) as catalog:
            catalog.migrate()
            versions = [ModuleVersion("example.com/m", f"v1.{n}.0") for n in range(40)]
            for mv in versions:
                proxy.add(mv.path, mv.version)
            catalog.enqueue(versions, source="test")
            result = fetch.run(settings, catalog=catalog)
        assert (result.staged, result.failed) == (40, 0)
        assert 1 <= proxy.refused <= settings.concurrency
        assert proxy.requests.total() == 3 * 40 + proxy.refused
