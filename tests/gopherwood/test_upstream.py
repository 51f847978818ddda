"""The upstream as a GOPROXY list, against real servers with every quirk seen in the field."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.goproxy import GoProxy, cut_in_headers, reset, status, truncated, unsized
from fakes.sumdb import SumDBLog
from gopherwood import http
from gopherwood.config import Settings
from gopherwood.errors import (
    ConfigError,
    InvalidInfoError,
    InvalidVersionError,
    NotFoundError,
    RefusedError,
    TooLargeError,
    TruncatedError,
    UpstreamError,
)
from gopherwood.http import Client
from gopherwood.module import ModuleVersion
from gopherwood.upstream import Entry, Upstream, parse_goproxy

M = "example.com/m"
V1 = ModuleVersion(M, "v1.0.0")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "FIRST_PAUSE", 0.001)


@pytest.fixture
def proxy() -> Iterator[GoProxy]:
    with GoProxy() as proxy:
        yield proxy


@pytest.fixture
def second() -> Iterator[GoProxy]:
    with GoProxy() as proxy:
        yield proxy


@pytest.fixture
def client() -> Iterator[Client]:
    with Client(Settings(timeout=5)) as client:
        yield client


def over(client: Client, text: str) -> Upstream:
    return Upstream(parse_goproxy(text), client)


@pytest.fixture
def upstream(client: Client, proxy: GoProxy) -> Upstream:
    return over(client, proxy.url)


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        (
            "https://a/,https://b|file:///c",
            [("https://a", "notfound"), ("https://b", "any"), ("file:///c", "notfound")],
        ),
        ("https://a,direct,https://never", [("https://a", "notfound"), ("direct", "notfound")]),
        ("off|https://never", [("off", "any")]),
        (" https://a , ,| http://b ", [("https://a", "notfound"), ("http://b", "notfound")]),
        ("goproxy.example/x", [("https://goproxy.example/x", "notfound")]),
        ("https://u:p@a/b/", [("https://u:p@a/b", "notfound")]),
        ("", []),
    ],
)
def test_goproxy_lists_are_read_as_go_reads_them(text: str, entries: list[tuple[str, str]]) -> None:
    """Separators, spaces, hosts without a scheme; nothing after `direct` or `off` counts."""
    assert [(entry.url, entry.fallback_on) for entry in parse_goproxy(text)] == entries


@pytest.mark.parametrize(
    "text", ["ftp://a", "proxy", "/folder", "file://host/x", "https://u:secret@ok,ftp://u:secret@a"]
)
def test_what_is_no_proxy_url_is_a_configuration_error(text: str) -> None:
    """The message names the entry, without its password."""
    with pytest.raises(ConfigError, match="not a proxy URL") as caught:
        parse_goproxy(text)
    assert "secret" not in str(caught.value)


def test_the_three_files_come_as_they_are(proxy: GoProxy, upstream: Upstream, tmp_path: Path) -> None:
    """Info, mod and zip are the upstream's very bytes."""
    made = proxy.add("example.com/Up/M", "v1.0.0-RC1", {"a.go": "package a"})
    mv = ModuleVersion("example.com/Up/M", "v1.0.0-RC1")
    assert upstream.zip_to(mv, tmp_path / "zip") == len(made.zip)
    assert (upstream.info(mv), upstream.mod(mv), (tmp_path / "zip").read_bytes()) == made
    assert "example.com/!up/!m/@v/v1.0.0-!r!c1.zip" in proxy.requests


@pytest.mark.parametrize(("code", "falls"), [(404, True), (410, True), (403, False), (429, False), (500, False)])
def test_after_a_comma_only_not_found_falls_through(
    client: Client, proxy: GoProxy, second: GoProxy, code: int, falls: bool
) -> None:
    """`a,b` asks b only when a says 404 or 410; `a|b` asks it after any error."""
    made = second.add(M, "v1.0.0")
    proxy.fail(f"{M}/@v/v1.0.0.info", status(code))
    assert over(client, f"{proxy.url}|{second.url}").info(V1) == made.info
    if falls:
        assert over(client, f"{proxy.url},{second.url}").info(V1) == made.info
    else:
        with pytest.raises(UpstreamError, match=str(code)):
            over(client, f"{proxy.url},{second.url}").info(V1)


def test_of_two_errors_the_one_that_says_more_is_raised(client: Client, proxy: GoProxy, second: GoProxy) -> None:
    """A broken first upstream is not hidden by the second one's 404."""
    proxy.fail(f"{M}/@v/v1.0.0.info", status(500))
    with pytest.raises(UpstreamError, match="500"):
        over(client, f"{proxy.url}|{second.url}").info(V1)


def test_direct_is_not_found_and_says_why(client: Client, proxy: GoProxy) -> None:
    """Where version control is not allowed, the version is reported as not to be had, with the setting that says so."""
    with pytest.raises(NotFoundError, match="version control is not asked"):
        over(client, f"{proxy.url},direct").info(V1)


def test_off_stops(client: Client, proxy: GoProxy) -> None:
    """Behind `off` nothing is asked, and it is no "not found"."""
    with pytest.raises(RefusedError, match="off"):
        over(client, "off").info(V1)


def test_private_modules_are_not_asked_for(client: Client, proxy: GoProxy) -> None:
    """What is private never reaches an upstream, not even as a question."""
    upstream = Upstream(parse_goproxy(proxy.url), client, private="*.corp.test,example.com/m")
    with pytest.raises(NotFoundError, match="is private"):
        upstream.info(V1)
    assert not proxy.requests


@pytest.mark.parametrize("code", [400, 403])
def test_refusals_are_not_found_once_the_upstream_has_served_something(
    proxy: GoProxy, upstream: Upstream, code: int
) -> None:
    """Some upstreams answer 400 or 403 for what is missing: told from a refusal of us by what they served before."""
    proxy.add(M, "v1.0.0")
    proxy.fail(f"{M}/@v/v9.0.0.info", status(code))
    with pytest.raises(UpstreamError) as refused:
        upstream.info(ModuleVersion(M, "v9.0.0"))
    assert refused.value.retry
    upstream.info(V1)
    with pytest.raises(NotFoundError):
        upstream.info(ModuleVersion(M, "v9.0.0"))


def test_lists_are_cleaned(proxy: GoProxy, upstream: Upstream) -> None:
    """Pseudo-versions, other majors, garbage and repetitions are left out; the rest is in order."""
    lines = ["v1.10.0", "v1.9.0 2020-01-01T00:00:00Z", "v1.9.0", "v1.2", "v0.0.0-20200101000000-abcdefabcdef", "v2.0.0"]
    proxy.files[f"{M}/@v/list"] = "\r\n".join([*lines, "", "<html>", "v1.9.0-rc.1", "v2.0.0+incompatible"]).encode()
    assert upstream.list(M) == ["v1.9.0-rc.1", "v1.9.0", "v1.10.0", "v2.0.0+incompatible"]


def test_a_list_of_unknown_length_is_not_believed(proxy: GoProxy, upstream: Upstream) -> None:
    """Nothing else could tell that its end is missing."""
    proxy.add(M, "v1.0.0")
    proxy.fail(f"{M}/@v/list", unsized)
    with pytest.raises(TruncatedError, match="without a length"):
        upstream.list(M)


@pytest.mark.parametrize(
    ("query", "version"),
    [
        ("latest", "v1.10.1"),
        ("v1", "v1.10.1"),
        ("v1.2", "v1.2.3"),
        ("v1.11", "v1.11.0-rc.1"),
        ("v1.2.0", "v1.2.0"),
        ("v0", "v0.9.0"),
    ],
)
def test_queries(proxy: GoProxy, upstream: Upstream, query: str, version: str) -> None:
    """Releases before pre-releases, v1.10 is not v1.1, and v1 is the newest of v1."""
    for v in ("v0.9.0", "v1.1.0", "v1.2.0", "v1.2.3", "v1.2.4-rc.1", "v1.10.1", "v1.11.0-rc.1"):
        proxy.add(M, v)
    assert upstream.query(M, query).version == version


def test_latest_is_never_retracted(proxy: GoProxy, upstream: Upstream) -> None:
    """The newest version retracts itself and another: the newest that is not retracted is the latest."""
    for v in ("v1.0.0", "v1.1.0"):
        proxy.add(M, v)
    proxy.add(M, "v1.2.0", {"go.mod": f"module {M}\nretract [v1.1.0, v1.2.0] // oops\n"})
    assert upstream.latest(M).version == "v1.0.0"


@pytest.mark.parametrize(("go_mod", "latest"), [("", "v3.0.0+incompatible"), (f"module {M}\n\ngo 1.20\n", "v1.0.0")])
def test_incompatible_versions_count_only_without_a_go_mod(
    proxy: GoProxy, upstream: Upstream, go_mod: str, latest: str
) -> None:
    """Once the newest compatible version has a go.mod, `+incompatible` ones are history."""
    proxy.add(M, "v1.0.0", {"go.mod": go_mod})
    proxy.add(M, "v3.0.0+incompatible", {"go.mod": ""})
    assert upstream.latest(M).version == latest


def test_latest_without_releases_is_the_upstreams_own(proxy: GoProxy, upstream: Upstream) -> None:
    """An empty list leaves `@latest`, which may be a pseudo-version."""
    version = "v0.0.0-20200102030405-abcdefabcdef"
    proxy.files[f"{M}/@latest"] = json.dumps({"Version": version, "Time": "2020-01-02T03:04:05Z"}).encode()
    proxy.listed[M] = []
    assert upstream.latest(M).version == version


@pytest.mark.parametrize(("code", "error"), [(403, RefusedError), (404, NotFoundError), (410, NotFoundError)])
def test_a_refused_list_does_not_hide_exact_versions(
    proxy: GoProxy, upstream: Upstream, code: int, error: type[UpstreamError]
) -> None:
    """Neither list nor @latest need to be served."""
    proxy.add(M, "v1.0.0")
    proxy.fail(f"{M}/@v/list", status(code))
    assert upstream.query(M, "v1.0.0").version == "v1.0.0"
    with pytest.raises(error):
        upstream.latest(M)


@pytest.mark.parametrize("query", ["latest", "v1", "all"])
def test_a_refused_list_is_not_hidden_by_what_comes_after_it(
    client: Client, proxy: GoProxy, second: GoProxy, query: str
) -> None:
    """As with `go`: behind a comma a 403 of the list is the answer, behind a bar the next one gives it."""
    second.add(M, "v1.0.0")
    proxy.fail(f"{M}/@v/list", status(403, "not for you"))
    for rest in ("direct", second.url):
        with pytest.raises(RefusedError, match=r"403.*not for you"):
            over(client, f"{proxy.url},{rest}").versions(M, query)
    assert over(client, f"{proxy.url}|{second.url}").versions(M, query) == ["v1.0.0"]


def test_a_revision_is_what_the_upstream_makes_of_it(proxy: GoProxy, upstream: Upstream) -> None:
    """A branch or commit resolves to the version that the upstream names."""
    version = "v0.0.0-20200102030405-abcdefabcdef"
    proxy.files[f"{M}/@v/main.info"] = json.dumps({"Version": version, "Time": "2020-01-02T03:04:05Z"}).encode()
    assert upstream.query(M, "main").version == version


@pytest.mark.parametrize(
    "body", [b"{}", b"[]", b"<html>", b'{"Version": 3}', b'{"Version": "main"}', b'{"Version": "v2.0.0"}']
)
def test_an_answer_without_a_version_is_refused(proxy: GoProxy, upstream: Upstream, body: bytes) -> None:
    """What names no version of the module resolves nothing."""
    proxy.files[f"{M}/@v/main.info"] = body
    with pytest.raises(InvalidInfoError):
        upstream.query(M, "main")


def test_queries_that_cannot_be_asked(upstream: Upstream) -> None:
    """A query with a slash in it is no version and is not sent."""
    with pytest.raises(InvalidVersionError):
        upstream.query(M, "feature/x")


def test_all_versions(proxy: GoProxy, upstream: Upstream) -> None:
    """`all` is the whole list, and the latest where there is none."""
    for v in ("v1.0.0", "v1.1.0-rc.1"):
        proxy.add(M, v)
    assert upstream.versions(M, "all") == ["v1.0.0", "v1.1.0-rc.1"]
    assert upstream.versions(M, "latest") == ["v1.0.0"]


@pytest.mark.parametrize("fault", [truncated, cut_in_headers, reset])
def test_broken_files_are_never_returned(proxy: GoProxy, upstream: Upstream, tmp_path: Path, fault: object) -> None:
    """An info, mod or zip that is cut anywhere is an error."""
    proxy.add(M, "v1.0.0")
    for suffix in (".info", ".mod", ".zip"):
        proxy.fail(f"{M}/@v/v1.0.0{suffix}", fault)  # type: ignore[arg-type]
    for ask in (upstream.info, upstream.mod, lambda mv: upstream.zip_to(mv, tmp_path / "z")):
        with pytest.raises(UpstreamError):
            ask(V1)


@pytest.mark.parametrize("suffix", [".info", ".mod", ".zip"])
def test_empty_files_are_errors(proxy: GoProxy, upstream: Upstream, tmp_path: Path, suffix: str) -> None:
    """A 200 of no bytes is no file of a module."""
    proxy.files[f"{M}/@v/v1.0.0{suffix}"] = b""
    ask = {".info": upstream.info, ".mod": upstream.mod, ".zip": lambda mv: upstream.zip_to(mv, tmp_path / "z")}[suffix]
    with pytest.raises(TruncatedError, match="no bytes"):
        ask(V1)


def test_a_huge_go_mod_is_refused(proxy: GoProxy, upstream: Upstream) -> None:
    """16 MiB and a byte is too large."""
    proxy.files[f"{M}/@v/v1.0.0.mod"] = bytes((16 << 20) + 1)
    with pytest.raises(TooLargeError):
        upstream.mod(V1)


def test_a_file_tree_is_an_upstream(client: Client, tmp_path: Path, proxy: GoProxy) -> None:
    """GOPROXY=file:///... works, 404s included."""
    made = proxy.add(M, "v1.0.0")
    folder = tmp_path / M / "@v"
    folder.mkdir(parents=True)
    (folder / "v1.0.0.info").write_bytes(made.info)
    (folder / "list").write_text("v1.0.0\n")
    upstream = over(client, tmp_path.as_uri())
    assert (upstream.info(V1), upstream.list(M)) == (made.info, ["v1.0.0"])
    with pytest.raises(NotFoundError):
        upstream.mod(V1)


def test_the_checksum_database_is_asked_through_the_first_that_supports_it(
    client: Client, proxy: GoProxy, second: GoProxy
) -> None:
    """`supported` decides, once; lookups go to that upstream alone; without one the database could not be asked."""
    log = SumDBLog({V1: ("h1:" + "A" * 43 + "=", "h1:" + "B" * 43 + "=")})
    second.mount(f"sumdb/{log.name}", log.answer)
    upstream = over(client, f"{proxy.url},{second.url}")
    for _ in range(2):
        assert b"h1:" in upstream.get_sumdb(log.name, f"lookup/{V1}")
    assert proxy.requests == {f"sumdb/{log.name}/supported": 1}
    with pytest.raises(UpstreamError, match="no upstream serves") as caught:
        over(client, proxy.url).get_sumdb("sum.other", "latest")
    assert not isinstance(caught.value, NotFoundError)  # that would say that the database knows no such version


def test_a_lookup_that_is_a_bad_request_is_not_known(proxy: GoProxy, upstream: Upstream) -> None:
    """A checksum database, or a proxy before one, that answers 400 to a lookup does not know it; asked once."""
    log = SumDBLog({})
    proxy.mount(f"sumdb/{log.name}", log.answer)
    for subpath in (f"lookup/{V1}", "tile/8/0/000"):
        proxy.fail(f"sumdb/{log.name}/{subpath}", status(400, "invalid module@version syntax"))
    with pytest.raises(NotFoundError, match=r"not known to the checksum database: .*invalid module@version"):
        upstream.get_sumdb(log.name, f"lookup/{V1}")
    with pytest.raises(UpstreamError) as caught:
        upstream.get_sumdb(log.name, "tile/8/0/000")
    assert not isinstance(caught.value, NotFoundError)
    assert proxy.requests[f"sumdb/{log.name}/lookup/{V1}"] == 1


def test_the_whole_protocol_over_a_file_tree(client: Client, proxy: GoProxy, tmp_path: Path) -> None:
    """A folder answers lists, queries, zips and escaped names as a server does."""
    up = ModuleVersion("example.com/Up", "v1.2.0-RC1")
    for mv in (V1, up):
        proxy.add(mv.path, mv.version)
    for name, data in proxy.files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    (tmp_path / M / "@v" / "list").write_text("v1.0.0\n")
    upstream = over(client, tmp_path.as_uri() + "/")
    assert upstream.latest(M).version == "v1.0.0"
    assert upstream.info(up) == proxy.files["example.com/!up/@v/v1.2.0-!r!c1.info"]
    assert upstream.zip_to(up, tmp_path / "zip") == len(proxy.files["example.com/!up/@v/v1.2.0-!r!c1.zip"])
    with pytest.raises(NotFoundError, match=r"v9\.0\.0\.zip"):
        upstream.zip_to(ModuleVersion(M, "v9.0.0"), tmp_path / "zip")


def test_the_settings_come_before_the_go_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """--upstream wins; else GOPROXY and GONOPROXY of the environment count; an empty list is an error."""
    monkeypatch.setenv("GOPROXY", "https://u:secret@a.test,direct")
    monkeypatch.setenv("GONOPROXY", "none.test")
    assert str(Upstream.from_settings(Settings(upstream="https://b.test"))) == "https://b.test"
    assert str(Upstream.from_settings(Settings())) == "https://xxxxx@a.test,direct"
    with pytest.raises(ConfigError, match="empty"):
        Upstream.from_settings(Settings(upstream=","))


def test_entries_compare_by_what_they_say() -> None:
    """Whether an entry has answered is no part of its value."""
    assert Entry("https://a", "any", answers=True) == Entry("https://a", "any")
