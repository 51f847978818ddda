"""Whom the HTTP client trusts: certificates, tunnels through proxies, and where redirects may lead."""

import base64
import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from fakes import loopback
from fakes.goproxy import GoProxy
from fakes.loopback import Answer, Loopback
from fakes.tls import Authority
from fakes.tunnel import Tunnel
from gopherwood import endpoint, http, wire
from gopherwood.config import Settings
from gopherwood.errors import (
    ConfigError,
    GopherwoodError,
    RefusedError,
    UntrustedError,
    UpstreamError,
)
from gopherwood.module import ModuleVersion
from gopherwood.upstream import Upstream, parse_goproxy

HOST = "upstream.test"


class Echo(Loopback):
    """Answers with the path."""

    def answer(self, path: str, query: dict[str, str]) -> Answer:
        return Answer(200, path.encode())


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Start without the proxies, authorities and credentials of whoever runs the tests."""
    monkeypatch.setattr(http, "FIRST_PAUSE", 0.001)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """Make a private authority that SSL_CERT_FILE names."""
    made = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.file))
    return made


@pytest.fixture
def server() -> Iterator[Echo]:
    with Echo() as server:
        yield server


def fetch(url: str) -> bytes:
    with http.Client(Settings(timeout=5)) as client:
        return client.get(url, limit=1 << 20).body


# --- certificates


def test_an_https_upstream_of_a_private_authority_is_trusted_by_ssl_cert_file(authority: Authority) -> None:
    """The whole protocol over TLS, over one connection."""
    with GoProxy(tls=authority.serve_as("127.0.0.1")) as proxy, http.Client(Settings(timeout=5)) as client:
        made = proxy.add("example.com/m", "v1.0.0")
        upstream = Upstream(parse_goproxy(proxy.url), client)
        assert upstream.info(ModuleVersion("example.com/m", "v1.0.0")) == made.info
        assert (upstream.list("example.com/m"), proxy.connections) == (["v1.0.0"], 1)


def closing(handler: loopback.Handler, answer: Answer) -> None:
    """Answer as if the connection were kept, and close it: what load balancers do to idle ones."""
    handler.send(answer)
    handler.close_connection = True


@pytest.mark.parametrize("secure", [False, True])
def test_a_kept_connection_that_is_closed_is_no_failure(authority: Authority, secure: bool) -> None:
    """With one try only: each request finds its connection closed, and goes over another."""
    tls = authority.serve_as("127.0.0.1") if secure else None
    with Echo(tls=tls) as server, http.Client(Settings(timeout=5), tries=1) as client:
        server.fail("f", closing)
        assert [client.get(f"{server.url}/f", limit=10).body for _ in range(5)] == [b"f"] * 5
        assert (server.requests["f"], server.connections) == (5, 5)


def test_a_tls_connection_is_kept_over_a_pause(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """What TLS itself has sent meanwhile (session tickets) is not taken for a stale connection."""
    monkeypatch.setattr(wire, "MAX_TRUST", 0.0)
    with Echo(tls=authority.serve_as("127.0.0.1")) as server, http.Client(Settings(timeout=5)) as client:
        assert [client.get(f"{server.url}/{n}", limit=10).body for n in range(3)] == [b"0", b"1", b"2"]
        assert server.connections == 1


def test_an_unknown_authority_is_refused(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without SSL_CERT_FILE nobody vouches for it: said after one try, with what to do."""
    monkeypatch.delenv("SSL_CERT_FILE")
    with Echo(tls=authority.serve_as("127.0.0.1")) as server:
        with pytest.raises(UntrustedError, match=r"certificate of 127\.0\.0\.1 is not trusted: .*issuer") as caught:
            fetch(f"{server.url}/f")
        assert ("SSL_CERT_FILE" in caught.value.hint, server.requests.total()) == (True, 0)


@pytest.mark.parametrize("name", ["127.0.0.2", "other.test"])
def test_another_hosts_certificate_is_refused(authority: Authority, name: str) -> None:
    """A good certificate of somebody else proves nothing."""
    with Echo(tls=authority.serve_as(name)) as server, pytest.raises(UntrustedError, match="is not valid for"):
        fetch(f"{server.url}/f")


def test_an_expired_certificate_is_refused(authority: Authority) -> None:
    """Yesterday's certificate is nobody's."""
    with (
        Echo(tls=authority.serve_as("127.0.0.1", lives=timedelta(days=-1))) as server,
        pytest.raises(UntrustedError, match="expired"),
    ):
        fetch(f"{server.url}/f")


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_bad_ssl_cert_file_is_a_configuration_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    """A file that is missing, or holds none, is named; OpenSSL alone would say nothing and trust nobody."""
    if content:
        (tmp_path / "ca.pem").write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with pytest.raises(ConfigError, match=r"SSL_CERT_FILE=.*ca\.pem"):
        fetch("https://127.0.0.1:1/f")


def test_plain_http_where_tls_is_expected_is_an_upstream_error(server: Echo) -> None:
    """A wrong scheme is said to be no connection, not a crash."""
    with pytest.raises(UpstreamError, match="cannot connect"):
        fetch(server.url.replace("http:", "https:") + "/f")


# --- proxies


@pytest.fixture
def inside(authority: Authority) -> Iterator[Echo]:
    """Run an https server that only the proxy can find by its name."""
    with Echo(tls=authority.serve_as(HOST)) as server:
        yield server


def test_https_goes_through_a_tunnel(inside: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTPS_PROXY carries the bytes; the certificate is checked against the upstream's name, the tunnel is kept."""
    with Tunnel({f"{HOST}:443": inside.port}) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with http.Client(Settings(timeout=5)) as client:
            got = [client.get(f"https://{HOST}/{n}", limit=10).body for n in range(3)]
        assert (got, proxy.asked) == ([b"0", b"1", b"2"], [f"{HOST}:443"])


def test_a_tunnel_proves_nothing(inside: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that leads elsewhere is found out by the certificate."""
    with Tunnel({"bank.test:443": inside.port}) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with pytest.raises(UntrustedError, match=r"certificate of bank\.test"):
            fetch("https://bank.test/f")
    assert not inside.requests


def test_proxy_credentials_open_the_tunnel_and_go_no_further(
    inside: Echo, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """User and password of the proxy's URL are sent to the proxy alone, and stand in no log."""
    caplog.set_level(logging.DEBUG)
    with Tunnel({f"{HOST}:443": inside.port}, user=("me", "s3cret@x")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("://", "://me:s3cret%40x@"))
        assert fetch(f"https://{HOST}/f") == b"f"
    assert inside.seen == [("f", None)]
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize(("port", "code"), [(443, 407), (8443, 502)])
def test_a_proxys_refusal_is_told_without_its_credentials(
    inside: Echo, monkeypatch: pytest.MonkeyPatch, port: int, code: int
) -> None:
    """The message names the upstream, the proxy and the proxy's answer, never the password."""
    user = ("me", "right") if code == 407 else None
    with Tunnel({f"{HOST}:443": inside.port}, user=user) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("://", "://me:s3cret@"))
        with pytest.raises(UpstreamError, match=rf"{HOST} through the proxy 127\.0\.0\.1: .*{code}") as caught:
            fetch(f"https://{HOST}:{port}/f")
    assert "s3cret" not in caught.value.diagnostics()


@pytest.mark.parametrize(
    "url", ["socks5://me:s3cret@h:1", "me:s3cret@", "http://me:s3cret@h:port", "https://me:s3cret@h", "me:s3@s3cret@"]
)
def test_a_proxy_that_cannot_be_used_is_named_without_its_credentials(url: str) -> None:
    """Other kinds of proxies, and URLs that are none, are configuration errors."""
    with pytest.raises(ConfigError, match="proxy") as caught:
        endpoint.parse_proxy(url)
    assert "s3cret" not in caught.value.diagnostics()


@pytest.mark.parametrize(
    ("host", "no_proxy", "direct"),
    [
        ("upstream.test", "", False),
        ("upstream.test", "other.test,upstream.test", True),
        ("a.upstream.test", ".upstream.test", True),
        ("notupstream.test", "upstream.test", False),
        ("upstream.test:8443", "upstream.test:8443", True),
        ("upstream.test", "*", True),
        ("10.1.2.3", "10.0.0.0/8", True),
        ("11.1.2.3", "10.0.0.0/8,x/y", False),
        ("fd00::1", "fd00::/8", True),
        ("127.0.0.1", "", True),
        ("localhost", "", True),
    ],
)
def test_no_proxy(host: str, no_proxy: str, direct: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names with their subdomains, ports, ranges, `*`; and this machine, as `go` has it."""
    monkeypatch.setenv("NO_PROXY", no_proxy)
    name = host if host.count(":") > 1 else host.partition(":")[0]
    assert endpoint.is_direct(name, host, no_proxy) is direct


def test_an_upstream_on_this_machine_is_never_asked_through_a_proxy(
    server: Echo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy elsewhere could not reach it."""
    with Tunnel({}) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        assert fetch(f"{server.url}/f") == b"f"
    assert proxy.asked == []


# --- redirects


def test_a_redirect_to_another_host_drops_credentials(server: Echo) -> None:
    """Neither the URL's own credentials nor any that the redirect brings along are sent on."""
    with Echo() as other:
        for brought in ("", "evil:pass@"):
            target = other.url.replace("://", f"://{brought}").replace("127.0.0.1", "localhost")
            server.faults.clear()
            server.fail("f", loopback.redirect(f"{target}/g"))
            assert fetch(f"{server.url}/f".replace("://", "://u:p@")) == b"g"
    assert server.seen == [("f", "Basic " + base64.b64encode(b"u:p").decode())] * 2
    assert other.seen == [("g", None)] * 2


def test_a_redirect_never_leaves_https(authority: Authority, server: Echo) -> None:
    """From https to http is refused; the target hears nothing."""
    with Echo(tls=authority.serve_as("127.0.0.1")) as secure:
        secure.fail("f", loopback.redirect(f"{server.url}/f"))
        with pytest.raises(RefusedError, match="leaves https"):
            fetch(f"{secure.url}/f")
        assert (secure.requests["f"], server.requests.total()) == (1, 0)


def test_a_loop_of_redirects_is_bounded(server: Echo) -> None:
    """Two that point at each other are asked six times a try, and then it is an error."""
    server.fail("a", loopback.redirect("/b"))
    server.fail("b", loopback.redirect("/a"))
    with pytest.raises(UpstreamError, match="more than 5 redirects"):
        fetch(f"{server.url}/a")
    assert server.requests.total() == (http.MAX_REDIRECTS + 1) * http.TRIES


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://[fd00:ec2::254]/latest/",
        "http://100.100.100.200/",
        "http://[::ffff:169.254.169.254]/",
        "http://168.63.129.16/",
    ],
)
def test_a_redirect_never_leads_to_a_metadata_service(server: Echo, target: str) -> None:
    """Not even from an upstream on this machine; and it is refused before a connection is made."""
    server.fail("f", loopback.redirect(target))
    with pytest.raises(RefusedError, match="metadata"):
        fetch(f"{server.url}/f")
    assert server.requests["f"] == 1


def test_a_redirect_may_stay_on_this_machine(server: Echo) -> None:
    """A configured loopback upstream is allowed, and so is its way to a neighbour."""
    with Echo() as other:
        server.fail("f", loopback.redirect(f"{other.url}/g"))
        assert fetch(f"{server.url}/f") == b"g"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "10.0.0.1"])
def test_a_redirect_through_a_proxy_never_leads_inwards(
    inside: Echo, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    """What a public host says may not make us, or the proxy, ask an inner address."""
    inside.fail("f", loopback.redirect(f"https://{host}:{inside.port}/g"))
    with Tunnel({f"{HOST}:443": inside.port}) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with pytest.raises(RefusedError, match="inwards"):
            fetch(f"https://{HOST}/f")
        assert proxy.asked == [f"{HOST}:443"]
    assert inside.requests["g"] == 0


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "ftp://h/x",
        "http://[bad/",
        "http://h:99999/",
        f"http://{'a' * 70}.test/",
        "//",
        "http://ü/",
    ],
)
def test_an_odd_redirect_is_the_upstreams_fault(server: Echo, location: str) -> None:
    """What an upstream says is never taken for our usage, which would end the run."""
    server.fail("f", lambda handler, _: handler.send(Answer(302, b"", (("Location", location),))))
    with pytest.raises(GopherwoodError) as caught:
        fetch(f"{server.url}/f")
    assert isinstance(caught.value, UpstreamError)
