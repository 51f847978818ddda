"""The mirrored checksum database: with its upstream gone `go` verifies through us, and we promise what we hold."""

import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fakes import sumdb as fake
from fakes.goproxy import GoProxy
from fakes.site import Site
from gopherwood import ingest, store, tlog, toolchain
from gopherwood.module import ModuleVersion
from gopherwood_serving.tiles import edge_problem

HELD = [ModuleVersion(f"example.com/M{number}", "v1.0.0") for number in range(6)]
pytestmark = pytest.mark.xdist_group("sumdb-mirror")
Mirror = tuple[Site, fake.SumDBLog]


@pytest.fixture(scope="module")
def mirror(make_site: Callable[..., Site], tmp_path_factory: pytest.TempPathFactory) -> Mirror:
    """Ingest six modules through a checksum database of 700 records, then unplug both and serve."""
    site, file = make_site(), tmp_path_factory.mktemp("zip") / "zip"
    with GoProxy() as proxy:
        sums = {}
        for mv in HELD:
            made = proxy.add(mv.path, mv.version)
            file.write_bytes(made.zip)
            sums[mv] = fake.sums(file, made.mod)
        log = fake.SumDBLog(sums)
        log.grow(700)
        proxy.mount(f"sumdb/{log.name}", log.answer)
        settings = replace(site.settings, upstream=proxy.url, sumdb=log.vkey)
        for wanted in (HELD[:3], HELD[3:]):
            assert ingest.run(settings, wanted=[str(mv) for mv in wanted], style="json").exit_code == 0
    site.start()
    return site, log


def test_go_verifies_through_the_mirror(mirror: Mirror, tmp_path: Path) -> None:
    """A stock client with an empty cache downloads all of it, every hash proved in the log, the log being gone."""
    site, log = mirror
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GO")}
    environ |= {"GOPROXY": f"{site.url},off", "GOSUMDB": log.vkey, "GOPATH": str(tmp_path), "GOFLAGS": "-modcacherw"}
    command = [toolchain.find_go(), "mod", "download", *map(str, HELD)]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.rglob("cache/download/sumdb/*/lookup/*/*"))) == len(HELD)


def test_supported_is_said_of_what_is_mirrored(mirror: Mirror) -> None:
    """200 for the database whose heads we hold; 404 for any other, so that `go` asks that one directly."""
    site, log = mirror
    assert [site.get(f"/sumdb/{name}/supported").status for name in (log.name, "sum.golang.org")] == [200, 404]


def test_supported_is_not_said_while_a_tile_of_the_head_is_missing_or_damaged(mirror: Mirror) -> None:
    """`go` would fail through us, so it is told to ask the database itself, till the tile is back."""
    site, log = mirror
    tree = tlog.parse_tree(site.get(f"/sumdb/{log.name}/latest").body)
    path = tlog.tile_for_index(8, tlog.stored_hash_index(0, tree.n - 1))._replace(w=tree.n % 256).path()
    file = site.objects.local_path(store.tile_key(log.name, path))
    assert file is not None
    good, head = file.read_bytes(), site.catalog.tree_head(log.name)
    assert head is not None
    for broken in (None, fake.flip(good)):
        file.unlink(missing_ok=True)
        if broken is not None:
            file.write_bytes(broken)
        assert edge_problem(site.objects, log.name, head)
        site.wait(lambda: site.get(f"/sumdb/{log.name}/supported").status == 404)
    file.write_bytes(good)
    site.wait(lambda: site.get(f"/sumdb/{log.name}/supported").status == 200)


def test_latest_never_moves_back(make_site: Callable[..., Site]) -> None:
    """While heads advance, two workers and a restart say no less than was said before."""
    site, log = make_site("--workers", "2"), fake.SumDBLog({})
    seen: list[int] = []

    def look() -> None:
        seen.append(tlog.parse_tree(site.get(f"/sumdb/{log.name}/latest").body).n)

    for start in range(2):
        for _ in range(10):
            log.grow(3)
            site.catalog.set_tree_head(log.name, log.tree.n, log.latest())
            if site.process is None:
                site.start()
            look()
            look()
        assert not site.catalog.set_tree_head(log.name, 1, log.latest())
        if start == 0:
            assert site.stop() == 0
            site.process = None
    assert seen == sorted(seen)
    assert seen[-1] == log.tree.n


def test_a_lookup_is_the_record_and_the_newest_head(mirror: Mirror) -> None:
    """The record's number and text, an empty line, then what `latest` says."""
    site, log = mirror
    head = site.get(f"/sumdb/{log.name}/latest").body
    reply = site.get(f"/sumdb/{log.name}/lookup/example.com/!m0@v1.0.0")
    number, text, rest = tlog.parse_record(reply.body)
    assert (text, rest) == (log.records[number], head)
    assert reply.headers["Content-Type"] == "text/plain; charset=utf-8"


def test_a_partial_tile_is_cut_from_a_full_one(mirror: Mirror) -> None:
    """A client with an older head asks for fewer hashes of a tile that is full by now."""
    site, log = mirror
    full = log.tile(tlog.Tile(8, 0, 0, 256))
    assert full is not None
    site.objects.create(store.tile_key(log.name, "tile/8/0/000"), full)
    part = site.get(f"/sumdb/{log.name}/tile/8/0/000.p/17")
    assert (part.status, part.body) == (200, full[: 17 * 32])
    assert part.headers["Cache-Control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("what", ["lookup/example.com/other@v1.0.0", "tile/8/0/999", "tile/8/data/000"])
def test_what_is_not_mirrored_is_redirected(mirror: Mirror, what: str) -> None:
    """What only a client of another proxy can want is where the database answered validation."""
    site, log = mirror
    source = site.catalog.sumdb_source(log.name)
    reply = site.get(f"/sumdb/{log.name}/{what}")
    assert source is not None
    assert source.endswith(f"/sumdb/{log.name}")
    assert (reply.status, reply.headers["Location"]) == (302, f"{source}/{what}")


def test_a_tile_that_is_missed_is_noted_once(mirror: Mirror) -> None:
    """However often it is asked for; a lookup, a data tile and what is no tile are not."""
    site, log = mirror
    for what in (
        "lookup/example.com/never@v1.0.0",
        "tile/8/data/001",
        "tile/9/0/000",
        "tile/8/0/888",
        "tile/8/1/777.p/3",
    ):
        for _ in range(3):
            site.get(f"/sumdb/{log.name}/{what}")

    def noted() -> dict[str, int]:
        return {
            miss.query: miss.count for miss in site.catalog.misses() if miss.database and "8/0/999" not in miss.query
        }

    site.wait(lambda: noted() == {"tile/8/0/888": 1, "tile/8/1/777.p/3": 1})


def test_a_private_name_is_sent_nowhere(mirror: Mirror) -> None:
    """A version that we hold without a record is 404, with what to do about it, and no redirect."""
    site, log = mirror
    site.publish("example.com/private", "v1.0.0")
    reply = site.get(f"/sumdb/{log.name}/lookup/example.com/private@v1.0.0")
    assert (reply.status, reply.headers["Location"], "GONOSUMDB" in reply.text) == (404, None, True)


NONSENSE = (
    "lookup/example.com/M0@v1.0.0",
    "lookup/@v1.0.0",
    "lookup/x",
    "tile/8/0/000.p/0",
    "tile/9/0/000",
    "tile/8/0/1",
    "tile/8/0/../../latest",
    "after/3",
    "latest/",
    "supported/x",
)


@pytest.mark.parametrize("what", NONSENSE)
def test_what_no_database_has_is_404(mirror: Mirror, what: str) -> None:
    """Malformed lookups and tiles, and our own bookkeeping: not here, and not elsewhere."""
    site, log = mirror
    assert site.get(f"/sumdb/{log.name}/{what}").status == 404


def test_modules_of_the_next_proxy_are_verified_too(make_site: Callable[..., Site], tmp_path: Path) -> None:
    """GOPROXY=ours,other with the default GOSUMDB: the other's module is looked up where the database is."""
    here, there, file = (
        ModuleVersion("example.com/here", "v1.0.0"),
        ModuleVersion("example.com/there", "v1.0.0"),
        tmp_path / "zip",
    )
    with GoProxy() as proxy:
        sums = {}
        for mv in (here, there):
            made = proxy.add(mv.path, mv.version)
            file.write_bytes(made.zip)
            sums[mv] = fake.sums(file, made.mod)
        log = fake.SumDBLog(sums)
        with fake.SumDB(log=log) as database:
            site = make_site(GOPHERWOOD_SUMDB=f"{log.vkey} {database.url}", GOPHERWOOD_UPSTREAM=proxy.url)
            assert ingest.run(site.settings, wanted=[str(here)], style="json").exit_code == 0
            log.grow(300)
            site.start()
            environ = {name: value for name, value in os.environ.items() if not name.startswith("GO")}
            environ |= {"GOPROXY": f"{site.url},{proxy.url}", "GOSUMDB": log.vkey, "GOPATH": str(tmp_path / "go")}
            command = [toolchain.find_go(), "mod", "download", "-modcacherw", str(here), str(there)]
            done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
