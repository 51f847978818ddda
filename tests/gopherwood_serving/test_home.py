"""The home page: how to use it, without a script, without another host."""

import re
from collections.abc import Callable

import pytest

from fakes.site import Site


def test_home_says_how_to_use_it(site: Site) -> None:
    """The line to copy names the address by which the reader came, and what is here is told."""
    site.publish("example.com/on-the-page", "v1.0.0")
    text = site.get("/", {"Host": "modules.example.org:8443", "X-Forwarded-Proto": "https"}).text
    assert "export GOPROXY=https://modules.example.org:8443,off" in text
    assert "example.com/on-the-page" in text


def test_an_empty_store_says_how_to_begin(make_site: Callable[..., Site]) -> None:
    """The first thing that a new operator sees is the next step."""
    empty = make_site()
    empty.start()
    assert "gopherwood ingest" in empty.get("/").text


def test_pages_run_no_script_and_ask_no_host(site: Site) -> None:
    """The policy forbids scripts, the page has none, and everything it loads is ours."""
    reply = site.get("/")
    assert "script" not in reply.text
    assert reply.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self'")
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    loaded = re.findall(r'(?:src|href)="([^"]+)"', reply.text)
    assert loaded
    assert {site.get(path).status for path in loaded} == {200}


@pytest.mark.parametrize("host", ['"><script>alert(1)</script>', "a b", "x" * 300, ""])
def test_a_hostile_host_is_not_shown(site: Site, host: str) -> None:
    """The Host header is the client's own word."""
    text = site.get("/", {"Host": host}).text
    assert "export GOPROXY=http://localhost,off" in text
    assert "<script" not in text


def test_pages_answer_conditions_like_files(site: Site) -> None:
    """A stylesheet that the browser has is 304, HEAD has no body."""
    etag = site.get("/static/style.css").headers["ETag"]
    assert site.get("/static/style.css", {"If-None-Match": etag}).status == 304
    assert site.get("/", method="HEAD").body == b""
