"""The real checksum database of golang.org/x/mod, and its hostile twin, each a process of its own: our verbs and `go`.

What a mode of the twin does is told in tests/oracle/sumdbserver/hostile.go.
"""

import os
import shutil
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fakes import gosumdb
from fakes.gosumdb import KEY, NAME, Case, GoSumDB
from fakes.site import Site
from gopherwood import cli, discover, fetch, module, publish, store, tlog, toolchain
from gopherwood.catalog import Catalog, VersionRow
from gopherwood.config import Settings
from gopherwood.errors import EXIT_DONE, EXIT_FAILED, EXIT_INTEGRITY, ProofError
from gopherwood.module import ModuleVersion
from gopherwood.states import State
from gopherwood.store import open_store

MVS = [ModuleVersion(f"example.com/M{n}", "v1.0.0") for n in range(4)]
VICTIM = MVS[1]
SIZE = 767
"""Records of a log whose edge is of more subtrees than tiles: where tiles below it once went unchecked."""

pytestmark = [pytest.mark.upstream, pytest.mark.xdist_group("gosumdb")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write honest modules and forged ones of the same names, and build the program that serves them."""
    folder = tmp_path_factory.mktemp("gosumdb")
    gosumdb.write_tree(folder / "honest", MVS)
    gosumdb.write_tree(folder / "forged", MVS, content="backdoor")
    gosumdb.build(folder)
    return folder


@pytest.fixture(scope="module")
def start(folder: Path) -> Iterator[Callable[[], GoSumDB]]:
    """Give a way to start the program; whatever still runs at the end is killed."""
    started: list[GoSumDB] = []

    def begin() -> GoSumDB:
        started.append(GoSumDB(folder / "sumdbserver", folder / "honest", folder / "forged"))
        return started[-1]

    yield begin
    for server in started:
        server.kill()


@pytest.fixture(scope="module")
def server(start: Callable[[], GoSumDB]) -> GoSumDB:
    """Share one process: each test has a proxy and a log of its own in it."""
    return start()


@pytest.fixture
def case(server: GoSumDB) -> Case:
    """Return a log of SIZE records, the modules' among the first."""
    return grown(server.case())


def grown(case: Case) -> Case:
    for mv in MVS[:3]:
        urllib.request.urlopen(f"{case.database}/{lookup(mv)}").close()
    assert case.do("grow", SIZE) == SIZE
    return case


def lookup(mv: ModuleVersion) -> str:
    return f"lookup/{module.escape_path(mv.path)}@{mv.version}"


@pytest.fixture(scope="module")
def staged(folder: Path, server: GoSumDB) -> Path:
    """Fetch the first three modules, the third of them named by an index: what validate begins with."""
    settings = Settings(home=folder / "staged", upstream=server.case().url, sumdb=KEY)
    with Catalog.open(settings) as catalog:
        catalog.migrate()
        catalog.enqueue(MVS[:2], source="seed")
        catalog.enqueue(MVS[2:3], source="index")
    assert fetch.run(settings).staged == 3
    return settings.home


@pytest.fixture
def settings(staged: Path, case: Case, tmp_path: Path) -> Settings:
    """Return settings of a home with the staged modules, whose upstream is the case."""
    shutil.copytree(staged, tmp_path / "home")
    return Settings(home=tmp_path / "home", upstream=case.url, sumdb=KEY, timeout=0.2)


def validate(settings: Settings) -> int:
    """Run the command, and return its exit code."""
    told = ["--home", str(settings.home), "--upstream", settings.upstream, "--sumdb", settings.sumdb]
    return cli.main(["validate", *told, "--timeout", str(settings.timeout)])


def row(settings: Settings, mv: ModuleVersion = VICTIM) -> VersionRow:
    with Catalog.open(settings) as catalog:
        found = catalog.state_of(mv)
    assert found is not None
    return found


def mirrored(settings: Settings) -> set[str]:
    return {key for key in open_store(settings).keys("sumdb/") if "/misbehaviour/" not in key}


def evidence(settings: Settings, what: str) -> str:
    """Return what is kept of a lie that was told of in these words: each event names an object of the store."""
    with Catalog.open(settings) as catalog:
        payloads = [stored.event.payload for stored in catalog.events(kind="integrity")]
    (kept, *_) = [str(each["kept"]) for each in payloads if what in str(each["detail"])]
    return open_store(settings).read(kept).decode()


# --- honest, and lies about one moment


def test_an_honest_database_verifies(settings: Settings) -> None:
    """Every record is proved in the tree that Go's server signed, with the hashes that Go's dirhash computed."""
    assert validate(settings) == EXIT_DONE
    assert [row(settings, mv).state for mv in MVS[:3]] == [State.VALID] * 3


LIES = {
    "record": "the record shown is not the one its log holds as number 1",
    "leaf": "tile/8/0/000 is not its parent's",
    "tiles": "the right edge is not the tree head's",
    "bits": "downloaded inconsistent tile",
    "log": "note has no verifiable signatures",
    "key": "note has no verifiable signatures",
    "keyhash": "invalid signature for key sum.example",
    "other": f"record 0 was given for {VICTIM}, and does not speak of it",
    "lines": f"record 0 was given for {VICTIM}, and does not speak of it",
}


@pytest.mark.parametrize("mode", LIES)
def test_a_lie_is_exit_code_3_with_evidence(settings: Settings, case: Case, mode: str) -> None:
    """The version stays staged, nothing of it is mirrored, and the signed head that was shown is kept for people."""
    case.do(mode)
    assert validate(settings) == EXIT_INTEGRITY
    assert (row(settings).state, row(settings).reason) == (State.STAGED, "bad-proof")
    assert store.lookup_key(NAME, VICTIM) not in mirrored(settings)
    assert f"\n{SIZE}\n" in evidence(settings, LIES[mode])


@pytest.mark.parametrize("mode", ["leaf", "tiles", "log", "lines"])
def test_go_refuses_the_same(case: Case, mode: str, tmp_path: Path) -> None:
    """The stock command sees the forgeries that come with fitting content, through the lying proxy, as we do."""
    case.do(mode)
    done = go(tmp_path, case.url, VICTIM)
    assert done.returncode != 0
    assert not list(tmp_path.rglob("*.zip"))


# --- lies about history


def test_a_fork_is_exit_code_3_with_the_proof(settings: Settings, case: Case) -> None:
    """Two trees of one size, or a larger one that begins otherwise: both signed heads and the proof are kept."""
    assert validate(settings) == EXIT_DONE
    before = mirrored(settings)
    case.do("fork")
    for more in (0, 300):
        case.do("grow", SIZE + more)
        assert cli.main(["discover", "--source", "sumdb", *flags(settings)]) == EXIT_INTEGRITY
        said = evidence(settings, f"of {SIZE} and {SIZE + more} records contradict")
        assert said.count("go.sum database tree") == 2
    assert "have this hash, and its proof" in said
    assert mirrored(settings) == before


def flags(settings: Settings) -> list[str]:
    return ["--home", str(settings.home), "--upstream", settings.upstream, "--sumdb", settings.sumdb]


def test_a_log_that_was_rolled_back_moves_nothing_back(settings: Settings, case: Case) -> None:
    """Shorter, it looks like a late cache and is not followed; grown anew it has forked, and is exit code 3."""
    assert validate(settings) == EXIT_DONE
    assert case.do("rollback", 700) == 700
    with Catalog.open(settings) as catalog:
        catalog.record_misses([(f"sumdb/{NAME}", "tile/8/0/000")])
        discover.run(settings, "requests", catalog=catalog)
        assert tlog.parse_tree(catalog.tree_head(NAME) or b"").n == SIZE
        catalog.enqueue(MVS[3:], source="seed")
    fetch.run(settings)
    assert validate(settings) == EXIT_INTEGRITY
    assert "contradict" in row(settings, MVS[3]).detail


# --- absence


@pytest.mark.parametrize("mode", ["notfound", "gone"])
def test_a_denial_of_what_an_index_lists_is_asked_again(settings: Settings, case: Case, mode: str) -> None:
    """Nobody signs a 404: what the world knows to be there is withheld, and waits; what nobody listed is rejected."""
    case.do(mode)
    assert validate(settings) == EXIT_FAILED
    assert (row(settings, MVS[2]).state, row(settings, MVS[2]).reason) == (State.STAGED, "withheld")
    assert "no record of what the source index lists" in row(settings, MVS[2]).detail
    assert (row(settings).state, row(settings).reason) == (State.REJECTED, "unverifiable")


ABSENCE = {"busy": "fetch timed out", "silent": "no byte for", "notiles": "withholds tile/8/1/000.p/2"}


@pytest.mark.parametrize("mode", ABSENCE)
def test_what_does_not_answer_is_asked_again(settings: Settings, case: Case, mode: str) -> None:
    """A database that fails, hangs or withholds tiles: a retry may help, nothing is believed, nobody is accused."""
    case.do(mode)
    assert validate(settings) == EXIT_FAILED
    assert (row(settings).state, row(settings).reason) == (State.STAGED, "upstream")
    assert ABSENCE[mode] in row(settings).detail
    assert not [key for key in mirrored(settings) if "/lookup/" in key]
    with Catalog.open(settings) as catalog:
        assert not catalog.events(kind="integrity")


# --- the mirror, and the stock client


def go(gopath: Path, proxy: str, *wanted: ModuleVersion) -> "subprocess.CompletedProcess[str]":
    """Run `go mod download` with nothing of the user's Go configuration but a key; GOPATH keeps the head it saw."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GO")}
    environ |= {"GOPROXY": f"{proxy},off", "GOSUMDB": KEY, "GOPATH": str(gopath), "GOFLAGS": "-modcacherw"}
    environ |= {"GOTOOLCHAIN": "local", "GOENV": "off"}
    gopath.mkdir(exist_ok=True)
    command = [toolchain.find_go(), "mod", "download", *map(str, wanted)]
    return subprocess.run(command, cwd=gopath, env=environ, capture_output=True, text=True, timeout=60)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Give a server that is not started yet."""
    site = Site.new(tmp_path / "site")
    yield site
    site.stop()


def bring(site: Site, case: Case, *wanted: ModuleVersion) -> Settings:
    """Publish modules that a case serves and its database knows."""
    settings = replace(site.settings, upstream=case.url, sumdb=KEY)
    site.catalog.enqueue(wanted, source="seed")
    fetch.run(settings)
    assert validate(settings) == EXIT_DONE
    assert publish.run(settings).published == len(wanted)
    return settings


def latest(site: Site) -> int:
    return tlog.parse_tree(site.get(f"/sumdb/{NAME}/latest").body).n


def test_go_verifies_all_of_it_with_the_upstream_unplugged(
    start: Callable[[], GoSumDB], site: Site, tmp_path: Path
) -> None:
    """Proxy and database are a process, and it is killed: an empty cache and the database's key are all `go` needs."""
    upstream = start()
    case = grown(upstream.case())
    bring(site, case, *MVS[:2])
    case.do("grow", 3 * SIZE)
    settings = bring(site, case, *MVS[2:])
    site.start()
    head = latest(site)
    assert head == 3 * SIZE + 1
    case.do("rollback", SIZE)
    site.catalog.record_misses([(f"sumdb/{NAME}", "tile/8/0/000")])
    discover.run(settings, "requests")
    upstream.kill()
    done = go(tmp_path / "go", site.url, *MVS)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "go/pkg/mod/cache/download/sumdb").rglob("lookup/**/*@v*"))) == len(MVS)
    assert latest(site) == head


def test_tiles_for_a_client_that_saw_a_newer_head_are_mirrored_when_missed(
    case: Case, site: Site, tmp_path: Path
) -> None:
    """Missed once, they are noted; the next discovery of requests proves and keeps them; then nobody else is needed."""
    settings = bring(site, case, MVS[0])
    site.start()
    case.do("grow", 2 * SIZE)
    assert go(tmp_path / "go", case.url, MVS[3]).returncode == 0  # elsewhere: a head of one more
    case.do("grow", 2 * SIZE + 100)
    case.do("notiles")
    assert go(tmp_path / "go", site.url, MVS[0]).returncode != 0
    site.wait(lambda: any(miss.database == NAME for miss in site.catalog.misses()))
    case.do("honest")
    result = discover.run(settings, "requests")
    assert (result.tiles > 0, result.exit_code) == (True, EXIT_DONE)
    assert not site.catalog.misses()
    case.do("notiles")
    done = go(tmp_path / "go", site.url, MVS[0])
    assert done.returncode == 0, done.stderr


def test_missed_tiles_of_a_database_that_lies_are_exit_code_3(case: Case, site: Site) -> None:
    """Told of as an event with evidence; what was asked for is not mirrored, and stays noted."""
    settings = bring(site, case, MVS[0])
    site.catalog.record_misses([(f"sumdb/{NAME}", "tile/8/0/001"), (f"sumdb/{NAME}", "tile/8/0/999")])
    case.do("bits")
    with pytest.raises(ProofError):
        discover.run(settings, "requests")
    assert "tile/8/0/001" in evidence(settings, "inconsistent tile")
    assert store.tile_key(NAME, "tile/8/0/001") not in mirrored(settings)
    assert len(site.catalog.misses()) == 2
    case.do("honest")
    result = discover.run(settings, "requests")
    assert (result.tiles, result.bad, site.catalog.misses()) == (1, 1, [])


def test_go_refuses_what_was_forged_in_our_mirror(case: Case, site: Site, tmp_path: Path) -> None:
    """Whoever writes into the store can make content, record and leaf tile fit each other, and not the signed head."""
    settings = bring(site, case, VICTIM)
    case.do("leaf")
    for what in (lookup(VICTIM), "tile/8/0/000"):
        with urllib.request.urlopen(f"{case.database}/{what}") as reply:
            forged = reply.read()
        number, text, _ = tlog.parse_record(forged) if what.startswith("lookup") else (0, b"", b"")
        overwrite(settings, store.tile_key(NAME, what), tlog.format_record(number, text) if text else forged)
    for suffix in (".zip", ".mod"):
        with urllib.request.urlopen(f"{case.url}/{store.key(VICTIM, suffix)}") as reply:
            overwrite(settings, store.key(VICTIM, suffix), reply.read())
    site.start()
    assert site.get(f"/sumdb/{NAME}/supported").status == 200
    done = go(tmp_path / "go", site.url, VICTIM)
    assert done.returncode != 0
    assert "inconsistent tile" in done.stderr
    edge = f"tile/8/0/002.p/{SIZE % 256}"
    overwrite(settings, store.tile_key(NAME, edge), bytes(SIZE % 256 * 32))
    site.wait(lambda: site.get(f"/sumdb/{NAME}/supported").status == 404)


def overwrite(settings: Settings, key: str, data: bytes) -> None:
    """Write other bytes over an object of the store: what no code of ours can do."""
    path = open_store(settings).local_path(key)
    assert path is not None
    path.chmod(0o644)
    path.write_bytes(data)
