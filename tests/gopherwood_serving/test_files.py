"""The files of a module version, as a client of the proxy protocol sees them."""

import hashlib
import json

import pytest

from fakes.goproxy import make_module
from fakes.site import Site
from gopherwood.module import ModuleVersion
from gopherwood.store import key

TYPES = {".info": "application/json", ".mod": "text/plain; charset=utf-8", ".zip": "application/zip"}


def test_files_of_a_version_are_served_byte_for_byte(site: Site) -> None:
    """.info, .mod and .zip are the bytes that were published; .info echoes the exact version."""
    made = site.publish("example.com/files", "v1.2.3")
    base = "/example.com/files/@v/v1.2.3"
    assert (made.info, made.mod, made.zip) == tuple(site.get(base + suffix).body for suffix in TYPES)
    assert json.loads(site.get(base + ".info").body)["Version"] == "v1.2.3"


@pytest.mark.parametrize("suffix", TYPES)
def test_files_of_a_version_may_be_cached_for_ever(site: Site, suffix: str) -> None:
    """Each file has its type, its length, a strong validator, and a lifetime without end."""
    site.publish("example.com/headers", "v1.0.0")
    reply = site.get(f"/example.com/headers/@v/v1.0.0{suffix}")
    assert reply.headers["Content-Type"] == TYPES[suffix]
    assert int(reply.headers["Content-Length"]) == len(reply.body)
    assert reply.headers["ETag"] == f'"{hashlib.sha256(reply.body).hexdigest()[:32]}"'
    assert reply.headers["Cache-Control"] == "public, max-age=31536000, immutable"


def test_the_second_answer_is_the_first(site: Site) -> None:
    """What comes from memory has the status, the headers and the bytes of what came from the store."""
    site.publish("example.com/twice", "v1.0.0")
    first, second = (site.get("/example.com/twice/@v/v1.0.0.mod") for _ in range(2))
    drop = {"Date"}
    assert (first.status, first.body) == (second.status, second.body)
    assert [h for h in first.headers.items() if h[0] not in drop] == [
        h for h in second.headers.items() if h[0] not in drop
    ]


def test_upper_case_is_escaped(site: Site) -> None:
    """`!a` stands for `A`, plain or as `go` sends it; the letter itself is another name, which nobody has."""
    made = site.publish("github.com/BurntSushi/toml", "v1.0.0-RC1")
    wanted = "/github.com/!burnt!sushi/toml/@v/v1.0.0-!r!c1.mod"
    assert made.mod == site.get(wanted).body == site.get(wanted.replace("!", "%21")).body
    assert site.get("/github.com/BurntSushi/toml/@v/v1.0.0-!r!c1.mod").status == 404
    assert site.get("/github.com/!burnt!sushi/toml/@v/v1.0.0-RC1.mod").status == 404


@pytest.mark.parametrize(
    ("path", "version"),
    [
        ("example.com/m/v2", "v2.0.1"),
        ("gopkg.in/yaml.v3", "v3.0.1"),
        ("example.com/old", "v3.1.0+incompatible"),
        ("example.com/pseudo", "v0.0.0-20200102030405-abcdef123456"),
        ("golang.org/toolchain", "v0.0.1-go1.21.0.linux-amd64"),
    ],
)
def test_every_form_of_version_is_served(site: Site, path: str, version: str) -> None:
    """Major versions, +incompatible, pseudo-versions and toolchains are versions like any other."""
    made = site.publish(path, version)
    assert made.zip == site.get(f"/{path}/@v/{version}.zip").body


def test_names_that_share_a_prefix_are_kept_apart(site: Site) -> None:
    """v1.1 is not v1.10, and one/two is not one/two-other."""
    made = {
        name: site.publish(*name) for name in [("example.com/one/two", "v1.1.0"), ("example.com/one/two", "v1.10.0")]
    }
    other = site.publish("example.com/one/two-other", "v1.1.0")
    for (path, version), module in made.items():
        assert module.zip == site.get(f"/{path}/@v/{version}.zip").body
    assert other.zip == site.get("/example.com/one/two-other/@v/v1.1.0.zip").body
    assert site.get("/example.com/one/two-other/@v/v1.10.0.zip").status == 404


def test_a_version_without_its_mark_is_not_there(site: Site) -> None:
    """.zip and .mod that lie in the store before their .info are not served: half a publish is none."""
    mv, made = ModuleVersion("example.com/half", "v1.0.0"), make_module("example.com/half", "v1.0.0")
    site.objects.create(key(mv, ".zip"), made.zip)
    site.objects.create(key(mv, ".mod"), made.mod)
    assert {site.get(f"/example.com/half/@v/v1.0.0{suffix}").status for suffix in TYPES} == {404}


def test_a_published_file_that_is_lost_is_our_fault(site: Site) -> None:
    """A missing .zip of a published version is 503, never a 404 that would send clients elsewhere."""
    mv, made = ModuleVersion("example.com/lost", "v1.0.0"), make_module("example.com/lost", "v1.0.0")
    site.objects.create(key(mv, ".info"), made.info)
    reply = site.get("/example.com/lost/@v/v1.0.0.zip")
    assert reply.status == 503
    assert reply.headers["Cache-Control"] == "no-store"


def test_cached_only_is_a_way_to_the_same_files(site: Site) -> None:
    """The public proxy's /cached-only/ prefix and its Disable-Module-Fetch header are understood: we never fetch."""
    made = site.publish("example.com/cached", "v1.0.0")
    assert made.zip == site.get("/cached-only/example.com/cached/@v/v1.0.0.zip").body
    assert site.get("/example.com/cached/@v/v1.0.0.zip", {"Disable-Module-Fetch": "true"}).status == 200
