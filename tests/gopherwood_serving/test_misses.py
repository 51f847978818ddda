"""What is asked for in vain: noted for the next ingestion, and told in words that `go` prints."""

import re

import pytest

from fakes.site import Site


def noted(site: Site, path: str) -> dict[str, int]:
    """Return what the catalog noted of a module: query -> times."""
    return {miss.query: miss.count for miss in site.catalog.misses(10_000) if miss.path == path}


def test_a_miss_is_noted_once(site: Site) -> None:
    """A version, a list, @latest and a branch that we do not have become requests, each once however often asked."""
    for ask in ("@v/v1.0.0.info", "@v/v1.0.0.zip", "@v/list", "@latest", "@v/main.info"):
        for _ in range(3):
            site.get(f"/example.com/wanted/{ask}")
    site.wait(lambda: noted(site, "example.com/wanted") == dict.fromkeys(["v1.0.0", "list", "latest", "main"], 1))


def test_what_cannot_be_a_module_is_not_noted(site: Site) -> None:
    """Prefixes that `go` probes on well-known hosts, invalid paths, and questions that forbid fetching leave no row."""
    for path in (
        "/github.com/@v/list",
        "/github.com/owner/@v/list",
        "/cached-only/example.com/never/@v/list",
        "/x/@v/list",
    ):
        assert site.get(path).status == 404
    site.get("/example.com/never/@v/v1.0.0.info", {"Disable-Module-Fetch": "true"})
    site.get("/example.com/marker/@v/list")
    site.wait(lambda: noted(site, "example.com/marker") == {"list": 1})
    assert [noted(site, path) for path in ("github.com", "github.com/owner", "example.com/never", "x")] == [{}] * 4


def test_a_flood_of_misses_is_bounded(site: Site) -> None:
    """Thousands of different nonsense paths fill neither the server's memory nor the list of requests without end."""
    for number in range(500):
        site.get(f"/example.com/flood{number}/@v/list")
    assert site.metric("misses_noted_total") >= 500
    assert site.metric("memory_bytes") < site.settings.serving_memory


@pytest.mark.parametrize(
    "ask", ["@v/v9.0.0.info", "@v/list", "@v/v2.info", "@v/main.info", "@v/v2.0.0.info", "@v/nonsense"]
)
def test_a_refusal_is_what_go_prints(site: Site, ask: str) -> None:
    """A 404 body is plain text of at most 8 lines and 648 bytes, graphic characters, without an empty line."""
    site.publish("example.com/refusal", "v1.0.0")
    reply = site.get(f"/example.com/refusal/{ask}" if ask != "@v/list" else "/example.com/refusals/@v/list")
    assert (reply.status, reply.headers["Content-Type"]) == (404, "text/plain; charset=utf-8")
    lines = reply.text.splitlines()
    assert 1 <= len(lines) <= 8
    assert len(reply.body) <= 648
    assert all(re.fullmatch("[ -~]+", line) for line in lines)


def test_a_rejected_version_says_why(site: Site) -> None:
    """Who asks for a version that a rule rejected is told the rule and the reason."""
    site.reject("example.com/rejected", "v1.0.0", "invalid-zip", "two files\nwith one name")
    assert "rejected (invalid-zip): two files with one name" in site.get("/example.com/rejected/@v/v1.0.0.info").text


def test_a_version_on_its_way_says_so(site: Site) -> None:
    """Who asks for a version that is queued is told to come back."""
    from gopherwood.module import ModuleVersion

    site.catalog.enqueue([ModuleVersion("example.com/queued", "v1.0.0")], source="test")
    assert "on its way (state: queued)" in site.get("/example.com/queued/@v/v1.0.0.info").text
    site.reject("example.com/queued", "v1.0.0", "test", "done with")


def test_missing_and_impossible_have_lifetimes_of_their_own(site: Site) -> None:
    """What may come is cached for seconds, what can never be for a day."""
    missing, impossible = site.get("/example.com/soon/@v/list"), site.get("/example.com/UPPER/@v/list")
    assert missing.headers["Cache-Control"] == "public, max-age=15"
    assert impossible.headers["Cache-Control"] == "public, max-age=86400"
