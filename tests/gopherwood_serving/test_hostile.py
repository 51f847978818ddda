"""Paths that no client of good will sends: 404 in constant time, no redirect, no way out of the store."""

import pytest

from fakes.site import Site

ODD = [
    "//example.com/odd/@v/list",
    "/example.com//odd/@v/list",
    "/example.com/odd/@v/list/",
    "/example.com/odd/",
    "/example.com/odd/@v/",
    "/example.com/odd/@v",
    "/example.com/odd/@latest/",
    "/example.com/odd/@v/v1.0.0",
    "/example.com/odd/@v/v1.0.0.exe",
    "/example.com/odd/@v/.info",
    "/example.com/odd/@v/..info",
    "/example.com/odd/@v/v1.0.0.info/x",
    "/example.com/odd/@v/%76%31.0.0.in%00fo",
    "/example.com/odd/@v/../../../../etc/passwd",
    "/../../../../etc/passwd",
    "/..%2f..%2f..%2f..%2fetc/passwd",
    "/example.com/%2e%2e/%2e%2e/secret/@v/list",
    "/example.com/odd%00/@v/list",
    "/example.com/odd%0d%0aX-Injected:%20yes/@v/list",
    "/example.com/od%ff%fe/@v/list",
    "/example.com/od%C3%A9/@v/list",
    "/example.com/odd!/@v/list",
    "/example.com/!Odd/@v/list",
    "/example.com/odd/v1/@v/list",
    "/nodot/@v/list",
    "/.tmp/@v/list",
    "/con/aux/@v/list",
    "/-example.com/@v/list",
    "/@v/list",
    "/@latest",
    "/cached-only/",
    "/cached-only/cached-only/example.com/odd/@v/list",
    "/sumdb/",
    "/sumdb/sum.golang.org",
    "/sumdb/../latest",
    "/sumdb/sum.golang.org/../../catalog.db",
    "/sumdb/sum.golang.org/tile/8/0/../../latest",
    "/sumdb/sum.golang.org/lookup/nothing",
    "/static/",
    "/static/../cli.py",
    "/static/%2e%2e/cli.py",
    "/favicon.ico",
    "/catalog.db",
    "/index/",
    "*",
]


@pytest.fixture(scope="module")
def odd(site: Site) -> Site:
    """Return a site that has the module next to all the odd names."""
    site.publish("example.com/odd", "v1.0.0")
    return site


@pytest.mark.parametrize("path", ODD)
def test_an_odd_path_is_404(odd: Site, path: str) -> None:
    """Nothing is normalised, nothing redirected, nothing found."""
    reply = odd.get(path)
    assert (reply.status, reply.headers["Location"]) == (404, None)
    assert reply.headers["X-Injected"] is None


@pytest.mark.parametrize(
    "path",
    [
        "/" + "a" * 4_000,
        "/" + "a/" * 2_000 + "@v/list",
        "/example.com/" + "!a" * 1_500 + "/@v/list",
        "/example.com/odd/@v/v1." + "9" * 4_000 + ".0.info",
        "/example.com/odd/@v/" + "v1.0.0-" * 500 + ".info",
    ],
    ids=["one-segment", "many-segments", "escapes", "digits", "pre-releases"],
)
def test_a_long_path_is_refused_before_it_is_looked_at(odd: Site, path: str) -> None:
    """Longer than any real path: one comparison, and an answer that does not repeat it."""
    reply = odd.get(path)
    assert (reply.status, len(reply.body) < 200) == (404, True)


def test_a_path_longer_than_http_allows_is_414(odd: Site) -> None:
    """The server itself refuses what no buffer should hold."""
    assert b" 414 " in odd.raw(b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")[:20]


@pytest.mark.parametrize(
    "request_line", [b"GET /\xff\xfe HTTP/1.1", b"GET / HTTP/9.9", b"\x16\x03\x01", b"GET  / HTTP/1.1"]
)
def test_what_is_no_http_is_400(odd: Site, request_line: bytes) -> None:
    """Raw bytes, other protocols and broken request lines end the connection, not the server."""
    reply = odd.raw(request_line + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert reply == b"" or b" 400 " in reply[:20] or b" 505 " in reply[:20]
    assert odd.get("/healthz").status == 200


def test_a_query_string_changes_nothing(odd: Site) -> None:
    """Files and lists do not look at it."""
    assert odd.get("/example.com/odd/@v/list?x=../../y&go-get=1").text == "v1.0.0\n"
