"""Version lists, @latest and version queries: answers from the catalog that change with each publish."""

import json

import pytest

from fakes.goproxy import make_module
from fakes.site import Site

OLD, NEW = "v0.0.0-20200102030405-abcdef123456", "v0.0.0-20210102030405-abcdef123456"


def latest(site: Site, path: str, query: str = "@latest") -> str:
    """Return the version that a query stands for."""
    return str(json.loads(site.get(f"/{path}/{query}").body)["Version"])


def test_a_list_holds_tagged_versions_in_order(site: Site) -> None:
    """Versions are sorted as versions, pre-releases among them; a pseudo-version never is in a list."""
    for version in ("v1.10.0", "v1.9.0", "v1.10.0-rc.1", OLD):
        site.publish("example.com/list", version)
    reply = site.get("/example.com/list/@v/list")
    assert reply.text == "v1.9.0\nv1.10.0-rc.1\nv1.10.0\n"
    assert reply.headers["Cache-Control"] == "public, max-age=60"


def test_a_module_of_pseudo_versions_has_an_empty_list(site: Site) -> None:
    """The list is there and empty, and @latest is the newest commit, as `go` expects of untagged modules."""
    for version in (NEW, OLD):
        site.publish("example.com/untagged", version)
    reply = site.get("/example.com/untagged/@v/list")
    assert (reply.status, reply.body) == (200, b"")
    assert latest(site, "example.com/untagged") == NEW


def test_latest_is_a_release_before_a_pre_release(site: Site) -> None:
    """@latest is the highest release; a pre-release only where there is none."""
    site.publish("example.com/latest", "v1.1.0-rc.1")
    assert latest(site, "example.com/latest") == "v1.1.0-rc.1"
    site.publish("example.com/latest", "v1.0.0")
    site.wait(lambda: latest(site, "example.com/latest") == "v1.0.0")


def test_latest_is_not_retracted(site: Site) -> None:
    """A version that the newest go.mod retracts is no answer."""
    path = "example.com/retracted"
    site.publish(path, "v1.0.0")
    go_mod = f"module {path}\n\nretract v1.1.0 // published by mistake\n"
    site.publish(path, "v1.1.0", make_module(path, "v1.1.0", {"go.mod": go_mod}))
    assert latest(site, path) == "v1.0.0"


@pytest.mark.parametrize(("query", "version"), [("v1", "v1.2.10"), ("v1.1", "v1.1.9"), ("v0", "v0.9.0")])
def test_a_query_is_answered_from_what_we_hold(site: Site, query: str, version: str) -> None:
    """v1 and v1.2 stand for the highest version they are the beginning of, and .info says which."""
    path = f"example.com/query-{query}"
    for each in ("v0.9.0", "v1.1.2", "v1.1.9", "v1.2.9", "v1.2.10"):
        site.publish(path, each)
    assert latest(site, path, f"@v/{query}.info") == version


@pytest.mark.parametrize("query", ["master", "v2", "v1.9", "abcdef123456", "v1.0.0+meta"])
def test_a_query_for_what_we_do_not_hold_is_404(site: Site, query: str) -> None:
    """A branch, a commit, a major version that is not here: 404, and `go` asks the next proxy."""
    site.publish("example.com/queries", "v1.0.0")
    assert site.get(f"/example.com/queries/@v/{query}.info").status == 404
    assert site.get(f"/example.com/queries/@v/{query}.zip").status == 404


@pytest.mark.parametrize("ask", ["@v/list", "@latest", "@v/v1.info"])
def test_an_unknown_module_is_404(site: Site, ask: str) -> None:
    """`go` probes every prefix of a path: what is not a module here is 404, never 403."""
    reply = site.get(f"/example.com/nobody/{ask}")
    assert (reply.status, reply.headers["Content-Type"]) == (404, "text/plain; charset=utf-8")


def test_a_publish_shows_within_a_second_or_two(site: Site) -> None:
    """A list, a 404 of a version and a 404 of a module in memory all give way to what is published."""
    asked = [f"/example.com/fresh/{ask}" for ask in ("@v/list", "@latest", "@v/v1.0.0.zip", "@v/v1.info")]
    assert {site.get(path).status for path in asked * 2} == {404}
    site.publish("example.com/fresh", "v1.0.0")
    site.wait(lambda: {site.get(path).status for path in asked} == {200}, seconds=3)
    site.publish("example.com/fresh", "v1.1.0")
    site.wait(lambda: site.get(asked[0]).text == "v1.0.0\nv1.1.0\n", seconds=3)
