"""Who we say we are, to whom, and what a log shows of it."""

from pathlib import Path

import pytest

from gopherwood.credentials import authorization, basic, parse_netrc, redact
from gopherwood.errors import ConfigError


@pytest.fixture(autouse=True)
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Name a netrc file that is not there yet."""
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    return tmp_path / "netrc"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://u:p@h/x", "https://xxxxx@h/x"),
        ("https://u:p@ss@h/x", "https://xxxxx@h/x"),
        ("get https://token@h, then http://h/m/@v/list", "get https://xxxxx@h, then http://h/m/@v/list"),
        ("https://h?mail=a@b", "https://h?mail=a@b"),
    ],
)
def test_a_log_shows_no_credentials(text: str, shown: str) -> None:
    """User and password go, an @ in a path, a query or a version stays."""
    assert redact(text) == shown


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.3.2.1", "[::1]"])
def test_this_machine_may_be_told_unencrypted(host: str) -> None:
    """Nobody can listen on the loopback interface but us."""
    assert authorization("http", "u:p%40", host) == basic("u", "p@")


@pytest.mark.parametrize("host", ["mirror.example", "10.0.0.1", "localhost.example", "[fe80::1]"])
def test_others_are_told_over_https_only(host: str, netrc: Path) -> None:
    """A URL's credentials are refused then; those of netrc are kept back, as `go` does."""
    netrc.write_text(f"machine {host} login u password p\n")
    assert authorization("https", None, host) == basic("u", "p")
    assert authorization("http", None, host) is None
    with pytest.raises(ConfigError, match="unencrypted") as caught:
        authorization("http", "u:s3cret", host)
    assert "s3cret" not in caught.value.diagnostics()


def test_the_url_comes_before_netrc(netrc: Path) -> None:
    """What is said for this one upstream wins over what is said for its host."""
    netrc.write_text("machine h login u password p\n")
    assert authorization("https", "a:b", "h") == basic("a", "b")
    assert authorization("https", None, "other") is None


def test_a_changed_netrc_is_read_anew(netrc: Path) -> None:
    """A token that was renewed while we run counts for the next host."""
    assert authorization("https", None, "h") is None
    for password in ("one", "two"):
        netrc.write_text(f"machine h login u password {password}\n")
        assert authorization("https", None, "h") == basic("u", password)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("machine a login u password p", {"a": ("u", "p")}),
        ("machine a\n  login u\n  password p\nmachine b login v password q\n", {"a": ("u", "p"), "b": ("v", "q")}),
        ("machine a login u password p\nmachine a login v password q\n", {"a": ("u", "p")}),
        ("machine a login u\nmachine b login v password q\n", {"b": ("v", "q")}),
        ("macdef init\nmachine a login u password p\n\nmachine b login v password q\n", {"b": ("v", "q")}),
        ("default login u password p\n", {}),
        ("# a comment\nmachine a login u password p account x\n", {"a": ("u", "p")}),
        ("", {}),
    ],
)
def test_netrc_is_read_as_go_reads_it(text: str, found: dict[str, tuple[str, str]]) -> None:
    """The first entry of a machine wins; halves, macros and the default entry are no one's credentials."""
    assert parse_netrc(text) == found
