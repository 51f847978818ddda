"""The page of a module: its address, its tabs, its banners, and what strangers' words may not do to it."""

import threading
from collections.abc import Callable

import pytest

from fakes.goproxy import make_module
from fakes.site import Site
from gopherwood.facts import run

PATH = "example.com/shop"
EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def shop(make_site: Callable[..., Site]) -> Site:
    """Publish a shop, somebody who imports it, and its next major version; read all of them; serve them."""
    site = make_site()
    source = (
        f"// Package shop sells. {EVIL}\npackage shop\n\n// A Thing is sold.\ntype Thing struct {{ Name string }}\n"
    )
    readme = f"# Shop\n\nSee [the till](till/till.go). {EVIL}\n"
    files = {"shop.go": source, "till/till.go": "package till\n", "README.md": readme, "data.bin": b"\0\1"}
    site.publish(PATH, "v1.0.0", make_module(PATH, "v1.0.0", files))
    mod = f"// Deprecated: {EVIL}\nmodule {PATH}\n\ngo 1.21\n\nrequire example.com/gone v1.0.0\n"
    mod += f"\nretract v1.0.0 // {EVIL}\n"
    site.publish(PATH, "v1.1.0", make_module(PATH, "v1.1.0", {**files, "go.mod": mod}))
    site.publish(f"{PATH}/v2", "v2.0.0")
    user = 'package user\n\nimport _ "example.com/shop"\n'
    site.publish("example.com/user", "v1.0.0", make_module("example.com/user", "v1.0.0", {"user.go": user}))
    run(site.settings, (), None, threading.Event())
    site.start()
    return site


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("/example.com/shop", "go get example.com/shop@v1.1.0"),
        ("/example.com/shop@v1.0.0", "go get example.com/shop@v1.0.0"),
        ("/example.com/shop@latest", "v1.1.0 (latest)"),
        ("/example.com/shop/till", "go get example.com/shop/till@v1.1.0"),
        ("/example.com/shop@v1.0.0/till", "in module <a"),
        ("/example.com/shop/v2", "go get example.com/shop/v2@v2.0.0"),
        ("/example.com/shop?tab=docs", "A Thing is sold."),
        ("/example.com/shop?tab=versions", ">v1.0.0</a>"),
        ("/example.com/shop?tab=imports", "example.com/gone"),
        ("/example.com/shop?tab=importedby", '<a href="/example.com/user">'),
        ("/example.com/shop?tab=trust", "example.com/shop v1.1.0/go.mod"),
        ("/example.com/shop?tab=code", ">till/</a>"),
        ("/example.com/shop?tab=code&file=till/till.go", '<li id="L1">package till</li>'),
        ("/example.com/shop?tab=code&file=data.bin", "It is not text."),
    ],
)
def test_each_address_has_its_page(shop: Site, address: str, says: str) -> None:
    """A module, a version, a package in it, and each tab are where people look for them."""
    reply = shop.get(address)
    assert reply.status == 200, reply.text
    assert says in reply.text
    assert reply.headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_banners_say_what_matters(shop: Site) -> None:
    """Retraction and deprecation by the highest version, and a newer major version that is here."""
    text = shop.get("/example.com/shop@v1.0.0").text
    for banner in ("<strong>Retracted.</strong>", "<strong>Deprecated.</strong>", '<a href="/example.com/shop/v2">'):
        assert banner in text


@pytest.mark.parametrize(
    "address",
    [
        "/example.com/shop@v9.0.0",
        "/example.com/none",
        "/example.com/shop/none",
        "/example.com/shop@v1.0.0/none",
        "/example.com/shop?tab=none",
        "/example.com/shop?tab=code&file=none",
        "/example.com/shop?tab=code&file=../../etc/passwd",
    ],
)
def test_what_is_not_here_says_so(shop: Site, address: str) -> None:
    """A name that nothing has is a 404 that says how to bring it in, or which versions there are."""
    reply = shop.get(address)
    assert reply.status == 404
    assert "Not here" in reply.text


@pytest.mark.parametrize("tab", ["", "docs", "versions", "imports", "importedby", "trust", "code"])
def test_words_of_authors_are_only_words(shop: Site, tab: str) -> None:
    """No tag of an author's comes through, on any tab."""
    text = shop.get(f"/example.com/shop@v1.0.0?tab={tab}").text
    assert "<script" not in text
    assert "<img" not in text


def test_hostile_names_are_only_names(shop: Site) -> None:
    """What stands in the address or the query is shown as text, or refused."""
    assert "<b>" not in shop.get("/example.com/shop?tab=code&file=%3Cb%3E").text
    assert "<b>" not in shop.get("/example.com/shop?tab=importedby&after=%3Cb%3E").text
    assert shop.get("/example.com/%3Cb%3E").status == 404
    assert shop.get("/example.com/" + "a/" * 900 + "b").status == 404


def test_a_version_that_was_not_read_says_so(shop: Site) -> None:
    """Its page is there all the same, with all that the catalog knows."""
    shop.publish("example.com/unread", "v1.0.0")
    reply = shop.get("/example.com/unread")
    assert (reply.status, "has not been read yet" in reply.text) == (200, True)
