"""go-get meta, from real pages over TLS: which tag counts, which pages are not asked, and what is not believed."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fakes.loopback import Answer, Loopback, redirect
from fakes.tls import Authority
from fakes.tunnel import Tunnel
from gopherwood.config import Settings
from gopherwood.errors import NotFoundError, RefusedError
from gopherwood.http import Client
from gopherwood.module import ModuleVersion
from gopherwood.origin import Origin, discover
from gopherwood.reach import Reach


@dataclass
class Pages(Loopback):
    """A server of pages by path."""

    pages: dict[str, str] = field(default_factory=dict)

    def answer(self, path: str, query: dict[str, str]) -> Answer:
        """Serve a page, to those who ask as go does."""
        page = self.pages.get(path) if query.get("go-get") == "1" else None
        return Answer(404, b"nothing here\n") if page is None else Answer(200, page.encode())


def tag(content: str) -> str:
    return f'<html><head><meta name="go-import" content="{content}"></head><body>hello</body></html>'


@pytest.fixture
def pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pages]:
    """Serve https://vanity.example: behind a proxy, for no name of ours leads to loopback."""
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with (
        Pages(tls=authority.serve_as("vanity.example")) as server,
        Tunnel({"vanity.example:443": server.port}) as proxy,
    ):
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        yield server


def ask(path: str, version: str = "v1.0.0", allowed: Reach = Reach.PUBLIC) -> Origin:
    with Client(Settings(timeout=5.0), tries=1) as client:
        return discover(client, ModuleVersion(path, version), allowed)


def test_vanity_path(pages: Pages) -> None:
    """A page names the repository; below its prefix is the folder."""
    pages.pages["x"] = pages.pages["x/sub"] = tag("vanity.example/x git https://github.com/a/x")
    assert ask("vanity.example/x") == Origin("git", "https://github.com/a/x", "", "refs/tags/v1.0.0", "", "meta")
    expected = Origin("git", "https://github.com/a/x", "sub", "refs/tags/sub/v1.0.0", "", "meta")
    assert ask("vanity.example/x/sub") == expected


def test_folder_that_meta_names(pages: Pages) -> None:
    """A fourth word is a folder of the repository, as since Go 1.25."""
    pages.pages["x"] = tag("vanity.example/x git https://github.com/a/mono lib/x")
    assert ask("vanity.example/x").ref == "refs/tags/lib/x/v1.0.0"


def test_prefix_with_a_major_version(pages: Pages) -> None:
    """A repository whose root is the whole path, /v2 included, has no folder."""
    pages.pages["x/v2"] = tag("vanity.example/x/v2 git https://github.com/a/x")
    assert ask("vanity.example/x/v2", "v2.0.0").ref == "refs/tags/v2.0.0"


def test_page_that_speaks_for_another_is_checked_there(pages: Pages) -> None:
    """Bob's page may not say what the whole of the host is: the page of the prefix must agree."""
    pages.pages["bob/x"] = tag("vanity.example git https://github.com/evil/x")
    pages.pages[""] = tag("vanity.example git https://github.com/good/x")
    with pytest.raises(NotFoundError, match="different repositories"):
        ask("vanity.example/bob/x")


def test_many_tags(pages: Pages) -> None:
    """Others' prefixes and proxies are passed over, `x` is no prefix of `x-other`; two that match are an error."""
    both = "vanity.example/x git https://github.com/a/x"
    pages.pages["y"] = (
        '<head><meta name="go-import" content="vanity.example/y mod https://proxy.vanity.example">'
        '<meta name="go-import" content="vanity.example/other git https://github.com/b/other">'
        '<meta name="go-import" content="vanity.example/y git https://github.com/a/y"></head>'
    )
    assert ask("vanity.example/y").url == "https://github.com/a/y"
    pages.pages["x-other"] = tag(both)
    with pytest.raises(NotFoundError, match="no go-import tag"):
        ask("vanity.example/x-other")
    pages.pages["x"] = f'<head><meta name="go-import" content="{both}"><meta name="go-import" content="{both}2"></head>'
    with pytest.raises(NotFoundError, match="more than one"):
        ask("vanity.example/x")


def test_body_is_not_read(pages: Pages) -> None:
    """Whoever can write a comment on a page cannot name its repository."""
    pages.pages["x"] = (
        '<head></head><body><meta name="go-import" content="vanity.example/x git https://e.example"></body>'
    )
    with pytest.raises(NotFoundError):
        ask("vanity.example/x")


@pytest.mark.parametrize("path", ["169.254.169.254/latest", "127.0.0.1/x", "10.1.2.3/x"])
def test_path_that_is_an_inner_address_is_not_asked(path: str) -> None:
    """Who names a module names a host; one that only we can reach is refused before a byte is sent."""
    with pytest.raises(RefusedError, match="inwards"):
        ask(path)


def test_page_that_redirects_inwards_is_refused(pages: Pages) -> None:
    """A public page that sends us to this machine is not followed."""
    pages.fail("x", redirect("https://127.0.0.1/secrets"))
    with pytest.raises(RefusedError, match="inwards"):
        ask("vanity.example/x")
